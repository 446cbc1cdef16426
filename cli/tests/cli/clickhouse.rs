//! The same on a ClickHouse server: `discover --store`, `map`, `rules` and `status`.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

#[path = "../../../tests/support/clickhouse/mod.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

#[test]
fn a_server_gives_the_map_and_the_rules_that_the_capture_gave() {
    let (folder, store) = (folder(), server::fresh_location());
    let ask =
        |line: &[&str]| stdout(&watershed(&folder).args(line).args(["--store", &store]).assert().success());
    capture::write(&folder, "shop.pcap");
    let printed = ask(&["discover", "shop.pcap", "--out", "captured"]);
    assert!(printed.ends_with(&format!("\nAdded to {store} as seen by agent local\n")), "{printed}");
    let again = ask(&["discover", "shop.pcap"]);
    assert!(again.ends_with(&format!("{store} has these captures already: nothing was added\n")), "{again}");
    ask(&["map", "--out", "stored"]);
    ask(&["rules", "--out", "stored"]);
    let read =
        |directory: &str, name: &str| fs::read_to_string(folder.path().join(directory).join(name)).unwrap();
    for file in ["graph.json", "edges.jsonl", "edges.csv", "rules.json", "rules.nft", "certificate.json"] {
        assert_eq!(read("stored", file), read("captured", file), "{file}");
    }
    assert!(ask(&["status"]).contains("local"));
}

#[test]
fn a_password_is_in_a_file_and_nowhere_else() {
    let folder = folder();
    let refused = watershed(&folder).args(["map", "--store", "clickhouse://me:s3cret@localhost/x"]).assert();
    let told = stderr(&refused.code(2));
    // The parser of arguments repeats what was typed, to the one who typed it; what is ours does not.
    assert!(told.contains("clickhouse.password_file"), "{told}");
    fs::write(folder.path().join("password"), "s3cret\n").unwrap();
    let line =
        ["map", "--store", "clickhouse://me@127.0.0.1:1/x", "--set", "clickhouse.password_file=password"];
    let told = stderr(&watershed(&folder).args(line).assert().code(1));
    assert!(told.contains("cannot open the store clickhouse://me@127.0.0.1:1/x now"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

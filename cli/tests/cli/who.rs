//! `who`: whose an address was, by the inventory and by a store.

use std::fs;

use crate::{capture, folder, stderr, stdout, watershed};

const HOSTS: &str = "\
address,name,role,valid_from,valid_to
10.0.0.1,old-web,web,,2026-01-01
10.0.0.1,web,web,2026-01-01,
";

#[test]
fn an_address_is_whose_it_was_then() {
    let folder = folder();
    fs::write(folder.path().join("hosts.csv"), HOSTS).unwrap();
    let who = |more: &[&str]| {
        let mut command = watershed(&folder);
        stdout(&command.args(["who", "10.0.0.1", "-i", "hosts.csv"]).args(more).assert().success())
    };
    let told = who(&["--at", "2025-12-31T23:59:59"]);
    assert!(told.contains("At 2025-12-31T23:59:59Z: old-web\n"), "{told}");
    assert!(told.contains("2026-01-01 00:00:00  now                  web       role=web"), "{told}");
    let json = who(&["--at", "2026-01-01", "--format", "json"]);
    assert!(json.contains("\"workload\":\"web\""), "{json}");
}

#[test]
fn a_store_tells_as_what_an_address_was_seen() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let store = ["--store", "sqlite:edges.db"];
    watershed(&folder).args(["discover", "shop.pcap"]).args(store).assert().success();
    let told = stdout(&watershed(&folder).args(["who", "10.0.0.1"]).args(store).assert().success());
    assert!(told.contains("Seen in sqlite:edges.db\n") && told.contains("client"), "{told}");
    let never = stdout(&watershed(&folder).args(["who", "192.0.2.1"]).args(store).assert().success());
    assert!(never.ends_with("\n  never\n"), "{never}");
}

#[test]
fn somebody_must_be_asked() {
    let told = stderr(&watershed(&folder()).args(["who", "10.0.0.1"]).assert().code(2));
    assert!(told.contains("name an inventory (--inventory FILE) or a store"), "{told}");
    let told = stderr(&watershed(&folder()).args(["who", "web1"]).assert().code(2));
    assert!(told.contains("invalid value 'web1'"), "{told}");
}

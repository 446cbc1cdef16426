//! `discover --store`, `map`, `rules` and `status`: what is kept from one run to the next.

use std::fs;

use tempfile::TempDir;

use crate::{capture, folder, stderr, stdout, watershed};

const STORE: [&str; 2] = ["--store", "sqlite:edges.db"];

/// Seconds of a day.
const DAY: u32 = 86_400;

/// Adds a capture with some more arguments; what is printed.
fn add(folder: &TempDir, capture: &str, more: &[&str]) -> String {
    stdout(&watershed(folder).args(["discover", capture]).args(STORE).args(more).assert().success())
}

/// Runs `map`, `rules` or `status`.
fn ask(folder: &TempDir, command: &str, more: &[&str]) -> String {
    stdout(&watershed(folder).arg(command).args(STORE).args(more).assert().success().stderr(""))
}

/// Port 80's connections in the store, by period arguments.
fn connections(folder: &TempDir, period: &[&str]) -> Option<u64> {
    ask(folder, "map", &[period, &["--out", "asked"]].concat());
    let edges = fs::read_to_string(folder.path().join("asked/edges.jsonl")).unwrap();
    let web = edges.lines().find(|line| line.contains("\"client\":\"10.0.0.1\"") && line.contains(":80,"))?;
    let number = web.split("\"connections\":").nth(1).unwrap();
    Some(number.split(',').next().unwrap().parse().unwrap())
}

fn two_days(folder: &TempDir) {
    capture::write(folder, "monday.pcap");
    fs::write(folder.path().join("tuesday.pcap"), capture::bytes_from(capture::START + DAY)).unwrap();
}

#[test]
fn a_store_gives_the_map_and_the_rules_that_the_capture_gave() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let printed = add(&folder, "shop.pcap", &["--out", "captured"]);
    assert!(printed.ends_with("\nAdded to sqlite:edges.db as seen by agent local\n"), "{printed}");
    ask(&folder, "map", &["--out", "stored"]);
    ask(&folder, "rules", &["--out", "stored"]);
    let read =
        |directory: &str, name: &str| fs::read_to_string(folder.path().join(directory).join(name)).unwrap();
    for file in
        ["graph.json", "graph.dot", "edges.jsonl", "edges.csv", "rules.json", "rules.nft", "certificate.json"]
    {
        assert_eq!(read("stored", file), read("captured", file), "{file}");
    }
    let summary = read("stored", "summary.txt").replace("sqlite:edges.db", "shop.pcap");
    assert_eq!(summary, read("captured", "summary.txt"));
}

#[test]
fn a_capture_that_is_added_twice_counts_once() {
    let folder = folder();
    two_days(&folder);
    add(&folder, "monday.pcap", &[]);
    fs::rename(folder.path().join("monday.pcap"), folder.path().join("renamed.pcap")).unwrap();
    let printed = add(&folder, "renamed.pcap", &["--threads", "2"]);
    assert!(
        printed.ends_with("sqlite:edges.db has these captures already: nothing was added\n"),
        "{printed}"
    );
    assert_eq!(connections(&folder, &[]), Some(2));
    add(&folder, "tuesday.pcap", &[]);
    assert_eq!(connections(&folder, &[]), Some(4));
}

#[test]
fn a_cut_capture_is_cut_once() {
    let folder = folder();
    let bytes = capture::bytes();
    fs::write(folder.path().join("cut.pcap"), &bytes[..bytes.len() - 20]).unwrap();
    for _ in 0..2 {
        watershed(&folder).args(["discover", "cut.pcap"]).args(STORE).assert().code(1);
    }
    let status = ask(&folder, "status", &["--out", "status"]);
    assert!(status.contains("1  captures cut in the middle of a packet"), "{status}");
    let json = fs::read_to_string(folder.path().join("status/status.json")).unwrap();
    assert!(json.contains("\"loss\":\"capture_cut\",\"count\":1"), "{json}");
}

#[test]
fn captures_of_several_agents_show_the_same_traffic() {
    let folder = folder();
    two_days(&folder);
    add(&folder, "monday.pcap", &["--agent", "node1"]);
    add(&folder, "monday.pcap", &["--agent", "node2"]);
    assert_eq!(connections(&folder, &[]), Some(2));
    let status = ask(&folder, "status", &[]);
    assert!(status.contains("node1") && status.contains("node2"), "{status}");
}

#[test]
fn a_period_is_asked_for_by_its_length_or_its_ends() {
    let folder = folder();
    two_days(&folder);
    add(&folder, "monday.pcap", &[]);
    add(&folder, "tuesday.pcap", &[]);
    for (period, expected) in [
        (&["--since", "1h"][..], Some(2)),
        (&["--since", "2d"], Some(4)),
        (&["--since", "1h", "--now", "2023-11-14T22:30:00Z"], Some(2)),
        (&["--since", "1h", "--now", "2024-01-01"], None),
        (&["--from", "2023-11-15"], Some(2)),
        (&["--to", "2023-11-15"], Some(2)),
        (&["--from", "2023-11-14", "--to", "2023-11-16"], Some(4)),
        (&["--from", "2024-01-01"], None),
        (&["--to", "2020-01-01"], None),
    ] {
        assert_eq!(connections(&folder, period), expected, "{period:?}");
    }
    for wrong in
        [&["--since", "1h", "--from", "2023-11-14"][..], &["--since", "ever"], &["--now", "2024-01-01"]]
    {
        watershed(&folder).arg("rules").args(STORE).args(wrong).assert().code(2).stdout("");
    }
    let backwards = ["--from", "2023-11-16", "--to", "2023-11-14"];
    let run = watershed(&folder).arg("map").args(STORE).args(backwards).assert().code(1).stdout("");
    assert!(
        stderr(&run).ends_with("before it starts at 2023-11-16T00:00:00Z; swap the two\n"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn what_is_older_than_the_retention_goes() {
    let folder = folder();
    two_days(&folder);
    add(&folder, "monday.pcap", &[]);
    let retention = ["--set", "store.retention=12h"];
    let printed = add(&folder, "tuesday.pcap", &retention);
    assert!(printed.ends_with("Deleted as older than store.retention: 1 hour with 14 edges\n"), "{printed}");
    assert_eq!(connections(&folder, &[]), Some(2));
    // What has been deleted does not come back.
    add(&folder, "monday.pcap", &retention);
    assert_eq!(connections(&folder, &[]), Some(2));
    let status = ask(&folder, "status", &retention);
    assert!(status.contains("Retention keeps 12h; deleted so far: 1 hour with 14 edges"), "{status}");
}

#[test]
fn a_packet_with_a_time_to_come_makes_nothing_old() {
    let folder = folder();
    capture::write(&folder, "now.pcap");
    fs::write(folder.path().join("later.pcap"), capture::bytes_from(u32::MAX - 100)).unwrap();
    let retention = ["--set", "store.retention=36500d"];
    add(&folder, "now.pcap", &retention);
    let printed = add(&folder, "later.pcap", &retention);
    assert!(printed.ends_with("as seen by agent local\n"), "{printed}");
    assert_eq!(connections(&folder, &[]), Some(4));
}

#[test]
fn what_is_no_store_is_refused_in_one_line() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("notes.txt"), "meeting at noon, in the large room\n".repeat(40)).unwrap();
    for (line, code, expected) in [
        (&["map", "--store", "sqlite:none.db"][..], 1, "cannot open the store none.db: there is none"),
        (
            &["status", "--store", "sqlite:notes.txt"],
            1,
            "cannot use notes.txt as a store: it is no SQLite database",
        ),
        (&["discover", "shop.pcap", "--store", "sqlite:notes.txt"], 1, "cannot use notes.txt as a store"),
        (&["discover", "shop.pcap", "--store", "sqlite:a/b.db"], 1, "cannot open the store a/b.db"),
        (&["rules", "--store", "memory"], 1, "a store in memory keeps nothing"),
        (&["discover", "-", "--store", "sqlite:edges.db"], 2, "cannot add standard input to a store"),
    ] {
        let run = watershed(&folder).args(line).assert().code(code).stdout("");
        let message = stderr(&run);
        assert!(message.starts_with(&format!("watershed: {expected}")), "{line:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    assert!(!folder.path().join("none.db").exists() && !folder.path().join("edges.db").exists());
    let run = watershed(&folder).args(["map", "--store", "postgres://db"]).assert().code(2).stdout("");
    assert!(
        stderr(&run).contains("there is no store `postgres://db`: write memory, sqlite:PATH"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn a_capture_that_is_read_otherwise_the_second_time_is_refused() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    add(&folder, "shop.pcap", &[]);
    let other = ["discover", "shop.pcap", "--set", "flow.active_report=1ms"];
    let run = watershed(&folder).args(other).args(STORE).assert().code(1);
    assert!(stderr(&run).contains("the store has it with other content; read it with the same settings"));
    assert_eq!(connections(&folder, &[]), Some(2));
}

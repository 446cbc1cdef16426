//! `watershed discover`: the summary and the files.

use std::fs;

use crate::{capture, folder, stdout, watershed};

const FILES: [&str; 16] = [
    "certificate.json",
    "default-deny-revert.nft",
    "default-deny.nft",
    "edges.csv",
    "edges.jsonl",
    "flows.jsonl",
    "graph.dot",
    "graph.graphml",
    "graph.json",
    "graph.mmd",
    "groups.yaml",
    "report.html",
    "rules.csv",
    "rules.json",
    "rules.nft",
    "summary.txt",
];

#[test]
fn the_summary_says_what_matters_within_a_hundred_columns() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let run = watershed(&folder).args(["discover", "shop.pcap"]).assert().success().stderr("");
    let text = stdout(&run);
    for expected in [
        "shop.pcap  30 packets, ",
        "100 % understood: 30 packets in 15 connections",
        "10.0.0.1  10.0.0.2   tcp/80 http",
        "shop.example",
        "203.0.113.66  port scan",
        "2 dependencies replayed as 2 connections: all allowed",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\u{1b}'), "colours only on a terminal: {text:?}");
}

#[test]
fn everything_is_written_and_a_second_run_writes_the_same() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let out = folder.path().join("map");
    let read = || -> Vec<(String, Vec<u8>)> {
        let names =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = names.map(|name| (name.clone(), fs::read(out.join(name)).unwrap())).collect();
        files.sort();
        files
    };
    let run = |threads| {
        let assert =
            watershed(&folder).args(["discover", "shop.pcap", "--out", "map", "--threads", threads]).assert();
        stdout(&assert.success())
    };
    let (printed, written) = (run("1"), read());
    assert_eq!(written.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), FILES);
    assert!(written.iter().all(|(_, bytes)| !bytes.is_empty()));
    assert!(printed.starts_with(&fs::read_to_string(out.join("summary.txt")).unwrap()));
    fs::write(out.join("graph.dot"), "stale").unwrap();
    assert_eq!((run("2"), read()), (printed, written));
}

#[test]
fn a_scan_becomes_no_rule() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    watershed(&folder).args(["discover", "shop.pcap", "--out", "map"]).assert().success();
    let rules = fs::read_to_string(folder.path().join("map/rules.nft")).unwrap();
    assert!(rules.contains("10.0.0.2") && !rules.contains("203.0.113.66"), "{rules}");
}

#[test]
fn colours_come_when_asked_for() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let colored = |color: &str, no_color: &str| {
        let mut command = watershed(&folder);
        let assert =
            command.args(["discover", "shop.pcap", "--color", color]).env("NO_COLOR", no_color).assert();
        stdout(&assert.success()).contains("\u{1b}[1m")
    };
    assert!(colored("always", ""));
    assert!(!colored("auto", "1"));
    assert!(!colored("never", ""));
}

#[test]
fn proposed_groups_are_an_inventory() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    watershed(&folder).args(["discover", "shop.pcap", "--out", "out"]).assert().success();
    let proposed = fs::read_to_string(folder.path().join("out/groups.yaml")).unwrap();
    assert!(proposed.contains("name: "), "{proposed}");
    let fed_back = ["discover", "shop.pcap", "--inventory", "out/groups.yaml", "--out", "again"];
    watershed(&folder).args(fed_back).assert().success();
    let graph = fs::read_to_string(folder.path().join("again/graph.json")).unwrap();
    assert!(graph.contains("\"labels\":{\"app\":"), "{graph}");
}

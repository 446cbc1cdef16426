//! `run` on captures: what it keeps, and what it refuses.

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;

use crate::{capture, folder, stderr, stdout, watershed};

const RUN: [&str; 4] = ["run", "shop.pcap", "--set", "metrics.listen=none"];

/// The edges of a store, by `map`.
fn edges(folder: &TempDir, store: &str) -> String {
    watershed(folder).args(["map", "--store", store, "--out", "asked"]).assert().success();
    fs::read_to_string(folder.path().join("asked/edges.jsonl")).unwrap()
}

#[test]
fn a_capture_is_kept_as_discover_keeps_it_and_once() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    watershed(&folder).args(["discover", "shop.pcap", "--store", "sqlite:discovered.db"]).assert().success();
    for _ in 0..2 {
        let run = watershed(&folder).args(RUN).args(["--store", "sqlite:run.db"]).assert();
        assert!(stderr(&run.success().stdout("")).contains("ended, all is kept"));
        assert_eq!(edges(&folder, "sqlite:run.db"), edges(&folder, "sqlite:discovered.db"));
    }
    let status = watershed(&folder).args(["status", "--store", "sqlite:run.db"]).assert().success();
    assert!(stdout(&status).contains("LOSS LEDGER  empty"), "{}", stdout(&status));
}

#[test]
fn what_is_old_is_deleted_while_it_runs() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    fs::write(folder.path().join("later.pcap"), capture::bytes_from(capture::START + 86_400)).unwrap();
    watershed(&folder).args(RUN).args(["--store", "sqlite:run.db"]).assert().success();
    let later = ["run", "later.pcap", "--store", "sqlite:run.db", "--set", "metrics.listen=none"];
    let run = watershed(&folder).args(later).args(["--set", "store.retention=12h"]).assert().success();
    assert!(stderr(&run).contains("deleted as older than store.retention hours=1"), "{}", stderr(&run));
    let status = watershed(&folder).args(["status", "--store", "sqlite:run.db"]).assert().success();
    assert!(stdout(&status).contains("Holds 1 hour with 14 edges"), "{}", stdout(&status));
}

#[test]
fn logs_are_json_when_asked_for() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let line = ["--store", "sqlite:run.db", "--set", "log.format=json"];
    let run = watershed(&folder).args(RUN).args(line).assert().success();
    let last = stderr(&run).lines().last().unwrap().to_owned();
    let event: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&event["level"], &event["message"]), (&"INFO".into(), &"ended, all is kept".into()));
    let run = watershed(&folder).args(RUN).args(line).args(["--set", "log.level=warn"]).assert().success();
    assert_eq!(stderr(&run), "");
}

#[test]
fn what_cannot_work_is_told_before_anything_is_captured() {
    let folder = folder();
    capture::write(&folder, "shop.pcap");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("metrics.listen={}", taken.local_addr().unwrap());
    for (line, expected) in [
        (&["--store", "memory"][..], "name the store as sqlite:PATH"),
        (&["--store", "sqlite:a.db", "--set", &listen], "cannot serve metrics on 127.0.0.1:"),
        (&["--store", "sqlite:a.db", "--set", "metrics.listen=here"], "write an address with its port"),
        (&["--store", "sqlite:a.db", "--set", "log.level=loud"], "write one of error, warn, info, debug"),
        (&["--store", "sqlite:a.db", "-i", "none.yaml"], "cannot read inventory none.yaml"),
        (&[], "--store <STORE>"),
    ] {
        let run = watershed(&folder).args(RUN).args(line).assert().code(2).stdout("");
        assert!(stderr(&run).contains(expected), "{line:?}: {}", stderr(&run));
    }
    assert!(!folder.path().join("a.db").exists());
}

//! A store on disk while the program that fills it is killed again and again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, Stdio};

use watershed_aggregator::{SqliteStore, StoreConfig};
use watershed_tests::binary;
use watershed_tests::capture::CaptureWriter;
use watershed_tests::traffic::{TrafficConfig, generate};

/// How often the program is killed.
const KILLS: usize = 20;

#[test]
fn a_capture_added_with_twenty_kills_in_between_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = BufWriter::new(File::create(folder.join("traffic.pcap")).unwrap());
    let mut writer = CaptureWriter::new(file, 128).unwrap();
    let traffic = TrafficConfig { packets: 300_000, concurrent: 2_000, seed: 5 };
    generate(traffic, |time, frame| writer.write(time, frame)).unwrap();
    writer.finish().unwrap();
    assert!(discover(folder, "whole.db").status().unwrap().success());
    let whole = batches(&folder.join("whole.db"));
    assert!(whole > 2 * KILLS as u64, "{whole} batches are too few to be killed in between");

    let mut random = fastrand::Rng::with_seed(11);
    let path = folder.join("killed.db");
    let mut kept = 0;
    for kill in 1..=KILLS as u64 {
        // Spread over the whole of the work; what was added before takes no time the second time.
        let target = whole * kill / (KILLS as u64 + 1);
        let mut child = discover(folder, "killed.db").spawn().unwrap();
        let mut seen = 0;
        while seen < target && child.try_wait().unwrap().is_none() {
            seen = batches(&path);
        }
        (0..random.u32(0..300_000)).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        let now = batches(&path);
        assert!(now >= seen.max(kept), "another program saw {seen} batches, of which {now} are left");
        kept = now;
    }
    assert!(discover(folder, "killed.db").status().unwrap().success());
    assert_eq!(batches(&path), whole);
    for file in ["edges.jsonl", "graph.json", "summary.txt"] {
        assert_eq!(told(folder, "killed.db", file), told(folder, "whole.db", file), "{file}");
    }
}

/// Adds the capture to a store, in so many batches that there is something to interrupt.
fn discover(folder: &Path, store: &str) -> Command {
    let mut command = Command::new(binary::watershed().unwrap());
    command.current_dir(folder).env_clear().stdout(Stdio::null());
    command.args(["discover", "traffic.pcap", "--set", "flow.active_report=5ms", "--store"]);
    command.arg(format!("sqlite:{store}"));
    command
}

/// How many batches another program sees in the store; none where there is no store yet.
fn batches(path: &Path) -> u64 {
    let store = SqliteStore::open_existing(path, &StoreConfig::default());
    let status = store.and_then(|store| store.status());
    status.map_or(0, |status| status.agents.first().map_or(0, |agent| agent.batches))
}

/// What `watershed map` writes of a store.
fn told(folder: &Path, store: &str, file: &str) -> String {
    let mut command = Command::new(binary::watershed().unwrap());
    command.current_dir(folder).env_clear().stdout(Stdio::null());
    command.args(["map", "--out", "map", "--store"]).arg(format!("sqlite:{store}"));
    assert!(command.status().unwrap().success());
    fs::read_to_string(folder.join("map").join(file)).unwrap().replace(store, "store")
}

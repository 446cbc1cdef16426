//! What an agent takes of memory while somebody floods the network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::BufWriter;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use watershed_model::Timestamp;
use watershed_tests::binary;
use watershed_tests::capture::{CaptureWriter, WHOLE};

/// Distinct sources that send a SYN each: twenty times as many as an agent follows at a time.
const SOURCES: u32 = 5_000_000;

/// Time between two of them: a hundred thousand a second.
const PAUSE: i64 = 10_000;

/// What an agent may take of its node.
const LIMIT: u64 = 100 << 20;

/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A SYN to one service; the source is filled in.
fn syn(source: u32) -> [u8; 54] {
    let mut frame = [0; 54];
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    frame[17] = 40;
    frame[23] = 6;
    frame[26..30].copy_from_slice(&(0x0a00_0000 + source).to_be_bytes());
    frame[30..34].copy_from_slice(&[192, 0, 2, 1]);
    frame[34..38].copy_from_slice(&[0x9c, 0x40, 0, 80]);
    frame[46..48].copy_from_slice(&[0x50, 2]);
    frame
}

/// The most that the process has had in memory so far, octets; `None` once it is over.
fn peak(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// What an agent that nobody takes batches from has had in memory after the flood, and what it said.
fn flooded(more: &[&str]) -> (u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Command::new(binary::watershed().unwrap());
    agent.args(["collect", "-", "--kafka", "127.0.0.1:1", "--set", "metrics.listen=none", "--spool"]);
    agent.arg(folder.path()).args(more);
    let mut agent = agent.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut capture = CaptureWriter::new(BufWriter::new(agent.stdin.take().unwrap()), WHOLE).unwrap();
    for source in 0..SOURCES {
        let time = Timestamp::from_nanos(1_767_225_600_000_000_000 + i64::from(source) * PAUSE);
        capture.write(time, &syn(source)).unwrap();
    }
    capture.finish().unwrap();
    let mut most = 0;
    while agent.try_wait().unwrap().is_none() {
        most = most.max(peak(&agent).unwrap_or(0));
        thread::sleep(LOOK_EVERY);
    }
    let done = agent.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    (most, said)
}

#[test]
fn an_agent_stays_small_under_a_flood_of_sources() {
    for more in [&[][..], &["--summary", "service"]] {
        let (most, said) = flooded(more);
        assert!(said.contains("0 batches shipped"), "{said}");
        let mebibytes = most as f64 / f64::from(1 << 20);
        println!("flood: SYNs of {SOURCES} sources, agent {more:?}: at most {mebibytes:.0} MiB in memory");
        assert!((1..LIMIT).contains(&most), "{mebibytes} MiB");
    }
}

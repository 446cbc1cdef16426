//! A program that appends to an SQLite store is killed again and again: what it had acknowledged is there,
//! once, and nothing else is.
//!
//! This is a program of its own, not a list of tests, because it starts itself as the one that is killed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use watershed_aggregator::{
    Aggregator, AggregatorConfig, FlowStore, MemoryStore, OpenInventory, SqliteStore, StoreConfig,
};
use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    NameObservation, Protocol, Snapshot, Timestamp, Traffic,
};

/// As its first argument: be the one that is killed, on the store named by the second.
const APPEND: &str = "append-until-killed";

/// Batches that there are, and records in each.
const BATCHES: u64 = 300;
const RECORDS: u64 = 60;

/// How often the program is killed.
const KILLS: usize = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1..3) {
        Some([role, path]) if role == APPEND => append(Path::new(path)),
        _ => kill_and_look(),
    }
}

/// Appends every batch in order, each when an octet on standard input permits it, and says the number of each
/// once the store has it.
fn append(path: &Path) {
    let store = SqliteStore::open(path, &StoreConfig::default()).unwrap();
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    let mut out = std::io::stdout().lock();
    for number in 0..BATCHES {
        std::io::stdin().read_exact(&mut [0]).unwrap();
        aggregator.ingest(batch(number)).unwrap();
        writeln!(out, "{number}").and_then(|()| out.flush()).unwrap();
    }
}

fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edges.db");
    let mut random = fastrand::Rng::with_seed(7);
    let mut kept = 0;
    for _ in 0..KILLS {
        let acknowledged = append_and_kill(&path, kept + random.u64(0..9), random.u32(0..400_000));
        let now = look(&path);
        assert!(now >= acknowledged.max(kept), "{acknowledged} batches acknowledged, {now} kept");
        kept = now;
    }
    assert!((KILLS as u64..BATCHES).contains(&kept), "kills hit the work, and not only its start: {kept}");
    append_and_kill(&path, BATCHES, 0);
    assert_eq!(look(&path), BATCHES);
}

/// Batches that it may go on with before the kill comes, so that a fast machine does not finish first.
const AHEAD: u64 = 2;

/// Starts the program and kills it a moment after so many batches; how many it acknowledged.
fn append_and_kill(path: &Path, after: u64, moment: u32) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child =
        command.arg(APPEND).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let permits = vec![b'.'; (after + AHEAD).min(BATCHES) as usize];
    child.stdin.as_mut().unwrap().write_all(&permits).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    while acknowledged < after
        && let Some(line) = lines.next()
    {
        acknowledged = line.unwrap().parse::<u64>().unwrap() + 1;
    }
    (0..moment).for_each(|_| std::hint::spin_loop());
    child.kill().unwrap();
    // What was on its way when the kill came was acknowledged, too.
    let last = lines.map_while(Result::ok).filter_map(|line| line.parse::<u64>().ok()).last();
    child.wait().unwrap();
    last.map_or(acknowledged, |number| number + 1)
}

/// Checks that the store holds a number of whole batches and tells how many.
fn look(path: &Path) -> u64 {
    let store = SqliteStore::open(path, &StoreConfig::default()).unwrap();
    let kept = store.status().unwrap().agents.first().map_or(0, |agent| agent.batches);
    assert_eq!(store.snapshot(None).unwrap(), expected(kept));
    kept
}

/// What the memory store tells of the first batches.
fn expected(batches: u64) -> Snapshot {
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    (0..batches).for_each(|number| aggregator.ingest(batch(number)).unwrap());
    aggregator.finish().unwrap().snapshot(None).unwrap()
}

/// Connections to a few services, so that most batches add to rows that are there.
fn batch(number: u64) -> Batch {
    let records: Vec<_> = (0..RECORDS).map(|n| record(number * RECORDS + n)).collect();
    let now = records.last().unwrap().last_seen;
    let answer = NameObservation {
        seen: now,
        client: [10, 0, 0, 1].into(),
        name: format!("{}.example", number % 20).into(),
        address: [10, 0, 1, 1].into(),
        ttl: std::time::Duration::from_secs(60),
    };
    let records_by_now = (number + 1) * RECORDS;
    Batch {
        agent: AgentId::from("a"),
        started: Timestamp::default(),
        sequence: number,
        now,
        records,
        names: vec![answer],
        listeners: Vec::new(),
        counters: Counters { records: records_by_now, kernel_dropped: number, ..Counters::default() },
    }
}

fn record(number: u64) -> FlowRecord {
    let time = Timestamp::from_parts(number as i64, 0);
    let sent = Traffic { packets: 1 + number % 7, ip_bytes: 40 + number, ..Traffic::default() };
    FlowRecord {
        client: Endpoint { address: [10, 0, 0, number as u8 % 40].into(), port: 40_000 },
        server: Endpoint { address: [10, 0, 1, number as u8 % 3].into(), port: 443 },
        protocol: Protocol::TCP,
        first_seen: time,
        last_seen: time,
        to_server: sent,
        to_client: sent,
        state: if number.is_multiple_of(5) { ConnState::Rej } else { ConnState::Sf },
        history: History::from("ShADadFf"),
        handshake_rtt: None,
        evidence: Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    }
}

//! Flow stores: what went in comes out once, whatever the order in which it came.

use std::time::Duration;

use watershed_aggregator::store::{self, FlowStore};
use watershed_aggregator::{Aggregator, AggregatorConfig, OpenInventory, StoreConfig};
use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, Hour,
    InterfaceId, Loss, NameObservation, Protocol, Snapshot, TimeRange, Timestamp, Traffic,
};

/// An answered connection of the `number`th client to one of three services, one every ten minutes.
fn record(number: u32) -> FlowRecord {
    let start = Timestamp::from_parts(i64::from(number) * 600, 0);
    let traffic = |packets| Traffic {
        packets,
        ip_bytes: packets * 90,
        payload_bytes: packets * 50,
        ..Traffic::default()
    };
    let server = [10, 0, 1, (number % 3) as u8];
    FlowRecord {
        client: Endpoint { address: [10, 0, 0, (number % 5) as u8].into(), port: 40_000 + number as u16 },
        server: Endpoint { address: server.into(), port: 443 },
        protocol: Protocol::TCP,
        first_seen: start,
        last_seen: start.plus(Duration::from_secs(5)),
        to_server: traffic(u64::from(number) + 3),
        to_client: traffic(2),
        state: ConnState::Sf,
        history: History::from("ShADadFf"),
        handshake_rtt: None,
        evidence: Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
    }
}

/// Batches of an agent that started at `started` seconds: these records, so many in each.
fn batches(agent: &str, started: i64, numbers: &[u32], size: usize) -> Vec<Batch> {
    let chunks = numbers.chunks(size).zip(0_u64..);
    let mut seen = 0;
    let batch = |(numbers, sequence): (&[u32], u64)| {
        let records: Vec<FlowRecord> = numbers.iter().map(|&number| record(number)).collect();
        seen += records.len() as u64;
        let answer = NameObservation {
            seen: records[0].first_seen,
            client: records[0].client.address,
            name: "shop.example".into(),
            address: [10, 0, 1, 1].into(),
            ttl: Duration::from_secs(60),
        };
        Batch {
            agent: AgentId::from(agent),
            started: Timestamp::from_parts(started, 0),
            sequence,
            now: records.iter().map(|record| record.last_seen).max().unwrap(),
            records,
            // One answer, so that it is the same whatever the size of the batches.
            names: if sequence == 0 { vec![answer] } else { Vec::new() },
            counters: Counters {
                packets: seen * 10,
                in_flows: seen * 10,
                records: seen,
                ..Counters::default()
            },
        }
    };
    chunks.map(batch).collect()
}

/// Puts batches into a store through an aggregator that has just started.
fn keep<S: FlowStore>(store: S, batches: impl IntoIterator<Item = Batch>) -> S {
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::Empty, store);
    batches.into_iter().for_each(|batch| aggregator.ingest(batch).unwrap());
    aggregator.finish().unwrap()
}

fn all(store: &impl FlowStore) -> Snapshot {
    store.snapshot(None).unwrap()
}

fn connections(snapshot: &Snapshot) -> u64 {
    snapshot.edges.iter().map(|edge| edge.connections).sum()
}

const NUMBERS: [u32; 30] = {
    let mut numbers = [0; 30];
    let mut at = 0;
    while at < 30 {
        numbers[at] = at as u32;
        at += 1;
    }
    numbers
};

fn is_empty_at_first<S: FlowStore>(open: &impl Fn() -> S) {
    let empty = all(&open());
    assert!(empty.edges.is_empty() && empty.names.is_empty() && empty.loss.is_empty());
    assert_eq!(empty.counters, Counters::default());
}

fn gives_back_what_was_put_in<S: FlowStore>(open: &impl Fn() -> S) {
    let snapshot = all(&keep(open(), batches("a", 0, &NUMBERS, 7)));
    assert!(snapshot.edges.is_sorted_by(|a, b| a.key < b.key), "edges in order, each key once");
    let sum = |of: fn(&FlowRecord) -> u64| NUMBERS.iter().map(|&number| of(&record(number))).sum::<u64>();
    let edges = || snapshot.edges.iter();
    assert_eq!(connections(&snapshot), 30);
    assert_eq!(edges().map(|e| e.answered).sum::<u64>(), 30);
    assert_eq!(edges().map(|e| e.to_server.packets).sum::<u64>(), sum(|r| r.to_server.packets));
    assert_eq!(edges().map(|e| e.to_client.ip_bytes).sum::<u64>(), sum(|r| r.to_client.ip_bytes));
    assert_eq!(edges().map(|e| e.states.of(ConnState::Sf)).sum::<u64>(), 30);
    assert_eq!(snapshot.period, TimeRange { start: record(0).first_seen, end: record(29).last_seen });
    assert_eq!(snapshot.counters.records, 30);
    assert!(snapshot.loss.is_empty());
    let names: Vec<_> = snapshot.names.iter().map(|known| &*known.name).collect();
    assert_eq!(names, ["shop.example"]);
}

/// A batch is kept once, also after the aggregator was started anew.
fn keeps_a_batch_once<S: FlowStore>(open: &impl Fn() -> S) {
    let batches = batches("a", 0, &NUMBERS, 7);
    let once = all(&keep(open(), batches.clone()));
    let again = keep(keep(open(), batches.clone()), batches.clone());
    assert_eq!(all(&again), once);
    // Only the first two came through before.
    let resumed = keep(keep(open(), batches[..2].to_vec()), batches);
    assert_eq!(all(&resumed).edges, once.edges);
}

/// Neither the size of the batches nor which agent was heard first changes what was observed.
fn does_not_depend_on_batches_or_their_order<S: FlowStore>(open: &impl Fn() -> S) {
    let expected = all(&keep(open(), batches("a", 0, &NUMBERS, 30)));
    for size in [1, 7, 29] {
        let other = all(&keep(open(), batches("a", 0, &NUMBERS, size)));
        assert!(other.edges == expected.edges, "{size} a batch");
        assert_eq!(other.counters, expected.counters, "{size} a batch");
    }
    let (front, back) = (batches("a", 0, &NUMBERS[..20], 4), batches("b", 0, &NUMBERS[10..], 3));
    let one = all(&keep(open(), front.iter().chain(&back).cloned()));
    let two = all(&keep(open(), back.iter().chain(&front).cloned()));
    assert_eq!(one, two);
}

/// What two agents saw of the same connections is not added up; who saw them is.
fn counts_what_several_agents_saw_once<S: FlowStore>(open: &impl Fn() -> S) {
    let (a, b) = (batches("a", 0, &NUMBERS, 7), batches("b", 0, &NUMBERS, 5));
    let alone = all(&keep(open(), a.clone()));
    let both = all(&keep(open(), a.into_iter().chain(b)));
    assert_eq!(connections(&both), connections(&alone));
    assert!(both.edges.iter().all(|edge| edge.observers.len() == 2));
    let packets = |snapshot: &Snapshot| snapshot.edges.iter().map(|e| e.to_server.packets).sum::<u64>();
    assert_eq!(packets(&both), packets(&alone));
    assert_eq!(both.counters.records, 60, "counters are the agents' own");
}

/// An agent that was started anew numbers its batches from 0 again: they are new ones.
fn tells_a_restart_from_a_repetition<S: FlowStore>(open: &impl Fn() -> S) {
    let (before, after) = (batches("a", 0, &NUMBERS[..15], 5), batches("a", 9000, &NUMBERS[15..], 5));
    let snapshot = all(&keep(open(), before.into_iter().chain(after)));
    assert_eq!(connections(&snapshot), 30);
    assert_eq!(snapshot.counters.records, 30, "of both runs");
}

fn tells_what_was_lost<S: FlowStore>(open: &impl Fn() -> S) {
    let mut some = batches("a", 0, &NUMBERS, 10);
    some.remove(1);
    let missing = all(&keep(open(), some));
    assert_eq!(
        missing.loss.iter().map(|entry| (entry.loss, entry.count)).collect::<Vec<_>>(),
        [(Loss::BatchesMissing, 1)]
    );

    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::Empty, open());
    aggregator.note(&AgentId::from("a"), Timestamp::from_parts(7200, 0), Loss::CaptureCut, 2);
    let noted = all(&aggregator.finish().unwrap());
    assert_eq!((noted.loss[0].hour, noted.loss[0].loss, noted.loss[0].count), (Hour(2), Loss::CaptureCut, 2));
}

/// A period has the edges of the hours that it touches, and cannot end before it starts.
fn answers_for_a_period<S: FlowStore>(open: &impl Fn() -> S) {
    let store = keep(open(), batches("a", 0, &NUMBERS, 7));
    let period = |start, end| {
        let [start, end] = [start, end].map(|seconds| Timestamp::from_parts(seconds, 0));
        store.snapshot(Some(TimeRange { start, end }))
    };
    // Ten minutes apart: the second hour has numbers 6 to 11.
    let second_hour = period(3600, 7199).unwrap();
    assert_eq!(connections(&second_hour), 6);
    assert!(second_hour.edges.iter().all(|edge| edge.hours.iter().eq([&Hour(1)])));
    assert_eq!(period(0, 18_000).unwrap().edges, all(&store).edges);
    assert!(period(1_000_000, 2_000_000).unwrap().edges.is_empty());
    assert!(period(2, 1).is_err());
}

fn conforms<S: FlowStore>(open: impl Fn() -> S) {
    is_empty_at_first(&open);
    gives_back_what_was_put_in(&open);
    keeps_a_batch_once(&open);
    does_not_depend_on_batches_or_their_order(&open);
    counts_what_several_agents_saw_once(&open);
    tells_a_restart_from_a_repetition(&open);
    tells_what_was_lost(&open);
    answers_for_a_period(&open);
}

#[test]
fn memory_conforms() {
    conforms(|| store::open(&StoreConfig::default()).unwrap());
}

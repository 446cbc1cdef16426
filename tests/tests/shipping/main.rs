//! From an agent into a real Kafka: everything arrives, in order, once; what does not is counted.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

mod agent;

mod faults;

mod secured;

mod topic;

use std::path::Path;
use std::time::Duration;

use topic::Topic;
use watershed_collector::sink::FlowSink as _;
use watershed_collector::sink::kafka::{KafkaConfig, KafkaSink, WhenFull};
use watershed_collector::sink::spool::{MIN_LIMIT, SpoolConfig};
use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    Protocol, Timestamp, Traffic,
};
use watershed_tests::kafka;

/// How to ship to these brokers with the smallest spool.
fn config(brokers: &str, topic: &str, spool: &Path) -> KafkaConfig {
    KafkaConfig {
        brokers: brokers.to_owned(),
        topic: topic.to_owned(),
        partitions: 3,
        replication: 1,
        connection: Vec::new(),
        spool: SpoolConfig { directory: spool.join("spool"), limit: MIN_LIMIT },
        when_full: WhenFull::Wait,
        patience: Duration::from_secs(60),
    }
}

/// A batch with so many records; `number` is in its counters, since the sink numbers batches itself.
fn batch(agent: &str, number: u64, records: usize) -> Batch {
    let end = |last, port| Endpoint { address: [10, 0, 0, last].into(), port };
    let record = |n: usize| FlowRecord {
        client: end(1, n as u16),
        server: end(2, 443),
        protocol: Protocol::TCP,
        first_seen: Timestamp::from_parts(number as i64, n as u32),
        last_seen: Timestamp::from_parts(number as i64 + 1, n as u32),
        to_server: Traffic { packets: n as u64, ..Traffic::default() },
        to_client: Traffic::default(),
        state: ConnState::Sf,
        history: History::from("ShADadFf"),
        handshake_rtt: Some(Duration::from_micros(n as u64)),
        evidence: Evidence::SYN,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    };
    Batch {
        agent: AgentId::from(agent),
        started: Timestamp::from_parts(7, 8),
        sequence: 0,
        now: Timestamp::from_parts(number as i64 + 2, 0),
        records: (0..records).map(record).collect(),
        names: Vec::new(),
        listeners: Vec::new(),
        counters: Counters { packets: number, ..Counters::default() },
    }
}

/// What the sink was given, by the numbers in the counters.
fn numbers(batches: &[Batch]) -> Vec<u64> {
    batches.iter().map(|batch| batch.counters.packets).collect()
}

fn records(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.records.len()).sum()
}

/// Each batch has the number after the one before.
fn assert_no_gaps(batches: &[Batch]) {
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(batch.sequence, index as u64, "{:?}", numbers(batches));
    }
}

#[test]
fn batches_arrive_once_and_in_order_and_as_they_were() {
    let brokers = kafka::brokers().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let topic = Topic::new(brokers, "arrive");
    let mut sink = KafkaSink::open(&config(brokers, topic.name(), spool.path())).unwrap();
    let sent: Vec<_> = (0..500).map(|number| batch("a", number, number as usize % 40)).collect();
    sent.iter().for_each(|batch| sink.send(batch.clone()).unwrap());
    let status = sink.close().unwrap();
    assert_eq!((status.acknowledged, status.spooled_bytes), (500, 0));
    let arrived = topic.batches(500);
    assert_no_gaps(&arrived);
    for (sent, mut arrived) in sent.into_iter().zip(arrived) {
        arrived.sequence = sent.sequence;
        arrived.counters.spooled_bytes = 0;
        assert_eq!(arrived, sent);
    }
}

#[test]
fn an_agent_stays_in_one_partition() {
    let brokers = kafka::brokers().unwrap();
    let topic = Topic::new(brokers, "partition");
    for agent in ["a", "b", "c", "d"] {
        let spool = tempfile::tempdir().unwrap();
        let mut sink = KafkaSink::open(&config(brokers, topic.name(), spool.path())).unwrap();
        (0..20).for_each(|number| sink.send(batch(agent, number, 1)).unwrap());
        sink.close().unwrap();
    }
    let messages = topic.messages(80);
    for agent in ["a", "b", "c", "d"] {
        let mut of_agent = messages.iter().filter(|message| message.key == agent);
        let partition = of_agent.next().unwrap().partition;
        assert!(of_agent.all(|message| message.partition == partition));
    }
    let mut partitions: Vec<_> = messages.iter().map(|message| message.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert!(partitions.len() > 1, "agents are spread over partitions");
}

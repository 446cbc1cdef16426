//! An aggregator whose ClickHouse answers nothing: it waits, takes no more memory than it may, and keeps every
//! connection once when it is answered again.

use std::fs;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use watershed_aggregator::StoreLocation;
use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    Protocol, Timestamp, Traffic, wire,
};
use watershed_tests::kafka;

use crate::{aggregate, clickhouse, opened, until_kept};

/// What waits in Kafka: a million records, which would take half a gigabyte in memory.
const BATCHES: u64 = 1_000;
const RECORDS: u64 = 1_000;

/// What an aggregator may take while its store stands still: twice the hundred thousand records of a delivery, what
/// Kafka's client fetches ahead, and itself.
const LIMIT: u64 = 256 << 20;

/// It has all that it takes when it has taken no more for so many looks.
const STILL: u32 = 40;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOK_TIMES: u32 = 1_200;

fn record(number: u64) -> FlowRecord {
    let time = Timestamp::from_parts(1_767_225_600 + number as i64 / 1_000, 0);
    let sent = Traffic { packets: 5, ip_bytes: 700, payload_bytes: 440, ..Traffic::default() };
    let [.., a, b, c] = number.to_be_bytes();
    FlowRecord {
        client: Endpoint { address: [10, a, b, c].into(), port: 40_000 },
        server: Endpoint { address: [10, 255, 0, c % 16].into(), port: 443 },
        protocol: Protocol::TCP,
        first_seen: time,
        last_seen: time,
        to_server: sent,
        to_client: sent,
        state: ConnState::Sf,
        history: History::from("ShADadFf"),
        handshake_rtt: Some(Duration::from_micros(300)),
        evidence: Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    }
}

fn ship(broker: &str, topic: &str) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", broker);
    let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wanted = [NewTopic::new(topic, 1, TopicReplication::Fixed(1))];
    runtime.block_on(admin.create_topics(&wanted, &AdminOptions::new())).unwrap();
    let producer: BaseProducer = client.set("enable.idempotence", "true").create().unwrap();
    for sequence in 0..BATCHES {
        let records: Vec<_> = (0..RECORDS).map(|n| record(sequence * RECORDS + n)).collect();
        let batch = Batch {
            agent: AgentId::from("a"),
            started: Timestamp::default(),
            sequence,
            now: records.last().map(|record| record.last_seen).unwrap_or_default(),
            counters: Counters { records: (sequence + 1) * RECORDS, ..Counters::default() },
            records,
            names: Vec::new(),
            listeners: Vec::new(),
        };
        let message = wire::encode(&batch);
        let send = || producer.send(BaseRecord::to(topic).key("a").payload(&message)).is_ok();
        // Its queue may be full.
        while !send() {
            producer.poll(LOOK_EVERY);
        }
    }
    producer.flush(Duration::from_secs(120)).unwrap();
}

/// What a process has in memory now, octets.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn an_aggregator_waits_for_a_stuck_store_in_bounded_memory_and_loses_nothing() {
    let broker = kafka::brokers().unwrap();
    let topic = format!("stuck.{}", std::process::id());
    ship(broker, &topic);
    let server = clickhouse::Server::start();
    let store = server.location("stuck");
    server.fault("kind=slow&seconds=3600&count=1000000");
    let mut process = aggregate(broker, &topic, &topic, &store, &["clickhouse.timeout=15s"]);
    process.until_said("the store does not take a delivery");
    let (mut most, mut still) = (0, 0);
    for _ in 0..LOOK_TIMES {
        let now = resident(process.id());
        still = if now > most { 0 } else { still + 1 };
        most = most.max(now);
        if still >= STILL {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let mebibytes = most as f64 / f64::from(1 << 20);
    println!("stuck: {} records wait, the aggregator has {mebibytes:.0} MiB in memory", BATCHES * RECORDS);
    assert!(most < LIMIT, "{mebibytes} MiB");
    // What stood still goes on.
    server.fault("");
    let location: StoreLocation = store.parse().unwrap();
    until_kept(&mut process, &opened(location), BATCHES);
    process.end();
    let all = (BATCHES * RECORDS).to_string();
    for sql in [
        "SELECT count() FROM flows",
        "SELECT uniqExact(client_address) FROM flows",
        "SELECT sum(connections) FROM edges_hourly",
        "SELECT uniqExact(client_address) FROM edges_hourly",
        "SELECT sum(connections) FROM edges_daily",
    ] {
        assert_eq!(server.ask("stuck", sql), all, "each connection is there once: {sql}");
    }
}

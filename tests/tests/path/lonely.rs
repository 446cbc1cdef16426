//! An agent whose Kafka is away, stands still, or that is killed itself: what it tells meanwhile, and that every packet
//! is an edge or in the ledger.

use watershed_aggregator::{FlowStore as _, StoreLocation};
use watershed_model::{Loss, Snapshot, Timestamp};
use watershed_tests::kafka::{self, Kafka};

use crate::lone::{Agent, Lone};
use crate::{aggregate, opened, until_kept};

/// Flows sent at a time to fill a spool of 8 MiB, and how often at most.
const FLOOD: u32 = 100_000;
const FLOODS: u32 = 10;

/// What the interface showed the kernel is what was read and what was dropped.
fn assert_all_accounted_for(agent: &mut Agent, lone: &Lone) {
    let interface = |what: &str| format!("watershed_interface_{what}{{interface=\"{}\"}}", lone.interface());
    agent.until(&interface("packets_received_total"), |received| received == lone.sent());
    assert_eq!(agent.metric(&interface("packets_total")), lone.sent());
    assert_eq!(agent.metric(&interface("packets_dropped_total")), 0);
}

/// What is in the store once all of `batches` are.
fn aggregated(lone: &Lone, broker: &str, topic: &str, batches: u64) -> Snapshot {
    let location = StoreLocation::Sqlite(lone.file("edges.db"));
    let mut aggregator = aggregate(broker, topic, topic, &location.to_string(), &[]);
    let store = opened(location);
    until_kept(&mut aggregator, &store, batches);
    aggregator.end();
    store.snapshot(None).unwrap()
}

fn lost(snapshot: &Snapshot, kind: Loss) -> u64 {
    snapshot.loss.iter().filter(|entry| entry.loss == kind).map(|entry| entry.count).sum()
}

fn connections(snapshot: &Snapshot) -> u64 {
    snapshot.edges.iter().map(|edge| edge.connections).sum()
}

/// The number before `what` in what an agent said at its end.
fn said(text: &str, what: &str) -> u64 {
    let line = text.lines().find_map(|line| line.split_once(what)).expect(text).0;
    line.trim_end().rsplit([' ']).next().unwrap().parse().expect(text)
}

#[test]
fn a_spool_that_fills_while_kafka_is_away_is_told_and_what_it_loses_counted() {
    let mut kafka = Kafka::start().unwrap();
    let topic = format!("spool.{}", std::process::id());
    let mut lone = Lone::new("spl");
    let mut agent = lone.agent(&kafka.brokers(), &topic);
    lone.send(100);
    agent.until("watershed_kafka_batches_acknowledged_total", |batches| batches > 0);
    agent.until_readiness_says("ready\n");
    assert_eq!(
        (agent.metric("watershed_kafka_up"), agent.metric("watershed_spool_limit_bytes")),
        (1, 8 << 20)
    );

    kafka.stop().unwrap();
    agent.until_readiness_says("kafka: ");
    lone.send(100);
    agent.until("watershed_spool_bytes", |bytes| bytes > 0);
    assert_eq!(agent.metric("watershed_kafka_up"), 0);
    assert_eq!(agent.metric("watershed_spool_batches_dropped_total"), 0);
    assert!(agent.fetch("/healthz").starts_with("HTTP/1.1 200"), "a restart would not mend it");

    let full = (0..FLOODS).any(|_| {
        lone.send(FLOOD);
        let sent = lone.sent();
        agent.until("watershed_flow_records_total", |records| records == sent);
        // What found the queue to the spool full is dropped and counted, too, but that says nothing of the spool.
        agent.fetch("/readyz").contains("spool: full")
    });
    assert!(full, "it never fills");
    let filled = agent.metric("watershed_spool_bytes");
    assert!(filled > 6 << 20 && filled <= 8 << 20, "{filled}");

    kafka.restart().unwrap();
    agent.until("watershed_spool_bytes", |bytes| bytes == 0);
    agent.until_readiness_says("ready\n");
    agent.until("watershed_kafka_up", |up| up == 1);
    assert_all_accounted_for(&mut agent, &lone);
    let dropped = agent.metric("watershed_spool_flow_records_dropped_total");
    let told = agent.end();
    assert_eq!(said(&told, " connections, 0 names"), dropped, "{told}");

    let snapshot = aggregated(&lone, &kafka.brokers(), &topic, said(&told, "batches shipped"));
    assert_eq!(
        (connections(&snapshot) + dropped, lost(&snapshot, Loss::RecordsDropped)),
        (lone.sent(), dropped)
    );
    assert_eq!((snapshot.counters.records, snapshot.counters.kernel_received), (lone.sent(), lone.sent()));
}

/// A broker that stands still answers nobody, and closes no connection either.
#[test]
fn a_broker_that_stands_still_never_slows_capture() {
    let mut kafka = Kafka::start().unwrap();
    let topic = format!("still.{}", std::process::id());
    let mut lone = Lone::new("stl");
    let mut agent = lone.agent(&kafka.brokers(), &topic);
    lone.send(100);
    agent.until("watershed_kafka_batches_acknowledged_total", |batches| batches > 0);
    kafka.pause().unwrap();
    // As much as the messages on their way and the queue would hold, and more; all of it is read and kept meanwhile.
    for _ in 0..3 {
        lone.send(20_000);
        let sent = lone.sent();
        agent.until("watershed_packets_total", |packets| packets == sent);
        agent.until("watershed_flow_records_total", |records| records == sent);
    }
    assert_all_accounted_for(&mut agent, &lone);
    agent.until("watershed_spool_bytes", |bytes| bytes > 1 << 20);
    agent.until_readiness_says("kafka: ");
    assert_eq!(agent.metric("watershed_spool_batches_dropped_total"), 0);

    kafka.resume().unwrap();
    agent.until("watershed_spool_bytes", |bytes| bytes == 0);
    agent.until_readiness_says("ready\n");
    let told = agent.end();
    assert!(!told.contains("batches dropped"), "{told}");
    let snapshot = aggregated(&lone, &kafka.brokers(), &topic, said(&told, "batches shipped"));
    assert_eq!((connections(&snapshot), snapshot.loss), (lone.sent(), vec![]));
}

#[test]
fn an_agent_that_is_killed_is_in_the_ledger_with_its_down_time_and_so_is_an_interface_that_went_away() {
    let broker = kafka::brokers().unwrap();
    let topic = format!("killed.{}", std::process::id());
    let mut lone = Lone::new("kil");
    let location = StoreLocation::Sqlite(lone.file("edges.db"));
    let mut aggregator = aggregate(broker, &topic, &topic, &location.to_string(), &[]);
    let store = opened(location);
    let mut kept = |lone: &mut Lone| {
        lone.send(50);
        let sent = lone.sent();
        let all = || connections(&store.snapshot(None).unwrap()) == sent;
        aggregator.until(all, &format!("{sent} connections were kept"));
        let last_seen = store.status().unwrap().agents[0].last_seen;
        last_seen.unwrap()
    };

    let agent = lone.agent(broker, &topic);
    let mut before = vec![kept(&mut lone)];
    agent.kill();
    let mut agent = lone.agent(broker, &topic);
    before.push(kept(&mut lone));
    lone.unlink();
    agent.until_readiness_says("capture: interface wl");
    lone.link();
    agent.until("watershed_kafka_up", |up| up == 1);
    agent.until_readiness_says("ready\n");
    before.push(kept(&mut lone));
    agent.kill();
    let agent = lone.agent(broker, &topic);
    kept(&mut lone);
    agent.end();
    drop(aggregator.end());

    let snapshot = store.snapshot(None).unwrap();
    let starts: Vec<Timestamp> = store.runs(&"lone".into()).unwrap().into_keys().collect();
    assert_eq!(starts.len(), 3);
    // From the last packet of a run to the next start, in seconds rounded up; a full hour between makes it two parts.
    let down = |last: Timestamp, start: Timestamp| start.since(last).as_secs() + 1;
    let expected = down(before[0], starts[1]) + down(before[2], starts[2]);
    let told = lost(&snapshot, Loss::AgentDown);
    assert!((expected..=expected + 2).contains(&told), "{told} seconds told, {expected} passed");
    assert_eq!(lost(&snapshot, Loss::AgentRestarted), 2);
    assert_eq!(lost(&snapshot, Loss::InterfaceAway), 1);
    let kinds = [Loss::AgentDown, Loss::AgentRestarted, Loss::InterfaceAway];
    assert!(snapshot.loss.iter().all(|entry| kinds.contains(&entry.loss)), "{:?}", snapshot.loss);
    assert!(snapshot.loss.iter().all(|entry| entry.agent == "lone".into()));
}

//! The whole path: agents on two nodes, Kafka, aggregators, ClickHouse's engine and SQLite. What is asked for at the
//! end is what was sent, each flow once, however many interfaces and agents saw it. Needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]
#![expect(clippy::print_stdout, reason = "how long the way took is worth a line")]

#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
#[path = "../../support/clickhouse/mod.rs"]
mod clickhouse;

mod compose;

mod lone;

mod lonely;

mod nodes;

mod shop;

mod stuck;

#[allow(dead_code, reason = "shared with the tests of the lab")]
#[path = "../lab/truth.rs"]
mod truth;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use watershed_aggregator::{AgentStatus, FlowStore as _, OpenStore, StoreConfig, StoreLocation, store};
use watershed_model::{ConnState, Edge, Evidence, Snapshot};
use watershed_tests::binary;
use watershed_tests::kafka;
use watershed_tests::process::Process;

use crate::nodes::{Nodes, Port};

const SHOP: &str = "10.50.1.10";
const WEB: &str = "10.50.1.20";
const APP: &str = "10.50.2.20";
const DB: &str = "10.50.2.30";
/// The service address that nodes translate to the app.
const SERVICE: &str = "10.96.0.10";

/// Where a connection goes to whose way is timed.
const TIMED: u16 = 8001;

/// What an edge must tell: connections, answered ones, and packets and octets each way.
type Truth = (u64, u64, (u64, u64), (u64, u64));

fn aggregate(broker: &str, topic: &str, group: &str, store: &str, set: &[&str]) -> Process {
    let mut command = Command::new(binary::watershed().unwrap());
    command.args(["aggregate", "--kafka", broker, "--store", store]);
    for setting in [
        format!("kafka.topic={topic}"),
        format!("aggregate.group={group}"),
        format!("aggregate.dead_letters={topic}.dead"),
        "metrics.listen=none".to_owned(),
    ]
    .iter()
    .map(String::as_str)
    .chain(set.iter().copied())
    {
        command.args(["--set", setting]);
    }
    let mut process = Process::start(command);
    process.until_said("watershed: reading from");
    process
}

fn opened(location: StoreLocation) -> OpenStore {
    store::open_existing(&StoreConfig { location, ..StoreConfig::default() }).unwrap()
}

/// Edges by client, server, protocol and port.
fn by_name(snapshot: &Snapshot) -> BTreeMap<String, &Edge> {
    snapshot.edges.iter().map(|edge| (edge.key.to_string(), edge)).collect()
}

fn observers(edge: &Edge) -> Vec<&str> {
    edge.observers.iter().map(|agent| &*agent.0).collect()
}

/// Batches that an agent says it shipped when it ended, with nothing left behind.
fn shipped(agent: Process) -> u64 {
    let said = agent.end();
    let line =
        said.lines().find_map(|line| line.strip_suffix(" batches shipped, 0 octets wait in the spool"));
    let count = line.and_then(|line| line.strip_prefix("watershed: ")).expect(&said);
    assert!(said.contains(", 0 dropped by the kernel"), "{said}");
    count.parse().unwrap()
}

/// Waits until a store has all that the agents shipped.
fn until_kept(aggregator: &mut Process, store: &OpenStore, batches: u64) {
    let kept = || {
        let agents = store.status().map(|status| status.agents).unwrap_or_default();
        agents.iter().map(|agent: &AgentStatus| agent.batches).sum::<u64>()
    };
    aggregator.until(|| kept() == batches, &format!("{batches} batches were kept"));
}

/// What was sent, as it arrived in the pods.
fn truth(nodes: &Nodes) -> BTreeMap<String, Truth> {
    let arrived = |at: &str, from: &str, port| nodes.arrived(at, from, port);
    let (to, back) = (Port::Destination, Port::Source);
    let served = (arrived("app", SHOP, to(8080)), arrived("shop", SERVICE, back(80)));
    let edge = |client: &str, server: &str, service: &str| format!("{client} -> {server} {service}");
    BTreeMap::from([
        // A node shows a connection to a service address as it was opened and as it was translated.
        (edge(SHOP, SERVICE, "tcp/80"), (20, 20, served.0, served.1)),
        (edge(SHOP, APP, "tcp/8080"), (20, 20, served.0, served.1)),
        (edge(APP, DB, "tcp/5432"), (10, 10, arrived("db", APP, to(5432)), arrived("app", DB, back(5432)))),
        (edge(WEB, DB, "udp/9000"), (1, 1, arrived("db", WEB, to(9000)), arrived("web", DB, back(9000)))),
        (
            edge(SHOP, WEB, "tcp/8000"),
            (5, 5, arrived("web", SHOP, to(8000)), arrived("shop", WEB, back(8000))),
        ),
        (edge(SHOP, DB, "tcp/5433"), (1, 0, arrived("db", SHOP, to(5433)), arrived("shop", DB, back(5433)))),
        (
            edge(SHOP, WEB, "tcp/8001"),
            (1, 1, arrived("web", SHOP, to(TIMED)), arrived("shop", WEB, back(TIMED))),
        ),
    ])
}

fn told(edge: &Edge) -> Truth {
    let sent = |traffic: watershed_model::EdgeTraffic| (traffic.packets, traffic.ip_bytes);
    (edge.connections, edge.answered, sent(edge.to_server), sent(edge.to_client))
}

/// Every edge is as it was sent, and there is no other but the overlay's own.
fn check(store: &str, snapshot: &Snapshot, truth: &BTreeMap<String, Truth>) {
    let edges = by_name(snapshot);
    for (name, expected) in truth {
        let edge = edges.get(name).unwrap_or_else(|| panic!("{store}: not found: {name}"));
        assert_eq!(told(edge), *expected, "{store}: {name}");
    }
    let outer = ["172.16.0.1 -> 172.16.0.2 udp/4789", "172.16.0.2 -> 172.16.0.1 udp/4789"];
    let invented: Vec<_> =
        edges.keys().filter(|name| !truth.contains_key(*name) && !outer.contains(&name.as_str())).collect();
    assert!(invented.is_empty(), "{store}: never sent: {invented:?}");
    assert!(outer.iter().all(|name| edges.contains_key(*name)), "{store}: the overlay's own packets");
    let handshakes = edges[&format!("{SHOP} -> {APP} tcp/8080")];
    assert_eq!(handshakes.states.of(ConnState::Sf), 20);
    assert_eq!(handshakes.evidence.of(Evidence::HANDSHAKE), 20);
    assert_eq!(edges[&format!("{SHOP} -> {DB} tcp/5433")].states.of(ConnState::Rej), 1);
    assert!(snapshot.loss.is_empty(), "{store}: {:?}", snapshot.loss);
}

#[test]
fn edges_at_the_end_are_what_was_sent_each_flow_once() {
    let broker = kafka::brokers().unwrap();
    let topic = format!("path.{}", std::process::id());
    let sums = format!("{topic}.sums");
    let folder = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| StoreLocation::Sqlite(folder.path().join(name));
    let clickhouse: StoreLocation = clickhouse::fresh_location().parse().unwrap();

    let nodes = Nodes::new(broker);
    let agents = ["node1", "node2"].map(|node| nodes.agent(node, node, broker, &topic, &[]));
    let summing = ["node1", "node2"]
        .map(|node| nodes.agent(node, &format!("{node}-sums"), broker, &sums, &["--summary", "service"]));
    let mut aggregators = [
        aggregate(broker, &topic, &format!("{topic}.clickhouse"), &clickhouse.to_string(), &[]),
        aggregate(broker, &topic, &format!("{topic}.sqlite"), &sqlite("single.db").to_string(), &[]),
        aggregate(broker, &sums, &sums, &sqlite("sums.db").to_string(), &[]),
    ];
    let stores = [opened(clickhouse), opened(sqlite("single.db")), opened(sqlite("sums.db"))];

    nodes.connect_from("shop", SERVICE, 80, 20);
    nodes.connect_from("app", DB, 5432, 10);
    nodes.ask_from("web", DB, 9000, 30);
    nodes.connect_from("shop", WEB, 8000, 5);
    nodes.is_refused("shop", DB, 5433);
    time_one(&nodes, &mut aggregators[0], &stores[0]);

    // Ending, agents ship what is still open.
    let [single, summed] = [agents, summing].map(|agents| agents.into_iter().map(shipped).sum::<u64>());
    for ((aggregator, store), batches) in aggregators.iter_mut().zip(&stores).zip([single, single, summed]) {
        until_kept(aggregator, store, batches);
    }
    let truth = truth(&nodes);
    let told = stores.each_ref().map(|store| store.snapshot(None).unwrap());
    for (name, snapshot) in ["ClickHouse", "SQLite", "summaries"].into_iter().zip(&told) {
        check(name, snapshot, &truth);
    }
    assert_eq!(told[0].edges, told[1].edges, "two groups keep the same, each in its store");
    let edges = by_name(&told[0]);
    assert_eq!(observers(edges[&format!("{SHOP} -> {APP} tcp/8080")]), ["node1", "node2"]);
    assert_eq!(observers(edges[&format!("{SHOP} -> {SERVICE} tcp/80")]), ["node1"]);
    let [records, sums] = [&told[0], &told[2]].map(|snapshot| snapshot.counters.records);
    let packets = &told[0].counters;
    println!(
        "path: {} edges as sent, of {records} records ({sums} with summaries); of {} packets in flows {} were copies \
         on another interface",
        truth.len(),
        packets.in_flows,
        packets.repeated,
    );
    assert!(sums < records);
    aggregators.into_iter().for_each(|aggregator| drop(aggregator.end()));
}

/// How long a connection takes from its end to the edge in the store, at default settings.
fn time_one(nodes: &Nodes, aggregator: &mut Process, store: &OpenStore) {
    nodes.connect_from("shop", WEB, TIMED, 1);
    let name = format!("{SHOP} -> {WEB} tcp/{TIMED}");
    let elapsed = clock();
    aggregator
        .until(|| by_name(&store.snapshot(None).unwrap()).contains_key(&name), "the connection was kept");
    let whole = elapsed();
    // A closed connection is followed on for late packets before there is a record of it.
    let after_close = watershed_collector::flow::FlowConfig::default().after_close;
    let way = whole.saturating_sub(after_close);
    println!(
        "path: a connection's edge is in ClickHouse {whole:.1?} after it closed, {way:.1?} after its record"
    );
}

/// The time since it is made.
fn clock() -> impl Fn() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "what is measured here is the time that a user waits")]
    let now = Instant::now;
    let start = now();
    move || now().duration_since(start)
}

//! The lab's shop of real programs on two nodes, by an overlay and service addresses, over IPv4 and IPv6, with an agent
//! on each: through Kafka into ClickHouse's engine comes what was driven, each flow once.
//!
//! Which edges there are is the lab's own truth. How many connections each has is counted where they arrive, by the
//! kernel of the host that was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use watershed_aggregator::{FlowStore as _, StoreLocation};
use watershed_model::Edge;
use watershed_tests::kafka;
use watershed_tests::namespaces::{done, inside};

use crate::nodes::{agent, carry};
use crate::truth::{Truth, Use};
use crate::{aggregate, by_name, clickhouse, observers, opened, shipped, until_kept};

/// The nodes, as the lab calls them.
const NODES: [&str; 2] = ["ws-fabric", "ws-fabric2"];

/// Remembers each connection and each exchange of datagrams that arrives, by both ends.
const OPENED: &str = "table inet opened { \
    set v4 { type inet_proto . ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic; size 65535; }; \
    set v6 { type inet_proto . ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic; size 65535; }; \
    chain ends { \
        add @v4 { meta l4proto . ip saddr . th sport . ip daddr . th dport }; \
        add @v6 { meta l4proto . ip6 saddr . th sport . ip6 daddr . th dport }; }; \
    chain in { type filter hook input priority 0; \
        tcp flags & (fin | syn | rst | ack) == syn jump ends; \
        meta l4proto udp jump ends; }; }";

/// Asks for a page so many times, each time by a new connection.
const ASK: &str = "for n in $(seq $2); do curl -q -sSf -o /dev/null --max-time 20 $1; done";
const ASKED: u64 = 5;

/// Clients outside, and the service address of their family that the first node translates.
const SERVICES: [(&str, &str, &str); 2] =
    [("ws-client1", "203.0.113.11", "192.0.2.80"), ("ws-client2", "2001:db8:113::12", "2001:db8:80::80")];

/// The lab, until this is dropped.
struct Lab;

impl Lab {
    fn up(only: &str) {
        lab(&["up", "--two-nodes", "--only", only]);
    }

    /// Ends what says something by itself: the load balancer asks its servers how they are.
    fn quiet() {
        let id = fs::read_to_string("/run/watershed-lab/lb.pid").unwrap();
        done(Command::new("kill").arg(id.trim()));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = script(&["down"]).output();
    }
}

fn script(arguments: &[&str]) -> Command {
    let mut script = Command::new("/usr/bin/python3");
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/lab.py")).args(arguments);
    script
}

fn lab(arguments: &[&str]) -> String {
    done(&mut script(arguments))
}

/// The lab's namespaces with one address or more in the traffic: all but the nodes.
fn hosts() -> Vec<String> {
    let listed = done(Command::new("ip").args(["netns", "list"]));
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let is_host = |name: &&str| name.starts_with("ws-") && !NODES.contains(name);
    names.filter(is_host).map(str::to_owned).collect()
}

/// How many connections arrived for each use, over all hosts.
fn arrived(hosts: &[String]) -> BTreeMap<Use, u64> {
    let mut counted = BTreeMap::new();
    for (host, set) in hosts.iter().flat_map(|host| ["v4", "v6"].map(|set| (host, set))) {
        let listed = done(&mut inside(host, &["nft", "-j", "list", "set", "inet", "opened", set]));
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let items = listed["nftables"].as_array().unwrap().iter();
        for element in items.filter_map(|item| item["set"]["elem"].as_array()).flatten() {
            let ends = element["concat"].as_array().unwrap();
            let text = |place: usize| ends[place].as_str().unwrap().to_owned();
            let port = ends[4].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
            let usage = Use { client: text(1), server: text(3), protocol: text(0), port };
            *counted.entry(usage).or_insert(0) += 1;
        }
    }
    counted
}

/// Whether the two nodes carry it: the back office is on nodes of its own.
fn is_carried(usage: &Use) -> bool {
    !["10.30.0.", "172.16.0."].iter().any(|network| usage.client.starts_with(network))
}

/// What there must be, with the connections of each; none are known of what no host counts: pings, and what never
/// arrived.
fn expected(truth: &Truth, arrived: &BTreeMap<Use, u64>) -> BTreeMap<Use, Option<u64>> {
    let driven = truth.edges.iter().map(|edge| &edge.usage).chain(truth.attempts());
    let driven = driven.filter(|usage| is_carried(usage));
    let mut expected: BTreeMap<Use, Option<u64>> =
        driven.map(|usage| (usage.clone(), arrived.get(usage).copied())).collect();
    for (_, client, address) in SERVICES {
        let to = |server: &str, port| Use {
            client: client.to_owned(),
            server: server.to_owned(),
            protocol: "tcp".to_owned(),
            port,
        };
        expected.insert(to(address, 80), Some(ASKED));
        let translated = arrived.iter().find(|(usage, _)| usage.client == client && usage.port == 8080);
        let (usage, &connections) = translated.expect("a service address is translated");
        assert_eq!(connections, ASKED, "{usage}");
        expected.insert(usage.clone(), Some(connections));
    }
    expected
}

fn usage_of(edge: &Edge) -> Use {
    Use {
        client: edge.key.client.to_string(),
        server: edge.key.server.to_string(),
        protocol: edge.key.protocol.to_string(),
        port: edge.key.port,
    }
}

/// Everything that is not as it was driven.
fn complaints(edges: &[Edge], truth: &Truth, expected: &BTreeMap<Use, Option<u64>>) -> Vec<String> {
    let found: BTreeMap<Use, &Edge> = edges.iter().map(|edge| (usage_of(edge), edge)).collect();
    let answered: BTreeSet<&Use> = truth.accepted().map(|edge| &edge.usage).collect();
    let mut complaints = Vec::new();
    for (usage, connections) in expected {
        let Some(edge) = found.get(usage) else {
            complaints.push(format!("not found: {usage}"));
            continue;
        };
        if connections.is_some_and(|connections| connections != edge.connections) {
            complaints.push(format!("{usage}: {} connections, held {connections:?}", edge.connections));
        }
        if answered.contains(usage) && edge.answered == 0 {
            complaints.push(format!("{usage}: found to be unanswered"));
        }
    }
    for attempt in truth.attempts().filter_map(|usage| found.get(usage)) {
        if attempt.answered > 0 {
            complaints.push(format!("{}: found to be answered", attempt.key));
        }
    }
    let is_outer = |usage: &Use| usage.client.starts_with("172.16.1.") && usage.port == 4789;
    let invented = found.keys().filter(|usage| !expected.contains_key(*usage));
    let invented = invented.filter(|usage| !truth.is_background(usage) && !is_outer(usage));
    complaints.extend(invented.map(|usage| format!("never happened: {usage}")));
    complaints
}

#[test]
fn a_shop_on_two_nodes_is_what_was_driven_each_flow_once() {
    let broker = kafka::brokers().unwrap();
    let topic = format!("path.shop.{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let location: StoreLocation = clickhouse::fresh_location().parse().unwrap();

    let _lab = Lab;
    Lab::up("network");
    let hosts = hosts();
    hosts.iter().for_each(|host| drop(done(&mut inside(host, &["nft", OPENED]))));
    let _carrying = carry(broker, folder.path(), &NODES.map(str::to_owned));
    // On a slow machine no exchange of datagrams may come to be two.
    let more = ["--set", "flow.idle=20m", "--set", "flow.tcp_idle=20m"];
    let agents = ["node1", "node2"]
        .into_iter()
        .zip(NODES)
        .map(|(name, node)| agent(node, name, (broker, &topic), &folder.path().join(name), &more));
    let agents: Vec<_> = agents.collect();
    let mut aggregator = aggregate(broker, &topic, &topic, &location.to_string(), &[]);
    Lab::up("programs");
    let truth = Truth::parse(&lab(&["drive", "--rounds", "2", "--without-scans", "--json"]));
    for (client, _, address) in SERVICES {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let url = format!("http://{host}/healthz");
        done(&mut inside(client, &["sh", "-ec", ASK, "sh", &url, &ASKED.to_string()]));
    }
    Lab::quiet();

    let batches = agents.into_iter().map(shipped).sum();
    let store = opened(location);
    until_kept(&mut aggregator, &store, batches);
    let snapshot = store.snapshot(None).unwrap();
    let expected = expected(&truth, &arrived(&hosts));
    let complaints = complaints(&snapshot.edges, &truth, &expected);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    assert!(snapshot.loss.is_empty(), "{:?}", snapshot.loss);
    let edges = by_name(&snapshot);
    for (name, seen_by) in [
        ("10.20.0.11 -> 10.20.0.21 tcp/8000", &["node1", "node2"][..]),
        ("10.20.0.60 -> 10.20.0.10 tcp/8404", &["node1"]),
        ("10.20.0.21 -> 10.20.0.40 tcp/6379", &["node2"]),
        ("fd00:20::21 -> fd00:20::30 tcp/5432", &["node2"]),
    ] {
        assert_eq!(observers(edges[name]), seen_by, "{name}");
    }
    let connections: u64 = expected.values().flatten().sum();
    println!("path: the shop on two nodes: {} edges, {connections} connections, each once", expected.len());
    drop(aggregator.end());
}

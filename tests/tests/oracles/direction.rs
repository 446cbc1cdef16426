//! Who is the client, when the capture starts too late to see: against the same captures with their beginnings.
//!
//! The truth of a TCP or SCTP connection is its handshake; of a flow of datagrams that both sides sent, who sent
//! first. Then the beginnings are masked, and what is left is collected and judged again.

mod mask;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use watershed_graph::{FanIn, Graph, GraphConfig};
use watershed_model::{Counters, Edge, Endpoint, Evidence, FlowRecord, Party, Protocol, Snapshot, TimeRange};
use watershed_tests::estate_groups::edge;

use crate::support::{Pair, captures, file_name, oracle, pair, show};
use mask::{Masked, collect};

/// The least share of right directions where there is evidence and only the handshakes are missing.
const RIGHT: f64 = 0.99;

/// The same where every flow is cut in half: calls between peers then show nothing but their ports.
const RIGHT_OF_HALVES: f64 = 0.98;

/// Probabilities above this are never wrong.
const SURE: f64 = 0.99;

/// Pairs whose first sender is not the client: capture, pair as shown, reason.
const NOT_TRUE: &[(&str, &str, &str)] = &[(
    "weibo.pcap",
    "udp 192.168.1.105:49361 216.58.210.14:443",
    "a QUIC connection that is older than the capture, which begins with packets of its server",
)];

/// Client, server, protocol and port: what a rule is about.
type Service = (IpAddr, IpAddr, Protocol, u16);

/// How a way to tell the client did.
#[derive(Debug, Default)]
struct Score {
    right: u32,
    wrong: u32,
    unknown: u32,
}

impl Score {
    fn add(&mut self, verdict: Option<bool>) {
        match verdict {
            Some(true) => self.right += 1,
            Some(false) => self.wrong += 1,
            None => self.unknown += 1,
        }
    }

    fn share(&self) -> f64 {
        f64::from(self.right) / f64::from(self.right + self.wrong)
    }
}

fn all_captures() -> Option<Vec<PathBuf>> {
    let mut all = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/recording/shop.pcapng")];
    for kind in ["zeek", "ndpi"] {
        all.extend(captures(&oracle(kind)?));
    }
    Some(all)
}

/// The client of every pair of endpoints of which the whole capture leaves no doubt.
fn truth(capture: &Path) -> BTreeMap<Pair, Endpoint> {
    let whole = collect(capture, None);
    let mut by_time: Vec<&FlowRecord> = whole.iter().collect();
    by_time.sort_by_key(|record| record.first_seen);
    let mut truth = BTreeMap::new();
    for record in by_time {
        let opened = record.evidence.intersects(Evidence::HANDSHAKES);
        let exchanged = record.to_server.packets > 0 && record.to_client.packets > 0;
        let first = match record.evidence.contains(Evidence::FIRST_PACKET) {
            true => record.client,
            false => record.server,
        };
        let key = pair(record.protocol, record.client, record.server);
        match record.protocol {
            Protocol::TCP | Protocol::SCTP if opened => truth.entry(key).or_insert(record.client),
            Protocol::UDP if exchanged => truth.entry(key).or_insert(first),
            _ => continue,
        };
    }
    let name = file_name(capture);
    truth.retain(|key, _| !NOT_TRUE.iter().any(|not| (not.0, not.1) == (&name, show(key).as_str())));
    truth
}

/// The edges of these records, and what the graph says of them.
fn snapshot(records: &[FlowRecord]) -> Snapshot {
    let mut edges: BTreeMap<Service, Edge> = BTreeMap::new();
    for record in records {
        let (client, server, port) = (record.client.address, record.server.address, record.service_port());
        let sum = edges
            .entry((client, server, record.protocol, port))
            .or_insert_with(|| edge(client, server, record.protocol, port, 0));
        sum.connections += 1;
        sum.answered += u64::from(record.answered());
        sum.states.add(record.state);
        sum.evidence.add(record.evidence);
        sum.to_server.packets += record.to_server.packets;
        sum.to_client.packets += record.to_client.packets;
    }
    let mut edges: Vec<Edge> = edges.into_values().collect();
    edges.sort_by(|a, b| a.key.cmp(&b.key));
    let time = watershed_model::Timestamp::default();
    let period = TimeRange { start: time, end: time };
    Snapshot {
        period,
        edges,
        names: Vec::new(),
        listeners: Vec::new(),
        loss: Vec::new(),
        counters: Counters::default(),
    }
}

/// What is compared, over all captures.
#[derive(Debug, Default)]
struct Compared {
    tuples: u32,
    /// By the graph, of services with evidence; and of those surer than [`SURE`].
    ours: Score,
    sure: Score,
    lower_port: Score,
    first_packet: Score,
    wrong: Vec<String>,
}

impl Compared {
    /// Judges every service whose client is known and of which something is left.
    fn add(&mut self, capture: &Path, truth: &BTreeMap<Pair, Endpoint>, late: &[FlowRecord]) {
        let snapshot = snapshot(late);
        let graph = Graph::of(&snapshot, &GraphConfig::default());
        let address = |party: &Party| match party {
            Party::Address(address) => *address,
            Party::Workload(_) => unreachable!("there is no inventory"),
        };
        let judged: BTreeMap<Service, f64> = graph
            .edges()
            .zip(graph.directions())
            .map(|((Edge { key, .. }, _), direction)| {
                (
                    (address(&key.client), address(&key.server), key.protocol, key.port),
                    direction.probability(),
                )
            })
            .collect();
        let mut seen = BTreeSet::new();
        for record in late {
            let key = pair(record.protocol, record.client, record.server);
            let Some(client) = truth.get(&key).copied() else { continue };
            let server = if client == record.client { record.server } else { record.client };
            let service = (client.address, server.address, record.protocol, server.port);
            if !seen.insert(service) {
                continue;
            }
            let of = |service: &Service| judged.get(service).copied();
            // Its edge, or else the edge that it was taken for.
            let wrong = (server.address, client.address, record.protocol, client.port);
            let (right, probability) = match (of(&service), of(&wrong)) {
                (Some(p), other) if other.is_none_or(|other| p >= other) => (true, p),
                (_, Some(p)) => (false, p),
                _ => continue,
            };
            // A direction that is less likely than the other is the other.
            let (right, probability) =
                if probability < 0.5 { (!right, 1.0 - probability) } else { (right, probability) };
            self.tuples += 1;
            self.ours.add((probability > 0.5).then_some(right));
            self.sure.add((probability > SURE).then_some(right));
            if probability > 0.5 && !right {
                self.wrong.push(format!("{} {service:?} {probability:.4}", file_name(capture)));
            }
            let lower = (client.port != server.port).then_some(server.port < client.port);
            self.lower_port.add(lower);
            let ours_is_right = record.client == client;
            let first = record.evidence.contains(Evidence::FIRST_PACKET);
            self.first_packet.add(Some(first == ours_is_right));
        }
    }
}

#[test]
fn without_beginnings() {
    let Some(all) = all_captures() else { return };
    for masked in [Masked::Handshakes, Masked::FirstHalves] {
        let mut compared = Compared::default();
        for capture in &all {
            let truth = truth(capture);
            compared.add(capture, &truth, &collect(capture, Some(masked)));
        }
        let Compared { tuples, ours, sure, lower_port, first_packet, wrong } = compared;
        println!("direction: {} captures without {masked:?}: {tuples} services", all.len());
        for (name, score) in [
            ("all evidence", &ours),
            ("of these surer than 0.99", &sure),
            ("lower port is the server", &lower_port),
            ("first packet is the client", &first_packet),
        ] {
            let Score { right, wrong, unknown } = score;
            let share = score.share() * 100.0;
            println!("  {name:28} {right:5} right {wrong:4} wrong {unknown:4} unknown  {share:6.2} %");
        }
        println!("  wrong: {}", wrong.join("; "));
        let least = if masked == Masked::Handshakes { RIGHT } else { RIGHT_OF_HALVES };
        assert!(ours.share() >= least, "{:.4} are right, less than {least}", ours.share());
        assert_eq!(sure.wrong, 0, "none that is surer than {SURE} may be wrong: {wrong:?}");
    }
}

/// Kinds of evidence whose weights were counted.
const COUNTED: [Evidence; 7] = [
    Evidence::TLS_CLIENT_HELLO,
    Evidence::HTTP_REQUEST,
    Evidence::QUIC_CLIENT_HELLO,
    Evidence::DNS_QUERY,
    Evidence::DNS_RESPONSE,
    Evidence::WELL_KNOWN_PORT,
    Evidence::EPHEMERAL_CLIENT,
];

/// Fewer cases than this are not held against a weight.
const FEW: u32 = 20;

#[test]
fn no_kind_of_evidence_weighs_more_than_was_counted() {
    let Some(all) = all_captures() else { return };
    let mut counts: BTreeMap<(Protocol, Evidence), Score> = BTreeMap::new();
    for capture in &all {
        let truth = truth(capture);
        let mut counted = BTreeSet::new();
        for masked in [Masked::Handshakes, Masked::FirstHalves] {
            for record in collect(capture, Some(masked)) {
                let key = pair(record.protocol, record.client, record.server);
                let Some(client) = truth.get(&key) else { continue };
                for flag in COUNTED.into_iter().filter(|flag| record.evidence.contains(*flag)) {
                    // The ranges of ports count where nothing weightier does.
                    let outweighed = flag == Evidence::EPHEMERAL_CLIENT
                        && record.evidence.contains(Evidence::WELL_KNOWN_PORT);
                    if !outweighed && counted.insert((key, flag)) {
                        let score = counts.entry((record.protocol, flag)).or_default();
                        score.add(Some(record.client == *client));
                    }
                }
            }
        }
    }
    let mut too_heavy = Vec::new();
    for ((protocol, flag), Score { right, wrong, .. }) in counts {
        let counted = ((f64::from(right) + 0.5) / (f64::from(wrong) + 0.5)).ln();
        let mut one = edge(IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]), protocol, 1, 0);
        one.evidence.add(flag);
        let weight = FanIn::default().direction(&one).log_odds;
        let name = flag.names().collect::<String>();
        println!(
            "direction: {protocol:4} {name:18} {right:5} right {wrong:3} wrong: {counted:.2}, weighs {weight:.1}"
        );
        // Few cases say little; what they are few of weighs as much as elsewhere.
        if right >= FEW && weight > counted {
            too_heavy.push(format!("{protocol} {name} weighs {weight}, counted {counted:.2}"));
        }
    }
    assert!(too_heavy.is_empty(), "{too_heavy:?}");
}

//! Random small estates: pods of three namespaces, hosts without one, addresses outside, and who was seen with whom.
//!
//! Labels are few, so that workloads have the same or a part of each other's; a workload may have none. One was seen
//! with the labels of two generations, by which it is known of every label whether it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    Counters, Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Hour, Labels, Party, Protocol, Snapshot,
    StateCounts, TimeRange, Workload,
};
use watershed_policy::confidence::{Confidence, ConfidenceConfig, assess};
use watershed_policy::decisions::Decisions;
use watershed_policy::nft::Hook;
use watershed_policy::rollout::Inputs;
use watershed_policy::{Known, Rule, Service};

/// The label of a generation of pods: no selector may have it.
pub(crate) const GENERATION: &str = "pod-template-hash";

/// What is offered; beside each there is something that nobody offers.
const SERVICES: [(Protocol, u16); 8] = [
    (Protocol::TCP, 80),
    (Protocol::TCP, 443),
    (Protocol::TCP, 443),
    (Protocol::UDP, 53),
    (Protocol::SCTP, 9900),
    (Protocol::ICMP, 8),
    (Protocol::ICMPV6, 128),
    (Protocol(47), 0),
];

/// Rules that people made: for those who are there, for those who are not, and for addresses.
const BY_HAND: [&str; 5] = [
    "{client: {networks: [192.0.2.0/24]}, server: {namespace: one, labels: {app: a}}, ports: [tcp/8200-8201]}",
    "{client: {networks: [192.0.2.0/24, \"2001:db8:9::/48\"]}, server: {namespace: two, labels: {tier: x}}, ports: [anything]}",
    "{client: {namespace: one, labels: {app: a}}, server: {namespace: two, labels: {tier: x}}, ports: [tcp/80, udp/80]}",
    "{client: {namespace: two, labels: {app: b}}, server: {networks: [198.51.100.0/24]}, ports: [tcp/443]}",
    "{client: {namespace: ops, labels: {app: m}}, server: {namespace: one, labels: {tier: z}}, ports: [icmp/8, tcp/9100]}",
];

/// Who takes part: a workload or an address, with the addresses that it has.
type Somebody = (Party, Vec<IpAddr>);

/// An estate.
pub(crate) struct Estate {
    pub(crate) seed: u64,
    pub(crate) accepted: Vec<Edge>,
    undecided: Vec<Edge>,
    /// Workloads that are known, whether they were seen or not.
    pub(crate) silent: Vec<Arc<Workload>>,
    pub(crate) internal: BTreeSet<Party>,
    pub(crate) decisions: Decisions,
    pub(crate) by_hand: Vec<Rule>,
    confidence: Confidence,
}

impl Estate {
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let everybody = random.everybody();
        let (accepted, undecided) = random.edges(&everybody);
        let mut allow: Vec<&str> = BY_HAND.to_vec();
        random.0.shuffle(&mut allow);
        allow.truncate(if random.0.bool() { random.0.usize(1..3) } else { 0 });
        let lines: String = allow.iter().map(|line| format!("- {line}\n")).collect();
        let text =
            if lines.is_empty() { "version: 1\n".into() } else { format!("version: 1\nallow:\n{lines}") };
        let decisions = Decisions::read("decisions.yaml", &text).expect("decisions");
        let known: Vec<Known> = everybody.iter().filter_map(known).collect();
        let by_hand = Rule::by_hand(&decisions, &known);
        let parties = everybody.iter().map(|(party, _)| party);
        // Now and then somebody is not one's own: without a step, but there.
        let internal = parties.filter(|party| party.workload().is_some() && random.0.u8(..8) > 0).cloned();
        let internal = internal.collect();
        let mut silent: Vec<Workload> = ["1", "2"].map(monitor).into();
        silent.extend((0..random.0.usize(..3)).map(|at| random.workload("one", &format!("silent{at}"))));
        let silent = silent.into_iter().map(Arc::new).collect();
        let confidence = confidence(&accepted);
        Self { seed, accepted, undecided, silent, internal, decisions, by_hand, confidence }
    }

    /// Does something with what a plan is made of.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let (accepted, undecided): (Vec<&Edge>, Vec<&Edge>) =
            (self.accepted.iter().collect(), self.undecided.iter().collect());
        use_it(&Inputs {
            accepted: &accepted,
            undecided: &undecided,
            by_hand: &self.by_hand,
            internal: &self.internal.iter().collect(),
            confidence: &self.confidence,
            coverage: 0.99,
            hook: Hook::Forward,
        })
    }

    /// Both ends of every accepted edge with the addresses that they had then.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&Party, &BTreeSet<IpAddr>)> {
        self.accepted.iter().flat_map(|edge| {
            [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)]
        })
    }
}

/// Who a party is, whatever its labels: a step is for all generations.
pub(crate) fn name(party: &Party) -> String {
    party.to_string()
}

fn known((party, addresses): &Somebody) -> Option<Known> {
    let own = addresses.iter().map(|&address| address.into()).collect();
    party.workload().map(|_| Known { party: party.clone(), networks: own })
}

fn confidence(accepted: &[Edge]) -> Confidence {
    let snapshot = Snapshot {
        period: TimeRange { start: Hour(0).start(), end: Hour(400).start() },
        edges: accepted.to_vec(),
        names: Vec::new(),
        listeners: Vec::new(),
        loss: Vec::new(),
        counters: Counters::default(),
    };
    assess(&snapshot, accepted, &ConfidenceConfig::default())
}

/// Whoever monitors the others, as it was in a generation: its labels tell which labels stay.
fn monitor(generation: &str) -> Workload {
    let labels = [("app", "m"), ("tier", "m"), (GENERATION, generation)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Workload { name: "m".into(), namespace: Some("ops".into()), labels, ..Workload::default() }
}

struct Random(fastrand::Rng);

impl Random {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())]
    }

    fn workload(&mut self, namespace: &str, name: &str) -> Workload {
        let mut labels = Labels::from([(GENERATION.to_owned(), format!("g-{name}"))]);
        for (key, values) in [("app", ["a", "b", ""]), ("tier", ["x", "z", ""])] {
            let value = self.one(&values);
            // Few have no label: such a one is one step with its whole namespace.
            if !value.is_empty() || (key == "tier" && labels.len() == 1 && self.0.usize(..4) > 0) {
                let value = if value.is_empty() { "y" } else { value };
                labels.insert(key.into(), value.into());
            }
        }
        Workload { name: name.into(), namespace: Some(namespace.into()), labels, ..Workload::default() }
    }

    fn everybody(&mut self) -> Vec<Somebody> {
        let mut all: Vec<Somebody> = Vec::new();
        for at in 0..self.0.usize(3..7) {
            let namespace = if at % 3 == 2 { "two" } else { "one" };
            let workload = self.workload(namespace, &format!("p{at}"));
            let mut addresses: Vec<IpAddr> =
                (1..=self.0.u8(1..3)).map(|host| IpAddr::from([10, 0, at as u8, host])).collect();
            if self.0.bool() {
                addresses.push(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1 + at as u16]));
            }
            // An address changes hands now and then.
            if at > 0 && self.0.usize(..6) == 0 {
                addresses.push(all[at - 1].1[0]);
            }
            all.push((Party::Workload(Arc::new(workload)), addresses));
        }
        for generation in ["1", "2"] {
            let monitor = Party::Workload(Arc::new(monitor(generation)));
            all.push((monitor, vec![IpAddr::from([10, 0, 100, 1])]));
        }
        for at in 0..self.0.usize(..3) {
            let mut host = Workload { name: format!("h{at}"), ..Workload::default() };
            if self.0.bool() {
                host.labels.insert("role".into(), "backup".into());
            }
            let addresses = vec![
                IpAddr::from([172, 16, 0, 1 + at as u8]),
                IpAddr::from([0xfd01, 0, 0, 0, 0, 0, 0, 1 + at as u16]),
            ];
            all.push((Party::Workload(Arc::new(host)), addresses));
        }
        let mut outside = ["198.51.100.20", "198.51.100.22", "203.0.113.7", "2001:db8::1", "2001:db8::3"];
        self.0.shuffle(&mut outside);
        for address in &outside[..self.0.usize(1..4)] {
            let address = address.parse().expect("an address");
            all.push((Party::Address(address), vec![address]));
        }
        all
    }

    /// Accepted ones, and such as need a person.
    fn edges(&mut self, everybody: &[Somebody]) -> (Vec<Edge>, Vec<Edge>) {
        let mut edges = BTreeMap::new();
        // Both generations of the one are seen, and most ask for names.
        let generations = |(party, _): &&Somebody| name(party) == "ops/m";
        for one in everybody.iter().filter(generations) {
            self.connect(one, &everybody[0], (Protocol::TCP, 80), &mut edges);
        }
        if self.0.usize(..3) > 0 {
            for one in everybody.iter().filter(|(party, _)| party.workload().is_some()) {
                self.connect(one, &everybody[1], (Protocol::UDP, 53), &mut edges);
            }
        }
        for _ in 0..self.0.usize(6..18) {
            let (client, server) = (self.0.usize(..everybody.len()), self.0.usize(..everybody.len()));
            let service = self.one(&SERVICES);
            self.connect(&everybody[client], &everybody[server], service, &mut edges);
        }
        let mut edges: Vec<Edge> = edges.into_values().collect();
        self.0.shuffle(&mut edges);
        let undecided = edges.split_off(edges.len() - self.0.usize(..3));
        (edges, undecided)
    }

    /// Adds an edge where the two can connect.
    fn connect(
        &mut self,
        client: &Somebody,
        server: &Somebody,
        (protocol, port): (Protocol, u16),
        edges: &mut BTreeMap<EdgeKey, Edge>,
    ) {
        let key = EdgeKey { client: client.0.clone(), server: server.0.clone(), protocol, port };
        let (clients, servers) = (self.some(&client.1), self.some(&server.1));
        let Some(service) = Service::of(&key) else { return };
        let mut pairs =
            clients.iter().flat_map(|&client| servers.iter().map(move |&server| (client, server)));
        // What has no ports is one connection to a kernel, whoever opened it: it is only ever sent one way.
        let both_ways = matches!(service, Service::Protocol(_)) && pairs.clone().any(|(a, b)| a >= b);
        let within = key.client.workload().or(key.server.workload()).is_some();
        let connects = pairs.any(|(client, server)| client != server && service.connects(client, server));
        if !within || both_ways || !connects {
            return;
        }
        let names = match (&key.server, server.1[0]) {
            (Party::Address(_), IpAddr::V4(address)) => {
                BTreeSet::from([format!("w{}.example", address.octets()[3]).into()])
            }
            _ => BTreeSet::new(),
        };
        let hours = (0..400).map(Hour).collect();
        let edge = Edge {
            key: key.clone(),
            connections: 9,
            answered: 9,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            first_seen: Hour(0).start(),
            last_seen: Hour(399).start(),
            states: StateCounts::default(),
            evidence: EvidenceCounts::default(),
            names,
            hours,
            client_addresses: clients,
            server_addresses: servers,
            observers: BTreeSet::new(),
        };
        edges.insert(key, edge);
    }

    /// Some of `addresses`, at least one.
    fn some(&mut self, addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
        let mut all = addresses.to_vec();
        self.0.shuffle(&mut all);
        all.truncate(self.0.usize(1..=all.len()));
        all.into_iter().collect()
    }
}

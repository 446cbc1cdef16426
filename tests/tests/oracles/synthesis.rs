//! Rules mined at level nano from connections that other tools were given, against the policies that they made of
//! the same: netpol-synthesizer of a list of connections, cluster-topology-analyzer of manifests.
//!
//! The same connections are allowed between all workloads, and none more; the question to the DNS is tolerated, which
//! those tools add to whoever connects to anything. Where their policies let everybody in, an observation has one
//! client, and the rule is for that one: this is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp, Workload,
};
use watershed_policy::export::kubernetes;
use watershed_policy::k8s::{Blocks, Connections, End, Evaluator, Manifests, NetworkPolicy, Pod, World};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::proof::kubernetes::prove;

use crate::policy::{manifests, read};
use crate::support::{oracle, table};

/// The cases, the files of each that repeat policies of another, and whether its manifests have the workloads.
const CASES: [(&str, &str, bool); 4] = [
    ("synth__microservices-demo-no-baseline", "", false),
    ("cta__bookinfo", "", true),
    ("cta__onlineboutique", "expected_netpol_output.json", true),
    ("cta__sockshop", "", true),
];

/// Who is seen to come from outside, and who is not.
const SEEN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

const DNS: u16 = 53;

#[test]
fn what_is_mined_allows_what_their_policies_allow() {
    let Some(folder) = oracle("policy") else { return };
    let (mut pairs, mut edges, mut everybody, mut different) = (0, 0, 0, Vec::new());
    for (name, repeated, has_workloads) in CASES {
        let mut texts = manifests(&folder.join(name));
        texts.retain(|(file, _)| file != repeated);
        let theirs = read(&texts, "default");
        let listed = folder.join(name).join("edges.tsv");
        let world = if has_workloads { of_manifests(&theirs.world) } else { of_list(&listed) };
        let expected = Matrix::of(&world, &theirs.policies);
        let observed = match has_workloads {
            true => expected.edges(&world),
            false => seen_in_list(&world, &listed),
        };
        let ours = Matrix::of(&world, &policies_of(&world, &observed, name));
        pairs += expected.connections.len();
        edges += observed.len();
        different.extend(ours.beside(&expected, &world).into_iter().map(|told| format!("{name}: {told}")));
        let opened = expected.of_other.iter().filter(|connections| !connections.is_empty());
        everybody += opened.count();
        let still_open = ours.of_other.iter().any(|connections| !connections.is_empty());
        assert!(!still_open, "{name}: an address that was never seen may connect");
    }
    println!(
        "synthesis: {} cases, {edges} dependencies in, {pairs} pairs of workloads allowed the same; {everybody} servers are open to everybody there and to who was seen here",
        CASES.len()
    );
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What may be connected to: between workloads, from an address that was seen, and from one that was not.
struct Matrix {
    connections: BTreeMap<(usize, usize), Connections>,
    of_seen: Vec<Connections>,
    of_other: Vec<Connections>,
}

impl Matrix {
    fn of(world: &World, policies: &[NetworkPolicy]) -> Self {
        let evaluator = Evaluator::new(world, policies, Blocks::OutsideOnly);
        let all = 0..world.pods().len();
        let mut connections = BTreeMap::new();
        for client in all.clone() {
            for server in all.clone().filter(|&server| server != client) {
                connections
                    .insert((client, server), evaluator.connections(End::Pod(client), End::Pod(server)));
            }
        }
        let from = |address: Ipv4Addr| {
            let isolated = all.clone().map(|server| match is_dns(&world.pods()[server]) {
                true => Connections::default(),
                false => evaluator.connections(End::Outside(IpAddr::V4(address)), End::Pod(server)),
            });
            isolated.collect()
        };
        Self { connections, of_seen: from(SEEN), of_other: from(OTHER) }
    }

    /// What it allows, as it would be observed.
    fn edges(&self, world: &World) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (&(client, server), connections) in &self.connections {
            let parties = [party(&world.pods()[client]), party(&world.pods()[server])];
            edges.extend(services(connections).map(|(protocol, port)| edge(&parties, protocol, port)));
        }
        for (server, connections) in self.of_seen.iter().enumerate() {
            let parties = [Party::Address(IpAddr::V4(SEEN)), party(&world.pods()[server])];
            edges.extend(services(connections).map(|(protocol, port)| edge(&parties, protocol, port)));
        }
        edges
    }

    /// Where this allows something else than `other`, DNS aside.
    fn beside(&self, other: &Self, world: &World) -> Vec<String> {
        let name = |pod: usize| world.pods()[pod].to_string();
        let pairs = self.connections.iter().map(|(&(client, server), ours)| {
            let is_question = is_dns(&world.pods()[server]) || is_dns(&world.pods()[client]);
            let same = is_question || *ours == other.connections[&(client, server)];
            (same, name(client), name(server), ours, &other.connections[&(client, server)])
        });
        let outside = self.of_seen.iter().zip(&other.of_seen).enumerate();
        let outside = outside
            .map(|(server, (ours, theirs))| (ours == theirs, SEEN.to_string(), name(server), ours, theirs));
        let different = pairs.chain(outside).filter(|(same, ..)| !same);
        different
            .map(|(_, client, server, ours, theirs)| {
                format!("{client} -> {server}: ours {ours}, theirs {theirs}")
            })
            .collect()
    }
}

/// Protocols and ports, each port by itself.
fn services(connections: &Connections) -> impl Iterator<Item = (Protocol, u16)> {
    let all = [Protocol::TCP, Protocol::UDP, Protocol::SCTP]
        .into_iter()
        .flat_map(|protocol| (1..=u16::MAX).map(move |port| (protocol, port)));
    let everything = *connections == Connections::all();
    all.filter(move |&(protocol, port)| !everything && connections.contains(protocol, port))
}

/// What is mined at level nano, in force, and proven.
fn policies_of(world: &World, observed: &[Edge], case: &str) -> Vec<NetworkPolicy> {
    let known: Vec<Arc<Workload>> = world.pods().iter().map(workload).collect();
    let census = Census::of(observed, &known).expect("a census");
    let plan = mine(&census, Level::Nano);
    let export = kubernetes::export(&census, &plan).expect("policies");
    prove(&census, &plan, &export, "test").unwrap_or_else(|error| panic!("{case}: {error}"));
    let in_force = export.files.iter().filter(|(path, _)| {
        !path.starts_with("default-deny-revert/") && !path.ends_with("kustomization.yaml")
    });
    let files = in_force.map(|(path, text)| (path.as_str(), text.as_str()));
    Manifests::read(files, "default").unwrap_or_else(|problems| panic!("{case}: {problems}")).policies
}

/// The workloads that policies are made for, each once, and the DNS.
fn of_manifests(read: &World) -> World {
    let mut world = with_dns();
    let mut known = BTreeSet::new();
    for pod in read.pods().iter().filter(|pod| !pod.host_network) {
        // Manifests of one workload in several files; labels tell versions of it apart.
        if known.insert((pod.namespace.clone(), pod.labels.clone())) {
            world.add_pod(pod.clone());
        }
    }
    world
}

fn of_list(list: &Path) -> World {
    let mut world = with_dns();
    let mut known = BTreeSet::new();
    for row in table(list) {
        for (name, labels) in [(&row["src"], &row["src_labels"]), (&row["dst"], &row["dst_labels"])] {
            if name != "<external>" && known.insert(name.clone()) {
                let labels: Labels = labels
                    .split(',')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect();
                world.add_pod(Pod {
                    namespace: "default".into(),
                    name: name.clone(),
                    labels,
                    ..Pod::default()
                });
            }
        }
    }
    world
}

fn with_dns() -> World {
    let mut world = World::default();
    let labels = Labels::from([("k8s-app".to_owned(), "kube-dns".to_owned())]);
    let dns = Pod { namespace: "kube-system".into(), name: "coredns".into(), labels, ..Pod::default() };
    world.add_pod(dns);
    world
}

fn is_dns(pod: &Pod) -> bool {
    pod.namespace == "kube-system"
}

fn seen_in_list(world: &World, list: &Path) -> Vec<Edge> {
    let find = |name: &str| {
        let pod = world.pods().iter().find(|pod| pod.name == name);
        pod.map_or(Party::Address(IpAddr::V4(SEEN)), party)
    };
    let mut edges: Vec<Edge> = table(list)
        .iter()
        .map(|row| {
            let protocol = Protocol::parse(&row["protocol"]).expect("a protocol");
            edge(&[find(&row["src"]), find(&row["dst"])], protocol, row["port"].parse().expect("a port"))
        })
        .collect();
    let clients: BTreeSet<Party> = edges.iter().map(|edge| edge.key.client.clone()).collect();
    let dns = party(&world.pods()[0]);
    edges.extend(
        clients
            .into_iter()
            .filter(|client| matches!(client, Party::Workload(_)))
            .map(|client| edge(&[client, dns.clone()], Protocol::UDP, DNS)),
    );
    edges
}

fn workload(pod: &Pod) -> Arc<Workload> {
    Arc::new(Workload {
        name: pod.name.clone(),
        namespace: Some(pod.namespace.clone()),
        labels: pod.labels.clone(),
        ..Workload::default()
    })
}

fn party(pod: &Pod) -> Party {
    Party::Workload(workload(pod))
}

fn edge([client, server]: &[Party; 2], protocol: Protocol, port: u16) -> Edge {
    let addresses = |party: &Party| match party {
        Party::Address(address) => BTreeSet::from([*address]),
        Party::Workload(_) => BTreeSet::new(),
    };
    Edge {
        key: EdgeKey { client: client.clone(), server: server.clone(), protocol, port },
        connections: 1,
        answered: 1,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Timestamp::from_parts(1, 0),
        last_seen: Timestamp::from_parts(2, 0),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours: BTreeSet::new(),
        client_addresses: addresses(client),
        server_addresses: addresses(server),
        observers: BTreeSet::new(),
    }
}

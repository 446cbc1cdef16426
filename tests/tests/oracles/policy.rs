//! What Kubernetes NetworkPolicies allow, with those of administrators above and below them, against np-guard's
//! netpol-analyzer.
//!
//! Its list names pairs of workloads, and ranges of addresses outside the cluster, with their connections;
//! pairs that are not in it may not connect. Every pair is compared, listed or not. Pods on different primary
//! networks cannot connect, whatever policies say, so there only np-guard's list is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use watershed_model::Protocol;
use watershed_policy::check::{Observed, check};
use watershed_policy::cluster;
use watershed_policy::k8s::{
    Blocks, Connections, Direction, End, Manifests, NetworkPolicy, Peer, PeerKind, Pod, PortMatch, Ports,
    Selector, World,
};
use watershed_policy::layers::{Layers, Names};

use crate::support::{file_name, oracle};

/// Networks that np-guard takes with bits set for hosts, which the reader refuses, and what they mean.
const HOST_BITS: [(&str, &str); 1] = [("ff06::/3", "e000::/3")];

#[test]
fn allowed_connections_are_those_of_np_guard() {
    let Some(folder) = oracle("policy") else { return };
    let cases = folders(&folder, "npa__");
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let (mut total, mut equal, mut administered) = (Compared::default(), 0, 0);
    let mut different = Vec::new();
    for case in &cases {
        let name = file_name(case);
        let mut texts = manifests(&case.join("case"));
        for (written, meant) in HOST_BITS {
            texts.iter_mut().for_each(|(_, text)| *text = text.replace(written, meant));
        }
        let manifests = read(&texts, "default");
        administered += usize::from(!manifests.cluster.is_empty());
        let expected = Expected::read(&case.join("expected"));
        let compared = compare(&manifests, &expected);
        if compared.different.is_empty() {
            equal += 1;
        } else {
            let shown: Vec<_> = compared.different.iter().take(12).cloned().collect();
            different.push(format!("{name}:\n  {}", shown.join("\n  ")));
        }
        total.add(&compared);
    }
    println!(
        "np-guard: {} cases, {equal} equal in all {} pairs: {} allowed, {} denied, {} in part; {} policies",
        cases.len(),
        total.pairs,
        total.allowed,
        total.pairs - total.allowed - total.in_part,
        total.in_part,
        total.policies
    );
    println!(
        "  {} lines about ingress controllers and {} about secondary networks are not about NetworkPolicy",
        total.controllers, total.secondary
    );
    println!("  {administered} cases have AdminNetworkPolicies or a BaselineAdminNetworkPolicy");
    assert!(different.is_empty(), "{} cases differ:\n{}", different.len(), different.join("\n"));
}

/// Cases with a list of the rules that their policies consist of, the file that repeats policies of another
/// aside, and what matches nothing in them: the place's last part, with the reason.
const RULES: [(&str, &str, &[&str]); 6] = [
    ("cta__bookinfo", "", &[]),
    ("cta__onlineboutique", "expected_netpol_output.json", &[]),
    ("cta__sockshop", "", &[]),
    ("gcp__onlineboutique_handwritten", "", &[]),
    ("synth__microservices-demo-no-baseline", "", &[]),
    (
        "sockshop__handwritten",
        "",
        &[
            "netpol-cart-access.yaml:9:5 no pod there has name=cart; some have name=carts",
            "netpol-cart-db-access.yaml:13:11 no pod there has name=cart; some have name=carts",
            "netpol-cortex-access.yaml:12:11 no pod there has name=cortex",
        ],
    ),
];

#[test]
fn rules_and_stale_selectors_are_those_that_are_listed() {
    let Some(folder) = oracle("policy") else { return };
    let mut rules = 0;
    for (case, repeated, stale) in RULES {
        let mut texts = manifests(&folder.join(case));
        texts.retain(|(name, _)| name != repeated);
        let manifests = read(&texts, "");
        let listed =
            fs::read_to_string(folder.join(case).join("expected_rules.tsv")).expect("a list of rules");
        let listed: BTreeSet<String> =
            listed.lines().skip(1).map(|line| line.trim_end().to_owned()).collect();
        let ours: BTreeSet<String> = manifests.policies.iter().flat_map(rows).collect();
        assert_eq!(ours, listed, "{case}");
        rules += ours.len();
        if manifests.world.pods().is_empty() {
            continue;
        }
        let report = check(&manifests, Observed { edges: None, workloads: &[] });
        let unmatched: Vec<_> = report
            .unmatched
            .iter()
            .map(|unmatched| format!("{} {}", unmatched.place, unmatched.why))
            .collect();
        assert_eq!(unmatched, stale, "{case}");
    }
    println!("{} cases with their {rules} rules as listed; stale selectors are told", RULES.len());
}

/// A policy as rows of policy, namespace, direction, subject, peer, protocol and port.
fn rows(policy: &NetworkPolicy) -> Vec<String> {
    let labels = |selector: &Selector| match selector.requirements.is_empty() {
        true => "<all>".to_owned(),
        false => selector.to_string().replace(", ", ","),
    };
    let peer = |peer: &Peer| match &peer.kind {
        PeerKind::Pods { namespaces, pods } => {
            let namespaces = namespaces.iter().map(|selector| format!("ns:{}", labels(selector)));
            let pods = pods.iter().map(|selector| format!("pod:{}", labels(selector)));
            namespaces.chain(pods).collect::<Vec<_>>().join(" & ")
        }
        PeerKind::Block { cidr, .. } => format!("ip:{cidr}"),
    };
    let port = |port: &PortMatch| {
        let number = match &port.ports {
            Ports::All => "ANY".to_owned(),
            Ports::Range(range) => range.start().to_string(),
            Ports::Named(name) => name.clone(),
        };
        format!("{}\t{number}", port.protocol.to_string().to_uppercase())
    };
    let mut rows = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let Some(rules) = policy.rules(direction) else { continue };
        let NetworkPolicy { name, namespace, subject, .. } = policy;
        let head = format!("{name}\t{namespace}\t{direction}\t{}", labels(subject));
        if rules.is_empty() {
            rows.push(format!("{head}\t<deny all>"));
        }
        for rule in rules {
            let mut peers: Vec<_> = rule.peers.iter().map(peer).collect();
            let mut ports: Vec<_> = rule.ports.iter().map(port).collect();
            peers.extend(rule.peers.is_empty().then(|| "<anyone>".to_owned()));
            ports.extend(rule.ports.is_empty().then(|| "ANY\tANY".to_owned()));
            let each = |peer: &String| {
                ports.iter().map(|port| format!("{head}\t{peer}\t{port}")).collect::<Vec<_>>()
            };
            rows.extend(peers.iter().flat_map(each));
        }
    }
    rows
}

/// How one case, or all of them, compared.
#[derive(Default)]
struct Compared {
    pairs: usize,
    /// Pairs that may open every connection.
    allowed: usize,
    /// Pairs that may open some.
    in_part: usize,
    policies: usize,
    controllers: usize,
    secondary: usize,
    different: Vec<String>,
}

impl Compared {
    fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.allowed += other.allowed;
        self.in_part += other.in_part;
        self.policies += other.policies;
        self.controllers += other.controllers;
        self.secondary += other.secondary;
    }

    fn pair(&mut self, client: &str, server: &str, ours: &Connections, theirs: &Connections) {
        self.pairs += 1;
        let all = *ours == Connections::all();
        self.allowed += usize::from(all);
        self.in_part += usize::from(!all && !ours.is_empty());
        if ours != theirs {
            self.different.push(format!("{client} => {server}: ours {ours}, theirs {theirs}"));
        }
    }
}

fn compare(manifests: &Manifests, expected: &Expected) -> Compared {
    let mut compared = Compared {
        policies: manifests.count(),
        controllers: expected.controllers,
        secondary: expected.secondary,
        ..Compared::default()
    };
    let world = without_host_network(&manifests.world);
    let layers = Layers::of(manifests, &world, &Names::default(), Blocks::OutsideOnly);
    let mut workloads: BTreeMap<String, End> = BTreeMap::new();
    for (index, pod) in world.pods().iter().enumerate() {
        // One pod stands for its workload, as in the list.
        workloads.entry(format!("{pod}[{}]", pod.kind)).or_insert(End::Pod(index));
    }
    let none = Connections::default();
    for (client, &from) in &workloads {
        for (server, &to) in workloads.iter().filter(|(server, _)| *server != client) {
            let theirs = expected.pairs.get(&(client.clone(), server.clone())).unwrap_or(&none);
            let connected = expected.networks.get(client) == expected.networks.get(server);
            let ours = if connected { layers.connections(from, to) } else { none.clone() };
            compared.pair(client, server, &ours, theirs);
        }
    }
    for address in addresses(manifests, expected) {
        let outside = End::Outside(IpAddr::V4(address));
        for (workload, &end) in &workloads {
            let (to, from) = (layers.connections(outside, end), layers.connections(end, outside));
            let range = format!("{address} and on");
            compared.pair(&range, workload, &to, expected.outside(address, workload, true).unwrap_or(&none));
            compared.pair(
                workload,
                &range,
                &from,
                expected.outside(address, workload, false).unwrap_or(&none),
            );
        }
    }
    for (client, server) in expected.pairs.keys() {
        if !(workloads.contains_key(client) && workloads.contains_key(server)) {
            compared.different.push(format!("{client} => {server}: ours knows no such workloads"));
        }
    }
    compared
}

/// The world as np-guard sees it: it takes pods on their node's network for pods like all others.
fn without_host_network(world: &World) -> World {
    let mut plain = World::default();
    for (name, labels) in world.namespaces() {
        plain.add_namespace(name, labels.clone());
    }
    for pod in world.pods() {
        plain.add_pod(Pod { host_network: false, ..pod.clone() });
    }
    plain
}

/// The first address of each range within which neither the policies nor np-guard see a difference.
fn addresses(manifests: &Manifests, expected: &Expected) -> BTreeSet<Ipv4Addr> {
    let mut starts = BTreeSet::from([Ipv4Addr::UNSPECIFIED]);
    let mut range = |first: Ipv4Addr, last: Ipv4Addr| {
        starts.insert(first);
        starts.extend(last.to_bits().checked_add(1).map(Ipv4Addr::from_bits));
    };
    for rule in manifests.cluster.iter().flat_map(|policy| &policy.egress) {
        let networks = rule.peers.iter().filter_map(|peer| match peer {
            cluster::Peer::Networks(networks) => Some(networks),
            _ => None,
        });
        for network in networks.flatten() {
            if let (IpAddr::V4(first), IpAddr::V4(last)) = (network.network(), network.broadcast()) {
                range(first, last);
            }
        }
    }
    for policy in &manifests.policies {
        let rules = policy.ingress.iter().chain(&policy.egress).flatten();
        for peer in rules.flat_map(|rule| &rule.peers) {
            if let PeerKind::Block { cidr, except } = &peer.kind {
                for network in except.iter().chain([cidr]) {
                    if let (IpAddr::V4(first), IpAddr::V4(last)) = (network.network(), network.broadcast()) {
                        range(first, last);
                    }
                }
            }
        }
    }
    expected.outside.iter().for_each(|line| range(line.first, line.last));
    starts
}

/// np-guard's list.
#[derive(Default)]
struct Expected {
    pairs: BTreeMap<(String, String), Connections>,
    outside: Vec<Outside>,
    /// The primary network of each workload, where the list says so.
    networks: BTreeMap<String, String>,
    controllers: usize,
    secondary: usize,
}

/// A line with a range of addresses.
struct Outside {
    first: Ipv4Addr,
    last: Ipv4Addr,
    workload: String,
    is_client: bool,
    connections: Connections,
}

impl Expected {
    fn read(folder: &Path) -> Self {
        let files = files(folder);
        let file = files.iter().find(|file| file.extension().is_some_and(|e| e == "txt"));
        let file = file.unwrap_or_else(|| panic!("no list in {}", folder.display()));
        let (mut list, mut secondary, mut workload) = (Self::default(), false, String::new());
        for line in fs::read_to_string(file).expect("a file that can be read").lines() {
            if let Some((ends, connections)) = line.split_once(" : ") {
                let (client, server) = ends.split_once(" => ").expect("two ends");
                if secondary {
                    list.secondary += 1;
                } else {
                    list.line(client, server, self::connections(connections));
                }
            } else if let Some(network) = line.trim().strip_prefix("Primary Network: ") {
                list.networks.insert(workload.clone(), network.to_owned());
            } else if line.starts_with("Permitted connectivity") {
                secondary = line.contains(" secondary ");
            } else if let Some(name) = line.trim_end().strip_suffix(':') {
                name.clone_into(&mut workload);
            }
        }
        list
    }

    fn line(&mut self, client: &str, server: &str, connections: Connections) {
        let outside = |end: &str| {
            let range = end.strip_suffix("[External]")?.to_owned();
            let (first, last) = range.split_once('-').expect("a range of addresses");
            Some((first.parse().expect("IPv4"), last.parse().expect("IPv4")))
        };
        if client.starts_with('{') || server.starts_with('{') {
            self.controllers += 1;
        } else if let Some((first, last)) = outside(client) {
            let workload = without_network(server);
            self.outside.push(Outside { first, last, workload, is_client: true, connections });
        } else if let Some((first, last)) = outside(server) {
            let workload = without_network(client);
            self.outside.push(Outside { first, last, workload, is_client: false, connections });
        } else {
            self.pairs.insert((without_network(client), without_network(server)), connections);
        }
    }

    fn outside(&self, address: Ipv4Addr, workload: &str, is_client: bool) -> Option<&Connections> {
        let is = |line: &&Outside| {
            (line.first..=line.last).contains(&address)
                && line.workload == workload
                && line.is_client == is_client
        };
        self.outside.iter().find(is).map(|line| &line.connections)
    }
}

/// `green[udn]/web[Pod]` is `green/web[Pod]`.
fn without_network(end: &str) -> String {
    let (namespace, name) = end.split_once('/').expect("a namespace");
    format!("{}/{name}", namespace.split('[').next().unwrap_or_default())
}

/// `All Connections` or `SCTP 1-65535,TCP 1-79,81-65535`.
fn connections(text: &str) -> Connections {
    if text == "All Connections" {
        return Connections::all();
    }
    let (mut connections, mut protocol) = (Connections::default(), Protocol::TCP);
    for item in text.split(',') {
        let ports = item.split_once(' ').map_or(item, |(name, ports)| {
            protocol = Protocol::parse(name).expect("a protocol");
            ports
        });
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        connections.insert(protocol, first.parse().expect("a port")..=last.parse().expect("a port"));
    }
    connections
}

/// The folders that start with `prefix`, in order.
fn folders(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut folders = entries(folder);
    folders.retain(|path| path.is_dir() && file_name(path).starts_with(prefix));
    folders
}

pub(crate) fn read(texts: &[(String, String)], namespace: &str) -> Manifests {
    let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Manifests::read(files, namespace).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Name and text of the manifests below a folder.
pub(crate) fn manifests(folder: &Path) -> Vec<(String, String)> {
    let manifest =
        |path: &PathBuf| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
    let read =
        |path: PathBuf| (file_name(&path), fs::read_to_string(&path).expect("a file that can be read"));
    files(folder).into_iter().filter(manifest).map(read).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries(folder) {
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> =
        read.map(|entry| entry.expect("a folder that can be read").path()).collect();
    entries.sort();
    entries
}

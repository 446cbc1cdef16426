//! Mined rules as ClusterNetworkPolicies and CiliumNetworkPolicies: what other tools got wrong is right here,
//! and is noticed when it is not.

#![allow(clippy::print_stdout, reason = "the mutation score is worth a line")]

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, cluster, edge, edges, outside};
use watershed_model::{Edge, Protocol};
use watershed_policy::Error;
use watershed_policy::export::directory::Directory;
use watershed_policy::export::{cilium, cluster as clusterwide};
use watershed_policy::mine::{Census, Level, Plan, mine};
use watershed_policy::proof::kubernetes::{Certificate, prove_cilium, prove_cluster};

type Export = fn(&Census, &Plan) -> Result<Directory, Error>;
type Prove = fn(&Census, &Plan, &Directory, &str) -> Result<Certificate, Error>;

const CLUSTER: (Export, Prove) = (clusterwide::export, prove_cluster);
const CILIUM: (Export, Prove) = (cilium::export, prove_cilium);

struct Made {
    census: Census,
    plan: Plan,
    export: Directory,
    prove: Prove,
}

impl Made {
    fn of((export, prove): (Export, Prove), edges: &[Edge], level: Level) -> Self {
        let census = Census::of(edges, &[]).expect("a census");
        let plan = mine(&census, level);
        let export = export(&census, &plan).expect("policies");
        Self { census, plan, export, prove }
    }

    fn prove(&self, export: &Directory) -> Result<Certificate, Error> {
        (self.prove)(&self.census, &self.plan, export, "test")
    }

    fn text(&self) -> String {
        self.export.files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect()
    }

    fn told(&self, part: &str) -> bool {
        self.export.not_expressed.iter().any(|one| one.reason.contains(part))
    }

    /// How many of the mutants are refuted; every one must be.
    fn refutes(&self, mutations: &[(&str, &str, &str)]) {
        let mut mutants: Vec<(String, Directory)> = Vec::new();
        for (name, from, to) in mutations {
            let mut export = self.export.clone();
            export.files.values_mut().for_each(|text| *text = text.replace(from, to));
            assert_ne!(export, self.export, "{name}: changes nothing in\n{}", self.text());
            mutants.push(((*name).to_owned(), export));
        }
        for path in self.export.files.keys().filter(|path| path.starts_with("allow/")) {
            let mut export = self.export.clone();
            export.files.remove(path);
            mutants.push((format!("{path} forgotten"), export));
        }
        let survived: Vec<&str> = mutants
            .iter()
            .filter(|(_, export)| self.prove(export).is_ok())
            .map(|(name, _)| name.as_str())
            .collect();
        println!("mutation score: {} of {} refuted", mutants.len() - survived.len(), mutants.len());
        assert!(survived.is_empty(), "not noticed: {survived:?}\n{}", self.text());
    }
}

/// The small cluster's edges; servers outside are called by names, one of them by two.
fn named_edges() -> Vec<Edge> {
    let mut edges = edges();
    edges[6].names.extend(["api.partner.example".into(), "WWW.partner.example.".into()]);
    edges[7].names.insert("six.partner.example".into());
    edges
}

#[test]
fn every_level_is_proven() {
    for level in Level::ALL {
        let made = Made::of(CLUSTER, &named_edges(), level);
        let certificate =
            made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}\n{}", made.text()));
        assert_eq!(certificate.not_expressed, 2, "a ping, and a host to a host");
        assert!(certificate.probes_denied > 100, "{certificate:?}");
        assert!(certificate.to_json().expect("json").contains("policy.networking.k8s.io/v1alpha2"));

        let made = Made::of(CILIUM, &named_edges(), level);
        let certificate =
            made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}\n{}", made.text()));
        assert_eq!(certificate.not_expressed, 1, "a host to a host; pings can be said");
        assert!(certificate.probes_denied > 100, "{certificate:?}");
        assert_eq!(made.text().contains("toFQDNs"), level != Level::Nano);
    }
}

#[test]
fn every_name_of_a_server_is_written_and_its_price_told() {
    let made = Made::of(CILIUM, &named_edges(), Level::Service);
    for name in ["api.partner.example", "www.partner.example", "six.partner.example"] {
        assert!(made.text().contains(&format!("- matchName: \"{name}\"")), "{name}");
    }
    assert!(!made.text().contains("cidr: \"198.51.100.20/32\""));
    assert!(made.told("every other address that the names come to stand for"));
    assert!(
        made.text()
            .contains("        protocol: UDP\n      rules:\n        dns:\n        - matchPattern: \"*\"\n")
    );
}

#[test]
fn who_was_called_by_its_address_is_written_by_it() {
    let mut edges = named_edges();
    edges[6].names.insert("198.51.100.20".into());
    let made = Made::of(CILIUM, &edges, Level::Service);
    assert!(
        made.text().contains("cidr: \"198.51.100.20/32\"")
            && !made.text().contains("matchName: \"api.partner")
    );
    made.prove(&made.export).expect("a proof");
}

#[test]
fn without_dns_names_are_of_no_use_and_addresses_are_written() {
    let mut edges = named_edges();
    edges.retain(|edge| edge.key.port != 53);
    let made = Made::of(CILIUM, &edges, Level::Service);
    assert!(!made.text().contains("toFQDNs") && made.text().contains("198.51.100.20/32"));
    made.prove(&made.export).expect("a proof");
}

#[test]
fn what_a_cluster_network_policy_cannot_say_is_told() {
    let made = Made::of(CLUSTER, &edges(), Level::Service);
    assert!(made.told("they all stay allowed, from every address to every port"));
    assert!(made.told("knows TCP, UDP and SCTP alone"));
    assert!(!made.text().contains("203.0.113.9"), "no rule for a client outside");
}

#[test]
fn a_subject_with_many_rules_and_peers_stays_within_the_limits_of_the_api() {
    let Cluster { front, api, .. } = cluster();
    let peer = |at: u32| outside(&format!("198.51.{}.{}", at / 100, at % 100 * 2 + 1));
    let mut edges: Vec<Edge> =
        (0..200).map(|at| edge(&front, &peer(at), Protocol::TCP, 1000 + (at % 40) as u16 * 7)).collect();
    edges.extend((0..100).map(|at| edge(&front, &api, Protocol::TCP, 3000 + at * 9)));
    for made in [Made::of(CLUSTER, &edges, Level::Nano), Made::of(CILIUM, &edges, Level::Nano)] {
        made.prove(&made.export).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_cluster_network_policy_that_is_broken_in_any_known_way_is_refuted() {
    Made::of(CLUSTER, &edges(), Level::Service).refutes(&[
        ("dns forgotten", "number: 53\n", "number: 54\n"),
        ("service port for target port", "number: 5432", "number: 5431"),
        ("ipv6 as /32", "2001:db8::20/128", "2001:db8::/32"),
        ("ipv6 as /127", "2001:db8::20/128", "2001:db8::20/127"),
        ("ipv4 as /24", "198.51.100.20/32", "198.51.100.0/24"),
        ("ipv4 as everything", "198.51.100.20/32", "0.0.0.0/0"),
        ("a label that no namespace has", "\"kubernetes.io/metadata.name\"", "\"name\""),
        ("udp above 1024 dropped", "    - udp:\n        destinationPort:\n          number: 40000\n", ""),
        ("protocol unknown", "- sctp:", "- unknown:"),
        ("every namespace", "        namespaceSelector:\n          matchLabels:\n            \"kubernetes.io/metadata.name\": \"shop\"\n", "        namespaceSelector: {}\n"),
        ("pods forgotten", "          matchLabels:\n            \"tier\": \"api\"\n", "          matchLabels: {}\n"),
        ("a subject that nobody is", "        matchLabels:\n          \"tier\": \"db\"\n", "        matchLabels:\n          \"tier\": \"database\"\n"),
        ("a range too long", "          number: 5432\n", "          range: {start: 5432, end: 5433}\n"),
        ("ports forgotten", "    protocols:\n    - tcp:\n        destinationPort:\n          number: 5432\n", ""),
        ("accept that denies", "action: Accept", "action: Deny"),
        ("default deny first", "priority: 1000", "priority: 0"),
        ("default deny that accepts", "action: Deny", "action: Accept"),
        ("egress forgotten in default deny", "  egress:\n  - action: Deny\n    to:\n    - namespaces: {}\n    - networks:\n      - \"0.0.0.0/0\"\n      - \"::/0\"\n", ""),
        ("ipv6 forgotten in default deny", "      - \"::/0\"\n", ""),
        ("a hash in a selector", "            \"tier\": \"front\"\n", "            \"tier\": \"front\"\n            \"pod-template-hash\": \"9a7f\"\n"),
    ]);
}

#[test]
fn a_cilium_policy_that_is_broken_in_any_known_way_is_refuted() {
    let shop = "        \"k8s:io.kubernetes.pod.namespace\": \"shop\"\n";
    Made::of(CILIUM, &named_edges(), Level::Service).refutes(&[
        ("dns forgotten", "port: \"53\"\n", "port: \"54\"\n"),
        ("service port for target port", "port: \"8443\"", "port: \"443\""),
        ("ipv6 as /32", "2001:db8:9::9/128", "2001:db8::/32"),
        ("ipv6 as /127", "2001:db8:9::9/128", "2001:db8:9::8/127"),
        ("ipv4 as /24", "203.0.113.9/32", "203.0.113.0/24"),
        ("the world for an address", "  - fromCIDRSet:\n    - cidr: \"203.0.113.9/32\"\n", "  - fromEntities: [world]\n  - fromCIDRSet:\n    - cidr: \"203.0.113.9/32\"\n"),
        ("from nobody, which is everybody", "  - fromCIDRSet:\n    - cidr: \"203.0.113.9/32\"\n    - cidr: \"2001:db8:9::9/128\"\n    toPorts:", "  - toPorts:"),
        ("a label that no pod has", "k8s:io.kubernetes.pod.namespace", "k8s:namespace"),
        ("the own namespace", "        \"k8s:io.kubernetes.pod.namespace\": \"pay\"\n", ""),
        ("every namespace", shop, "      matchExpressions:\n      - {key: io.kubernetes.pod.namespace, operator: Exists}\n"),
        ("udp above 1024 dropped", "      - port: \"40000\"\n        protocol: UDP\n", ""),
        ("protocol unknown", "protocol: SCTP", "protocol: UNKNOWN"),
        ("pods forgotten", "        \"tier\": \"api\"\n", ""),
        ("a subject too wide", "  endpointSelector:\n    matchLabels:\n      \"tier\": \"api\"\n", "  endpointSelector: {}\n"),
        ("a subject that nobody is", "      \"tier\": \"db\"\n  enable", "      \"tier\": \"database\"\n  enable"),
        ("a range too long", "port: \"5432\"\n", "port: \"5432\"\n        endPort: 5433\n"),
        ("ports forgotten", "    toPorts:\n    - ports:\n      - port: \"5432\"\n        protocol: TCP\n", ""),
        ("any protocol", "- port: \"5432\"\n        protocol: TCP\n", "- port: \"5432\"\n"),
        ("a ping that opens ports", "    icmps:\n    - fields:\n      - type: 8\n        family: IPv4\n", ""),
        ("another type of icmp", "- type: 8\n", "- type: 13\n"),
        ("questions that nobody sees", "      rules:\n        dns:\n        - matchPattern: \"*\"\n", ""),
        ("questions that nobody may ask", "- matchPattern: \"*\"\n", "- matchPattern: \"*.svc.cluster.local\"\n"),
        ("one of several names", "    - matchName: \"www.partner.example\"\n", ""),
        ("a name that nobody uses", "six.partner.example", "seven.partner.example"),
        ("default deny that allows", "  endpointSelector: {}\n  ingress:\n", "  endpointSelector: {}\n  enableDefaultDeny: {ingress: false}\n  ingress:\n"),
        ("rules that isolate", "  enableDefaultDeny:\n    ingress: false\n    egress: false\n", ""),
        ("a hash in a selector", "      \"tier\": \"front\"\n", "      \"tier\": \"front\"\n      \"pod-template-hash\": \"9a7f\"\n"),
    ]);
}

#[test]
fn a_scan_a_turned_direction_and_hostile_names_are_refuted_or_harmless() {
    let Cluster { front, api, .. } = cluster();
    for dialect in [CLUSTER, CILIUM] {
        let made = Made::of(dialect, &edges(), Level::Service);
        let mut turned = edges();
        turned[2] = edge(&api, &front, Protocol::TCP, 51_515);
        assert!(made.prove(&Made::of(dialect, &turned, Level::Service).export).is_err());
        let mut hostile = edges();
        hostile[6].names.insert("x\n- to: []\n# ".into());
        let hostile = Made::of(dialect, &hostile, Level::Service);
        hostile.prove(&hostile.export).expect("still the same policies");
    }
    let made = Made::of(CILIUM, &edges(), Level::Service);
    let mut scanned = edges();
    scanned.push(edge(&outside("192.0.2.66"), &api, Protocol::TCP, 8080));
    assert!(made.prove(&Made::of(CILIUM, &scanned, Level::Service).export).is_err());
}

//! The defects, and how a broken generator would have them in each dialect.

use watershed_model::{Edge, Protocol};

use crate::cluster::{Cluster, cluster, edge};
use crate::dialects::Dialect;
use crate::world::{FRONT_TO_API, heir, with_ipv6};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    DnsForgotten,
    ServicePort,
    GenerationHash,
    Ipv6AsIpv4,
    EmptyPeers,
    NamespaceLabel,
    UnknownProtocol,
    HighUdpDropped,
    ScanAllowed,
    TurnedAround,
    TwoPeers,
    DeadPod,
    CountedTwice,
    FirstName,
}

/// How a defect comes about in a dialect.
pub(crate) enum Broken {
    /// Edges as a broken stage hands them on.
    Seen(fn(Vec<Edge>) -> Vec<Edge>),
    /// The same, where it changes numbers and no rule.
    Counted(fn(Vec<Edge>) -> Vec<Edge>),
    /// Text as a broken export writes it.
    Written(Box<dyn Fn(&str) -> String>),
    /// Not at all, with the reason.
    Not(&'static str),
}

const NO_SELECTORS: &str = "its rules are about addresses and have no selectors";
const TCP_ALONE: &str = "AuthorizationPolicy governs TCP alone and names no protocol";
const NAMES_IN_COMMENTS: &str = "it knows addresses; names are in comments, all of them";

impl Defect {
    pub(crate) const ALL: [Self; 14] = [
        Self::DnsForgotten,
        Self::ServicePort,
        Self::GenerationHash,
        Self::Ipv6AsIpv4,
        Self::EmptyPeers,
        Self::NamespaceLabel,
        Self::UnknownProtocol,
        Self::HighUdpDropped,
        Self::ScanAllowed,
        Self::TurnedAround,
        Self::TwoPeers,
        Self::DeadPod,
        Self::CountedTwice,
        Self::FirstName,
    ];

    pub(crate) fn broken(self, dialect: Dialect) -> Broken {
        match self {
            Self::DnsForgotten => Broken::Seen(|edges| without(edges, |edge| edge.key.port == 53)),
            Self::ServicePort => Broken::Seen(with_service_port),
            Self::GenerationHash => generation_hash(dialect),
            Self::Ipv6AsIpv4 => ipv6_as_ipv4(dialect),
            Self::EmptyPeers => empty_peers(dialect),
            Self::NamespaceLabel => namespace_label(dialect),
            Self::UnknownProtocol => unknown_protocol(dialect),
            Self::HighUdpDropped if dialect == Dialect::Istio => Broken::Not(TCP_ALONE),
            Self::HighUdpDropped => Broken::Seen(|edges| {
                without(edges, |edge| edge.key.protocol == Protocol::UDP && edge.key.port > 1024)
            }),
            Self::ScanAllowed => Broken::Seen(with_scan),
            Self::TurnedAround => Broken::Seen(turned_around),
            Self::TwoPeers => two_peers(dialect),
            Self::DeadPod if dialect == Dialect::Nftables => {
                Broken::Not("its rules are about addresses: whose one is changes comments alone")
            }
            Self::DeadPod => Broken::Seen(inherited),
            Self::CountedTwice => Broken::Counted(counted_twice),
            Self::FirstName if dialect == Dialect::Cilium => Broken::Seen(first_name),
            Self::FirstName => Broken::Not(NAMES_IN_COMMENTS),
        }
    }
}

fn without(mut edges: Vec<Edge>, which: fn(&Edge) -> bool) -> Vec<Edge> {
    edges.retain(|edge| !which(edge));
    edges
}

/// A Service takes port 80 and gives it to port 8080 of its pods.
fn with_service_port(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges[FRONT_TO_API].key.port = 80;
    edges
}

/// One SYN to a port that is open, and never used.
fn with_scan(mut edges: Vec<Edge>) -> Vec<Edge> {
    let Cluster { front, pay_db, .. } = cluster();
    edges.push(with_ipv6(edge(&front, &pay_db, Protocol::TCP, 5432)));
    edges
}

fn turned_around(mut edges: Vec<Edge>) -> Vec<Edge> {
    let Cluster { front, api, .. } = cluster();
    edges[FRONT_TO_API] = with_ipv6(edge(&api, &front, Protocol::TCP, 51_515));
    edges
}

/// What the heir of an address did is taken for what the dead pod did.
fn inherited(mut edges: Vec<Edge>) -> Vec<Edge> {
    let front = cluster().front;
    for edge in edges.iter_mut().filter(|edge| edge.key.client == heir()) {
        edge.key.client = front.clone();
    }
    edges
}

fn counted_twice(mut edges: Vec<Edge>) -> Vec<Edge> {
    for edge in &mut edges {
        edge.connections *= 2;
        edge.answered *= 2;
    }
    edges
}

fn first_name(mut edges: Vec<Edge>) -> Vec<Edge> {
    for edge in &mut edges {
        edge.names = edge.names.iter().take(1).cloned().collect();
    }
    edges
}

fn written(replacements: &'static [(&str, &str)]) -> Broken {
    Broken::Written(Box::new(move |text| {
        replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }))
}

fn generation_hash(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => Broken::Not(NO_SELECTORS),
        Dialect::Kubernetes => written(&[(
            "      \"tier\": \"front\"\n  policyTypes",
            "      \"tier\": \"front\"\n      \"pod-template-hash\": \"6ff0f\"\n  policyTypes",
        )]),
        Dialect::ClusterNetworkPolicy => written(&[(
            "            \"tier\": \"front\"\n",
            "            \"tier\": \"front\"\n            \"pod-template-hash\": \"6ff0f\"\n",
        )]),
        Dialect::Cilium => written(&[(
            "      \"tier\": \"front\"\n  enable",
            "      \"tier\": \"front\"\n      \"pod-template-hash\": \"6ff0f\"\n  enable",
        )]),
        Dialect::Calico | Dialect::CalicoStaged => {
            written(&[("tier == 'front'", "tier == 'front' && pod-template-hash == '6ff0f'")])
        }
        Dialect::Istio => written(&[(
            "      \"tier\": \"front\"\n  action",
            "      \"tier\": \"front\"\n      \"pod-template-hash\": \"6ff0f\"\n  action",
        )]),
    }
}

fn ipv6_as_ipv4(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => written(&[
            ("2001:db8:9::9,", "2001:db8::/32,"),
            ("type ipv6_addr", "type ipv6_addr\n\t\tflags interval"),
        ]),
        Dialect::ClusterNetworkPolicy => written(&[("2001:db8::20/128", "2001:db8::/32")]),
        _ => written(&[("2001:db8:9::9/128", "2001:db8::/32")]),
    }
}

/// A list that is empty means everybody where the API lets it be empty; elsewhere everybody is written.
fn empty_peers(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => Broken::Written(Box::new(|text| {
            let line = |line: &str| match line.contains("tcp dport 8443") {
                true => {
                    format!("\t\t{}\n", line.split_once(" daddr ").map_or("", |_| "tcp dport 8443 accept"))
                }
                false => format!("{line}\n"),
            };
            text.lines().map(line).collect()
        })),
        Dialect::Kubernetes => written(&[(
            "  - from:\n    - ipBlock:\n        cidr: \"203.0.113.9/32\"\n    - ipBlock:\n        cidr: \"2001:db8:9::9/128\"\n",
            "  - from: []\n",
        )]),
        Dialect::ClusterNetworkPolicy => {
            written(&[("198.51.100.20/32", "0.0.0.0/0"), ("2001:db8::20/128", "::/0")])
        }
        Dialect::Cilium => written(&[(
            "  - fromCIDRSet:\n    - cidr: \"203.0.113.9/32\"\n    - cidr: \"2001:db8:9::9/128\"\n    toPorts:",
            "  - toPorts:",
        )]),
        Dialect::Calico | Dialect::CalicoStaged => {
            written(&[("      nets:\n      - \"203.0.113.9/32\"\n", "      nets: []\n")])
        }
        Dialect::Istio => written(&[("203.0.113.9/32", "0.0.0.0/0"), ("2001:db8:9::9/128", "::/0")]),
    }
}

fn namespace_label(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => Broken::Not(NO_SELECTORS),
        Dialect::Istio => Broken::Not("it names namespaces and selects none by labels"),
        Dialect::Cilium => written(&[("k8s:io.kubernetes.pod.namespace", "k8s:namespace")]),
        Dialect::Calico | Dialect::CalicoStaged => written(&[("kubernetes.io/metadata.name ==", "name ==")]),
        Dialect::Kubernetes | Dialect::ClusterNetworkPolicy => {
            written(&[("\"kubernetes.io/metadata.name\"", "\"name\"")])
        }
    }
}

fn unknown_protocol(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => written(&[("sctp dport", "unknown dport")]),
        Dialect::Istio => Broken::Not(TCP_ALONE),
        Dialect::ClusterNetworkPolicy => written(&[("- sctp:", "- unknown:")]),
        _ => written(&[("protocol: SCTP", "protocol: UNKNOWN")]),
    }
}

/// Namespace or pods, where namespace and pods was meant.
fn two_peers(dialect: Dialect) -> Broken {
    match dialect {
        Dialect::Nftables => Broken::Not(NO_SELECTORS),
        Dialect::Istio => Broken::Not("its sources are namespaces or accounts and never one of each"),
        Dialect::Kubernetes => written(&[("      podSelector:\n", "    - podSelector:\n")]),
        Dialect::ClusterNetworkPolicy => written(&[(
            "    - pods:\n        namespaceSelector:\n          matchLabels:\n            \"kubernetes.io/metadata.name\": \"shop\"\n        podSelector:\n",
            "    - namespaces:\n        matchLabels:\n          \"kubernetes.io/metadata.name\": \"shop\"\n    - pods:\n        namespaceSelector: {}\n        podSelector:\n",
        )]),
        Dialect::Cilium => written(&[(
            "        \"k8s:io.kubernetes.pod.namespace\": \"shop\"\n        \"tier\"",
            "        \"k8s:io.kubernetes.pod.namespace\": \"shop\"\n    - matchLabels:\n        \"tier\"",
        )]),
        // One of its sources has one selector of each kind: the wider of the two peers is what is left.
        Dialect::Calico | Dialect::CalicoStaged => written(&[("      selector: \"tier == 'api'\"\n", "")]),
    }
}

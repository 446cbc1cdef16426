//! What the API hands out, one type for each kind: `docs/formats.md` explains the fields, which are those of the
//! files of the same name.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use watershed_graph::{Node, Scan, Service, Verdict};
use watershed_model::{Edge, LossEntry, Workload};
use watershed_policy::Rule;

/// Entries of a list within an item; how many there are stands beside it. Few have more, and a thousand of those must
/// fit an answer.
const MAX_WITHIN: usize = 100;

/// A workload or an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct NodeItem {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    labels: BTreeMap<String, String>,
    /// The first 100 of `address_count`.
    addresses: Vec<String>,
    address_count: usize,
    /// The first 100 of `name_count`.
    names: Vec<String>,
    name_count: usize,
    /// `internal`, `public` or `group`.
    scope: &'static str,
    /// `client`, `server`, `both` or `bystander`.
    role: &'static str,
    dependants: usize,
    dependencies: usize,
}

impl From<&Node> for NodeItem {
    fn from(node: &Node) -> Self {
        let workload = node.party.workload();
        Self {
            id: node.id.clone(),
            namespace: workload.and_then(|workload| workload.namespace.clone()),
            labels: workload.map(labels).unwrap_or_default(),
            addresses: strings(&node.addresses),
            address_count: node.addresses.len(),
            names: strings(&node.names),
            name_count: node.names.len(),
            scope: node.scope.as_str(),
            role: node.role.as_str(),
            dependants: node.dependants,
            dependencies: node.dependencies,
        }
    }
}

/// A dependency, or a try at one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EdgeItem {
    client: String,
    server: String,
    protocol: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt: Option<&'static str>,
    connections: u64,
    answered: u64,
    packets_to_server: u64,
    packets_to_client: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    first_seen: String,
    last_seen: String,
    /// Zeek's `conn_state` and how many connections ended in it.
    states: BTreeMap<&'static str, u64>,
    evidence: BTreeMap<&'static str, u32>,
    /// The first 100 of `name_count`.
    names: Vec<String>,
    name_count: usize,
    /// The first 100 of `observer_count`.
    observers: Vec<String>,
    observer_count: usize,
}

impl EdgeItem {
    pub(super) fn new(edge: &Edge, verdict: Verdict) -> Self {
        let service = Service { protocol: edge.key.protocol, port: edge.key.port };
        Self {
            client: edge.key.client.to_string(),
            server: edge.key.server.to_string(),
            protocol: service.protocol.to_string(),
            port: service.port,
            service: service.name(),
            verdict: verdict.as_str(),
            doubt: if let Verdict::NeedsPerson(doubt) = verdict { Some(doubt.as_str()) } else { None },
            connections: edge.connections,
            answered: edge.answered,
            packets_to_server: edge.to_server.packets,
            packets_to_client: edge.to_client.packets,
            bytes_to_server: edge.to_server.ip_bytes,
            bytes_to_client: edge.to_client.ip_bytes,
            first_seen: edge.first_seen.to_string(),
            last_seen: edge.last_seen.to_string(),
            states: edge.states.iter().map(|(state, count)| (state.as_str(), count)).collect(),
            evidence: edge.evidence.iter().collect(),
            names: strings(&edge.names),
            name_count: edge.names.len(),
            observers: strings(&edge.observers),
            observer_count: edge.observers.len(),
        }
    }
}

/// What one source tried in vain over one protocol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ScanItem {
    source: String,
    protocol: String,
    /// `probe`, `host_sweep` or `port_scan`.
    kind: &'static str,
    /// The first 100 of `target_count`.
    targets: Vec<String>,
    target_count: usize,
    /// As in `22,80-90`; at most 100 of these, then `...`.
    ports: String,
    port_count: usize,
    open_ports: usize,
    unanswered: u64,
    refused: u64,
    connections: u64,
    first_seen: String,
    last_seen: String,
}

impl From<&Scan> for ScanItem {
    fn from(scan: &Scan) -> Self {
        Self {
            source: scan.source.to_string(),
            protocol: scan.protocol.to_string(),
            kind: scan.kind.as_str(),
            targets: strings(&scan.targets),
            target_count: scan.targets.len(),
            ports: first_ranges(&scan.port_ranges()),
            port_count: scan.ports.len(),
            open_ports: scan.open.len(),
            unanswered: scan.unanswered,
            refused: scan.refused,
            connections: scan.connections,
            first_seen: scan.first_seen.to_string(),
            last_seen: scan.last_seen.to_string(),
        }
    }
}

/// A rule by address: these peers may use this service of this subject.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct RuleItem {
    id: String,
    subject: String,
    /// One, or several with spaces between them where a person made the rule.
    service: String,
    /// The first 100 of `peer_count`.
    peers: Vec<String>,
    peer_count: usize,
    /// The first 100 of `name_count`.
    names: Vec<String>,
    name_count: usize,
    /// Whether a person made it: then it needs no evidence.
    manual: bool,
    /// Connections (client and server address, port) that it admits though nobody was seen to make them, at most.
    price: u64,
    edges: u64,
    connections: u64,
    /// Not there where a person made it.
    first_seen: Option<String>,
    /// Not there where a person made it.
    last_seen: Option<String>,
}

impl From<&Rule> for RuleItem {
    fn from(rule: &Rule) -> Self {
        let observed = rule.observed;
        let (subject, peers) = match rule.manual() {
            Some(manual) => (manual.server.to_string(), vec![manual.client.to_string()]),
            None => (rule.subject.to_string(), rule.peer.names()),
        };
        Self {
            id: rule.id.to_string(),
            subject,
            service: rule.services(),
            peer_count: peers.len(),
            peers: strings(peers),
            names: strings(&rule.names),
            name_count: rule.names.len(),
            manual: rule.manual().is_some(),
            price: rule.price,
            edges: observed.map_or(0, |observed| observed.edges),
            connections: observed.map_or(0, |observed| observed.connections),
            first_seen: observed.map(|observed| observed.first_seen.to_string()),
            last_seen: observed.map(|observed| observed.last_seen.to_string()),
        }
    }
}

/// What one agent lost in one hour.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct LossItem {
    agent: String,
    hour: String,
    /// In words.
    what: &'static str,
    count: u64,
}

impl From<&LossEntry> for LossItem {
    fn from(entry: &LossEntry) -> Self {
        Self {
            agent: entry.agent.to_string(),
            hour: entry.hour.start().to_string(),
            what: entry.loss.describe(),
            count: entry.count,
        }
    }
}

/// As text, the first of them.
fn strings<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().take(MAX_WITHIN).map(|each| each.to_string()).collect()
}

fn labels(workload: &Workload) -> BTreeMap<String, String> {
    workload.labels.iter().take(MAX_WITHIN).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Ranges separated by commas, the first of them.
fn first_ranges(ranges: &str) -> String {
    match ranges.match_indices(',').nth(MAX_WITHIN - 1) {
        Some((end, _)) => format!("{},...", &ranges[..end]),
        None => ranges.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_within_items_have_an_end() {
        assert_eq!(strings(0..1_000).len(), MAX_WITHIN);
        assert_eq!(strings([1, 2]), ["1", "2"]);
        let ranges = |count: u32| (0..count).map(|port| (2 * port).to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(first_ranges(&ranges(100)), ranges(100));
        assert_eq!(first_ranges(&ranges(101)), format!("{},...", ranges(100)));
        assert_eq!(first_ranges(""), "");
    }
}

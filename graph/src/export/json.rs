//! JSON: everything the graph knows, for programs.
//!
//! One object; each element of its arrays on a line of its own, so that `diff` and `grep` work. Times are
//! RFC 3339 in UTC, sizes octets, protocols IANA keywords or decimal numbers. Fields may be added within a
//! `schema_version`; fields with `?` are left out where there is nothing to say.
//!
//! | field | holds |
//! |---|---|
//! | `schema_version` | [`SCHEMA_VERSION`] |
//! | `period` | `start`, `end` |
//! | `counters` | what the collectors counted: `packets` = `in_flows` + sum of `skipped` + sum of `refused` |
//! | `loss` | what was not kept: `agent`, `hour`, `loss`, `count` |
//! | `nodes` | `id`, `kind` (`host`, `network` or `address`), `namespace?`, `labels?`, `addresses`, `names?`, `scope` (`internal`, `public`, `group`), `role` (`client`, `server`, `both`, `bystander`), `tier`, `dependants`, `dependencies` |
//! | `edges` | `client` and `server` (ids of nodes), `protocol`, `port`, `service?`, `verdict` (`accepted`, `needs_person`, `group`, `control`, `unanswered`, `refused`, `probe`), `doubt?`, `direction` (the probability that the client is the client), `reversed?` (the edge whose replies this one may be), `corrected?` (connections that had been read the other way round), `connections`, `answered`, packets and IP bytes each way, `first_seen`, `last_seen`, `states`, `evidence`, `names`, `hours`, addresses at both ends, `observers` |
//! | `shared_services` | `node`, `dependants`, `dependencies`, `services` |
//! | `exposed`, `egress` | `node`, `services`: each with `peers`, `connections`, `used` |
//! | `scans` | `source`, `protocol`, `kind` (`probe`, `host_sweep`, `port_scan`), `targets`, `ports` (`22,80-90`), `open`, `unanswered`, `refused`, `connections`, `first_seen`, `last_seen` |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use watershed_model::{Counters, LossEntry, Party, Refused, SkipReason, TimeRange};

use crate::graph::Link;
use crate::verdict::Verdict;
use crate::{Exposure, Graph, Node, Scan, Service, SharedService};

/// Goes up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes the graph as JSON.
///
/// # Errors
///
/// Only what `out` itself reports.
pub fn write(graph: &Graph<'_>, out: &mut impl fmt::Write) -> fmt::Result {
    let ids: Vec<&str> = graph.nodes().map(|node| node.id.as_str()).collect();
    let names: BTreeMap<&Party, &str> = graph.nodes().map(|node| (&node.party, node.id.as_str())).collect();
    let id = |party: &Party| names.get(party).map_or_else(|| party.to_string(), |&id| id.to_owned());

    writeln!(out, "{{\n  \"schema_version\": {SCHEMA_VERSION},")?;
    writeln!(out, "  \"period\": {},", text(&PeriodJson::from(graph.period())))?;
    writeln!(out, "  \"counters\": {},", text(&CountersJson::from(graph.counters())))?;
    array(out, "loss", graph.loss().iter().map(LossJson::from))?;
    out.write_str(",\n")?;
    array(out, "nodes", graph.nodes().map(NodeJson::from))?;
    out.write_str(",\n")?;
    array(out, "edges", graph.links().map(|(a, b, link)| EdgeJson::new(ids[a], ids[b], link)))?;
    out.write_str(",\n")?;
    array(out, "shared_services", graph.shared_services().iter().map(|s| SharedJson::new(id(&s.party), s)))?;
    out.write_str(",\n")?;
    array(out, "exposed", graph.exposed().iter().map(|e| ExposureJson::new(id(&e.party), e)))?;
    out.write_str(",\n")?;
    array(out, "egress", graph.egress().iter().map(|e| ExposureJson::new(id(&e.party), e)))?;
    out.write_str(",\n")?;
    array(out, "scans", graph.scans().iter().map(|scan| ScanJson::new(id, scan)))?;
    out.write_str("\n}\n")
}

/// A node, as in `nodes`. This and the next are for documents that hold some of what the object holds.
pub fn node(node: &Node) -> impl Serialize + '_ {
    NodeJson::from(node)
}

/// The period, as in `period`.
pub fn period(period: TimeRange) -> impl Serialize {
    PeriodJson::from(period)
}

/// The counters, as in `counters`.
pub fn counters(counters: &Counters) -> impl Serialize + use<> {
    CountersJson::from(counters)
}

/// A shared service, as in `shared_services`; `id` names its node.
pub fn shared_service(id: String, shared: &SharedService) -> impl Serialize + use<> {
    SharedJson::new(id, shared)
}

/// What a node exposes or uses outside, as in `exposed` and `egress`; `id` names the node.
pub fn exposure(id: String, exposure: &Exposure) -> impl Serialize + use<> {
    ExposureJson::new(id, exposure)
}

/// A line of the scan ledger, as in `scans`; `id` names nodes.
pub fn scan<Id: Fn(&Party) -> String + Copy>(id: Id, scan: &Scan) -> impl Serialize + use<Id> {
    ScanJson::new(id, scan)
}

fn array<T: Serialize>(out: &mut impl fmt::Write, name: &str, items: impl Iterator<Item = T>) -> fmt::Result {
    write!(out, "  \"{name}\": [")?;
    let mut separator = "\n";
    for item in items {
        write!(out, "{separator}    {}", text(&item))?;
        separator = ",\n";
    }
    out.write_str(if separator == "\n" { "]" } else { "\n  ]" })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("mirror types hold nothing that JSON cannot say")
}

#[derive(Serialize)]
struct PeriodJson {
    start: String,
    end: String,
}

impl From<TimeRange> for PeriodJson {
    fn from(period: TimeRange) -> Self {
        Self { start: period.start.to_string(), end: period.end.to_string() }
    }
}

#[derive(Serialize)]
struct CountersJson {
    packets: u64,
    captured_bytes: u64,
    in_flows: u64,
    repeated: u64,
    skipped: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    kernel_dropped: u64,
    snapped: u64,
    reassembled: u64,
    flows_started: u64,
    flows_evicted: u64,
    records: u64,
    names: u64,
    names_limited: u64,
}

impl From<&Counters> for CountersJson {
    fn from(c: &Counters) -> Self {
        let skipped = SkipReason::ALL.iter().map(|r| r.as_str()).zip(c.skipped);
        let refused = Refused::ALL.iter().map(|r| r.as_str()).zip(c.refused);
        Self {
            packets: c.packets,
            captured_bytes: c.captured_bytes,
            in_flows: c.in_flows,
            repeated: c.repeated,
            skipped: skipped.filter(|&(_, count)| count > 0).collect(),
            refused: refused.filter(|&(_, count)| count > 0).collect(),
            kernel_dropped: c.kernel_dropped,
            snapped: c.snapped,
            reassembled: c.reassembled,
            flows_started: c.flows_started,
            flows_evicted: c.flows_evicted,
            records: c.records,
            names: c.names,
            names_limited: c.names_limited,
        }
    }
}

#[derive(Serialize)]
struct LossJson<'a> {
    agent: &'a str,
    hour: String,
    loss: watershed_model::Loss,
    count: u64,
}

impl<'a> From<&'a LossEntry> for LossJson<'a> {
    fn from(entry: &'a LossEntry) -> Self {
        let LossEntry { agent, hour, loss, count } = entry;
        Self { agent: &agent.0, hour: hour.start().to_string(), loss: *loss, count: *count }
    }
}

#[derive(Serialize)]
struct NodeJson<'a> {
    id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a BTreeMap<String, String>>,
    addresses: &'a BTreeSet<IpAddr>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    names: &'a BTreeSet<Box<str>>,
    scope: &'static str,
    role: &'static str,
    tier: usize,
    dependants: usize,
    dependencies: usize,
}

impl<'a> From<&'a Node> for NodeJson<'a> {
    fn from(node: &'a Node) -> Self {
        let workload = node.party.workload();
        Self {
            id: &node.id,
            kind: workload.map_or("address", |workload| workload.kind.as_str()),
            namespace: workload.and_then(|w| w.namespace.as_deref()),
            labels: workload.map(|w| &w.labels).filter(|labels| !labels.is_empty()),
            addresses: &node.addresses,
            names: &node.names,
            scope: node.scope.as_str(),
            role: node.role.as_str(),
            tier: node.tier,
            dependants: node.dependants,
            dependencies: node.dependencies,
        }
    }
}

#[derive(Serialize)]
struct EdgeJson<'a> {
    client: &'a str,
    server: &'a str,
    protocol: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt: Option<&'static str>,
    direction: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reversed: Option<ReversedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected: Option<u64>,
    connections: u64,
    answered: u64,
    packets_to_server: u64,
    packets_to_client: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    first_seen: String,
    last_seen: String,
    states: BTreeMap<&'static str, u64>,
    evidence: BTreeMap<&'static str, u32>,
    names: &'a BTreeSet<Box<str>>,
    hours: Vec<String>,
    client_addresses: &'a BTreeSet<IpAddr>,
    server_addresses: &'a BTreeSet<IpAddr>,
    observers: Vec<&'a str>,
}

impl<'a> EdgeJson<'a> {
    fn new(client: &'a str, server: &'a str, link: &'a Link<'_>) -> Self {
        let Link { edge, direction, verdict } = link;
        let service = Service { protocol: edge.key.protocol, port: edge.key.port };
        Self {
            client,
            server,
            protocol: service.protocol.to_string(),
            port: service.port,
            service: service.name(),
            verdict: verdict.as_str(),
            doubt: if let Verdict::NeedsPerson(doubt) = verdict { Some(doubt.as_str()) } else { None },
            direction: (direction.probability() * 1e6).round() / 1e6,
            reversed: direction.reversed.as_ref().map(|key| ReversedJson {
                client: server.to_owned(),
                server: client.to_owned(),
                port: key.port,
            }),
            corrected: Some(direction.corrected).filter(|&connections| connections > 0),
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
            names: &edge.names,
            hours: edge.hours.iter().map(|hour| hour.start().to_string()).collect(),
            client_addresses: &edge.client_addresses,
            server_addresses: &edge.server_addresses,
            observers: edge.observers.iter().map(|agent| &*agent.0).collect(),
        }
    }
}

#[derive(Serialize)]
struct ReversedJson {
    client: String,
    server: String,
    port: u16,
}

#[derive(Serialize)]
struct SharedJson {
    node: String,
    dependants: usize,
    dependencies: usize,
    services: Vec<SharedUseJson>,
}

#[derive(Serialize)]
struct SharedUseJson {
    #[serde(flatten)]
    service: ServiceJson,
    dependants: usize,
}

impl SharedJson {
    fn new(node: String, shared: &SharedService) -> Self {
        let SharedService { dependants, dependencies, services, .. } = shared;
        let one = |(&service, &dependants): (&Service, &usize)| SharedUseJson {
            service: service.into(),
            dependants,
        };
        Self {
            node,
            dependants: *dependants,
            dependencies: *dependencies,
            services: services.iter().map(one).collect(),
        }
    }
}

#[derive(Serialize)]
struct ServiceJson {
    protocol: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
}

impl From<Service> for ServiceJson {
    fn from(service: Service) -> Self {
        Self { protocol: service.protocol.to_string(), port: service.port, service: service.name() }
    }
}

#[derive(Serialize)]
struct ExposureJson {
    node: String,
    services: Vec<ExposedJson>,
}

#[derive(Serialize)]
struct ExposedJson {
    #[serde(flatten)]
    service: ServiceJson,
    peers: u64,
    connections: u64,
    used: bool,
}

impl ExposureJson {
    fn new(node: String, exposure: &Exposure) -> Self {
        let one = |s: &crate::ExposedService| ExposedJson {
            service: s.service.into(),
            peers: s.peers,
            connections: s.connections,
            used: s.used,
        };
        Self { node, services: exposure.services.iter().map(one).collect() }
    }
}

#[derive(Serialize)]
struct ScanJson {
    source: String,
    protocol: String,
    kind: &'static str,
    targets: Vec<String>,
    ports: String,
    open: Vec<OpenJson>,
    unanswered: u64,
    refused: u64,
    connections: u64,
    first_seen: String,
    last_seen: String,
}

#[derive(Serialize)]
struct OpenJson {
    target: String,
    port: u16,
}

impl ScanJson {
    fn new(id: impl Fn(&Party) -> String + Copy, scan: &Scan) -> Self {
        let open = scan.open.iter().map(|(target, port)| OpenJson { target: id(target), port: *port });
        Self {
            source: id(&scan.source),
            protocol: scan.protocol.to_string(),
            kind: scan.kind.as_str(),
            targets: scan.targets.iter().map(id).collect(),
            ports: scan.port_ranges(),
            open: open.collect(),
            unanswered: scan.unanswered,
            refused: scan.refused,
            connections: scan.connections,
            first_seen: scan.first_seen.to_string(),
            last_seen: scan.last_seen.to_string(),
        }
    }
}

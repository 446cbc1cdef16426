//! The report as JSON, for a pipeline. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "policies": 3, "pods": 12, "edges": { "allowed": 20, "denied": 1, "not_covered": 2 },
//!   "denied": [{ "client": "shop/job", "server": "shop/db", "protocol": "tcp", "port": 5432, "connections": 4,
//!                "first_seen": "2026-01-02T03:04:05Z", "last_seen": "2026-01-02T04:00:00Z", "address": null,
//!                "refused_by": [{ "direction": "ingress", "policies": ["shop/db"] }],
//!                "depends_on_plugin": false, "before": false }],
//!   "unmatched": [{ "place": "db.yaml:12:9", "policy": "shop/db", "part": "ingress peer",
//!                   "reason": "no pod there has app=web" }],
//!   "idle_rules": [{ "place": "db.yaml:20:5", "policy": "shop/db", "direction": "ingress" }],
//!   "shadowed_rules": [{ "place": "db.yaml:24:5", "policy": "shop/db", "direction": "ingress",
//!                        "by": ["db.yaml:20:5"] }],
//!   "exceeding_rules": [{ "place": "db.yaml:28:5", "policy": "shop/db", "direction": "ingress",
//!                         "clients": { "seen": 1, "all": 9 }, "servers": { "seen": 1, "all": 1 },
//!                         "ports": { "seen": 1, "all": 1 }, "tuples": { "seen": 1, "all": 9 },
//!                         "nearest": "app=web (1 of 9)", "stated": 1 }],
//!   "wide_rules": [],
//!   "grown_names": [{ "place": "api.yaml:9:5", "policy": "shop/api", "addresses": 7, "shared": 1, "stated": 3 }],
//!   "newly_admitted": [{ "client": "shop/web", "server": "shop/db", "ports": "tcp/5433", "count": 1 }],
//!   "reach": { "pairs": 132, "allowed": 40, "unobserved": 21 },
//!   "notes": [{ "place": "db.yaml:30:1", "message": "..." }],
//!   "certificate": { "schema_version": 1, "passed": false, "failures": ["..."], "not_checked": [] }
//! }
//! ```
//!
//! `address` is the first address outside the cluster whose connections are denied, null between pods.
//! `direction` is where connections are decided about: `ingress`, `egress`, and of nftables `forward` or `input`.
//! `before` says that the policies of `--against` denied the edge too, `newly_admitted` is null without them.
//! `depends_on_plugin` says that the edge passes where the network plugin lets `ipBlock` mean pods too.
//! `grown_names` are rules by name whose names stand for more addresses than when they were exported; `shared` of
//! them were seen under other names, too.
//! `edges` is null where there was no traffic to check against.
//! `reach` is null where there are too many workloads to ask each pair. Times are RFC 3339 in UTC.

use std::fmt::Display;
use std::net::IpAddr;

use serde::Serialize;

use super::{
    ByName, Certificate, Denied, Extent, IdleRule, Newly, Reach, Report, ShadowedRule, Share, Unmatched,
};
use crate::Error;
use crate::k8s::Problem;

const SCHEMA_VERSION: u32 = 1;

impl Report {
    /// The report as JSON, indented, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Json`], which no known report causes.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut text = serde_json::to_string_pretty(&JsonReport {
            schema_version: SCHEMA_VERSION,
            policies: self.policies,
            pods: self.pods,
            edges: self.traffic.then_some(JsonEdges {
                allowed: self.allowed,
                denied: self.denied.len(),
                not_covered: self.not_covered,
            }),
            denied: self.denied.iter().map(JsonDenied::from).collect(),
            unmatched: self.unmatched.iter().map(JsonUnmatched::from).collect(),
            idle_rules: self.idle.iter().map(JsonIdle::from).collect(),
            shadowed_rules: self.shadowed.iter().map(JsonShadowed::from).collect(),
            exceeding_rules: self.exceeding().map(JsonExtent::from).collect(),
            wide_rules: self.wide().map(JsonExtent::from).collect(),
            grown_names: self.grown().map(JsonGrown::from).collect(),
            newly_admitted: self.newly.as_ref().map(|newly| newly.iter().map(JsonNewly::from).collect()),
            reach: self.reach.map(JsonReach::from),
            notes: self.notes.iter().map(JsonNote::from).collect(),
            certificate: &self.certificate,
        })?;
        text.push('\n');
        Ok(text)
    }
}

#[derive(Serialize)]
struct JsonReport<'a> {
    schema_version: u32,
    policies: usize,
    pods: usize,
    edges: Option<JsonEdges>,
    denied: Vec<JsonDenied>,
    unmatched: Vec<JsonUnmatched>,
    idle_rules: Vec<JsonIdle>,
    shadowed_rules: Vec<JsonShadowed>,
    exceeding_rules: Vec<JsonExtent>,
    wide_rules: Vec<JsonExtent>,
    grown_names: Vec<JsonGrown>,
    newly_admitted: Option<Vec<JsonNewly>>,
    reach: Option<JsonReach>,
    notes: Vec<JsonNote>,
    certificate: &'a Certificate,
}

#[derive(Serialize)]
struct JsonEdges {
    allowed: usize,
    denied: usize,
    not_covered: usize,
}

#[derive(Serialize)]
struct JsonDenied {
    client: String,
    server: String,
    protocol: String,
    port: u16,
    connections: u64,
    first_seen: String,
    last_seen: String,
    address: Option<IpAddr>,
    refused_by: Vec<JsonRefusal>,
    depends_on_plugin: bool,
    before: bool,
}

#[derive(Serialize)]
struct JsonRefusal {
    direction: String,
    policies: Vec<String>,
}

#[derive(Serialize)]
struct JsonUnmatched {
    place: String,
    policy: String,
    part: String,
    reason: String,
}

#[derive(Serialize)]
struct JsonIdle {
    place: String,
    policy: String,
    direction: String,
}

#[derive(Serialize)]
struct JsonShadowed {
    place: String,
    policy: String,
    direction: String,
    by: Vec<String>,
}

#[derive(Serialize)]
struct JsonExtent {
    place: String,
    policy: String,
    direction: String,
    clients: JsonShare,
    servers: JsonShare,
    ports: JsonShare,
    tuples: JsonShare,
    nearest: Option<String>,
    stated: Option<u64>,
}

#[derive(Serialize)]
struct JsonGrown {
    place: String,
    policy: String,
    addresses: u64,
    shared: u64,
    stated: Option<u64>,
}

impl From<(&Extent, ByName)> for JsonGrown {
    fn from((one, names): (&Extent, ByName)) -> Self {
        let ByName { addresses, shared, stated, .. } = names;
        Self { place: text(&one.place), policy: one.policy.clone(), addresses, shared, stated }
    }
}

#[derive(Serialize)]
struct JsonShare {
    seen: u64,
    all: u64,
}

#[derive(Serialize)]
struct JsonNewly {
    client: String,
    server: String,
    ports: String,
    count: u64,
}

#[derive(Serialize)]
struct JsonReach {
    pairs: usize,
    allowed: usize,
    unobserved: usize,
}

#[derive(Serialize)]
struct JsonNote {
    place: String,
    message: String,
}

fn text(value: &impl Display) -> String {
    value.to_string()
}

impl From<&Denied> for JsonDenied {
    fn from(denied: &Denied) -> Self {
        let refusal = |refusal: &super::Refusal| JsonRefusal {
            direction: text(&refusal.side),
            policies: refusal.policies.clone(),
        };
        Self {
            client: text(&denied.edge.client),
            server: text(&denied.edge.server),
            protocol: text(&denied.edge.protocol),
            port: denied.edge.port,
            connections: denied.connections,
            first_seen: text(&denied.first_seen),
            last_seen: text(&denied.last_seen),
            address: denied.address,
            refused_by: denied.refusals.iter().map(refusal).collect(),
            depends_on_plugin: denied.depends_on_plugin,
            before: denied.before,
        }
    }
}

impl From<&Unmatched> for JsonUnmatched {
    fn from(unmatched: &Unmatched) -> Self {
        Self {
            place: text(&unmatched.place),
            policy: unmatched.policy.clone(),
            part: text(&unmatched.part),
            reason: text(&unmatched.why),
        }
    }
}

impl From<&IdleRule> for JsonIdle {
    fn from(idle: &IdleRule) -> Self {
        Self { place: text(&idle.place), policy: idle.policy.clone(), direction: text(&idle.side) }
    }
}

impl From<&ShadowedRule> for JsonShadowed {
    fn from(one: &ShadowedRule) -> Self {
        Self {
            place: text(&one.place),
            policy: one.policy.clone(),
            direction: text(&one.side),
            by: one.by.iter().map(text).collect(),
        }
    }
}

impl From<&Extent> for JsonExtent {
    fn from(one: &Extent) -> Self {
        Self {
            place: text(&one.place),
            policy: one.policy.clone(),
            direction: text(&one.side),
            clients: one.clients.into(),
            servers: one.servers.into(),
            ports: one.ports.into(),
            tuples: one.tuples.into(),
            nearest: one.nearest.clone(),
            stated: one.stated,
        }
    }
}

impl From<Share> for JsonShare {
    fn from(share: Share) -> Self {
        Self { seen: share.seen, all: share.all }
    }
}

impl From<&Newly> for JsonNewly {
    fn from(one: &Newly) -> Self {
        Self {
            client: one.client.clone(),
            server: one.server.clone(),
            ports: one.ports.clone(),
            count: one.count,
        }
    }
}

impl From<Reach> for JsonReach {
    fn from(reach: Reach) -> Self {
        Self { pairs: reach.pairs, allowed: reach.allowed, unobserved: reach.unobserved }
    }
}

impl From<&Problem> for JsonNote {
    fn from(note: &Problem) -> Self {
        Self { place: text(&note.place), message: note.message.clone() }
    }
}

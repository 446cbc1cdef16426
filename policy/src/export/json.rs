//! Rules as JSON, for other tools. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "rules": [{
//!     "id": "allow-shop-db-tcp-5432-4f0c2a9be711",
//!     "action": "allow",
//!     "direction": "ingress",
//!     "subject": { "name": "shop/db", "workload": { "kind": "host", "name": "db", "namespace": "shop" },
//!                  "addresses": ["10.0.0.7"] },
//!     "service": { "protocol": "tcp", "protocol_number": 6, "port": 5432 },
//!     "peers": [{ "name": "10.0.0.3", "addresses": ["10.0.0.3"], "observed": { "edges": 1 } }],
//!     "names": ["db.shop.example"],
//!     "observed": { "edges": 1, "connections": 12, "answered": 12,
//!                   "first_seen": "2026-01-02T03:04:05Z", "last_seen": "2026-01-02T04:00:00Z" },
//!     "confidence": { "share": 0.9876, "edges": 1, "sightings": 80, "seen_once": 0, "hours": 149 }
//!   }],
//!   "held_back": [{ "client": "10.0.0.9", "server": "shop/db", "protocol": "udp", "port": 40000,
//!                   "connections": 3, "answered": 1, "reason": "direction is uncertain" }]
//! }
//! ```
//!
//! `workload` is absent for an address without an inventory entry; `port` is there for TCP, UDP and SCTP,
//! `icmp_type` for ICMP and ICMPv6. A peer's `observed` has the fields of the rule's. Times are RFC 3339 in UTC.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;
use watershed_model::{Party, Workload};

use crate::confidence::RuleConfidence;
use crate::{Error, HeldBack, Member, Observed, Rule, RuleSet, Service};

const SCHEMA_VERSION: u32 = 1;

/// Writes `rules` as JSON, indented, ending in a newline.
///
/// # Errors
/// [`Error::Json`], which no known rule set causes.
pub fn export(rules: &RuleSet) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(&JsonRules {
        schema_version: SCHEMA_VERSION,
        rules: rules.rules.iter().map(JsonRule::from).collect(),
        held_back: rules.held_back.iter().map(JsonHeldBack::from).collect(),
    })?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct JsonRules<'a> {
    schema_version: u32,
    rules: Vec<JsonRule<'a>>,
    held_back: Vec<JsonHeldBack<'a>>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    id: &'a str,
    action: &'static str,
    direction: &'static str,
    subject: JsonParty<'a>,
    service: JsonService,
    peers: Vec<JsonPeer<'a>>,
    names: &'a BTreeSet<Box<str>>,
    observed: JsonObserved,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<JsonConfidence>,
}

impl<'a> From<&'a Rule> for JsonRule<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            id: rule.id.as_str(),
            action: "allow",
            direction: "ingress",
            subject: JsonParty::from(&rule.subject),
            service: JsonService::from(rule.service),
            peers: rule.peers.iter().map(JsonPeer::from).collect(),
            names: &rule.names,
            observed: JsonObserved::from(&rule.subject.observed),
            confidence: rule.confidence.as_ref().map(JsonConfidence::of),
        }
    }
}

#[derive(Serialize)]
struct JsonParty<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<&'a Workload>,
    addresses: &'a BTreeSet<IpAddr>,
}

impl<'a> From<&'a Member> for JsonParty<'a> {
    fn from(member: &'a Member) -> Self {
        let workload = match &member.party {
            Party::Workload(workload) => Some(workload.as_ref()),
            Party::Address(_) => None,
        };
        Self { name: member.party.to_string(), workload, addresses: &member.addresses }
    }
}

#[derive(Serialize)]
struct JsonPeer<'a> {
    #[serde(flatten)]
    party: JsonParty<'a>,
    observed: JsonObserved,
}

impl<'a> From<&'a Member> for JsonPeer<'a> {
    fn from(member: &'a Member) -> Self {
        Self { party: JsonParty::from(member), observed: JsonObserved::from(&member.observed) }
    }
}

#[derive(Serialize)]
struct JsonService {
    protocol: String,
    protocol_number: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
}

impl From<Service> for JsonService {
    fn from(service: Service) -> Self {
        let (port, icmp_type) = match service {
            Service::Port { port, .. } => (Some(port), None),
            Service::Icmp { message_type, .. } => (None, Some(message_type)),
            Service::Protocol(_) => (None, None),
        };
        let protocol = service.protocol();
        Self { protocol: protocol.to_string(), protocol_number: protocol.0, port, icmp_type }
    }
}

#[derive(Serialize)]
struct JsonObserved {
    edges: u64,
    connections: u64,
    answered: u64,
    first_seen: String,
    last_seen: String,
}

impl From<&Observed> for JsonObserved {
    fn from(observed: &Observed) -> Self {
        Self {
            edges: observed.edges,
            connections: observed.connections,
            answered: observed.answered,
            first_seen: observed.first_seen.to_string(),
            last_seen: observed.last_seen.to_string(),
        }
    }
}

/// How sure a rule is, exact or mined.
#[derive(Serialize)]
pub(super) struct JsonConfidence {
    share: f64,
    edges: u64,
    sightings: u64,
    seen_once: u64,
    hours: u64,
}

impl JsonConfidence {
    pub(super) fn of(confidence: &RuleConfidence) -> Self {
        let incidence = confidence.incidence;
        Self {
            share: confidence.shown(),
            edges: incidence.edges,
            sightings: incidence.incidences,
            seen_once: incidence.once,
            hours: incidence.blocks,
        }
    }
}

#[derive(Serialize)]
struct JsonHeldBack<'a> {
    client: String,
    server: String,
    protocol: String,
    port: u16,
    connections: u64,
    answered: u64,
    reason: &'a str,
}

impl<'a> From<&'a HeldBack> for JsonHeldBack<'a> {
    fn from(held_back: &'a HeldBack) -> Self {
        Self {
            client: held_back.edge.client.to_string(),
            server: held_back.edge.server.to_string(),
            protocol: held_back.edge.protocol.to_string(),
            port: held_back.edge.port,
            connections: held_back.connections,
            answered: held_back.answered,
            reason: &held_back.reason,
        }
    }
}

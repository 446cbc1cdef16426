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
//!     "price": 0,
//!     "confidence": { "share": 0.9876, "edges": 1, "sightings": 80, "seen_once": 0, "hours": 149 },
//!     "said": { "decision": "approved", "by": "alice", "at": "2026-11-28T12:00:00Z", "comment": "as designed" }
//!   }],
//!   "by_hand": [{ "id": "allow-vault-by-hand-4f0c2a9be711aabb", "client": "office", "clients": ["10.9.0.0/16"],
//!                 "server": "vault", "servers": ["10.0.0.7/32"], "ports": ["tcp/8200-8201"],
//!                 "said": { "comment": "yearly" } }],
//!   "held_back": [{ "client": "10.0.0.9", "server": "shop/db", "protocol": "udp", "port": 40000,
//!                   "connections": 3, "answered": 1, "reason": "direction is uncertain" }]
//! }
//! ```
//!
//! `workload` is absent for an address without an inventory entry; `port` is there for TCP, UDP and SCTP,
//! `icmp_type` for ICMP and ICMPv6. A peer's `observed` has the fields of the rule's. `price` counts connections (client
//! and server address) that the rule admits without their having been observed; `said` is there where people said
//! something of the rule, `by_hand` where they made rules: as they wrote them, and the addresses that this means. Times
//! are RFC 3339 in UTC.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;
use watershed_model::{Party, Workload};

use crate::confidence::RuleConfidence;
use crate::decisions::{Decision, Said};
use crate::{Allowed, Error, HeldBack, Member, Observed, Rule, RuleSet, Service, Whom};

const SCHEMA_VERSION: u32 = 1;

/// Writes `rules` as JSON, indented, ending in a newline.
///
/// # Errors
/// [`Error::Json`], which no known rule set causes.
pub fn export(rules: &RuleSet) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(&JsonRules {
        schema_version: SCHEMA_VERSION,
        rules: rules.observed().iter().flat_map(JsonRule::of).collect(),
        by_hand: rules.by_hand().iter().filter_map(JsonByHand::of).collect(),
        held_back: rules.held_back.iter().map(JsonHeldBack::from).collect(),
    })?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct JsonRules<'a> {
    schema_version: u32,
    rules: Vec<JsonRule<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by_hand: Vec<JsonByHand<'a>>,
    held_back: Vec<JsonHeldBack<'a>>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    id: &'a str,
    action: &'static str,
    direction: String,
    subject: JsonParty<'a>,
    service: JsonService,
    peers: Vec<JsonPeer<'a>>,
    names: &'a BTreeSet<Box<str>>,
    observed: Option<JsonObserved>,
    price: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<JsonConfidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<JsonSaid<'a>>,
}

impl<'a> JsonRule<'a> {
    /// One for each server and service, which of an exact rule is one.
    fn of(rule: &'a Rule) -> impl Iterator<Item = Self> {
        let services = rule.ports.iter().filter_map(Allowed::service);
        let each =
            services.flat_map(|service| rule.subject.parties().iter().map(move |server| (server, service)));
        each.map(|(server, service)| Self {
            id: rule.id.as_str(),
            action: "allow",
            direction: rule.direction.to_string(),
            subject: JsonParty::from(server),
            service: JsonService::from(service),
            peers: rule.peer.parties().iter().map(JsonPeer::from).collect(),
            names: &rule.names,
            observed: rule.observed.as_ref().map(JsonObserved::from),
            price: rule.price,
            confidence: rule.confidence.as_ref().map(JsonConfidence::of),
            said: rule.said.as_ref().map(JsonSaid::from),
        })
    }
}

#[derive(Serialize)]
struct JsonByHand<'a> {
    id: &'a str,
    client: String,
    clients: Vec<String>,
    server: String,
    servers: Vec<String>,
    ports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<JsonSaid<'a>>,
}

impl<'a> JsonByHand<'a> {
    fn of(rule: &'a Rule) -> Option<Self> {
        let manual = rule.manual()?;
        let networks = |whom: &Whom| whom.networks().iter().map(ToString::to_string).collect();
        Some(Self {
            id: rule.id.as_str(),
            client: manual.client.to_string(),
            clients: networks(rule.client()),
            server: manual.server.to_string(),
            servers: networks(rule.server()),
            ports: rule.ports.iter().map(ToString::to_string).collect(),
            said: rule.said.as_ref().map(JsonSaid::from),
        })
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
    observed: Option<JsonObserved>,
}

impl<'a> From<&'a Member> for JsonPeer<'a> {
    fn from(member: &'a Member) -> Self {
        Self { party: JsonParty::from(member), observed: member.observed.as_ref().map(JsonObserved::from) }
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

/// What speaks for a rule, exact or mined.
#[derive(Serialize)]
pub(super) struct JsonObserved {
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

/// What people said of a rule, exact or mined.
#[derive(Serialize)]
pub(super) struct JsonSaid<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
}

impl<'a> From<&'a Said> for JsonSaid<'a> {
    fn from(said: &'a Said) -> Self {
        Self {
            decision: said.decision.map(Decision::as_str),
            by: said.by.as_deref(),
            at: said.at.map(|at| at.to_string()),
            comment: said.comment.as_deref(),
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

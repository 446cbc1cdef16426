//! Mined rules as JSON and CSV (RFC 4180): for other tools, and for spreadsheets.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "level": "service",
//!   "price": 2,
//!   "rules": [{
//!     "id": "allow-db-ingress-5d96e11e97835989",
//!     "subject": { "namespace": "shop", "labels": { "tier": "db" }, "workloads": ["shop/db"] },
//!     "direction": "ingress",
//!     "peer": { "namespace": "shop", "labels": { "tier": "api" }, "workloads": ["shop/api"] },
//!     "ports": ["tcp/5432"],
//!     "shared": false,
//!     "price": 0,
//!     "manual": false,
//!     "said": { "decision": "approved", "by": "alice", "at": "2026-11-28T12:00:00Z", "comment": "as designed" },
//!     "names": [],
//!     "observed": { "edges": 1, "connections": 12, "answered": 11,
//!                   "first_seen": "2026-01-02T03:04:05Z", "last_seen": "2026-01-08T04:00:00Z" },
//!     "confidence": { "share": 0.9876, "edges": 1, "sightings": 80, "seen_once": 0, "hours": 149 }
//!   }]
//! }
//! ```
//!
//! A subject or peer is one of: `namespace` and `labels` with the `workloads` that they mean (every namespace:
//! `"namespace": "*"`; workloads that
//! are in none: `null`), `host` and `addresses`, or `networks`. A port is `tcp/80`, `tcp/8000-8080`, `icmp/8` (a
//! type), a protocol, or `anything`. `price` counts connections (client, server and port) that are admitted
//! without having been observed; `manual` rules are people's own; `said` is what they said of the rule, where they
//! did; `observed` is absent where nobody was seen to use a shared service. `confidence` is of its own evidence, see
//! [`crate::confidence::RuleConfidence`]; it is absent where there is none.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use watershed_model::Labels;

use crate::export::json::{JsonConfidence, JsonObserved, JsonSaid};
use crate::mine::{Census, Plan};
use crate::rule::addresses;
use crate::{Error, Namespace, Rule, Whom};

const SCHEMA_VERSION: u32 = 1;

/// Writes the rules of `plan`, which was mined from `census`, as indented JSON, ending in a newline.
///
/// # Errors
/// [`Error::Json`], which no known plan causes.
pub fn json(census: &Census, plan: &Plan) -> Result<String, Error> {
    let names = Names { census, plan };
    let mut text = serde_json::to_string_pretty(&JsonPlan {
        schema_version: SCHEMA_VERSION,
        level: plan.level.as_str(),
        price: plan.price(),
        rules: plan.rules.iter().map(|rule| JsonRule::of(rule, &names)).collect(),
    })?;
    text.push('\n');
    Ok(text)
}

/// Writes the rules as CSV with a header, one line per rule; ports are separated by spaces.
///
/// # Errors
/// [`Error::Csv`], which no known plan causes.
pub fn csv(plan: &Plan) -> Result<String, Error> {
    const HEADER: [&str; 11] = [
        "rule",
        "subject",
        "direction",
        "peer",
        "ports",
        "shared",
        "edges",
        "connections",
        "last_seen",
        "price",
        "confidence",
    ];
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for rule in &plan.rules {
        let observed = rule.observed.as_ref();
        let number = |number: Option<u64>| number.unwrap_or(0).to_string();
        writer.write_record([
            rule.id.to_string(),
            cell(&rule.subject),
            rule.direction.to_string(),
            cell(&rule.peer),
            rule.services(),
            rule.is_shared().to_string(),
            number(observed.map(|observed| observed.edges)),
            number(observed.map(|observed| observed.connections)),
            observed.map(|observed| observed.last_seen.to_string()).unwrap_or_default(),
            rule.price.to_string(),
            rule.confidence.map(|one| one.shown().to_string()).unwrap_or_default(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Spreadsheets take a cell that starts like this for a formula; a quote before it makes it text.
fn cell(whom: &Whom) -> String {
    let text = whom.to_string();
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text }
}

#[derive(Serialize)]
struct JsonPlan<'a> {
    schema_version: u32,
    level: &'static str,
    price: u64,
    rules: Vec<JsonRule<'a>>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    id: &'a str,
    subject: JsonWhom<'a>,
    direction: String,
    peer: JsonWhom<'a>,
    ports: Vec<String>,
    shared: bool,
    price: u64,
    /// Whether a person made it.
    manual: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<JsonSaid<'a>>,
    names: &'a BTreeSet<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<JsonObserved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<JsonConfidence>,
}

/// What workloads are called.
struct Names<'a> {
    census: &'a Census,
    plan: &'a Plan,
}

impl Names<'_> {
    /// The workloads of some classes, in order.
    fn of(&self, classes: &[u32]) -> BTreeSet<String> {
        let nodes = classes.iter().flat_map(|&class| &self.plan.classes.class(class).members);
        nodes.map(|&node| self.census.nodes[node as usize].display()).collect()
    }
}

impl<'a> JsonRule<'a> {
    fn of(rule: &'a Rule, names: &Names<'_>) -> Self {
        Self {
            id: rule.id.as_str(),
            subject: JsonWhom::of(&rule.subject, &rule.subjects, names),
            direction: rule.direction.to_string(),
            peer: JsonWhom::of(&rule.peer, &rule.peers, names),
            ports: rule.ports.iter().map(ToString::to_string).collect(),
            shared: rule.is_shared(),
            price: rule.price,
            manual: rule.manual().is_some(),
            said: rule.said.as_ref().map(JsonSaid::from),
            names: &rule.names,
            observed: rule.observed.as_ref().map(JsonObserved::from),
            confidence: rule.confidence.as_ref().map(JsonConfidence::of),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonWhom<'a> {
    Workloads { namespace: Option<&'a str>, labels: &'a Labels, workloads: BTreeSet<String> },
    Host { host: String, addresses: BTreeSet<IpAddr> },
    Networks { networks: Vec<String> },
}

impl<'a> JsonWhom<'a> {
    fn of(whom: &'a Whom, classes: &[u32], names: &Names<'_>) -> Self {
        match whom {
            Whom::Workloads { namespace, labels } => Self::Workloads {
                namespace: match namespace {
                    Namespace::Hosts => None,
                    Namespace::One(name) => Some(name),
                    Namespace::Every => Some("*"),
                },
                labels,
                workloads: names.of(classes),
            },
            Whom::Parties(members) => Self::Host { host: whom.to_string(), addresses: addresses(members) },
            Whom::Networks(networks) => {
                Self::Networks { networks: networks.iter().map(IpNet::to_string).collect() }
            }
        }
    }
}

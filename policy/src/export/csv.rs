//! Rules as CSV (RFC 4180), for spreadsheets: one line per rule and peer, with a header.
//!
//! Addresses are separated by spaces; `port` is empty where there is none, `icmp_type` where it is not ICMP;
//! times are RFC 3339 in UTC. The counts are those of the peer; the
//! `confidence` is the rule's, from 0 to 1, and empty where it was not assessed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use csv::WriterBuilder;
use serde::Serialize;

use crate::{Error, Member, Rule, RuleSet, Service};

#[derive(Serialize)]
struct Row<'a> {
    rule: &'a str,
    server: String,
    server_addresses: String,
    client: String,
    client_addresses: String,
    protocol: String,
    port: Option<u16>,
    icmp_type: Option<u8>,
    edges: u64,
    connections: u64,
    answered: u64,
    first_seen: String,
    last_seen: String,
    confidence: Option<f64>,
}

const HEADER: [&str; 14] = [
    "rule",
    "server",
    "server_addresses",
    "client",
    "client_addresses",
    "protocol",
    "port",
    "icmp_type",
    "edges",
    "connections",
    "answered",
    "first_seen",
    "last_seen",
    "confidence",
];

/// Writes `rules` as CSV; without rules there is the header alone.
///
/// # Errors
/// [`Error::Csv`], which no known rule set causes.
pub fn export(rules: &RuleSet) -> Result<String, Error> {
    // The header is written here, so that it is there without rows too.
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for rule in &rules.rules {
        for peer in &rule.peers {
            writer.serialize(row(rule, peer))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row<'a>(rule: &'a Rule, peer: &Member) -> Row<'a> {
    let (port, icmp_type) = match rule.service {
        Service::Port { port, .. } => (Some(port), None),
        Service::Icmp { message_type, .. } => (None, Some(message_type)),
        Service::Protocol(_) => (None, None),
    };
    Row {
        rule: rule.id.as_str(),
        server: cell(&rule.subject.party.to_string()),
        server_addresses: addresses(&rule.subject.addresses),
        client: cell(&peer.party.to_string()),
        client_addresses: addresses(&peer.addresses),
        protocol: rule.service.protocol().to_string(),
        port,
        icmp_type,
        edges: peer.observed.edges,
        connections: peer.observed.connections,
        answered: peer.observed.answered,
        first_seen: peer.observed.first_seen.to_string(),
        last_seen: peer.observed.last_seen.to_string(),
        confidence: rule.confidence.map(|one| one.shown()),
    }
}

/// Spreadsheets take a cell that starts like this for a formula; a quote before it makes it text.
fn cell(name: &str) -> String {
    let formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{name}") } else { name.into() }
}

fn addresses(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

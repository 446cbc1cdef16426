//! Rules as CSV (RFC 4180), for spreadsheets: one line per rule, peer and service, with a header.
//!
//! Addresses are separated by spaces; `port` is empty where there is none, `8000-8080` where there are several,
//! `icmp_type` empty where it is not ICMP; times are RFC 3339 in UTC. The counts are those of the peer, and empty
//! where a person made the rule; the `confidence` is the rule's, from 0 to 1, and empty where it was not assessed.

use csv::WriterBuilder;
use serde::Serialize;

use super::nftables::Network;
use crate::{Allowed, Error, Member, Observed, Rule, RuleSet, Service, Whom, decisions};

#[derive(Serialize)]
struct Row<'a> {
    rule: &'a str,
    server: String,
    server_addresses: String,
    client: String,
    client_addresses: String,
    protocol: String,
    port: String,
    icmp_type: Option<u8>,
    edges: Option<u64>,
    connections: Option<u64>,
    answered: Option<u64>,
    first_seen: Option<String>,
    last_seen: Option<String>,
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
        for server in ends(rule.server(), rule.manual().map(|manual| &manual.server)) {
            for client in ends(rule.client(), rule.manual().map(|manual| &manual.client)) {
                for allowed in &rule.ports {
                    writer.serialize(row(rule, &server, &client, allowed))?;
                }
            }
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// An end of a rule, or one of its parties.
struct End {
    name: String,
    addresses: String,
    observed: Option<Observed>,
}

/// The parties of an end by themselves; what a person wrote is one.
fn ends(whom: &Whom, written: Option<&decisions::End>) -> Vec<End> {
    let party = |member: &Member| End {
        name: member.party.to_string(),
        addresses: spaced(&member.addresses),
        observed: member.observed,
    };
    match (whom, written) {
        (Whom::Parties(members), None) => members.iter().map(party).collect(),
        (_, written) => {
            let name = written.map_or_else(|| whom.to_string(), ToString::to_string);
            vec![End { name, addresses: spaced(whom.networks().into_iter().map(Network)), observed: None }]
        }
    }
}

fn row<'a>(rule: &'a Rule, server: &End, client: &End, allowed: &Allowed) -> Row<'a> {
    let (protocol, port, icmp_type) = match allowed {
        Allowed::Anything => (allowed.to_string(), String::new(), None),
        Allowed::Ports(protocol, first, last) if first == last => {
            (protocol.to_string(), first.to_string(), None)
        }
        Allowed::Ports(protocol, first, last) => (protocol.to_string(), format!("{first}-{last}"), None),
        Allowed::Service(service) => {
            let icmp_type = match service {
                Service::Icmp { message_type, .. } => Some(*message_type),
                Service::Port { .. } | Service::Protocol(_) => None,
            };
            (service.protocol().to_string(), String::new(), icmp_type)
        }
    };
    let observed = client.observed.or(rule.observed);
    Row {
        rule: rule.id.as_str(),
        server: cell(&server.name),
        server_addresses: server.addresses.clone(),
        client: cell(&client.name),
        client_addresses: client.addresses.clone(),
        protocol,
        port,
        icmp_type,
        edges: observed.map(|observed| observed.edges),
        connections: observed.map(|observed| observed.connections),
        answered: observed.map(|observed| observed.answered),
        first_seen: observed.map(|observed| observed.first_seen.to_string()),
        last_seen: observed.map(|observed| observed.last_seen.to_string()),
        confidence: rule.confidence.map(|one| one.shown()),
    }
}

/// Spreadsheets take a cell that starts like this for a formula; a quote before it makes it text.
fn cell(name: &str) -> String {
    let formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{name}") } else { name.into() }
}

fn spaced(all: impl IntoIterator<Item = impl ToString>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
}

//! Edges: who used which service of whom, as JSON lines, CSV or a table.

use std::borrow::Borrow;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::Serializer;
use watershed_graph::FanIn;
use watershed_model::{Edge, Protocol, StateCounts, Timestamp};

use super::text::{self, plain};
use super::{json, table};
use crate::args::EdgeFormat;

/// Writes the edges, in the order in which they come; `fan_in` counts the clients of all of them.
pub(crate) fn write<E: Borrow<Edge>>(
    out: &mut impl Write,
    edges: impl IntoIterator<Item = E>,
    fan_in: &FanIn,
    format: EdgeFormat,
) -> io::Result<()> {
    let mut edges = edges.into_iter();
    match format {
        EdgeFormat::Json => edges.try_for_each(|edge| json::line(out, &Line::of(edge.borrow(), fan_in))),
        EdgeFormat::Csv => write_csv(out, edges, fan_in),
        EdgeFormat::Table => write_table(out, edges, fan_in),
    }
}

/// The probability that the client is the client, to six digits.
fn direction(edge: &Edge, fan_in: &FanIn) -> f64 {
    (fan_in.direction(edge).probability() * 1e6).round() / 1e6
}

/// One edge as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// Workload (`namespace/name`) or address.
    #[serde(serialize_with = "display")]
    client: &'a watershed_model::Party,
    /// Workload (`namespace/name`) or address.
    #[serde(serialize_with = "display")]
    server: &'a watershed_model::Party,
    /// IANA keyword in lower case, else the number as text.
    #[serde(serialize_with = "display")]
    protocol: Protocol,
    /// The server's port; for ICMP the type that the client sent; else 0.
    port: u16,
    /// The probability that the client is the client.
    direction: f64,
    /// Connections, answered or not.
    connections: u64,
    packets_to_server: u64,
    packets_to_client: u64,
    /// IP total lengths, octets.
    bytes_to_server: u64,
    /// IP total lengths, octets.
    bytes_to_client: u64,
    /// RFC 3339, UTC.
    #[serde(serialize_with = "display")]
    first_seen: Timestamp,
    /// RFC 3339, UTC.
    #[serde(serialize_with = "display")]
    last_seen: Timestamp,
    /// How many connections ended in which of Zeek's states; states without any are left out.
    #[serde(serialize_with = "states")]
    states: StateCounts,
    /// What clients called the server, in TLS, HTTP and DNS; sorted.
    names: &'a std::collections::BTreeSet<Box<str>>,
}

impl<'a> Line<'a> {
    fn of(edge: &'a Edge, fan_in: &FanIn) -> Self {
        Self {
            client: &edge.key.client,
            server: &edge.key.server,
            protocol: edge.key.protocol,
            port: edge.key.port,
            direction: direction(edge, fan_in),
            connections: edge.connections,
            packets_to_server: edge.to_server.packets,
            packets_to_client: edge.to_client.packets,
            bytes_to_server: edge.to_server.ip_bytes,
            bytes_to_client: edge.to_client.ip_bytes,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            states: edge.states,
            names: &edge.names,
        }
    }
}

pub(super) fn display<S: Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn states<S: Serializer>(states: &StateCounts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(states.iter().map(|(state, count)| (state.as_str(), count)))
}

const HEADER: [&str; 14] = [
    "client",
    "server",
    "protocol",
    "port",
    "direction",
    "connections",
    "packets_to_server",
    "packets_to_client",
    "bytes_to_server",
    "bytes_to_client",
    "first_seen",
    "last_seen",
    "states",
    "names",
];

/// The fields of [`Line`]; `states` as `S0=1 SF=2`, `names` separated by spaces.
fn write_csv<E: Borrow<Edge>>(
    out: &mut impl Write,
    edges: impl Iterator<Item = E>,
    fan_in: &FanIn,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    for edge in edges {
        let edge = edge.borrow();
        csv.write_record([
            plain(&edge.key.client.to_string()).as_ref(),
            plain(&edge.key.server.to_string()).as_ref(),
            &edge.key.protocol.to_string(),
            &edge.key.port.to_string(),
            &direction(edge, fan_in).to_string(),
            &edge.connections.to_string(),
            &edge.to_server.packets.to_string(),
            &edge.to_client.packets.to_string(),
            &edge.to_server.ip_bytes.to_string(),
            &edge.to_client.ip_bytes.to_string(),
            &edge.first_seen.to_string(),
            &edge.last_seen.to_string(),
            &states_text(&edge.states),
            plain(&names_text(edge, " ")).as_ref(),
        ])?;
    }
    csv.flush()
}

fn write_table<E: Borrow<Edge>>(
    out: &mut impl Write,
    edges: impl Iterator<Item = E>,
    fan_in: &FanIn,
) -> io::Result<()> {
    let mut table = table::Table::new(&[
        table::text("CLIENT", 40),
        table::text("SERVER", 40),
        table::text("SERVICE", 14),
        table::number("SURE"),
        table::number("CONNECTIONS"),
        table::number("PACKETS"),
        table::number("BYTES OUT"),
        table::number("BYTES BACK"),
        table::text("STATES", 24),
        table::text("NAMES", 60),
    ]);
    for edge in edges {
        let edge = edge.borrow();
        table.row([
            edge.key.client.to_string(),
            edge.key.server.to_string(),
            format!("{}/{}", edge.key.protocol, edge.key.port),
            text::probability(fan_in.direction(edge).probability()),
            text::count(edge.connections),
            text::count(edge.to_server.packets.saturating_add(edge.to_client.packets)),
            text::bytes(edge.to_server.ip_bytes),
            text::bytes(edge.to_client.ip_bytes),
            states_text(&edge.states),
            names_text(edge, ", "),
        ]);
    }
    table.write(out, "", usize::MAX, str::to_owned)
}

fn states_text(states: &StateCounts) -> String {
    states.iter().map(|(state, count)| format!("{state}={count}")).collect::<Vec<_>>().join(" ")
}

fn names_text(edge: &Edge, separator: &str) -> String {
    edge.names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(separator)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use watershed_model::{ConnState, EdgeKey, EdgeTraffic, EvidenceCounts, Party};

    use super::*;

    pub(crate) fn edge(name: &str) -> Edge {
        let address = |text: &str| Party::Address(text.parse().unwrap());
        let key = EdgeKey {
            client: address("10.0.0.1"),
            server: address("2001:db8::1"),
            protocol: Protocol::TCP,
            port: 443,
        };
        let mut states = StateCounts::default();
        states.add(ConnState::Sf);
        states.add(ConnState::S0);
        Edge {
            key,
            connections: 2,
            answered: 1,
            to_server: EdgeTraffic { packets: 7, ip_bytes: 700 },
            to_client: EdgeTraffic { packets: 5, ip_bytes: 5_000 },
            first_seen: Timestamp::from_parts(1_700_000_000, 5),
            last_seen: Timestamp::from_parts(1_700_000_060, 0),
            states,
            evidence: EvidenceCounts::default(),
            names: [name.into()].into(),
            hours: BTreeSet::new(),
            client_addresses: BTreeSet::new(),
            server_addresses: BTreeSet::new(),
            observers: BTreeSet::new(),
        }
    }

    fn written(format: EdgeFormat, name: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, &[edge(name)], &FanIn::default(), format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_has_the_documented_fields_in_order() {
        assert_eq!(
            written(EdgeFormat::Json, "shop.example"),
            concat!(
                r#"{"client":"10.0.0.1","server":"2001:db8::1","protocol":"tcp","port":443,"direction":0.5,"connections":2,"#,
                r#""packets_to_server":7,"packets_to_client":5,"bytes_to_server":700,"bytes_to_client":5000,"#,
                r#""first_seen":"2023-11-14T22:13:20.000000005Z","last_seen":"2023-11-14T22:14:20Z","#,
                r#""states":{"S0":1,"SF":1},"names":["shop.example"]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn csv_has_a_header_and_quotes() {
        let text = written(EdgeFormat::Csv, "a,b");
        assert!(text.starts_with("client,server,protocol,port,"), "{text}");
        assert!(text.ends_with(",S0=1 SF=1,\"a,b\"\n"), "{text}");
    }

    #[test]
    fn no_format_lets_a_name_reach_the_terminal() {
        for format in [EdgeFormat::Json, EdgeFormat::Csv, EdgeFormat::Table] {
            let text = written(format, "evil\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}");
            assert!(text.chars().all(|c| c == '\n' || !text::is_unsafe(c)), "{text:?}");
        }
    }
}

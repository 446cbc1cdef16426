//! Flow records as JSON lines or CSV.

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use watershed_model::{Batch, Encapsulation, FlowRecord, NameHints, Protocol, Timestamp, Traffic};

use super::{json, zeek};
use crate::args::FlowFormat;

/// Writes the records of batches in one format.
pub(crate) enum Writer<'a, W: Write> {
    Json(W),
    Csv(Box<csv::Writer<W>>),
    Zeek {
        out: W,
        /// Networks that count as one's own.
        local: &'a [IpNet],
        /// Event time of the last batch, once there was one.
        now: Option<Timestamp>,
    },
}

impl<'a, W: Write> Writer<'a, W> {
    /// A writer to `out`; `local` are the networks that count as one's own.
    pub(crate) fn new(out: W, format: FlowFormat, local: &'a [IpNet]) -> Self {
        match format {
            FlowFormat::Json => Self::Json(out),
            FlowFormat::Csv => Self::Csv(Box::new(csv::Writer::from_writer(out))),
            FlowFormat::Zeek => Self::Zeek { out, local, now: None },
        }
    }

    /// Writes a batch's records; the head comes with the first batch.
    pub(crate) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        match self {
            Self::Json(out) => batch.records.iter().try_for_each(|record| write_json(out, record)),
            Self::Csv(csv) => {
                if batch.sequence == 0 {
                    csv.write_record(CSV_HEADER)?;
                }
                Ok(batch.records.iter().try_for_each(|record| write_csv(csv, record))?)
            }
            Self::Zeek { out, local, now } => {
                // A batch without packets has no time of its own.
                let time = batch.now.max(Timestamp::default());
                if now.is_none() {
                    let first = batch.records.iter().map(|record| record.first_seen).min();
                    zeek::write_header(out, first.unwrap_or(time))?;
                }
                *now = Some(time);
                batch.records.iter().try_for_each(|record| zeek::write_record(out, record, local))
            }
        }
    }

    /// Writes what comes last.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Json(mut out) => out.flush(),
            Self::Csv(mut csv) => csv.flush(),
            Self::Zeek { mut out, now, .. } => {
                if let Some(now) = now {
                    zeek::write_footer(&mut out, now)?;
                }
                out.flush()
            }
        }
    }
}

/// Writes one record as a line of JSON.
fn write_json(out: &mut impl Write, record: &FlowRecord) -> io::Result<()> {
    json::line(out, &Line::of(record))
}

/// One connection, or the part of it since the last report, as a line of JSON.
///
/// Times are RFC 3339 in UTC, durations are seconds, bytes are octets. Fields that are not known are left
/// out. Counters are those of this part; `part` tells whether there are earlier ones.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "super::edges::display")]
    first_seen: Timestamp,
    #[serde(serialize_with = "super::edges::display")]
    last_seen: Timestamp,
    client: IpAddr,
    /// For ICMP the type of the client's packets.
    client_port: u16,
    server: IpAddr,
    /// For ICMP the type of the matching reply, or the code.
    server_port: u16,
    /// IANA keyword in lower case, else the number as text.
    #[serde(serialize_with = "super::edges::display")]
    protocol: Protocol,
    /// Zeek's `conn_state`.
    state: &'static str,
    /// Zeek's `history`.
    history: &'a str,
    answered: bool,
    to_server: Side,
    to_client: Side,
    /// From the client's SYN to the acknowledgement that completed the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_rtt: Option<f64>,
    /// Why the client is taken for the client.
    evidence: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_query: Option<&'a str>,
    /// Outermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    vlans: Option<&'a [u16]>,
    /// Outermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    mpls: Option<&'a [u32]>,
    /// Outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tunnels: Vec<Tunnel>,
    /// The capture's interface number.
    interface: u32,
    /// Community ID version 1, seed 0.
    #[serde(serialize_with = "super::edges::display")]
    community_id: watershed_model::CommunityId,
    part: u32,
    /// Why this record was written: `closed`, `idle`, `active`, `reused`, `evicted`, `end_of_capture`.
    end: &'static str,
}

/// What one side sent.
#[derive(Serialize)]
struct Side {
    packets: u64,
    /// IP total lengths.
    ip_bytes: u64,
    payload_bytes: u64,
    retransmissions: u32,
    /// `FSRPAUEC`, those that are set.
    #[serde(skip_serializing_if = "String::is_empty")]
    tcp_flags: String,
}

impl Side {
    fn of(traffic: &Traffic) -> Self {
        Self {
            packets: traffic.packets,
            ip_bytes: traffic.ip_bytes,
            payload_bytes: traffic.payload_bytes,
            retransmissions: traffic.retransmissions,
            tcp_flags: traffic.flags.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Tunnel {
    kind: watershed_model::TunnelKind,
    source: IpAddr,
    destination: IpAddr,
    /// VNI of VXLAN and Geneve, key of GRE, TEID of GTP-U, session of ERSPAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
}

impl<'a> Line<'a> {
    fn of(record: &'a FlowRecord) -> Self {
        let names = record.names.as_deref();
        let name = |pick: fn(&NameHints) -> &Option<Box<str>>| names.and_then(|n| pick(n).as_deref());
        let wrap = record.encapsulation.as_deref();
        Self {
            first_seen: record.first_seen,
            last_seen: record.last_seen,
            client: record.client.address,
            client_port: record.client.port,
            server: record.server.address,
            server_port: record.server.port,
            protocol: record.protocol,
            state: record.state.as_str(),
            history: record.history.as_str(),
            answered: record.answered(),
            to_server: Side::of(&record.to_server),
            to_client: Side::of(&record.to_client),
            handshake_rtt: record.handshake_rtt.map(|rtt| rtt.as_secs_f64()),
            evidence: record.evidence.names().collect(),
            tls_server_name: name(|n| &n.tls_server_name),
            http_host: name(|n| &n.http_host),
            dns_query: name(|n| &n.dns_query),
            vlans: wrap.map(|w| w.vlans.as_slice()).filter(|v| !v.is_empty()),
            mpls: wrap.map(|w| w.mpls.as_slice()).filter(|m| !m.is_empty()),
            tunnels: wrap.map(tunnels).unwrap_or_default(),
            interface: record.interface.0,
            community_id: record.community_id(),
            part: record.part,
            end: record.end.as_str(),
        }
    }
}

fn tunnels(wrap: &Encapsulation) -> Vec<Tunnel> {
    let tunnel = |t: &watershed_model::Tunnel| Tunnel {
        kind: t.kind,
        source: t.source,
        destination: t.destination,
        id: t.id,
    };
    wrap.tunnels.iter().map(tunnel).collect()
}

/// The columns of the CSV form: the JSON form's main fields, flat; evidence separated by spaces; `name` is the
/// surest name of the server; an empty cell is not known.
const CSV_HEADER: [&str; 25] = [
    "first_seen",
    "last_seen",
    "client",
    "client_port",
    "server",
    "server_port",
    "protocol",
    "state",
    "history",
    "answered",
    "packets_to_server",
    "packets_to_client",
    "bytes_to_server",
    "bytes_to_client",
    "payload_bytes_to_server",
    "payload_bytes_to_client",
    "retransmissions_to_server",
    "retransmissions_to_client",
    "handshake_rtt",
    "evidence",
    "name",
    "interface",
    "community_id",
    "part",
    "end",
];

/// Writes one record as a line of CSV.
fn write_csv(csv: &mut csv::Writer<impl Write>, record: &FlowRecord) -> csv::Result<()> {
    let (there, back) = (&record.to_server, &record.to_client);
    let name = record.names.as_deref().and_then(|names| names.server_names().next()).unwrap_or_default();
    csv.write_record([
        record.first_seen.to_string().as_str(),
        &record.last_seen.to_string(),
        &record.client.address.to_string(),
        &record.client.port.to_string(),
        &record.server.address.to_string(),
        &record.server.port.to_string(),
        &record.protocol.to_string(),
        record.state.as_str(),
        record.history.as_str(),
        if record.answered() { "true" } else { "false" },
        &there.packets.to_string(),
        &back.packets.to_string(),
        &there.ip_bytes.to_string(),
        &back.ip_bytes.to_string(),
        &there.payload_bytes.to_string(),
        &back.payload_bytes.to_string(),
        &there.retransmissions.to_string(),
        &back.retransmissions.to_string(),
        &record.handshake_rtt.map_or(String::new(), |rtt| rtt.as_secs_f64().to_string()),
        &record.evidence.names().collect::<Vec<_>>().join(" "),
        &super::text::plain(name),
        &record.interface.0.to_string(),
        &record.community_id().to_string(),
        &record.part.to_string(),
        record.end.as_str(),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::zeek::tests::record;
    use super::*;

    #[test]
    fn json_leaves_out_what_is_not_known() {
        let mut out = Vec::new();
        write_json(&mut out, &record()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["client"], "10.0.0.1");
        assert_eq!(value["to_server"]["payload_bytes"], 100);
        assert_eq!(value["to_server"]["tcp_flags"], "FSA");
        assert_eq!(value["tls_server_name"], "shop.example");
        assert_eq!(value["evidence"], serde_json::json!(["syn", "tls_client_hello"]));
        assert!(value.get("vlans").is_none() && value.get("http_host").is_none(), "{text}");
    }

    #[test]
    fn csv_has_a_cell_for_each_column() {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(CSV_HEADER).unwrap();
        write_csv(&mut csv, &record()).unwrap();
        let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        assert!(text.lines().nth(1).unwrap().contains(",shop.example,0,1:"), "{text}");
    }
}

//! Zeek's conn.log, so that what reads Zeek's reads ours.
//!
//! Columns and types are those of Zeek 7's `Conn::Info`, in its order, and the `community_id` that its
//! package adds. What differs, because a capture is read without Zeek's other analysers:
//! - `uid` has Zeek's form but is derived from the connection itself, so that it is the same each time;
//! - `tunnel_parents` holds a uid derived from the innermost tunnel (kind, outer addresses, identifier): flows
//!   in one tunnel share it, but no line of this log has it, since a flow does not know the outer ports;
//! - `service` is said by what the client sent (`ssl`, `http`, `dns`, `quic`), not by a full dialogue;
//! - `missed_bytes` is unset: it is not measured;
//! - a long connection that was reported in parts has a line, and a uid, for each part.

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use watershed_model::{Evidence, FlowRecord, Protocol, Timestamp, Tunnel};

const COLUMNS: [(&str, &str); 23] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("ip_proto", "count"),
    ("community_id", "string"),
];

/// Writes the log's head; `opened` is the time that the log states as its beginning.
pub(crate) fn write_header(out: &mut impl Write, opened: Timestamp) -> io::Result<()> {
    write!(
        out,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    )?;
    writeln!(out, "#open\t{}", day_and_time(opened))?;
    out.write_all(b"#fields")?;
    COLUMNS.iter().try_for_each(|(name, _)| write!(out, "\t{name}"))?;
    out.write_all(b"\n#types")?;
    COLUMNS.iter().try_for_each(|(_, kind)| write!(out, "\t{kind}"))?;
    out.write_all(b"\n")
}

/// Writes the log's last line; `closed` is the time that the log states as its end.
pub(crate) fn write_footer(out: &mut impl Write, closed: Timestamp) -> io::Result<()> {
    writeln!(out, "#close\t{}", day_and_time(closed))
}

/// Writes one record. `local` are the networks that count as one's own.
pub(crate) fn write_record(out: &mut impl Write, record: &FlowRecord, local: &[IpNet]) -> io::Result<()> {
    let is_local = |address: IpAddr| if local.iter().any(|net| net.contains(&address)) { "T" } else { "F" };
    let (orig, resp) = (&record.to_server, &record.to_client);
    // Zeek measures time and payload between packets: of a single one it says nothing.
    let single = orig.packets + resp.packets <= 1;
    write!(out, "{}\t{}\t", Seconds(record.first_seen.as_nanos()), Uid::of_connection(record))?;
    write!(out, "{}\t{}\t", record.client.address, record.client.port)?;
    write!(out, "{}\t{}\t", record.server.address, record.server.port)?;
    write!(out, "{}\t{}\t", transport(record.protocol), service(record.evidence))?;
    if single {
        out.write_all(b"-\t-\t-\t")?;
    } else {
        let duration = record.last_seen.as_nanos().saturating_sub(record.first_seen.as_nanos());
        write!(out, "{}\t{}\t{}\t", Seconds(duration), orig.payload_bytes, resp.payload_bytes)?;
    }
    write!(out, "{}\t", record.state)?;
    write!(out, "{}\t{}\t-\t", is_local(record.client.address), is_local(record.server.address))?;
    let history = record.history.as_str();
    write!(out, "{}\t", if history.is_empty() { "-" } else { history })?;
    write!(out, "{}\t{}\t{}\t{}\t", orig.packets, orig.ip_bytes, resp.packets, resp.ip_bytes)?;
    match record.encapsulation.as_deref().and_then(|wrap| wrap.tunnels.last()) {
        Some(tunnel) => write!(out, "{}\t", Uid::of_tunnel(tunnel))?,
        None => out.write_all(b"(empty)\t")?,
    }
    writeln!(out, "{}\t{}", record.protocol.0, record.community_id())
}

/// Zeek's name of the transport; it says `icmp` for both versions.
const fn transport(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::TCP => "tcp",
        Protocol::UDP => "udp",
        Protocol::ICMP | Protocol::ICMPV6 => "icmp",
        _ => "unknown_transport",
    }
}

fn service(evidence: Evidence) -> &'static str {
    let services = [
        (Evidence::QUIC_CLIENT_HELLO, "quic"),
        (Evidence::TLS_CLIENT_HELLO, "ssl"),
        (Evidence::HTTP_REQUEST, "http"),
        (Evidence::DNS_QUERY.union(Evidence::DNS_RESPONSE), "dns"),
    ];
    services.iter().find(|(flags, _)| evidence.intersects(*flags)).map_or("-", |(_, name)| name)
}

/// Nanoseconds as seconds with six decimals, as Zeek writes times and intervals; digits beyond are cut.
struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.div_euclid(1000);
        let sign = if micros < 0 { "-" } else { "" };
        let micros = micros.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// `2026-01-02-03-04-05`, UTC.
fn day_and_time(time: Timestamp) -> String {
    let text = time.to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    seconds.replace([':', 'T'], "-")
}

/// A connection's identifier in Zeek's form: `C` and 96 bits in base 62.
struct Uid(u128);

impl Uid {
    fn of_connection(record: &FlowRecord) -> Self {
        let mut hash = Sha256::new();
        for end in [record.client, record.server] {
            update(&mut hash, end.address);
            hash.update(end.port.to_be_bytes());
        }
        hash.update([record.protocol.0]);
        hash.update(record.first_seen.as_nanos().to_be_bytes());
        Self::take(hash)
    }

    /// Equal for both directions of a tunnel.
    fn of_tunnel(tunnel: &Tunnel) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"tunnel");
        update(&mut hash, tunnel.source.min(tunnel.destination));
        update(&mut hash, tunnel.source.max(tunnel.destination));
        hash.update([tunnel.kind as u8]);
        hash.update(tunnel.id.unwrap_or(0).to_be_bytes());
        Self::take(hash)
    }

    fn take(hash: Sha256) -> Self {
        let digest = hash.finalize();
        Self(digest.iter().take(12).fold(0, |number, &byte| number << 8 | u128::from(byte)))
    }
}

fn update(hash: &mut Sha256, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        f.write_str("C")?;
        let mut rest = self.0;
        // 17 digits hold 96 bits.
        for _ in 0..17 {
            let digit = usize::try_from(rest % 62).unwrap_or_default();
            std::fmt::Write::write_char(f, char::from(DIGITS[digit]))?;
            rest /= 62;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use watershed_model::{
        ConnState, Encapsulation, EndReason, Endpoint, History, InterfaceId, NameHints, TcpFlags, Traffic,
        TunnelKind,
    };

    use super::*;

    pub(in crate::output) fn record() -> FlowRecord {
        let end = |address: &str, port| Endpoint { address: address.parse().unwrap(), port };
        let side = |packets, payload_bytes| Traffic {
            packets,
            ip_bytes: 40 * packets + payload_bytes,
            payload_bytes,
            retransmissions: 0,
            flags: TcpFlags::SYN | TcpFlags::ACK | TcpFlags::FIN,
        };
        FlowRecord {
            client: end("10.0.0.1", 40_000),
            server: end("2001:db8::1", 443),
            protocol: Protocol::TCP,
            first_seen: Timestamp::from_parts(1_700_000_000, 123_456_789),
            last_seen: Timestamp::from_parts(1_700_000_001, 123_456_000),
            to_server: side(5, 100),
            to_client: side(4, 2_000),
            state: ConnState::Sf,
            history: History::from("ShADadFf"),
            handshake_rtt: None,
            evidence: Evidence::SYN | Evidence::TLS_CLIENT_HELLO,
            names: Some(Box::new(NameHints {
                tls_server_name: Some("shop.example".into()),
                ..NameHints::default()
            })),
            encapsulation: None,
            interface: InterfaceId(0),
            part: 0,
            end: EndReason::Closed,
            summary: None,
        }
    }

    fn row(record: &FlowRecord) -> Vec<String> {
        let mut out = Vec::new();
        write_record(&mut out, record, &["10.0.0.0/8".parse().unwrap()]).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.trim_end().split('\t').map(str::to_owned).collect()
    }

    #[test]
    fn the_header_is_zeeks() {
        let mut out = Vec::new();
        write_header(&mut out, Timestamp::from_parts(1_700_000_000, 5)).unwrap();
        write_footer(&mut out, Timestamp::from_parts(1_700_000_060, 0)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "#separator \\x09");
        assert_eq!(lines[5], "#open\t2023-11-14-22-13-20");
        assert!(
            lines[6].starts_with(
                "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\t"
            )
        );
        assert_eq!(lines[6].split('\t').count(), lines[7].split('\t').count());
        assert_eq!(lines[8], "#close\t2023-11-14-22-14-20");
    }

    #[test]
    fn a_row_has_every_column() {
        let row = row(&record());
        assert_eq!(row.len(), COLUMNS.len());
        let cell = |name| &row[COLUMNS.iter().position(|(column, _)| *column == name).unwrap()];
        assert_eq!(cell("ts"), "1700000000.123456");
        assert_eq!(cell("duration"), "0.999999");
        assert_eq!(cell("service"), "ssl");
        assert_eq!((cell("orig_bytes"), cell("resp_bytes")), (&"100".into(), &"2000".into()));
        assert_eq!((cell("local_orig"), cell("local_resp")), (&"T".into(), &"F".into()));
        assert_eq!(cell("tunnel_parents"), "(empty)");
        assert_eq!(cell("ip_proto"), "6");
        assert!(cell("uid").starts_with('C') && cell("uid").len() == 18, "{}", cell("uid"));
    }

    #[test]
    fn one_packet_has_no_duration() {
        let mut single = record();
        single.to_server.packets = 1;
        single.to_client = Traffic::default();
        assert_eq!(row(&single)[8..11], ["-", "-", "-"]);
    }

    #[test]
    fn flows_in_one_tunnel_share_its_uid_in_both_directions() {
        let tunnelled = |source: &str, destination: &str| {
            let tunnel = Tunnel {
                kind: TunnelKind::Vxlan,
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                id: Some(42),
            };
            let wrap = Encapsulation { tunnels: vec![tunnel], ..Encapsulation::default() };
            row(&FlowRecord { encapsulation: Some(Box::new(wrap)), ..record() })[20].clone()
        };
        assert_eq!(tunnelled("192.0.2.1", "192.0.2.2"), tunnelled("192.0.2.2", "192.0.2.1"));
        assert_ne!(tunnelled("192.0.2.1", "192.0.2.2"), tunnelled("192.0.2.1", "192.0.2.3"));
    }
}

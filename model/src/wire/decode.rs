//! From octets to batches. Any octets may come: what is no batch is an error that says why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use prost::{Message as _, decode_length_delimiter};

use super::{Head, MAX_BYTES, MAX_ITEMS, MAX_STRING, VERSION, WireError, proto};
use crate::{
    AgentId, Batch, ConnState, Counters, Encapsulation, EndReason, Endpoint, Evidence, EvidenceCounts,
    FlowRecord, History, InterfaceId, Listener, NameHints, NameObservation, Owner, Protocol, StateCounts,
    Summary, TcpFlags, Timestamp, Traffic, Tunnel, TunnelKind,
};

/// The batch that these octets are.
///
/// # Errors
///
/// They are none, of a version this reader does not know, or beyond the limits.
pub fn decode(bytes: &[u8]) -> Result<Batch, WireError> {
    check_size(bytes)?;
    // Before anything grows in memory, and before a newer version is taken for damage.
    let Items { records, names, listeners } =
        count_items(bytes).ok_or_else(|| newer(bytes).unwrap_or(WireError::Cut))?;
    for (items, count) in [("records", records), ("names", names), ("listeners", listeners)] {
        if count > MAX_ITEMS {
            return Err(WireError::TooMany { items, count });
        }
    }
    check_version(proto::Head::decode(bytes)?.version)?;
    let frame = proto::Frame::decode(bytes)?;
    let now = Timestamp::from_nanos(frame.now);
    let mut batch = Batch {
        agent: agent(frame.agent)?,
        started: Timestamp::from_nanos(frame.started),
        sequence: frame.sequence,
        now,
        records: Vec::with_capacity(records),
        names: Vec::with_capacity(names),
        listeners: Vec::with_capacity(listeners),
        counters: counters(&frame.counters.unwrap_or_default()),
    };
    // One message for all records, since it keeps its memory: thousands of a batch at a time would not stay in a
    // processor's cache.
    let (mut message, mut rest) = (proto::FlowRecord::default(), bytes);
    while let Some((key, field)) = next_field(&mut rest) {
        match key {
            RECORD => {
                message.clear();
                message.merge(field)?;
                batch.records.push(record(&mut message, now)?);
            }
            NAME => batch.names.push(observation(proto::NameObservation::decode(field)?, now)?),
            LISTENER => batch.listeners.push(listener(proto::Listener::decode(field)?, now)?),
            _ => {}
        }
    }
    Ok(batch)
}

/// Which batch these octets are, without looking at what is in it.
///
/// # Errors
///
/// They are none, or of a version this reader does not know.
pub fn head(bytes: &[u8]) -> Result<Head, WireError> {
    check_size(bytes)?;
    let head = proto::Head::decode(bytes)?;
    check_version(head.version)?;
    Ok(Head {
        agent: agent(head.agent)?,
        started: Timestamp::from_nanos(head.started),
        sequence: head.sequence,
    })
}

fn check_size(bytes: &[u8]) -> Result<(), WireError> {
    if bytes.len() > MAX_BYTES {
        return Err(WireError::TooLarge { bytes: bytes.len() });
    }
    Ok(())
}

const fn check_version(found: u32) -> Result<(), WireError> {
    if found == 0 || found > VERSION { Err(WireError::Version { found }) } else { Ok(()) }
}

/// The error of a newer version, if that is what it is.
fn newer(bytes: &[u8]) -> Option<WireError> {
    let head = proto::Head::decode(bytes).ok()?;
    (head.version > VERSION).then_some(WireError::Version { found: head.version })
}

/// Keys of the fields that hold a record, a name and a listener: a field's number and wire type 2.
const RECORD: usize = 7 << 3 | 2;
const NAME: usize = 8 << 3 | 2;
const LISTENER: usize = 9 << 3 | 2;

/// How many there are of each.
#[derive(Default)]
struct Items {
    records: usize,
    names: usize,
    listeners: usize,
}

/// How many items there are; `None` where the octets end within a field.
fn count_items(mut bytes: &[u8]) -> Option<Items> {
    let mut items = Items::default();
    while !bytes.is_empty() {
        let (key, _) = next_field(&mut bytes)?;
        items.records += usize::from(key == RECORD);
        items.names += usize::from(key == NAME);
        items.listeners += usize::from(key == LISTENER);
    }
    Some(items)
}

/// The key of the next field, and its octets; `None` where there is none, or it is cut.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(usize, &'a [u8])> {
    let key = decode_length_delimiter(&mut *bytes).ok()?;
    let length = match key & 7 {
        0 => decode_length_delimiter(&mut *bytes).map(|_| 0).ok()?,
        1 => 8,
        2 => decode_length_delimiter(&mut *bytes).ok()?,
        5 => 4,
        _ => return None,
    };
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((key, field))
}

fn text(field: &'static str, text: String) -> Result<String, WireError> {
    short(field, &text)?;
    Ok(text)
}

const fn short<'a>(field: &'static str, text: &'a str) -> Result<&'a str, WireError> {
    if text.len() > MAX_STRING {
        return Err(WireError::TooLong { field, bytes: text.len() });
    }
    Ok(text)
}

fn small<T: TryFrom<u32>>(field: &'static str, value: u32) -> Result<T, WireError> {
    T::try_from(value).map_err(|_| WireError::Value { field, value: value.into() })
}

fn agent(name: String) -> Result<AgentId, WireError> {
    if name.is_empty() {
        return Err(WireError::Missing { field: "agent" });
    }
    Ok(AgentId::from(text("agent", name)?.as_str()))
}

const fn earlier(now: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_nanos(now.as_nanos().wrapping_sub(by))
}

/// Takes from the message what it can.
fn record(record: &mut proto::FlowRecord, now: Timestamp) -> Result<FlowRecord, WireError> {
    let first_seen = earlier(now, record.first_seen);
    let client_v6 = record.client_v6_high.zip(record.client_v6_low);
    let server_v6 = record.server_v6_high.zip(record.server_v6_low);
    Ok(FlowRecord {
        client: Endpoint {
            address: address("client", record.client_v4, client_v6)?,
            port: small("client_port", record.client_port)?,
        },
        server: Endpoint {
            address: address("server", record.server_v4, server_v6)?,
            port: small("server_port", record.server_port)?,
        },
        protocol: Protocol(small("protocol", record.protocol)?),
        first_seen,
        last_seen: earlier(first_seen, record.last_seen.wrapping_neg()),
        to_server: traffic(record.to_server.as_ref())?,
        to_client: traffic(record.to_client.as_ref())?,
        state: state(record.state)?,
        history: History::from(short("history", &record.history)?),
        handshake_rtt: record.handshake_rtt.map(Duration::from_nanos),
        evidence: Evidence::from_bits_truncate(record.evidence),
        names: record.names.take().map(hints).transpose()?.map(Box::new),
        encapsulation: record.encapsulation.take().map(encapsulation).transpose()?.map(Box::new),
        interface: InterfaceId(record.interface),
        summary: record.summary.as_ref().map(summary).transpose()?.map(Box::new),
        part: record.part,
        end: end(record.end)?,
    })
}

fn address(field: &'static str, v4: Option<u32>, v6: Option<(u64, u64)>) -> Result<IpAddr, WireError> {
    match (v4, v6) {
        (Some(v4), _) => Ok(Ipv4Addr::from_bits(v4).into()),
        (None, Some((high, low))) => Ok(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()),
        (None, None) => Err(WireError::Missing { field }),
    }
}

fn octets(field: &'static str, octets: &[u8]) -> Result<IpAddr, WireError> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .map_err(|_| WireError::TooLong { field, bytes: octets.len() })
}

fn traffic(traffic: Option<&proto::Traffic>) -> Result<Traffic, WireError> {
    let Some(traffic) = traffic else { return Ok(Traffic::default()) };
    Ok(Traffic {
        packets: traffic.packets,
        ip_bytes: traffic.ip_bytes,
        payload_bytes: traffic.payload_bytes,
        retransmissions: traffic.retransmissions,
        flags: TcpFlags::from_bits_retain(small("flags", traffic.flags)?),
    })
}

fn hints(names: proto::NameHints) -> Result<NameHints, WireError> {
    let name = |field, name: Option<String>| {
        name.map(|name| text(field, name).map(String::into_boxed_str)).transpose()
    };
    Ok(NameHints {
        tls_server_name: name("tls_server_name", names.tls_server_name)?,
        http_host: name("http_host", names.http_host)?,
        dns_query: name("dns_query", names.dns_query)?,
    })
}

fn encapsulation(encapsulation: proto::Encapsulation) -> Result<Encapsulation, WireError> {
    Ok(Encapsulation {
        vlans: encapsulation.vlans.into_iter().map(|vlan| small("vlan", vlan)).collect::<Result<_, _>>()?,
        mpls: encapsulation.mpls,
        tunnels: encapsulation.tunnels.iter().map(tunnel).collect::<Result<_, _>>()?,
    })
}

fn summary(summary: &proto::Summary) -> Result<Summary, WireError> {
    let mut states = StateCounts::default();
    for (number, &count) in (0..).zip(&summary.states) {
        states.add_many(state(number)?, count);
    }
    let mut evidence = EvidenceCounts::default();
    // Kinds that a reader does not know are passed over, as their bits are.
    Evidence::all().iter().zip(&summary.evidence).for_each(|(flag, &count)| evidence.add_many(flag, count));
    Ok(Summary { connections: summary.connections, answered: summary.answered, states, evidence })
}

fn tunnel(tunnel: &proto::Tunnel) -> Result<Tunnel, WireError> {
    Ok(Tunnel {
        kind: kind(tunnel.kind)?,
        source: octets("tunnel source", &tunnel.source)?,
        destination: octets("tunnel destination", &tunnel.destination)?,
        id: tunnel.id,
    })
}

fn observation(name: proto::NameObservation, now: Timestamp) -> Result<NameObservation, WireError> {
    Ok(NameObservation {
        seen: earlier(now, name.seen),
        client: octets("client", &name.client)?,
        name: text("name", name.name)?.into_boxed_str(),
        address: octets("address", &name.address)?,
        ttl: Duration::from_nanos(name.ttl),
    })
}

fn listener(listener: proto::Listener, now: Timestamp) -> Result<Listener, WireError> {
    let first_seen = earlier(now, listener.first_seen);
    let name = |field, name: String| text(field, name).map(String::into_boxed_str);
    let unit = listener.unit.map(|unit| name("unit", unit)).transpose()?;
    let process = listener.process.map(|process| name("process", process)).transpose()?;
    Ok(Listener {
        address: octets("address", &listener.address)?,
        protocol: Protocol(small("protocol", listener.protocol)?),
        port: small("port", listener.port)?,
        first_seen,
        last_seen: earlier(first_seen, listener.last_seen.wrapping_neg()),
        user: listener.user,
        owner: process.map(|process| Owner { process, unit }),
    })
}

fn counters(counters: &proto::Counters) -> Counters {
    Counters {
        packets: counters.packets,
        captured_bytes: counters.captured_bytes,
        in_flows: counters.in_flows,
        skipped: known(&counters.skipped),
        refused: known(&counters.refused),
        kernel_dropped: counters.kernel_dropped,
        snapped: counters.snapped,
        reassembled: counters.reassembled,
        flows_started: counters.flows_started,
        flows_evicted: counters.flows_evicted,
        records: counters.records,
        names: counters.names,
        names_limited: counters.names_limited,
        batches_dropped: counters.batches_dropped,
        records_dropped: counters.records_dropped,
        names_dropped: counters.names_dropped,
        spooled_bytes: counters.spooled_bytes,
        repeated: counters.repeated,
        summarized: counters.summarized,
        summaries_cut: counters.summaries_cut,
        kernel_received: counters.kernel_received,
        interfaces: counters.interfaces,
        interfaces_away: counters.interfaces_away,
    }
}

/// Counts by reason; those of reasons that are younger than this reader go to the first, so that what was lost
/// still counts as lost.
fn known<const N: usize>(counts: &[u64]) -> [u64; N] {
    let mut known = [0_u64; N];
    for (index, &count) in counts.iter().enumerate() {
        let place = &mut known[if index < N { index } else { 0 }];
        *place = place.saturating_add(count);
    }
    known
}

fn state(number: u32) -> Result<ConnState, WireError> {
    let known = ConnState::ALL.into_iter().find(|&state| super::encode::state(state) == number);
    known.ok_or(WireError::Value { field: "state", value: number.into() })
}

fn end(number: u32) -> Result<EndReason, WireError> {
    Ok(match number {
        0 => EndReason::Closed,
        1 => EndReason::Idle,
        2 => EndReason::Active,
        3 => EndReason::Reused,
        4 => EndReason::Evicted,
        5 => EndReason::EndOfCapture,
        _ => return Err(WireError::Value { field: "end", value: number.into() }),
    })
}

fn kind(number: u32) -> Result<TunnelKind, WireError> {
    Ok(match number {
        0 => TunnelKind::Vxlan,
        1 => TunnelKind::Geneve,
        2 => TunnelKind::Gre,
        3 => TunnelKind::Erspan,
        4 => TunnelKind::Ipip,
        5 => TunnelKind::SixInFour,
        6 => TunnelKind::Teredo,
        7 => TunnelKind::Gtpu,
        8 => TunnelKind::Ayiya,
        _ => return Err(WireError::Value { field: "tunnel kind", value: number.into() }),
    })
}

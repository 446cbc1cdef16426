//! From batches to octets.

use std::net::IpAddr;
use std::time::Duration;

use prost::Message as _;

use super::{PLAIN_VERSION, VERSION, proto};
use crate::{
    Batch, ConnState, Counters, Encapsulation, EndReason, Evidence, FlowRecord, Listener, NameHints,
    NameObservation, Summary, Timestamp, Traffic, Tunnel, TunnelKind,
};

/// The octets of a batch; [`decode`](super::decode()) gives it back.
///
/// Whoever makes batches keeps them within the limits, see [`cut`](super::cut).
#[must_use]
pub fn encode(batch: &Batch) -> Vec<u8> {
    let now = batch.now;
    let summaries = batch.records.iter().any(|record| record.summary.is_some());
    proto::Batch {
        version: if summaries { VERSION } else { PLAIN_VERSION },
        agent: batch.agent.to_string(),
        started: batch.started.as_nanos(),
        sequence: batch.sequence,
        now: now.as_nanos(),
        counters: Some(counters(&batch.counters)),
        records: batch.records.iter().map(|it| record(it, now)).collect(),
        names: batch.names.iter().map(|it| observation(it, now)).collect(),
        listeners: batch.listeners.iter().map(|it| listener(it, now)).collect(),
    }
    .encode_to_vec()
}

/// How long `from` was before `to`; wraps, so that every pair comes back.
const fn before(from: Timestamp, to: Timestamp) -> i64 {
    to.as_nanos().wrapping_sub(from.as_nanos())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn record(record: &FlowRecord, now: Timestamp) -> proto::FlowRecord {
    let (client_v4, client_v6) = address(record.client.address);
    let (server_v4, server_v6) = address(record.server.address);
    proto::FlowRecord {
        client_v4,
        server_v4,
        client_port: record.client.port.into(),
        server_port: record.server.port.into(),
        protocol: record.protocol.0.into(),
        first_seen: before(record.first_seen, now),
        last_seen: before(record.first_seen, record.last_seen),
        to_server: Some(traffic(&record.to_server)),
        to_client: Some(traffic(&record.to_client)),
        state: state(record.state),
        history: record.history.as_str().to_owned(),
        handshake_rtt: record.handshake_rtt.map(nanos),
        evidence: record.evidence.bits(),
        end: end(record.end),
        interface: record.interface.0,
        part: record.part,
        client_v6_high: client_v6.map(|(high, _)| high),
        client_v6_low: client_v6.map(|(_, low)| low),
        server_v6_high: server_v6.map(|(high, _)| high),
        server_v6_low: server_v6.map(|(_, low)| low),
        names: record.names.as_deref().map(hints),
        encapsulation: record.encapsulation.as_deref().map(encapsulation),
        summary: record.summary.as_deref().map(summary),
    }
}

/// Fixed-size integers, since a record's addresses are on the hot path: no octet string to allocate.
fn address(address: IpAddr) -> (Option<u32>, Option<(u64, u64)>) {
    match address {
        IpAddr::V4(v4) => (Some(v4.to_bits()), None),
        IpAddr::V6(v6) => (None, Some(((v6.to_bits() >> 64) as u64, v6.to_bits() as u64))),
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

fn traffic(traffic: &Traffic) -> proto::Traffic {
    proto::Traffic {
        packets: traffic.packets,
        ip_bytes: traffic.ip_bytes,
        payload_bytes: traffic.payload_bytes,
        retransmissions: traffic.retransmissions,
        flags: traffic.flags.bits().into(),
    }
}

fn hints(names: &NameHints) -> proto::NameHints {
    let text = |name: &Option<Box<str>>| name.as_deref().map(str::to_owned);
    proto::NameHints {
        tls_server_name: text(&names.tls_server_name),
        http_host: text(&names.http_host),
        dns_query: text(&names.dns_query),
    }
}

fn encapsulation(encapsulation: &Encapsulation) -> proto::Encapsulation {
    proto::Encapsulation {
        vlans: encapsulation.vlans.iter().copied().map(u32::from).collect(),
        mpls: encapsulation.mpls.clone(),
        tunnels: encapsulation.tunnels.iter().map(tunnel).collect(),
    }
}

fn summary(summary: &Summary) -> proto::Summary {
    let by_number = |number| {
        let state = ConnState::ALL.into_iter().find(|&it| state(it) == number);
        state.map_or(0, |state| summary.states.of(state))
    };
    proto::Summary {
        connections: summary.connections,
        answered: summary.answered,
        states: (0..STATES).map(by_number).collect(),
        evidence: Evidence::all().iter().map(|flag| summary.evidence.of(flag)).collect(),
    }
}

fn tunnel(tunnel: &Tunnel) -> proto::Tunnel {
    proto::Tunnel {
        kind: kind(tunnel.kind),
        source: octets(tunnel.source),
        destination: octets(tunnel.destination),
        id: tunnel.id,
    }
}

fn observation(name: &NameObservation, now: Timestamp) -> proto::NameObservation {
    proto::NameObservation {
        seen: before(name.seen, now),
        client: octets(name.client),
        name: name.name.to_string(),
        address: octets(name.address),
        ttl: nanos(name.ttl),
    }
}

fn listener(listener: &Listener, now: Timestamp) -> proto::Listener {
    let owner = listener.owner.as_ref();
    proto::Listener {
        address: octets(listener.address),
        protocol: listener.protocol.0.into(),
        port: listener.port.into(),
        first_seen: before(listener.first_seen, now),
        last_seen: before(listener.first_seen, listener.last_seen),
        user: listener.user,
        process: owner.map(|owner| owner.process.to_string()),
        unit: owner.and_then(|owner| owner.unit.as_deref()).map(str::to_owned),
    }
}

fn counters(counters: &Counters) -> proto::Counters {
    proto::Counters {
        packets: counters.packets,
        captured_bytes: counters.captured_bytes,
        in_flows: counters.in_flows,
        skipped: counters.skipped.to_vec(),
        refused: counters.refused.to_vec(),
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

/// How many states the format knows.
const STATES: u32 = 13;

// The numbers below are part of the format; they stay when the model's enums are put in another order.

pub(super) const fn state(state: ConnState) -> u32 {
    match state {
        ConnState::S0 => 0,
        ConnState::S1 => 1,
        ConnState::Sf => 2,
        ConnState::Rej => 3,
        ConnState::S2 => 4,
        ConnState::S3 => 5,
        ConnState::Rsto => 6,
        ConnState::Rstr => 7,
        ConnState::Rstos0 => 8,
        ConnState::Rstrh => 9,
        ConnState::Sh => 10,
        ConnState::Shr => 11,
        ConnState::Oth => 12,
    }
}

pub(super) const fn end(end: EndReason) -> u32 {
    match end {
        EndReason::Closed => 0,
        EndReason::Idle => 1,
        EndReason::Active => 2,
        EndReason::Reused => 3,
        EndReason::Evicted => 4,
        EndReason::EndOfCapture => 5,
    }
}

pub(super) const fn kind(kind: TunnelKind) -> u32 {
    match kind {
        TunnelKind::Vxlan => 0,
        TunnelKind::Geneve => 1,
        TunnelKind::Gre => 2,
        TunnelKind::Erspan => 3,
        TunnelKind::Ipip => 4,
        TunnelKind::SixInFour => 5,
        TunnelKind::Teredo => 6,
        TunnelKind::Gtpu => 7,
        TunnelKind::Ayiya => 8,
    }
}

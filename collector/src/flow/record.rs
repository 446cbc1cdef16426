//! From an open connection to the record of it.

use std::time::Duration;

use watershed_model::{
    ConnState, Encapsulation, EndReason, Evidence, FlowRecord, InterfaceId, NameHints, Protocol, Timestamp,
    Traffic,
};

use super::entry::Entry;
use super::tcp;

/// The record of what an entry holds. The direction is settled.
pub(super) fn record(
    entry: &Entry,
    names: Option<Box<NameHints>>,
    encapsulation: Option<Box<Encapsulation>>,
    interface: InterfaceId,
    end: EndReason,
) -> FlowRecord {
    FlowRecord {
        client: entry.key.endpoint(entry.low_is_originator),
        server: entry.key.endpoint(!entry.low_is_originator),
        protocol: entry.key.protocol(),
        first_seen: Timestamp::from_nanos(entry.first),
        last_seen: Timestamp::from_nanos(entry.last),
        to_server: traffic(entry, 0),
        to_client: traffic(entry, 1),
        state: state(entry),
        history: entry.history,
        handshake_rtt: handshake_rtt(entry),
        evidence: entry.evidence,
        names,
        encapsulation,
        interface,
        part: u32::from(entry.part),
        end,
        summary: None,
    }
}

fn handshake_rtt(entry: &Entry) -> Option<Duration> {
    let complete = entry.evidence.contains(Evidence::HANDSHAKE) && entry.handshake > 0;
    complete.then(|| Duration::from_nanos(entry.handshake.unsigned_abs()))
}

fn traffic(entry: &Entry, from: usize) -> Traffic {
    let side = &entry.sides[from];
    Traffic {
        packets: u64::from(side.packets),
        ip_bytes: side.ip_bytes,
        payload_bytes: if entry.is_tcp() { side.tcp_payload() } else { side.plain_payload() },
        retransmissions: entry.details[from].retransmissions,
        flags: side.flags,
    }
}

/// Zeek's `conn_state`: for UDP by who sent at all, for protocols without either notion `OTH`.
fn state(entry: &Entry) -> ConnState {
    match (entry.key.protocol(), entry.letters.map(|noted| noted != 0)) {
        (Protocol::TCP, _) => tcp::conn_state(&entry.sides),
        (Protocol::UDP, [true, true]) => ConnState::Sf,
        (Protocol::UDP, [true, false]) => ConnState::S0,
        (Protocol::UDP, [false, true]) => ConnState::Shr,
        _ => ConnState::Oth,
    }
}

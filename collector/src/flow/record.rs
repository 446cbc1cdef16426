//! From an open connection to the record of it.

use std::time::Duration;

use watershed_model::{
    ConnState, Encapsulation, EndReason, FlowRecord, NameHints, Protocol, Timestamp, Traffic,
};

use super::entry::Entry;
use super::tcp::{self, Side};

/// The record of what an entry holds. The direction is settled.
pub(super) fn record(
    entry: &Entry,
    names: Option<Box<NameHints>>,
    encapsulation: Option<Box<Encapsulation>>,
    end: EndReason,
) -> FlowRecord {
    let is_tcp = entry.is_tcp();
    FlowRecord {
        client: entry.key.endpoint(entry.low_is_originator),
        server: entry.key.endpoint(!entry.low_is_originator),
        protocol: entry.key.protocol(),
        first_seen: Timestamp::from_nanos(entry.first),
        last_seen: Timestamp::from_nanos(entry.last),
        to_server: traffic(&entry.sides[0], is_tcp),
        to_client: traffic(&entry.sides[1], is_tcp),
        state: state(entry),
        history: entry.history,
        handshake_rtt: (entry.handshake_nanos > 0).then(|| Duration::from_nanos(entry.handshake_nanos)),
        evidence: entry.evidence,
        names,
        encapsulation,
        interface: entry.interface,
        part: entry.part,
        end,
    }
}

fn traffic(side: &Side, is_tcp: bool) -> Traffic {
    Traffic {
        packets: side.packets,
        ip_bytes: side.ip_bytes,
        payload_bytes: if is_tcp { side.tcp_payload() } else { side.plain_payload() },
        retransmissions: side.retransmissions,
        flags: side.flags,
    }
}

/// Zeek's `conn_state`: for UDP by who sent at all, for protocols without either notion `OTH`.
fn state(entry: &Entry) -> ConnState {
    let sent = entry.sides.each_ref().map(|side| side.packets > 0);
    match (entry.key.protocol(), sent) {
        (Protocol::TCP, _) => tcp::conn_state(&entry.sides),
        (Protocol::UDP, [true, true]) => ConnState::Sf,
        (Protocol::UDP, [true, false]) => ConnState::S0,
        (Protocol::UDP, [false, true]) => ConnState::Shr,
        _ => ConnState::Oth,
    }
}

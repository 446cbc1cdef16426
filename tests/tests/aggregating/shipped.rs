//! Batches as agents ship them.

use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    Protocol, Timestamp, Traffic,
};

/// Records in each batch.
pub(crate) const RECORDS: u64 = 12;

/// Batch `sequence` of an agent whose clock is `skew` seconds off; it also tells of loss.
pub(crate) fn batch(agent: &str, sequence: u64, skew: i64) -> Batch {
    let records: Vec<_> = (0..RECORDS).map(|n| record(sequence * RECORDS + n, skew)).collect();
    Batch {
        agent: AgentId::from(agent),
        started: Timestamp::from_parts(skew, 0),
        sequence,
        now: records.last().map(|record| record.last_seen).unwrap_or_default(),
        records,
        names: Vec::new(),
        listeners: Vec::new(),
        counters: Counters {
            records: (sequence + 1) * RECORDS,
            kernel_dropped: sequence * 2,
            ..Counters::default()
        },
    }
}

/// Batches of several agents, in turns.
pub(crate) fn in_turns(agents: &[&str], each: u64) -> Vec<Batch> {
    (0..each).flat_map(|sequence| agents.iter().map(move |agent| batch(agent, sequence, 0))).collect()
}

fn record(number: u64, skew: i64) -> FlowRecord {
    let time = Timestamp::from_parts(number as i64 + skew, 0);
    let sent = Traffic { packets: 1 + number % 7, ip_bytes: 40 + number, ..Traffic::default() };
    FlowRecord {
        client: Endpoint { address: [10, 0, 0, number as u8 % 40].into(), port: 40_000 },
        server: Endpoint { address: [10, 0, 1, number as u8 % 3].into(), port: 443 },
        protocol: Protocol::TCP,
        first_seen: time,
        last_seen: time,
        to_server: sent,
        to_client: sent,
        state: if number.is_multiple_of(5) { ConnState::Rej } else { ConnState::Sf },
        history: History::from("ShADadFf"),
        handshake_rtt: None,
        evidence: Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    }
}

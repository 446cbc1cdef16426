//! Records, answers and batches for the tests of this crate.

use std::net::IpAddr;
use std::time::Duration;

use proptest::test_runner::{Config, RngSeed};

use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    NameObservation, Protocol, TcpFlags, Timestamp, Traffic,
};

/// Property tests that try the same `cases` every time.
pub(crate) fn seeded(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() }
}

/// An address from text.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An answered TCP connection that starts at `second` and lasts for half a second.
pub(crate) fn record(client: &str, server: &str, port: u16, second: u64) -> FlowRecord {
    let traffic = |packets| Traffic {
        packets,
        ip_bytes: packets * 100,
        payload_bytes: packets * 60,
        retransmissions: 0,
        flags: TcpFlags::SYN | TcpFlags::ACK | TcpFlags::FIN,
    };
    FlowRecord {
        client: Endpoint { address: address(client), port: 40_000 },
        server: Endpoint { address: address(server), port },
        protocol: Protocol::TCP,
        first_seen: Timestamp::from_parts(second as i64, 0),
        last_seen: Timestamp::from_parts(second as i64, 500_000_000),
        to_server: traffic(6),
        to_client: traffic(4),
        state: ConnState::Sf,
        history: History::from("ShADadFf"),
        handshake_rtt: None,
        evidence: Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE | Evidence::FIRST_PACKET,
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    }
}

/// A SYN without an answer.
pub(crate) fn probe(client: &str, server: &str, port: u16, second: u64) -> FlowRecord {
    let mut probe = record(client, server, port, second);
    probe.to_server = Traffic { packets: 1, ip_bytes: 40, flags: TcpFlags::SYN, ..Traffic::default() };
    probe.to_client = Traffic::default();
    probe.last_seen = probe.first_seen;
    probe.evidence = Evidence::SYN | Evidence::FIRST_PACKET;
    FlowRecord { state: ConnState::S0, end: EndReason::Idle, ..probe }
}

/// A DNS answer; times in seconds.
pub(crate) fn answer(client: &str, name: &str, to: &str, seen: i64, ttl: u64) -> NameObservation {
    NameObservation {
        seen: Timestamp::from_parts(seen, 0),
        client: address(client),
        name: name.into(),
        address: address(to),
        ttl: Duration::from_secs(ttl),
    }
}

/// A batch of an agent that started at the epoch, as of its last record.
pub(crate) fn batch(agent: &str, sequence: u64, records: Vec<FlowRecord>) -> Batch {
    Batch {
        agent: AgentId::from(agent),
        started: Timestamp::default(),
        sequence,
        now: records.iter().map(|record| record.last_seen).max().unwrap_or_default(),
        counters: Counters { records: records.len() as u64, ..Counters::default() },
        records,
        names: Vec::new(),
        listeners: Vec::new(),
    }
}

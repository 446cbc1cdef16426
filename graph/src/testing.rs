//! Edges for tests, as the collector and the store would make them.

use proptest::test_runner::{Config, RngSeed};
use watershed_model::{
    ConnState, Counters, Edge, EdgeKey, EdgeTraffic, Evidence, EvidenceCounts, Hour, Party, Protocol,
    Snapshot, StateCounts, TimeRange, Timestamp,
};

/// So many cases of a property, the same ones every time.
pub(crate) fn seeded(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

/// 2026-01-02 03:00 UTC.
pub(crate) const START: i64 = 1_767_322_800;

/// One connection, to be bent into shape.
pub(crate) struct Builder {
    edge: Edge,
    state: ConnState,
    evidence: Evidence,
}

/// A TCP connection that carried data.
pub(crate) fn tcp(client: &str, server: &str, port: u16) -> Builder {
    Builder::new(client, server, Protocol::TCP, port)
        .with(ConnState::Sf, Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE | Evidence::FIRST_PACKET)
        .traffic(6, 900, 5, 4_000)
}

/// A UDP question to a known port, with its answer.
pub(crate) fn udp(client: &str, server: &str, port: u16) -> Builder {
    Builder::new(client, server, Protocol::UDP, port)
        .with(ConnState::Sf, Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED | Evidence::WELL_KNOWN_PORT)
        .traffic(1, 60, 1, 120)
}

/// An answered ICMP message.
pub(crate) fn icmp(client: &str, server: &str, kind: u16) -> Builder {
    Builder::new(client, server, Protocol::ICMP, kind)
        .with(ConnState::Oth, Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED)
        .traffic(1, 84, 1, 84)
}

impl Builder {
    fn new(client: &str, server: &str, protocol: Protocol, port: u16) -> Self {
        let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
        let edge = Edge {
            key: EdgeKey { client: Party::Address(client), server: Party::Address(server), protocol, port },
            connections: 1,
            answered: 1,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            first_seen: Timestamp::from_parts(START, 0),
            last_seen: Timestamp::from_parts(START + 60, 0),
            states: StateCounts::default(),
            evidence: EvidenceCounts::default(),
            names: [].into(),
            hours: [Hour::of(Timestamp::from_parts(START, 0))].into(),
            client_addresses: [client].into(),
            server_addresses: [server].into(),
            observers: ["agent".into()].into(),
        };
        Self { edge, state: ConnState::Oth, evidence: Evidence::empty() }
    }

    /// Replaces state and evidence.
    pub(crate) fn with(mut self, state: ConnState, evidence: Evidence) -> Self {
        (self.state, self.evidence) = (state, evidence);
        self
    }

    /// Packets and IP bytes to the server, then to the client.
    pub(crate) fn traffic(mut self, to: u64, to_bytes: u64, back: u64, back_bytes: u64) -> Self {
        self.edge.to_server = EdgeTraffic { packets: to, ip_bytes: to_bytes };
        self.edge.to_client = EdgeTraffic { packets: back, ip_bytes: back_bytes };
        self
    }

    /// Sets how many of the connections were answered.
    pub(crate) fn answered(mut self, answered: u64) -> Self {
        self.edge.answered = answered;
        self
    }

    /// A SYN that a RST refused.
    pub(crate) fn refused(self) -> Self {
        self.with(ConnState::Rej, Evidence::SYN | Evidence::FIRST_PACKET).traffic(1, 44, 1, 40).answered(0)
    }

    /// A SYN into the void.
    pub(crate) fn unanswered(self) -> Self {
        self.with(ConnState::S0, Evidence::SYN | Evidence::FIRST_PACKET).traffic(2, 88, 0, 0).answered(0)
    }

    /// A SYN scan of an open port: SYN, SYN-ACK, RST.
    pub(crate) fn half_open(self) -> Self {
        let seen = Evidence::SYN | Evidence::SYN_ACK | Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED;
        self.with(ConnState::Rsto, seen).traffic(2, 84, 1, 44).answered(0)
    }

    /// A connect scan of an open port: a handshake, then nothing.
    pub(crate) fn bare(self) -> Self {
        let seen = Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE | Evidence::FIRST_PACKET;
        self.with(ConnState::Rsto, seen).traffic(3, 164, 1, 60)
    }

    /// Anything else about the edge.
    pub(crate) fn edit(mut self, change: impl FnOnce(&mut Edge)) -> Self {
        change(&mut self.edge);
        self
    }

    pub(crate) fn build(self) -> Edge {
        let Self { mut edge, state, evidence } = self;
        for _ in 0..edge.connections {
            edge.states.add(state);
            edge.evidence.add(evidence);
        }
        edge
    }
}

/// A snapshot of these edges, in order.
pub(crate) fn snapshot(edges: impl IntoIterator<Item = Edge>) -> Snapshot {
    let mut edges: Vec<_> = edges.into_iter().collect();
    edges.sort_by(|a, b| a.key.cmp(&b.key));
    Snapshot {
        period: TimeRange {
            start: Timestamp::from_parts(START, 0),
            end: Timestamp::from_parts(START + 60, 0),
        },
        edges,
        names: Vec::new(),
        listeners: Vec::new(),
        loss: Vec::new(),
        counters: Counters { packets: 100, in_flows: 100, ..Counters::default() },
    }
}

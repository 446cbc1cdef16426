//! Flow records to measure with, the same every time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    NameHints, Protocol, TcpFlags, Timestamp, Traffic,
};

/// Records in a batch: what an agent ships at once when it is busy.
pub(crate) const BATCH: usize = 5_000;

/// Traffic of a company: 2000 clients, 200 servers with two services each, some of which most clients use.
pub(crate) struct Made {
    random: fastrand::Rng,
    now: Timestamp,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self { random: fastrand::Rng::with_seed(1), now: Timestamp::from_parts(1_760_000_000, 0) }
    }

    pub(crate) fn batch(&mut self, sequence: u64) -> Batch {
        let records: Vec<FlowRecord> = (0..BATCH).map(|_| self.record()).collect();
        Batch {
            agent: AgentId::from("node-17.example"),
            started: Timestamp::from_parts(1_759_000_000, 0),
            sequence,
            now: self.now,
            counters: Counters { records: (sequence + 1) * records.len() as u64, ..Counters::default() },
            records,
            names: Vec::new(),
            listeners: Vec::new(),
        }
    }

    fn record(&mut self) -> FlowRecord {
        let random = &mut self.random;
        self.now = self.now.plus(Duration::from_nanos(random.u64(0..2_000_000)));
        // Squared: few servers have most of the clients.
        let server = (random.f64() * random.f64() * 200.0) as u8;
        let client = random.u16(0..2_000);
        let (answered, tls) = (random.u8(0..20) > 0, server.is_multiple_of(3));
        let packets = random.u64(4..40);
        let sent = |packets: u64, payload: u64| Traffic {
            packets,
            ip_bytes: packets * 52 + payload,
            payload_bytes: payload,
            retransmissions: u32::from(packets > 38),
            flags: TcpFlags::SYN | TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN,
        };
        let (request, response) = (random.u64(80..900), random.u64(200..90_000));
        let evidence = Evidence::SYN | Evidence::FIRST_PACKET;
        let proven = evidence | Evidence::SYN_ACK | Evidence::HANDSHAKE;
        let hints = tls.then(|| NameHints {
            tls_server_name: Some(format!("service-{server}.example").into()),
            ..NameHints::default()
        });
        let [high, low] = client.to_be_bytes();
        FlowRecord {
            client: Endpoint {
                address: IpAddr::V4(Ipv4Addr::new(10, 1, high, low)),
                port: random.u16(32_768..61_000),
            },
            server: Endpoint {
                address: IpAddr::V4(Ipv4Addr::new(10, 2, 0, server)),
                port: if random.bool() { 443 } else { 5_000 + u16::from(server) },
            },
            protocol: Protocol::TCP,
            first_seen: self.now.minus(Duration::from_micros(random.u64(100..30_000_000))),
            last_seen: self.now,
            to_server: sent(packets, request),
            to_client: if answered { sent(packets + response / 1_400, response) } else { Traffic::default() },
            state: if answered { ConnState::Sf } else { ConnState::S0 },
            history: History::from(if answered { "ShADadFf" } else { "S" }),
            handshake_rtt: answered.then(|| Duration::from_nanos(random.u64(90_000..3_000_000))),
            evidence: if answered { proven } else { evidence },
            names: hints.map(Box::new),
            encapsulation: None,
            interface: InterfaceId(0),
            part: 0,
            end: if answered { EndReason::Closed } else { EndReason::Idle },
            summary: None,
        }
    }
}

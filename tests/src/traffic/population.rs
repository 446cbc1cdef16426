//! Who talks to whom in the benchmark's traffic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use watershed_model::Endpoint;

use super::connection::{Connection, Phase, Plan, Speech};

/// Clients, servers and scanners, and the ports they have used.
pub(super) struct Population {
    /// How many ports each client has used so far.
    ports_used: Vec<u32>,
    /// How many probes were sent so far.
    probes: u32,
}

const SERVERS: u32 = 500;
const SCANNERS: u32 = 8;
/// Services that one client uses.
const DEPENDENCIES: u32 = 8;
/// One client in so many speaks IPv6.
const V6_SHARE: u32 = 10;
/// Clients have so many connections open at the same time, on average.
const CONNECTIONS_PER_CLIENT: u32 = 10;
/// Ephemeral ports as IANA has them: from here to the end (RFC 6335 section 6).
const FIRST_EPHEMERAL: u32 = 49_152;
const EPHEMERAL: u32 = 16_384;

const PROBED_PORTS: [u16; 4] = [22, 445, 3389, 8080];

const SERVICES: [(u16, Plan); 12] = [
    (443, Plan::Tcp(Speech::Tls)),
    (80, Plan::Tcp(Speech::Http)),
    (5432, Plan::Tcp(Speech::Other)),
    (53, Plan::Udp(Speech::Dns)),
    (443, Plan::Tcp(Speech::Tls)),
    (6379, Plan::Tcp(Speech::Other)),
    (123, Plan::Udp(Speech::Other)),
    (8443, Plan::Tcp(Speech::Tls)),
    (9092, Plan::Tcp(Speech::Other)),
    (8080, Plan::Tcp(Speech::Http)),
    (3306, Plan::Tcp(Speech::Other)),
    (11_211, Plan::Udp(Speech::Other)),
];

impl Population {
    pub(super) fn new(concurrent: u32) -> Self {
        let clients = (concurrent / CONNECTIONS_PER_CLIENT).max(V6_SHARE);
        Self { ports_used: vec![0; clients as usize], probes: 0 }
    }

    /// A new connection: one in ten is a probe into the dark, one in thirty is refused.
    pub(super) fn connection(&mut self, rng: &mut Rng) -> Connection {
        match rng.u8(0..30) {
            0..3 => self.probe(rng),
            3 => self.visit(rng, true),
            _ => self.visit(rng, false),
        }
    }

    /// A client uses one of its services, or tries a port where the server does not listen.
    fn visit(&mut self, rng: &mut Rng, refused: bool) -> Connection {
        let client = rng.u32(0..self.ports_used.len() as u32);
        // The same few services for the same client, spread over all servers.
        let service = (client * 17 + rng.u32(0..DEPENDENCIES) * 61) % SERVERS;
        let (port, plan) = SERVICES[service as usize % SERVICES.len()];
        let (port, plan) = if refused { (port + 1, Plan::Refused) } else { (port, plan) };

        let v6 = client.is_multiple_of(V6_SHARE);
        let client_address = if v6 { v6_address(1, client) } else { v4_address([10, 64], client) };
        let server_address = if v6 { v6_address(2, service) } else { v4_address([10, 0], service) };
        let used = &mut self.ports_used[client as usize];
        let client_port = FIRST_EPHEMERAL + *used % EPHEMERAL;
        *used += 1;

        let udp = matches!(plan, Plan::Udp(_));
        Connection {
            client: Endpoint { address: client_address, port: client_port as u16 },
            server: Endpoint { address: server_address, port },
            plan,
            phase: if udp { Phase::FirstRequest } else { Phase::Open },
            requests: if udp { rng.u16(1..=2) } else { requests(rng) },
            sequence: [rng.u32(..), rng.u32(..)],
            service,
            edge: None,
        }
    }

    /// A scanner tries the next address of a network where nobody is.
    fn probe(&mut self, rng: &mut Rng) -> Connection {
        let (scanner, target) = (self.probes % SCANNERS, self.probes / SCANNERS);
        self.probes += 1;
        let port = PROBED_PORTS[scanner as usize % PROBED_PORTS.len()];
        let source_port = FIRST_EPHEMERAL + target % EPHEMERAL;
        Connection {
            client: Endpoint { address: v4_address([10, 200], scanner), port: source_port as u16 },
            server: Endpoint { address: v4_address([10, 128], target), port },
            plan: Plan::Probe,
            phase: Phase::Open,
            requests: 0,
            sequence: [rng.u32(..), 0],
            service: 0,
            edge: None,
        }
    }
}

/// Most connections make a few requests, few make many.
fn requests(rng: &mut Rng) -> u16 {
    if rng.u8(0..100) < 3 { rng.u16(20..100) } else { rng.u16(1..=4) }
}

/// The address with this number in `a.b.0.0/16` and the networks after it, from `a.b.0.1` on.
fn v4_address([a, b]: [u8; 2], number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes([a, b, 0, 0]) + number + 1))
}

fn v6_address(network: u16, number: u32) -> IpAddr {
    let [high, low] = [(number >> 16) as u16, number as u16];
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, network, 0, 0, high, low))
}

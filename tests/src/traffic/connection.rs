//! One connection of the benchmark's traffic, a packet at a time.

use fastrand::Rng;
use watershed_model::{Endpoint, Protocol, TcpFlags};

use super::{EdgeName, Pause, start_frame};
use crate::synth::ip::{self, Segment};
use crate::synth::payload::{self, FILLER};

const FILL: [u8; MAX_SEGMENT] = [FILLER; MAX_SEGMENT];

/// Payload of a full segment: what fits into an Ethernet frame over IPv6, octets.
const MAX_SEGMENT: usize = 1_440;

/// A connection that is going on.
pub(super) struct Connection {
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) plan: Plan,
    pub(super) phase: Phase,
    /// Requests yet to be sent.
    pub(super) requests: u16,
    /// Next sequence number of client and server.
    pub(super) sequence: [u32; 2],
    /// Number of the server, which names it.
    pub(super) service: u32,
    /// The edge that this connection counts for, once its first packet is sent.
    pub(super) edge: Option<u32>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// TCP: requests and responses, then a close.
    Tcp(Speech),
    /// TCP to a port where nothing listens.
    Refused,
    /// TCP to an address where nobody is.
    Probe,
    /// UDP: requests, one response to each.
    Udp(Speech),
}

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Tls,
    Http,
    Dns,
    Other,
}

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    OpenAnswer,
    Established,
    FirstRequest,
    Request,
    /// A response, with so many segments after this one.
    Response(u8),
    ResponseAck,
    ClientFin,
    ServerFin,
    LastAck,
}

/// Which side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What became of sending a packet.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) by: Side,
    pub(super) pause: Pause,
    /// The connection is over.
    pub(super) last: bool,
}

impl Connection {
    pub(super) fn name(&self) -> EdgeName {
        let protocol = if matches!(self.plan, Plan::Udp(_)) { Protocol::UDP } else { Protocol::TCP };
        EdgeName {
            client: self.client.address,
            server: self.server.address,
            protocol,
            port: self.server.port,
        }
    }

    /// Appends this connection's next frame.
    pub(super) fn send(&mut self, rng: &mut Rng, frame: &mut Vec<u8>) -> Sent {
        match self.plan {
            Plan::Tcp(speech) => self.send_tcp(speech, rng, frame),
            Plan::Refused => self.send_refused(frame),
            Plan::Probe => self.send_probe(frame),
            Plan::Udp(speech) => self.send_udp(speech, rng, frame),
        }
    }

    fn send_tcp(&mut self, speech: Speech, rng: &mut Rng, frame: &mut Vec<u8>) -> Sent {
        const SYN: TcpFlags = TcpFlags::SYN;
        const ACK: TcpFlags = TcpFlags::ACK;
        const SYN_ACK: TcpFlags = SYN.union(ACK);
        const FIN_ACK: TcpFlags = TcpFlags::FIN.union(ACK);
        use Side::{Client, Server};

        let (by, flags, next) = match self.phase {
            Phase::Open => (Client, SYN, Phase::OpenAnswer),
            Phase::OpenAnswer => (Server, SYN_ACK, Phase::Established),
            Phase::Established => (Client, ACK, Phase::FirstRequest),
            Phase::FirstRequest | Phase::Request => return self.send_request(speech, rng, frame),
            Phase::Response(more) => return self.send_response(more, rng, frame),
            Phase::ResponseAck if self.requests > 0 => (Client, ACK, Phase::Request),
            Phase::ResponseAck => (Client, ACK, Phase::ClientFin),
            Phase::ClientFin => (Client, FIN_ACK, Phase::ServerFin),
            Phase::ServerFin => (Server, FIN_ACK, Phase::LastAck),
            Phase::LastAck => {
                self.segment(Client, ACK, &[], frame);
                return Sent { by: Client, pause: Pause::Work, last: true };
            }
        };
        self.segment(by, flags, &[], frame);
        let pause = if self.phase == Phase::ResponseAck { Pause::Work } else { Pause::RoundTrip };
        self.phase = next;
        Sent { by, pause, last: false }
    }

    fn send_request(&mut self, speech: Speech, rng: &mut Rng, frame: &mut Vec<u8>) -> Sent {
        let first = self.phase == Phase::FirstRequest;
        let greeting = match speech {
            Speech::Tls if first => Some(payload::tls_client_hello(&self.server_name())),
            Speech::Http if first => Some(payload::http_request(&self.server_name())),
            _ => None,
        };
        let request = greeting.as_deref().unwrap_or(&FILL[..rng.usize(40..600)]);
        self.segment(Side::Client, TcpFlags::PSH | TcpFlags::ACK, request, frame);
        self.requests -= 1;
        self.phase = Phase::Response(rng.u8(0..3));
        Sent { by: Side::Client, pause: Pause::Work, last: false }
    }

    fn send_response(&mut self, more: u8, rng: &mut Rng, frame: &mut Vec<u8>) -> Sent {
        if more > 0 {
            self.segment(Side::Server, TcpFlags::ACK, &FILL, frame);
            self.phase = Phase::Response(more - 1);
        } else {
            let response = &FILL[..rng.usize(20..FILL.len())];
            self.segment(Side::Server, TcpFlags::PSH | TcpFlags::ACK, response, frame);
            self.phase = Phase::ResponseAck;
        }
        Sent { by: Side::Server, pause: Pause::RoundTrip, last: false }
    }

    fn send_refused(&mut self, frame: &mut Vec<u8>) -> Sent {
        if self.phase == Phase::Open {
            self.phase = Phase::OpenAnswer;
            self.segment(Side::Client, TcpFlags::SYN, &[], frame);
            return Sent { by: Side::Client, pause: Pause::RoundTrip, last: false };
        }
        self.segment(Side::Server, TcpFlags::RST | TcpFlags::ACK, &[], frame);
        Sent { by: Side::Server, pause: Pause::Work, last: true }
    }

    /// A SYN, and once more in vain.
    fn send_probe(&mut self, frame: &mut Vec<u8>) -> Sent {
        let first = self.phase == Phase::Open;
        let sequence = self.sequence;
        self.segment(Side::Client, TcpFlags::SYN, &[], frame);
        self.sequence = sequence;
        self.phase = Phase::OpenAnswer;
        Sent { by: Side::Client, pause: Pause::Work, last: !first }
    }

    fn send_udp(&mut self, speech: Speech, rng: &mut Rng, frame: &mut Vec<u8>) -> Sent {
        let (id, name, v6) = (self.client.port, self.server_name(), self.server.address.is_ipv6());
        let (client, server) = (self.client, self.server);
        if matches!(self.phase, Phase::FirstRequest | Phase::Request) {
            let query = (speech == Speech::Dns).then(|| payload::dns_query(id, &name, v6));
            let request = query.as_deref().unwrap_or(&FILL[..rng.usize(20..400)]);
            start_frame(frame, client.address, server.address);
            ip::udp(frame, client, server, request);
            self.requests -= 1;
            self.phase = Phase::Response(0);
            return Sent { by: Side::Client, pause: Pause::RoundTrip, last: false };
        }
        let answers = [payload::DnsAnswer::Address(server.address)];
        let answer = (speech == Speech::Dns).then(|| payload::dns_response(id, &name, v6, &answers, 300));
        let response = answer.as_deref().unwrap_or(&FILL[..rng.usize(40..1200)]);
        start_frame(frame, server.address, client.address);
        ip::udp(frame, server, client, response);
        self.phase = Phase::Request;
        Sent { by: Side::Server, pause: Pause::Work, last: self.requests == 0 }
    }

    fn segment(&mut self, by: Side, flags: TcpFlags, payload: &[u8], frame: &mut Vec<u8>) {
        let (from, to, mine, theirs) = match by {
            Side::Client => (self.client, self.server, 0, 1),
            Side::Server => (self.server, self.client, 1, 0),
        };
        let (sequence, acknowledgement) = (self.sequence[mine], self.sequence[theirs]);
        start_frame(frame, from.address, to.address);
        ip::tcp(frame, from, to, &Segment { flags, sequence, acknowledgement, payload });
        let controls = u32::from(flags.intersects(TcpFlags::SYN | TcpFlags::FIN));
        self.sequence[mine] = sequence.wrapping_add(payload.len() as u32 + controls);
    }

    fn server_name(&self) -> String {
        format!("service-{}.shop.example", self.service)
    }
}

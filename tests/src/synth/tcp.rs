//! TCP conversations, packet by packet.

use std::time::Duration;

use watershed_model::{Endpoint, TcpFlags, Timestamp};

use super::Packet;
use super::ip::{self, Segment};

/// Largest payload of one segment: what fits into an Ethernet frame over IPv6, octets.
pub const MAX_SEGMENT: usize = 1_440;

const CLIENT_INITIAL_SEQUENCE: u32 = 1_000;
const SERVER_INITIAL_SEQUENCE: u32 = 900_000;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who opens it.
    Client,
    /// Who is asked.
    Server,
}

impl Side {
    const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A TCP connection under way; each step appends packets, one `pace` after the other.
#[derive(Clone, Debug)]
pub struct Tcp {
    ends: [Endpoint; 2],
    /// Next sequence number of each side.
    next: [u32; 2],
    time: Timestamp,
    pace: Duration,
    packets: Vec<Packet>,
}

impl Tcp {
    /// Nothing sent yet; the first packet goes at `start`.
    #[must_use]
    pub const fn new(client: Endpoint, server: Endpoint, start: Timestamp, pace: Duration) -> Self {
        let next = [CLIENT_INITIAL_SEQUENCE, SERVER_INITIAL_SEQUENCE];
        Self { ends: [client, server], next, time: start, pace, packets: Vec::new() }
    }

    /// The client asks: SYN.
    pub fn syn(&mut self) {
        self.send(Side::Client, TcpFlags::SYN, &[]);
    }

    /// The server agrees: SYN and ACK.
    pub fn syn_ack(&mut self) {
        self.send(Side::Server, TcpFlags::SYN | TcpFlags::ACK, &[]);
    }

    /// The whole handshake.
    pub fn handshake(&mut self) {
        self.syn();
        self.syn_ack();
        self.acknowledge(Side::Client);
    }

    /// `by` sends data, in as many segments as it takes; the other side acknowledges.
    pub fn data(&mut self, by: Side, data: &[u8]) {
        self.data_lost(by, data, 0);
    }

    /// As [`Tcp::data`], with the last segment sent so many `times` more before it is acknowledged.
    pub fn data_lost(&mut self, by: Side, data: &[u8], times: u32) {
        if data.is_empty() {
            return;
        }
        for part in data.chunks(MAX_SEGMENT) {
            self.send(by, TcpFlags::PSH | TcpFlags::ACK, part);
        }
        for _ in 0..times {
            self.retransmit();
        }
        self.acknowledge(by.other());
    }

    /// A segment without data that acknowledges what came.
    pub fn acknowledge(&mut self, by: Side) {
        self.send(by, TcpFlags::ACK, &[]);
    }

    /// `by` closes, and the other side does the same.
    pub fn close(&mut self, by: Side) {
        self.send(by, TcpFlags::FIN | TcpFlags::ACK, &[]);
        self.send(by.other(), TcpFlags::FIN | TcpFlags::ACK, &[]);
        self.acknowledge(by);
    }

    /// `by` aborts.
    pub fn reset(&mut self, by: Side) {
        self.send(by, TcpFlags::RST | TcpFlags::ACK, &[]);
    }

    /// The last packet that was sent is sent again, as it was.
    fn retransmit(&mut self) {
        if let Some(last) = self.packets.last().cloned() {
            self.packets.push(Packet { time: self.time, ..last });
            self.time = self.time.plus(self.pace);
        }
    }

    /// Sends one segment, without an answer.
    pub fn send(&mut self, by: Side, flags: TcpFlags, payload: &[u8]) {
        let (from, to) = (self.ends[by.index()], self.ends[by.other().index()]);
        let (sequence, acknowledgement) = (self.next[by.index()], self.next[by.other().index()]);
        let mut bytes = Vec::new();
        ip::tcp(&mut bytes, from, to, &Segment { flags, sequence, acknowledgement, payload });
        self.packets.push(Packet { time: self.time, from: from.address, to: to.address, bytes });

        let controls = u32::from(flags.intersects(TcpFlags::SYN | TcpFlags::FIN));
        self.next[by.index()] = sequence.wrapping_add(payload.len() as u32 + controls);
        self.time = self.time.plus(self.pace);
    }

    /// All packets, in order of time.
    #[must_use]
    pub fn into_packets(self) -> Vec<Packet> {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    #[test]
    fn acknowledgements_cover_what_was_sent() {
        let [client, server] = [("10.0.0.1", 40_000), ("10.0.0.2", 80)]
            .map(|(address, port)| Endpoint { address: address.parse().unwrap(), port });
        let mut tcp = Tcp::new(client, server, Timestamp::from_parts(1, 0), Duration::from_millis(1));
        tcp.handshake();
        tcp.data(Side::Client, &[0; 100]);
        tcp.close(Side::Server);

        let seen: Vec<(u32, u32)> = tcp
            .into_packets()
            .iter()
            .map(|packet| match SlicedPacket::from_ip(&packet.bytes).unwrap().transport {
                Some(TransportSlice::Tcp(tcp)) => (tcp.sequence_number(), tcp.acknowledgment_number()),
                other => panic!("{other:?}"),
            })
            .collect();
        let (c, s) = (CLIENT_INITIAL_SEQUENCE, SERVER_INITIAL_SEQUENCE);
        let handshake = [(c, 0), (s, c + 1), (c + 1, s + 1)];
        let data = [(c + 1, s + 1), (s + 1, c + 101)];
        let close = [(s + 1, c + 101), (c + 101, s + 2), (s + 2, c + 102)];
        assert_eq!(seen, [&handshake[..], &data, &close].concat());
    }
}

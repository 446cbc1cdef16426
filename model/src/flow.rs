//! Flow records: what a collector says about one connection.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::{
    CommunityId, ConnState, Encapsulation, Evidence, EvidenceCounts, NameHints, Protocol, StateCounts,
    Timestamp,
};

/// One connection, or the part of it since the last report.
///
/// A connection without a handshake is all packets between two endpoints without an idle gap. Counters
/// cover this record's part only; [`FlowRecord::part`] tells whether earlier parts were reported.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    /// Who opened the connection, as far as [`FlowRecord::evidence`] tells.
    pub client: Endpoint,
    /// Who was asked.
    pub server: Endpoint,
    /// The IP protocol.
    pub protocol: Protocol,
    /// Time of the first packet of this part.
    pub first_seen: Timestamp,
    /// Time of the last packet of this part.
    pub last_seen: Timestamp,
    /// What the client sent.
    pub to_server: Traffic,
    /// What the server sent.
    pub to_client: Traffic,
    /// How the connection went so far.
    pub state: ConnState,
    /// What happened in which order, in Zeek's letters.
    pub history: History,
    /// From the client's SYN to the acknowledgement that completed the handshake.
    pub handshake_rtt: Option<Duration>,
    /// Why the client is taken for the client, and whether the server answered.
    pub evidence: Evidence,
    /// Names in the flow's own packets.
    pub names: Option<Box<NameHints>>,
    /// What the flow was wrapped in.
    pub encapsulation: Option<Box<Encapsulation>>,
    /// Where it was captured; the interface that saw most of it where several did.
    pub interface: InterfaceId,
    /// 0 for the first record of a connection, 1 for the second, ...
    pub part: u32,
    /// Why this record was written.
    pub end: EndReason,
    /// How the connections went, where the record stands for several of one client to one service.
    pub summary: Option<Box<Summary>>,
}

/// How several connections went that one record stands for. The record's times and traffic are those of all of them,
/// its evidence what any of them showed; it has no client's port but for ICMP, no history, and `state`, `part` and
/// `end` of no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections that began.
    pub connections: u64,
    /// Connections whose first sign of an answer is in it.
    pub answered: u64,
    /// How those went that ended.
    pub states: StateCounts,
    /// Why the client is taken for the client, over those that began.
    pub evidence: EvidenceCounts,
}

impl FlowRecord {
    /// The service asked for: the server's port, or the ICMP type of the client's packets.
    #[must_use]
    pub const fn service_port(&self) -> u16 {
        if self.protocol.is_icmp() { self.client.port } else { self.server.port }
    }

    /// Whether a connection began in it.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.summary.as_ref().map_or(self.part == 0, |summary| summary.connections > 0)
    }

    /// Notes something that holds for every connection in it.
    pub fn add_evidence(&mut self, evidence: Evidence) {
        self.evidence |= evidence;
        if let Some(summary) = &mut self.summary {
            let connections = u32::try_from(summary.connections).unwrap_or(u32::MAX);
            evidence.iter().for_each(|flag| summary.evidence.add_many(flag, connections));
        }
    }

    /// Turns client and server round: what was seen then speaks for the other direction. Only for a connection of
    /// which nothing but its first packet and its lower port said who is the client.
    pub fn turn(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        std::mem::swap(&mut self.to_server, &mut self.to_client);
        self.history = self.history.turned();
        self.state = self.state.turned();
        self.evidence.toggle(Evidence::FIRST_PACKET);
        self.evidence.remove(Evidence::CONTRADICTED);
        self.evidence.set(Evidence::LOWER_PORT, self.server.port < self.client.port);
        self.evidence.set(Evidence::SERVER_REPLIED, self.to_client.packets > 0);
    }

    /// Community ID version 1 with seed 0.
    #[must_use]
    pub fn community_id(&self) -> CommunityId {
        CommunityId::of(self.client, self.server, self.protocol)
    }

    /// Whether the server is known to have answered: a completed TCP or SCTP handshake, or a reply.
    ///
    /// Midstream TCP counts as answered when both sides carried payload; a refusal is not an answer.
    #[must_use]
    pub fn answered(&self) -> bool {
        match self.protocol {
            Protocol::TCP => {
                let midstream = !self.evidence.intersects(Evidence::SYN | Evidence::SYN_ACK);
                self.evidence.contains(Evidence::HANDSHAKE)
                    || (midstream && self.to_server.payload_bytes > 0 && self.to_client.payload_bytes > 0)
            }
            Protocol::SCTP => {
                self.to_client.payload_bytes > 0 && !self.to_client.flags.contains(TcpFlags::RST)
            }
            _ => self.to_client.packets > 0 || self.evidence.contains(Evidence::SERVER_REPLIED),
        }
    }
}

/// An address and a port; for ICMP the port holds a type or a code, for protocols without ports it is 0.
///
/// ICMP follows Zeek: the client's port is the request's type; the server's is the type of the
/// matching reply (echo 8 → 0), or the code where a type has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// IP packets; a fragmented datagram is one.
    pub packets: u64,
    /// Their IP total lengths (IPv6: 40 + payload length), octets.
    pub ip_bytes: u64,
    /// Payload above the transport header, octets. TCP: from sequence numbers, so that a
    /// retransmission counts once and an uncaptured segment counts too.
    pub payload_bytes: u64,
    /// TCP segments whose payload had been sent before.
    pub retransmissions: u32,
    /// All TCP flags seen.
    pub flags: TcpFlags,
}

bitflags! {
    /// TCP flags (RFC 9293 section 3.1), of one or of many segments.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TcpFlags: u8 {
        /// No more data from the sender.
        const FIN = 1;
        /// Synchronise sequence numbers.
        const SYN = 1 << 1;
        /// Reset the connection.
        const RST = 1 << 2;
        /// Push.
        const PSH = 1 << 3;
        /// The acknowledgement field is valid.
        const ACK = 1 << 4;
        /// The urgent pointer is valid.
        const URG = 1 << 5;
        /// ECN echo (RFC 3168).
        const ECE = 1 << 6;
        /// Congestion window reduced (RFC 3168).
        const CWR = 1 << 7;
    }
}

/// `FSRPAUEC` for the flags set, in this order.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = "FSRPAUEC".chars().enumerate();
        letters
            .filter(|(bit, _)| self.bits() & (1 << bit) != 0)
            .try_for_each(|(_, l)| fmt::Write::write_char(f, l))
    }
}

/// A connection's history in Zeek's letters: upper case for the client, lower case for the server,
/// `^` first where the direction was turned round.
///
/// Source: the description of `history` in Zeek's `base/protocols/conn/main.zeek`. At most
/// [`History::CAPACITY`] letters are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct History {
    letters: [u8; Self::CAPACITY],
    length: u8,
}

impl History {
    /// How many letters are kept.
    pub const CAPACITY: usize = 23;

    /// Adds an ASCII letter at the end, unless the history is full.
    pub fn push(&mut self, letter: u8) {
        if let Some(place) = self.letters.get_mut(usize::from(self.length)) {
            *place = letter;
            self.length += 1;
        }
    }

    /// Turns client and server round, which puts or takes away the leading `^`.
    #[must_use]
    pub fn turned(self) -> Self {
        let mut turned = Self::default();
        let mut letters = self.as_str().as_bytes();
        match letters.strip_prefix(b"^") {
            Some(rest) => letters = rest,
            None => turned.push(b'^'),
        }
        for &letter in letters {
            turned.push(if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            });
        }
        turned
    }

    /// The letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl From<&str> for History {
    fn from(letters: &str) -> Self {
        let mut history = Self::default();
        letters.bytes().filter(u8::is_ascii).for_each(|letter| history.push(letter));
        history
    }
}

/// An interface of a capture: the pcapng interface number, or 0; in a capture of all interfaces with version 2 of
/// Linux' cooked headers, the number that the system gave to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceId(pub u32);

/// Why a flow record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Closed or reset, and silent since.
    Closed,
    /// No packet for the idle timeout.
    Idle,
    /// The active report interval passed; the connection goes on.
    Active,
    /// A new connection took over the same endpoints.
    Reused,
    /// Evicted to make room: the flow table was full.
    Evicted,
    /// The capture ended.
    EndOfCapture,
}

impl EndReason {
    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Reused => "reused",
            Self::Evicted => "evicted",
            Self::EndOfCapture => "end_of_capture",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_turn_and_turn_back() {
        let seen = History::from("hAd");
        assert_eq!(seen.turned().as_str(), "^HaD");
        assert_eq!(seen.turned().turned(), seen);
    }

    #[test]
    fn histories_keep_their_first_letters() {
        let history = History::from("ShADadFfShADadFfShADadFfShADadFf");
        assert_eq!(history.as_str().len(), History::CAPACITY);
        assert!(history.as_str().starts_with("ShADadFf"));
    }

    #[test]
    fn flags_display_in_wire_order() {
        assert_eq!((TcpFlags::SYN | TcpFlags::ACK).to_string(), "SA");
        assert_eq!(TcpFlags::all().to_string(), "FSRPAUEC");
    }
}

//! What each kind of evidence weighs: counted on captures, not chosen.
//!
//! Each weight is the logarithm of the odds that a direction is right of which this kind of evidence speaks:
//! `ln((right + 1/2) / (wrong + 1/2))` (Krichevsky and Trofimov 1981), so that what was never seen wrong is not
//! certain. `docs/direction.md` has the counts and how they were made; `tests/tests/oracles/direction` makes
//! them again and fails where a weight here is larger than what was counted.

use watershed_model::{Evidence, Protocol};

/// Kinds that tell the same thing. Within a family only the weightiest kind counts, since its kinds are not
/// independent of each other: a well-known port is also a low one. Families add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// The transport or the kernel says it.
    Opening,
    /// A message that only a client, or only a server, sends.
    Message,
    /// Somebody wrote down what is offered where.
    Declared,
    /// The ports' numbers.
    Ports,
}

/// One kind of evidence: its family, and its weight over TCP and SCTP, and over everything else.
pub(crate) struct Weight {
    pub(crate) flag: Evidence,
    pub(crate) family: Family,
    pub(crate) connected: f64,
    pub(crate) datagrams: f64,
}

/// By definition: who sends the SYN is the client (RFC 9293 section 3.5), and who listens is the server. One in
/// a million is left for forgery and simultaneous opens; nothing is surer than that.
pub(crate) const DEFINED: f64 = 13.9;

const fn weight(flag: Evidence, family: Family, connected: f64, datagrams: f64) -> Weight {
    Weight { flag, family, connected, datagrams }
}

/// Every kind that speaks for the direction by itself.
pub(crate) const WEIGHTS: [Weight; 14] = [
    weight(Evidence::SYN, Family::Opening, DEFINED, 0.0),
    weight(Evidence::SYN_ACK, Family::Opening, DEFINED, 0.0),
    weight(Evidence::SCTP_INIT, Family::Opening, DEFINED, 0.0),
    weight(Evidence::SCTP_INIT_ACK, Family::Opening, DEFINED, 0.0),
    weight(Evidence::LISTENING, Family::Opening, DEFINED, DEFINED),
    weight(Evidence::TLS_CLIENT_HELLO, Family::Message, 6.6, 6.6),
    weight(Evidence::HTTP_REQUEST, Family::Message, 6.0, 6.0),
    weight(Evidence::QUIC_CLIENT_HELLO, Family::Message, 3.6, 3.6),
    weight(Evidence::DNS_QUERY, Family::Message, 6.5, 6.5),
    weight(Evidence::DNS_RESPONSE, Family::Message, 6.5, 6.5),
    weight(Evidence::DECLARED_PORT, Family::Declared, DECLARED, FAN_IN_DATAGRAMS),
    weight(Evidence::SRV_RECORD, Family::Declared, DECLARED, FAN_IN_DATAGRAMS),
    weight(Evidence::WELL_KNOWN_PORT, Family::Ports, 7.5, 6.6),
    // Counted where no port is well known. Peers that find each other through a third, as in calls, mix ranges.
    weight(Evidence::EPHEMERAL_CLIENT, Family::Ports, 5.4, 2.1),
];

/// A port was declared, or a DNS SRV record names it. Not counted but set: Linux gives a client one of 28,232 ports, and
/// none on which its host listens, so that a client has a declared port by chance is rarer than one in 10,000; one in
/// 1,000 is left for what is declared and not so. Who offers something over datagrams also asks others from that port,
/// so there it weighs no more than fan-in.
pub(crate) const DECLARED: f64 = 6.9;

/// Several clients use the server's port: connections that were answered, over TCP and SCTP.
pub(crate) const FAN_IN_CONNECTED: f64 = 5.9;
/// The same over everything else, where peers also talk to many from one port.
pub(crate) const FAN_IN_DATAGRAMS: f64 = 2.7;

/// The client of a flow of datagrams sent its first packet, for each flow but one, which may be older than the
/// capture. Of the flows counted, half were cut in the middle, so for a flow that began in sight this is little.
pub(crate) const FIRST_PACKET: f64 = 0.9;
/// At most so much for all flows together: what it weighs where every flow was seen from its start.
pub(crate) const FIRST_PACKETS: f64 = 4.7;

/// The ports or messages of as many connections speak against the direction as for it.
pub(crate) const CONTRADICTED: f64 = 7.5;
/// Against counts up to so many times as much.
pub(crate) const MAX_CONTRADICTION: f64 = 2.0;

/// What counts of evidence that may be all of connections an end of which changed hands: of two workloads it was seen
/// with, it is one's.
pub(crate) const HANDED_OVER: f64 = 0.5;

impl Weight {
    pub(crate) fn over(&self, protocol: Protocol) -> f64 {
        if is_connected(protocol) { self.connected } else { self.datagrams }
    }
}

/// Whether the protocol opens connections by a handshake.
pub(crate) const fn is_connected(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::SCTP)
}

/// An ICMP message's type tells request from reply (RFC 792, RFC 4443).
pub(crate) const ICMP: f64 = DEFINED;

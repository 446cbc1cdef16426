//! Reads the names in one connection's payload, packet by packet.

mod opening;

mod dns;

use std::net::IpAddr;

use watershed_model::{Evidence, NameHints, NameObservation, Protocol, Timestamp};

use super::services::Services;
use super::{Reading, gquic, quic};
use dns::DnsStream;
use opening::Opening;

const DNS_PORT: u16 = 53;
const MULTICAST_DNS_PORT: u16 = 5353;
const LLMNR_PORT: u16 = 5355;

/// Segments kept ahead of their turn: a hello or request head rarely takes more than six.
const MAX_SEGMENTS_AHEAD: usize = 8;

/// Datagrams looked at for a QUIC client's hello, which is in its first one to three; the server's, some
/// that were sent twice, or another protocol's that opened the way may come between.
const MAX_DATAGRAMS: u8 = 16;

/// One of a flow's two endpoints, in the flow table's order; who is the client may still be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first endpoint.
    A,
    /// The second endpoint.
    B,
}

impl Side {
    /// The opposite endpoint.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// The payload of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Who sent it.
    pub from: Side,
    /// TCP: where it starts in that side's stream; 0 is the first octet behind the SYN, or the first octet
    /// seen of a connection whose SYN was not. What lies before 0 wraps and is ignored. UDP: not used.
    pub offset: u32,
    /// The captured octets. Not empty.
    pub bytes: &'a [u8],
    /// Whether the packet had more octets than were captured: what follows in a stream cannot be joined.
    pub cut: bool,
    /// When it was captured.
    pub time: Timestamp,
    /// The address it was sent to.
    pub destination: IpAddr,
}

/// What one connection's payload told so far: its reader adds to it.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The connection's names; the first of each kind stays.
    pub hints: NameHints,
    /// What was seen that speaks for the first and for the second endpoint as client.
    pub evidence: [Evidence; 2],
}

/// What the payloads of all connections told beyond themselves: readers add to it.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Addresses that DNS responses gave to names.
    pub observations: Vec<NameObservation>,
    /// Where DNS says that services are.
    pub services: Services,
    /// How often a limit kept something from being read.
    pub limited: u64,
}

impl Findings {
    /// What was seen that speaks for `client` as client.
    #[must_use]
    pub const fn evidence_for(&self, client: Side) -> Evidence {
        self.evidence[client as usize]
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.evidence == [Evidence::empty(); 2] && self.hints.is_empty()
    }

    fn client(&mut self, client: Side, evidence: Evidence) {
        self.evidence[client as usize] |= evidence;
    }
}

/// Whether a reader wants to see more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Show it the connection's further payload.
    More,
    /// Nothing more is to be found: drop the reader.
    Done,
}

impl Progress {
    const fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::More }
    }
}

/// Reads names in one connection's payload.
#[derive(Debug)]
pub struct NameReader(Kind);

#[derive(Debug)]
enum Kind {
    /// TCP: who speaks TLS or HTTP is the client.
    Openings([Opening; 2]),
    /// DNS over TCP.
    DnsStreams([DnsStream; 2]),
    /// DNS, multicast DNS, LLMNR over UDP.
    DnsDatagrams { multicast: bool },
    /// UDP on other ports: QUIC, perhaps.
    Initials { seen: u8, sides: [Option<Box<quic::ClientInitials>>; 2] },
}

impl NameReader {
    /// A reader for a flow between these ports; `None` when no names are read in such flows.
    #[must_use]
    pub fn for_flow(protocol: Protocol, port_a: u16, port_b: u16) -> Option<Self> {
        let uses = |port| port_a == port || port_b == port;
        let kind = match protocol {
            Protocol::TCP if uses(DNS_PORT) => Kind::DnsStreams(Default::default()),
            Protocol::TCP => Kind::Openings(Default::default()),
            Protocol::UDP if uses(MULTICAST_DNS_PORT) => Kind::DnsDatagrams { multicast: true },
            Protocol::UDP if uses(DNS_PORT) || uses(LLMNR_PORT) => Kind::DnsDatagrams { multicast: false },
            Protocol::UDP => Kind::Initials { seen: 0, sides: [None, None] },
            _ => return None,
        };
        Some(Self(kind))
    }

    /// Reads one packet's payload and adds what it says to the connection's `findings` and to `gathered`.
    pub fn read(
        &mut self,
        payload: &Payload<'_>,
        findings: &mut Findings,
        gathered: &mut Gathered,
    ) -> Progress {
        match &mut self.0 {
            Kind::Openings(sides) => {
                let found = sides[payload.from as usize].read(payload, findings, gathered);
                Progress::done_if(found || sides.iter().all(Opening::is_closed))
            }
            Kind::DnsStreams(sides) => {
                sides[payload.from as usize].read(payload, findings, gathered);
                Progress::done_if(sides.iter().all(|side| side.lost))
            }
            Kind::DnsDatagrams { multicast } => {
                if let Some(message) = dns::read_message(payload.bytes, payload, findings, gathered)
                    && *multicast
                {
                    dns::read_announcements(&message, payload, gathered);
                }
                Progress::More
            }
            Kind::Initials { seen, sides } => {
                *seen = seen.saturating_add(1);
                let open = read_initial(sides, payload, findings, gathered);
                if open && *seen == MAX_DATAGRAMS && sides.iter().flatten().any(|side| side.opened()) {
                    gathered.limited += 1;
                }
                Progress::done_if(!open || *seen >= MAX_DATAGRAMS)
            }
        }
    }
}

/// The part of a TCP payload that is not before `start`, and where it begins, counted from there.
fn behind<'a>(start: u32, payload: &Payload<'a>) -> Option<(usize, &'a [u8])> {
    let ahead = payload.offset.wrapping_sub(start).cast_signed();
    let before = if ahead < 0 { usize::try_from(ahead.unsigned_abs()).ok()? } else { 0 };
    let bytes = payload.bytes.get(before..).filter(|bytes| !bytes.is_empty())?;
    Some((usize::try_from(ahead.max(0)).ok()?, bytes))
}

/// Reads a datagram that may hold a QUIC client's hello: whether more datagrams could tell more.
fn read_initial(
    sides: &mut [Option<Box<quic::ClientInitials>>; 2],
    payload: &Payload<'_>,
    findings: &mut Findings,
    gathered: &mut Gathered,
) -> bool {
    let other_is_client = sides[payload.from.other() as usize].as_ref().is_some_and(|side| side.opened());
    let reading = if other_is_client {
        Reading::Other
    } else if quic::is_long_header(payload.bytes) {
        let initials = sides[payload.from as usize].get_or_insert_default();
        let limited_before = initials.limited();
        let reading = initials.read(payload.bytes);
        if initials.limited() && !limited_before {
            gathered.limited += 1;
        }
        reading
    } else if gquic::is_versioned(payload.bytes) {
        gquic::server_name(payload.bytes)
    } else {
        Reading::Other
    };
    if reading.recognised() {
        findings.client(payload.from, Evidence::QUIC_CLIENT_HELLO);
    }
    let settled = matches!(reading, Reading::Name(_) | Reading::NoName);
    if let Reading::Name(name) = reading {
        findings.hints.tls_server_name.get_or_insert(name);
    }
    !settled
}

#[cfg(test)]
mod tests;

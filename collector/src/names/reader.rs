//! Reads the names in one connection's payload, packet by packet.

use std::net::IpAddr;
use std::time::Duration;

use watershed_model::{Evidence, NameHints, NameObservation, Protocol, Timestamp};

use super::assembly::Assembly;
use super::{Reading, dns, gquic, http, quic, tls};

const DNS_PORT: u16 = 53;
const MULTICAST_DNS_PORT: u16 = 5353;
const LLMNR_PORT: u16 = 5355;

/// Segments kept ahead of their turn: a hello or request head rarely takes more than six.
const MAX_SEGMENTS_AHEAD: usize = 8;

/// Octets with which Ethernet pads a TCP segment without payload (60 - 14 - 20 - 20). Some devices count
/// them into the IP length, and the stream's true octets come under the same sequence numbers.
const MAX_PADDING: usize = 6;

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
    /// When it was captured.
    pub time: Timestamp,
    /// The address it was sent to.
    pub destination: IpAddr,
}

/// What was found, in one or several packets: a reader adds to it.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The connection's names; the first of each kind stays.
    pub hints: NameHints,
    /// What was seen that speaks for the first and for the second endpoint as client.
    pub evidence: [Evidence; 2],
    /// Addresses that DNS responses gave to names.
    pub observations: Vec<NameObservation>,
    /// How often a limit kept something from being read.
    pub limited: u32,
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
        self.evidence == [Evidence::empty(); 2]
            && self.observations.is_empty()
            && self.limited == 0
            && self.hints.is_empty()
    }

    fn client(&mut self, client: Side, evidence: Evidence) {
        self.evidence[client as usize] |= evidence;
    }

    fn limit(&mut self) {
        self.limited = self.limited.saturating_add(1);
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
    DnsDatagrams,
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
            Protocol::UDP if uses(DNS_PORT) || uses(MULTICAST_DNS_PORT) || uses(LLMNR_PORT) => {
                Kind::DnsDatagrams
            }
            Protocol::UDP => Kind::Initials { seen: 0, sides: [None, None] },
            _ => return None,
        };
        Some(Self(kind))
    }

    /// Reads one packet's payload and adds what it says to `findings`.
    pub fn read(&mut self, payload: &Payload<'_>, findings: &mut Findings) -> Progress {
        match &mut self.0 {
            Kind::Openings(sides) => {
                let found = sides[payload.from as usize].read(payload, findings);
                Progress::done_if(found || sides.iter().all(Opening::is_closed))
            }
            Kind::DnsStreams(sides) => {
                sides[payload.from as usize].read(payload, findings);
                Progress::done_if(sides.iter().all(|side| side.lost))
            }
            Kind::DnsDatagrams => {
                read_dns(payload.bytes, payload, findings);
                Progress::More
            }
            Kind::Initials { seen, sides } => {
                *seen += 1;
                let open = read_initial(sides, payload, findings);
                if open && *seen == MAX_DATAGRAMS && sides.iter().flatten().any(|side| side.opened()) {
                    findings.limit();
                }
                Progress::done_if(!open || *seen == MAX_DATAGRAMS)
            }
        }
    }
}

/// The first bytes that one side of a TCP connection sent.
#[derive(Debug, Default)]
struct Opening {
    /// Where the opening starts in the side's stream: behind a CONNECT request's head, else 0.
    start: u32,
    state: OpeningState,
}

#[derive(Debug, Default)]
enum OpeningState {
    /// No byte seen yet.
    #[default]
    Fresh,
    /// Waiting for more bytes.
    Partial(Box<Assembly>),
    /// It is no client's opening, or cannot be read.
    Closed,
}

impl Opening {
    const fn is_closed(&self) -> bool {
        matches!(self.state, OpeningState::Closed)
    }

    /// Whether the client's opening has been read to its end.
    fn read(&mut self, payload: &Payload<'_>, findings: &mut Findings) -> bool {
        let Some((offset, bytes)) = behind(self.start, payload).filter(|(_, bytes)| !is_padding(bytes))
        else {
            return false;
        };
        let mut waiting = match std::mem::replace(&mut self.state, OpeningState::Closed) {
            OpeningState::Closed => return false,
            OpeningState::Fresh if offset == 0 => None,
            OpeningState::Fresh => Some(Box::new(Assembly::new(MAX_SEGMENTS_AHEAD))),
            OpeningState::Partial(waiting) => Some(waiting),
        };
        let full = waiting.as_mut().is_some_and(|waiting| waiting.insert(offset, bytes).is_err());
        let stream = waiting.as_ref().map_or(bytes, |waiting| waiting.prefix());
        let skip = match self.look(stream, payload.from, findings) {
            Look::End => return true,
            Look::Other => return false,
            Look::Wait(skip) => skip,
        };
        self.start = self.start.wrapping_add(u32::try_from(skip).unwrap_or(u32::MAX));
        if full || !self.wait(waiting, skip, bytes) {
            findings.limit();
        }
        false
    }

    /// Keeps what may be the start of an opening, behind the first `skip` octets; whether there is room.
    fn wait(&mut self, waiting: Option<Box<Assembly>>, skip: usize, first: &[u8]) -> bool {
        let waiting = if let Some(mut waiting) = waiting {
            waiting.advance(skip);
            waiting
        } else {
            let rest = &first[skip..];
            let mut waiting = Box::new(Assembly::new(MAX_SEGMENTS_AHEAD));
            if !rest.is_empty() && waiting.insert(0, rest).is_err() {
                return false;
            }
            waiting
        };
        self.state = if waiting.is_empty() { OpeningState::Fresh } else { OpeningState::Partial(waiting) };
        true
    }

    /// Reads the start of a stream; behind a CONNECT request also what runs in its tunnel.
    fn look(&self, stream: &[u8], from: Side, findings: &mut Findings) -> Look {
        let look = look(stream, from, findings);
        if self.start != 0 || look != Look::End || !http::is_connect(stream) {
            return look;
        }
        match http::head_length(stream) {
            None => Look::Wait(0),
            Some(length) if length == stream.len() => Look::Wait(length),
            Some(length) => match self::look(&stream[length..], from, findings) {
                Look::Wait(skip) => Look::Wait(length + skip),
                inside => inside,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// The client's opening has been read to its end.
    End,
    /// It is no client's opening.
    Other,
    /// More bytes are needed, behind the first so many.
    Wait(usize),
}

/// Reads the start of a stream as each protocol in turn.
fn look(stream: &[u8], from: Side, findings: &mut Findings) -> Look {
    let tls = tls::server_name(stream);
    if tls.recognised() {
        findings.client(from, Evidence::TLS_CLIENT_HELLO);
    }
    match tls {
        Reading::Name(name) => {
            findings.hints.tls_server_name.get_or_insert(name);
            return Look::End;
        }
        Reading::NoName => return Look::End,
        Reading::Partial | Reading::NeedMore => return Look::Wait(0),
        Reading::Other => {}
    }
    let http = http::host(stream);
    if http.recognised() {
        findings.client(from, Evidence::HTTP_REQUEST);
    }
    match http {
        Reading::Name(name) => {
            findings.hints.http_host.get_or_insert(name);
            Look::End
        }
        Reading::NoName => Look::End,
        Reading::Partial | Reading::NeedMore => Look::Wait(0),
        Reading::Other => Look::Other,
    }
}

/// One side of a DNS connection over TCP: messages, each behind its length (RFC 1035 section 4.2.2).
#[derive(Debug, Default)]
struct DnsStream {
    /// Where the next message starts.
    next: u32,
    waiting: Option<Box<Assembly>>,
    /// The start of messages is no longer known.
    lost: bool,
}

impl DnsStream {
    fn read(&mut self, payload: &Payload<'_>, findings: &mut Findings) {
        let Some((offset, bytes)) = behind(self.next, payload).filter(|_| !self.lost) else {
            return;
        };
        let mut waiting = match self.waiting.take() {
            None if offset == 0 => {
                let consumed = self.messages(bytes, payload, findings);
                let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty() && !self.lost) else {
                    return;
                };
                let mut waiting = Box::new(Assembly::new(MAX_SEGMENTS_AHEAD));
                self.lost = waiting.insert(0, rest).is_err();
                waiting
            }
            kept => {
                let mut waiting = kept.unwrap_or_else(|| Box::new(Assembly::new(MAX_SEGMENTS_AHEAD)));
                self.lost = waiting.insert(offset, bytes).is_err();
                waiting
            }
        };
        let consumed = self.messages(waiting.prefix(), payload, findings);
        if consumed > 0 {
            waiting.advance(consumed);
        }
        if self.lost {
            findings.limit();
        } else if !waiting.is_empty() {
            self.waiting = Some(waiting);
        }
    }

    /// Reads the whole messages at the start of `stream`; how many octets they take.
    ///
    /// Behind something that is no DNS message no further one can be found.
    fn messages(&mut self, stream: &[u8], payload: &Payload<'_>, findings: &mut Findings) -> usize {
        let mut rest = stream;
        while let Some((&[high, low], behind_length)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((message, next)) = behind_length.split_at_checked(length) else {
                break;
            };
            if !read_dns(message, payload, findings) {
                self.lost = true;
                break;
            }
            rest = next;
        }
        let consumed = stream.len() - rest.len();
        self.next = self.next.wrapping_add(u32::try_from(consumed).unwrap_or(u32::MAX));
        consumed
    }
}

/// Whether a TCP payload looks like Ethernet padding; neither TLS nor HTTP has such a run of zeros.
fn is_padding(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_PADDING && bytes.iter().all(|&byte| byte == 0)
}

/// The part of a TCP payload that is not before `start`, and where it begins, counted from there.
fn behind<'a>(start: u32, payload: &Payload<'a>) -> Option<(usize, &'a [u8])> {
    let ahead = payload.offset.wrapping_sub(start).cast_signed();
    let before = if ahead < 0 { usize::try_from(ahead.unsigned_abs()).ok()? } else { 0 };
    let bytes = payload.bytes.get(before..).filter(|bytes| !bytes.is_empty())?;
    Some((usize::try_from(ahead.max(0)).ok()?, bytes))
}

/// Reads one DNS message; whether it is one.
fn read_dns(bytes: &[u8], payload: &Payload<'_>, findings: &mut Findings) -> bool {
    let Some(message) = dns::Message::parse(bytes) else {
        return false;
    };
    if findings.hints.dns_query.is_none() {
        findings.hints.dns_query = message.question();
    }
    if !message.is_response() {
        findings.client(payload.from, Evidence::DNS_QUERY);
        return true;
    }
    // A group that hears an announcement has asked nothing.
    if !payload.destination.is_multicast() {
        findings.client(payload.from.other(), Evidence::DNS_RESPONSE);
    }
    if message.limited() {
        findings.limit();
    }
    let observation = |name, answer: dns::Answer| NameObservation {
        seen: payload.time,
        client: payload.destination,
        name,
        address: answer.address,
        ttl: Duration::from_secs(answer.ttl.into()),
    };
    let mut answers = message.answers().peekable();
    if let Some(name) = answers.peek().and_then(|_| message.question()) {
        findings.observations.extend(answers.map(|answer| observation(name.clone(), answer)));
    }
    findings.observations.extend(message.announcements().map(|(name, answer)| observation(name, answer)));
    true
}

/// Reads a datagram that may hold a QUIC client's hello: whether more datagrams could tell more.
fn read_initial(
    sides: &mut [Option<Box<quic::ClientInitials>>; 2],
    payload: &Payload<'_>,
    findings: &mut Findings,
) -> bool {
    let other_is_client = sides[payload.from.other() as usize].as_ref().is_some_and(|side| side.opened());
    let reading = if other_is_client {
        Reading::Other
    } else if quic::is_long_header(payload.bytes) {
        let initials = sides[payload.from as usize].get_or_insert_default();
        let limited_before = initials.limited();
        let reading = initials.read(payload.bytes);
        if initials.limited() && !limited_before {
            findings.limit();
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

//! Names and addresses in a DNS message (RFC 1035); also multicast DNS (RFC 6762) and LLMNR (RFC 4795).

use std::net::IpAddr;

use arrayvec::ArrayVec;
use watershed_model::Protocol;

use super::{MAX_HOST_NAME, lower_cases, push_lower_case};

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;
const CLASS_IN: u16 = 1;
/// Multicast DNS uses the class's top bit for "flush" and "unicast wanted".
const CLASS_MASK: u16 = 0x7FFF;

/// Records read of one section: 4096 octets, the usual limit of a response over UDP, hold 255 addresses.
pub const MAX_RECORDS: usize = 512;

/// Aliases followed from a name; resolvers give up after 8 to 16.
pub const MAX_ALIASES: usize = 16;

/// A DNS message whose header and first question are sound.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where the first question's name starts, when there is a question.
    question: Option<usize>,
    /// Where the answers start.
    answers: usize,
    counts: [u16; 4],
}

/// An address that a response gave to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The address.
    pub address: IpAddr,
    /// The smallest time to live along the chain of aliases, in seconds.
    pub ttl: u32,
}

/// Where an SRV record says that a service is (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The transport, by the second label of the record's owner: `_http._tcp.shop.example`.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// The name of the host, as [`Message::question`] writes names.
    pub host: Box<str>,
}

impl<'a> Message<'a> {
    /// Reads the header and the questions of a message: a UDP payload, or what follows the length over TCP.
    ///
    /// `None`: it is no query or response, or is cut within the questions.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let opcode = (header[2] >> 3) & 0x0F;
        if opcode != 0 {
            return None;
        }
        let counts = [4, 6, 8, 10].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
        let mut at = HEADER;
        for _ in 0..counts[0] {
            at = skip_name(bytes, at)?;
            bytes.get(at..at + 4)?;
            at += 4;
        }
        let question = (counts[0] > 0).then_some(HEADER);
        let sound = question.is_none_or(|at| is_name(bytes, at));
        sound.then_some(Self { bytes, question, answers: at, counts })
    }

    /// Whether it is a response, as opposed to a query.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.bytes[2] & 0x80 != 0
    }

    /// The first question's name: lower case, no final dot (the root is `.`), octets that do not print
    /// as `\DDD` (RFC 1035 section 5.1).
    #[must_use]
    pub fn question(&self) -> Option<Box<str>> {
        text(self.bytes, self.question?)
    }

    /// The addresses that the answers give to the first question's name, through aliases.
    pub fn answers(&self) -> impl Iterator<Item = Answer> {
        let aliases = self.aliases();
        self.records(self.counts[1]).filter_map(move |record| {
            let address = record.address()?;
            let &(_, ttl) = aliases.iter().find(|&&(name, _)| same_name(self.bytes, name, record.owner))?;
            Some(Answer { address, ttl: ttl.min(record.ttl) })
        })
    }

    /// The addresses in a message without a question, as multicast DNS announces them: name and address.
    ///
    /// Answers and additional records count; a time to live of 0 takes an announcement back and does not.
    pub fn announcements(&self) -> impl Iterator<Item = (Box<str>, Answer)> {
        let records = if self.is_response() && self.question.is_none() { self.all_counts() } else { 0 };
        self.records(records).filter_map(|record| {
            let answer = Answer { address: record.address()?, ttl: record.ttl };
            (answer.ttl > 0).then_some((text(self.bytes, record.owner)?, answer))
        })
    }

    /// The services that the records of a response name, whoever asked for them.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        self.records(self.all_told()).filter_map(|record| record.service(self.bytes))
    }

    /// Every address that a response gives to a name, among its answers or with them.
    pub fn addresses(&self) -> impl Iterator<Item = (Box<str>, IpAddr)> {
        let of = |record: Record<'a>| Some((record.address()?, record.owner));
        let all = self.records(self.all_told()).filter_map(of);
        all.filter_map(|(address, owner)| Some((text(self.bytes, owner)?, address)))
    }

    /// Records of a response without an error.
    fn all_told(&self) -> u16 {
        if self.is_response() && self.no_error() { self.all_counts() } else { 0 }
    }

    /// How many records there are, of answers and of what is added to them.
    fn all_counts(&self) -> u16 {
        self.counts[1..].iter().fold(0_u16, |sum, &count| sum.saturating_add(count))
    }

    /// Whether the answers are more than are read.
    #[must_use]
    pub const fn limited(&self) -> bool {
        self.is_response() && self.counts[1] as usize > MAX_RECORDS
    }

    /// The question's name and the names it is an alias of, each with the smallest time to live on the
    /// way there.
    fn aliases(&self) -> ArrayVec<(usize, u32), { MAX_ALIASES + 1 }> {
        let mut aliases = ArrayVec::new();
        let mut next = self.question.filter(|_| self.no_error()).map(|name| (name, u32::MAX));
        while let Some((name, ttl)) = next.filter(|_| !aliases.is_full()) {
            aliases.push((name, ttl));
            let mut records = self.records(self.counts[1]);
            let alias = records.find(|r| r.kind == TYPE_CNAME && same_name(self.bytes, name, r.owner));
            next = alias
                .filter(|alias| is_name(self.bytes, alias.data_at))
                .map(|alias| (alias.data_at, ttl.min(alias.ttl)));
        }
        aliases
    }

    const fn no_error(&self) -> bool {
        self.bytes[3] & 0x0F == 0
    }

    fn records(&self, count: u16) -> impl Iterator<Item = Record<'a>> {
        let (bytes, mut at) = (self.bytes, self.answers);
        let mut left = usize::from(count).min(MAX_RECORDS);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let record = Record::parse(bytes, at);
            match &record {
                Some(record) => at = record.data_at + record.data.len(),
                None => left = 0,
            }
            record
        })
    }
}

struct Record<'a> {
    owner: usize,
    kind: u16,
    class: u16,
    /// Seconds.
    ttl: u32,
    data_at: usize,
    data: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8], owner: usize) -> Option<Self> {
        let fixed_at = skip_name(bytes, owner)?;
        let fixed: [u8; 10] = *bytes.get(fixed_at..)?.first_chunk()?;
        let [k0, k1, c0, c1, t0, t1, t2, t3, l0, l1] = fixed;
        let (data_at, length) = (fixed_at + fixed.len(), usize::from(u16::from_be_bytes([l0, l1])));
        let ttl = u32::from_be_bytes([t0, t1, t2, t3]);
        Some(Self {
            owner,
            kind: u16::from_be_bytes([k0, k1]),
            class: u16::from_be_bytes([c0, c1]) & CLASS_MASK,
            // RFC 2181 section 8: with the top bit set it is zero.
            ttl: if ttl > i32::MAX.cast_unsigned() { 0 } else { ttl },
            data_at,
            data: bytes.get(data_at..data_at + length)?,
        })
    }

    fn address(&self) -> Option<IpAddr> {
        match (self.class, self.kind) {
            (CLASS_IN, TYPE_A) => Some(IpAddr::from(<[u8; 4]>::try_from(self.data).ok()?)),
            (CLASS_IN, TYPE_AAAA) => Some(IpAddr::from(<[u8; 16]>::try_from(self.data).ok()?)),
            _ => None,
        }
    }
}

impl Record<'_> {
    /// Where an SRV record says that a service is; `None` where there is none, or the host is the root: the service is
    /// decidedly not offered.
    fn service(&self, bytes: &[u8]) -> Option<Service> {
        let [_, _, _, _, high, low] = *self.data.first_chunk()?;
        if (self.class, self.kind) != (CLASS_IN, TYPE_SRV) {
            return None;
        }
        let mut owner = Labels::new(bytes, self.owner);
        let (service, transport) = (owner.next_label().ok()??, owner.next_label().ok()??);
        let transports: [(&[u8], Protocol); 3] =
            [(b"_tcp", Protocol::TCP), (b"_udp", Protocol::UDP), (b"_sctp", Protocol::SCTP)];
        let (_, protocol) = transports.into_iter().find(|(name, _)| transport.eq_ignore_ascii_case(name))?;
        let (port, host) = (u16::from_be_bytes([high, low]), text(bytes, self.data_at + 6)?);
        let offered = service.starts_with(b"_") && port > 0 && &*host != ".";
        offered.then_some(Service { protocol, port, host })
    }
}

/// A name that is cut short, too long, or whose pointers do not lead backwards.
#[derive(Debug, PartialEq, Eq)]
struct BadName;

/// The labels of a name, through compression pointers.
///
/// Each pointer must lead before the place that it was reached from, so that following them ends.
struct Labels<'a> {
    bytes: &'a [u8],
    at: usize,
    floor: usize,
    /// Octets that the name would take uncompressed.
    length: usize,
}

impl<'a> Labels<'a> {
    const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, floor: at, length: 1 }
    }

    fn next_label(&mut self) -> Result<Option<&'a [u8]>, BadName> {
        let at = self.follow_pointers()?;
        let length = usize::from(self.bytes[at]);
        if length == 0 {
            return Ok(None);
        }
        let (start, end) = (at + 1, at + 1 + length);
        let label = self.bytes.get(start..end).ok_or(BadName)?;
        self.at = end;
        self.length += 1 + length;
        if self.length > MAX_HOST_NAME { Err(BadName) } else { Ok(Some(label)) }
    }

    /// Where the next label is, behind the pointers that lead there.
    fn follow_pointers(&mut self) -> Result<usize, BadName> {
        loop {
            match *self.bytes.get(self.at).ok_or(BadName)? {
                0..=63 => return Ok(self.at),
                high @ 0xC0..=0xFF => {
                    let &low = self.bytes.get(self.at + 1).ok_or(BadName)?;
                    let target = usize::from(u16::from_be_bytes([high & 0x3F, low]));
                    if target >= self.floor {
                        return Err(BadName);
                    }
                    (self.at, self.floor) = (target, target);
                }
                _ => return Err(BadName),
            }
        }
    }
}

/// Whether a sound name is at `at`.
fn is_name(bytes: &[u8], at: usize) -> bool {
    let mut labels = Labels::new(bytes, at);
    loop {
        match labels.next_label() {
            Ok(Some(_)) => {}
            end => return end.is_ok(),
        }
    }
}

/// Where the bytes of the name at `at` end, without following its pointer.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xC0..=0xFF => return Some(at + 2),
            _ => return None,
        }
    }
}

/// Whether the name at `b` is the sound name at `a`, without regard to ASCII case (RFC 4343).
fn same_name(bytes: &[u8], a: usize, b: usize) -> bool {
    // Most are: written the same, or one points to the other.
    if let Some(written) = skip_name(bytes, a).and_then(|end| bytes.get(a..end))
        && bytes.get(b..).is_some_and(|at_b| at_b.starts_with(written))
    {
        return true;
    }
    let (mut a, mut b) = (Labels::new(bytes, a), Labels::new(bytes, b));
    loop {
        if a.follow_pointers().is_ok_and(|at| b.follow_pointers() == Ok(at)) {
            return true;
        }
        match (a.next_label(), b.next_label()) {
            (Ok(None), Ok(None)) => return true,
            (Ok(Some(one)), Ok(Some(other))) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

/// The name at `at` as text.
fn text(bytes: &[u8], at: usize) -> Option<Box<str>> {
    // So long is the text of a name without pointers and escapes: a dot for each length but the first.
    let plain = skip_name(bytes, at)?.saturating_sub(at + 2);
    let mut text = Vec::with_capacity(plain.min(MAX_HOST_NAME));
    let mut labels = Labels::new(bytes, at);
    while let Some(label) = labels.next_label().ok()? {
        if !text.is_empty() {
            text.push(b'.');
        }
        let start = text.len();
        if !push_lower_case(&mut text, label, &PLAIN) {
            text.truncate(start);
            label.iter().for_each(|&byte| push_escaped(&mut text, byte));
        }
    }
    if text.is_empty() {
        text.push(b'.');
    }
    String::from_utf8(text).ok().map(String::into_boxed_str)
}

fn push_escaped(text: &mut Vec<u8>, byte: u8) {
    let digit = |n: u8| b'0' + n % 10;
    match (PLAIN[usize::from(byte)], byte) {
        (0, b'.' | b'\\') => text.extend([b'\\', byte]),
        (0, _) => text.extend([b'\\', digit(byte / 100), digit(byte / 10), digit(byte)]),
        (lower, _) => text.push(lower),
    }
}

/// Octets that stand for themselves in a name's text.
static PLAIN: [u8; 256] = lower_cases(
    b"!\"#$%&'()*+,-/0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~",
);

#[cfg(test)]
pub(crate) mod tests;

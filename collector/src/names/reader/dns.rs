//! DNS messages in datagrams and streams: who asked, and what was answered.

use std::time::Duration;

use watershed_model::{Evidence, NameObservation};

use super::{Findings, Gathered, MAX_SEGMENTS_AHEAD, Payload, behind};
use crate::names::assembly::Assembly;
use crate::names::dns;

/// One side of a DNS connection over TCP: messages, each behind its length (RFC 1035 section 4.2.2).
#[derive(Debug, Default)]
pub(super) struct DnsStream {
    /// Where the next message starts.
    next: u32,
    waiting: Option<Box<Assembly>>,
    /// The start of messages is no longer known.
    pub(super) lost: bool,
}

impl DnsStream {
    /// Reads the messages that a segment completes.
    pub(super) fn read(&mut self, payload: &Payload<'_>, findings: &mut Findings, gathered: &mut Gathered) {
        let Some((offset, bytes)) = behind(self.next, payload).filter(|_| !self.lost) else {
            return;
        };
        let (offset, bytes) = if offset == 0 && self.waiting.is_none() {
            let consumed = self.messages(bytes, payload, findings, gathered);
            self.lost |= payload.cut;
            (0, &bytes[consumed..])
        } else {
            (offset, bytes)
        };
        if self.lost || bytes.is_empty() {
            return;
        }
        let mut waiting = self.waiting.take().unwrap_or_else(|| Box::new(Assembly::new(MAX_SEGMENTS_AHEAD)));
        let full = waiting.insert(offset, bytes).is_err();
        gathered.limited += u64::from(full);
        let consumed = self.messages(waiting.prefix(), payload, findings, gathered);
        if consumed > 0 {
            waiting.advance(consumed);
        }
        self.lost |= full || payload.cut;
        if !self.lost && !waiting.is_empty() {
            self.waiting = Some(waiting);
        }
    }

    /// Reads the whole messages at the start of `stream`; how many octets they take.
    ///
    /// Behind something that is no DNS message no further one can be found.
    fn messages(
        &mut self,
        stream: &[u8],
        payload: &Payload<'_>,
        findings: &mut Findings,
        gathered: &mut Gathered,
    ) -> usize {
        let mut rest = stream;
        while let Some((&[high, low], behind_length)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((message, next)) = behind_length.split_at_checked(length) else {
                break;
            };
            if read_message(message, payload, findings, gathered).is_none() {
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

/// Reads one DNS message; `None` when it is none.
pub(super) fn read_message<'a>(
    bytes: &'a [u8],
    payload: &Payload<'_>,
    findings: &mut Findings,
    gathered: &mut Gathered,
) -> Option<dns::Message<'a>> {
    let message = dns::Message::parse(bytes)?;
    if findings.hints.dns_query.is_none() {
        findings.hints.dns_query = message.question();
    }
    if !message.is_response() {
        findings.client(payload.from, Evidence::DNS_QUERY);
        return Some(message);
    }
    // A group that hears an announcement has asked nothing.
    if !payload.destination.is_multicast() {
        findings.client(payload.from.other(), Evidence::DNS_RESPONSE);
    }
    gathered.limited += u64::from(message.limited());
    gathered.services.learn(&message);
    let mut answers = message.answers();
    if let Some(first) = answers.next()
        && let Some(name) = message.question()
    {
        gathered.services.resolved(&name, first.address);
        let place = gathered.observations.len();
        gathered.observations.push(observation(payload, name, first));
        for answer in answers {
            let name = gathered.observations[place].name.clone();
            gathered.services.resolved(&name, answer.address);
            gathered.observations.push(observation(payload, name, answer));
        }
    }
    Some(message)
}

/// Reads what a multicast DNS message announces without being asked.
pub(super) fn read_announcements(message: &dns::Message<'_>, payload: &Payload<'_>, gathered: &mut Gathered) {
    let announcements = message.announcements();
    gathered.observations.extend(announcements.map(|(name, answer)| observation(payload, name, answer)));
}

fn observation(payload: &Payload<'_>, name: Box<str>, answer: dns::Answer) -> NameObservation {
    NameObservation {
        seen: payload.time,
        client: payload.destination,
        name,
        address: answer.address,
        ttl: Duration::from_secs(answer.ttl.into()),
    }
}

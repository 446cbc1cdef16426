//! Fragments: later ones belong to the flow of the first.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use watershed_model::{InterfaceId, Refused, SkipReason, Timestamp};

use super::ip::IpPacket;
use super::{GivenUp, Wrapping};
use crate::flow::Address;

/// Limits for fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentConfig {
    /// Datagrams that may wait at a time; with 64 KiB each this bounds the memory at 256 MiB in the worst
    /// case, and at a few MiB in any real one.
    pub max_datagrams: usize,
    /// How long a datagram may wait; 30 s is what Linux waits (`ipfrag_time`).
    pub timeout: Duration,
}

impl Default for FragmentConfig {
    fn default() -> Self {
        Self { max_datagrams: 4096, timeout: Duration::from_secs(30) }
    }
}

/// Pieces kept for one datagram; the smallest real fragments make fewer of the largest datagram.
const MAX_PIECES: usize = 128;
/// The largest IP payload.
const MAX_PAYLOAD: u32 = 65_535;

/// What an IPv4 header or an IPv6 fragment header says of a fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) identification: u32,
    /// Octets before this fragment.
    pub(super) offset: u32,
    pub(super) more: bool,
    /// The IP header that the whole datagram counts once.
    pub(super) header_bytes: u32,
}

/// Where and when a fragment was seen.
pub(super) struct Seen<'s> {
    pub(super) time: Timestamp,
    pub(super) interface: InterfaceId,
    pub(super) wrapping: &'s Wrapping,
    /// Captured frames that carried it and that no outer flow counts.
    pub(super) frames: u64,
}

/// A datagram put together from its fragments.
#[derive(Debug)]
pub struct Datagram {
    pub(super) time: Timestamp,
    pub(super) interface: InterfaceId,
    pub(super) wrapping: Wrapping,
    key: Key,
    ip_bytes: u32,
    payload_length: u32,
    payload: Vec<u8>,
    /// Frames that carried it and that no outer flow counts.
    pub frames: u64,
}

impl Datagram {
    pub(super) fn packet(&self) -> IpPacket<'_> {
        IpPacket {
            source: self.key.source,
            destination: self.key.destination,
            is_v6: self.key.is_v6,
            protocol: self.key.protocol,
            ip_bytes: self.ip_bytes,
            payload_length: self.payload_length,
            payload: &self.payload,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Address,
    destination: Address,
    is_v6: bool,
    protocol: u8,
    identification: u32,
    /// A datagram that passes several interfaces is put together on each.
    interface: InterfaceId,
}

/// A datagram that waits for fragments.
#[derive(Debug)]
struct Waiting {
    serial: u64,
    time: Timestamp,
    wrapping: Wrapping,
    header_bytes: u32,
    /// Length of the whole payload, known from the last fragment.
    length: Option<u32>,
    /// `(start, end, captured)`, in order of start, without overlap.
    pieces: Vec<(u32, u32, Vec<u8>)>,
    frames: u64,
}

/// Datagrams that wait for fragments.
#[derive(Debug)]
pub(super) struct Fragments {
    config: FragmentConfig,
    waiting: HashMap<Key, Waiting>,
    /// Keys in order of arrival; stale entries are recognised by their serial number.
    order: VecDeque<(u64, Key)>,
    serials: u64,
}

impl Fragments {
    pub(super) fn new(config: FragmentConfig) -> Self {
        Self { config, waiting: HashMap::new(), order: VecDeque::new(), serials: 0 }
    }

    /// Takes in one fragment; returns the datagram that it completes.
    pub(super) fn add(
        &mut self,
        packet: &IpPacket<'_>,
        fragment: &Fragment,
        seen: &Seen<'_>,
    ) -> Result<Option<Box<Datagram>>, SkipReason> {
        let start = fragment.offset;
        let end = start + packet.payload_length;
        if end > MAX_PAYLOAD || (fragment.more && packet.payload_length == 0) {
            return Err(SkipReason::BadIpHeader);
        }
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            is_v6: packet.is_v6,
            protocol: packet.protocol,
            identification: fragment.identification,
            interface: seen.interface,
        };
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            self.serials += 1;
            self.order.push_back((self.serials, key));
            Waiting {
                serial: self.serials,
                time: seen.time,
                wrapping: seen.wrapping.clone(),
                header_bytes: fragment.header_bytes,
                length: None,
                pieces: Vec::new(),
                frames: 0,
            }
        });
        waiting.frames += seen.frames;
        if start == 0 {
            // The first fragment's IPv4 options are the datagram's.
            waiting.header_bytes = fragment.header_bytes;
        }
        if !fragment.more {
            waiting.length = Some(end);
        }
        waiting.insert(start, end, packet.payload);
        if !waiting.is_whole() {
            return Ok(None);
        }
        let whole = self.waiting.remove(&key);
        Ok(whole.map(|waiting| Box::new(waiting.into_datagram(key, seen.time))))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn give_up(&mut self, now: Timestamp) -> Option<GivenUp> {
        loop {
            let &(serial, key) = self.order.front()?;
            let Some(waiting) = self.waiting.get(&key).filter(|w| w.serial == serial) else {
                self.order.pop_front();
                continue;
            };
            let too_many = self.waiting.len() > self.config.max_datagrams;
            // At the end of a run nothing waits, whatever time a damaged capture claims for it.
            let over = now == Timestamp::MAX || now.since(waiting.time) > self.config.timeout;
            if !too_many && !over {
                return None;
            }
            self.order.pop_front();
            let waiting = self.waiting.remove(&key)?;
            let first_seen = waiting.pieces.first().is_some_and(|&(start, ..)| start == 0);
            return Some(GivenUp {
                frames: waiting.frames,
                refused: (too_many && !first_seen).then_some(Refused::FragmentLimit),
                partial: first_seen.then(|| {
                    let time = waiting.time;
                    Box::new(waiting.into_datagram(key, time))
                }),
            });
        }
    }
}

impl Waiting {
    /// Keeps what is new of `[start, end)`: where fragments overlap, the octets that came first stay.
    fn insert(&mut self, start: u32, end: u32, captured: &[u8]) {
        let mut gaps = Vec::new();
        let mut from = start;
        for &(piece_start, piece_end, _) in self.pieces.iter().filter(|&&(_, e, _)| e > start) {
            if from < piece_start.min(end) {
                gaps.push((from, piece_start.min(end)));
            }
            from = from.max(piece_end);
        }
        if from < end {
            gaps.push((from, end));
        }
        let octets = |at: u32| captured.len().min((at - start) as usize);
        for (from, to) in gaps.into_iter().take(MAX_PIECES.saturating_sub(self.pieces.len())) {
            let place = self.pieces.partition_point(|&(s, ..)| s < from);
            self.pieces.insert(place, (from, to, captured[octets(from)..octets(to)].to_vec()));
        }
    }

    fn is_whole(&self) -> bool {
        let Some(length) = self.length else { return false };
        let mut reached = 0;
        for &(start, end, _) in &self.pieces {
            if start > reached {
                return false;
            }
            reached = reached.max(end);
        }
        reached >= length
    }

    /// The payload up to the first octet that is missing, and the length of everything seen.
    fn into_datagram(self, key: Key, time: Timestamp) -> Datagram {
        let seen = self.pieces.iter().map(|&(start, end, _)| end - start).sum();
        let payload_length = if self.is_whole() { self.length.unwrap_or(seen) } else { seen };
        let mut payload = Vec::with_capacity(payload_length as usize);
        for (start, _, captured) in &self.pieces {
            if *start as usize != payload.len() {
                break;
            }
            payload.extend_from_slice(captured);
        }
        payload.truncate(payload_length as usize);
        Datagram {
            time,
            interface: key.interface,
            wrapping: self.wrapping,
            key,
            ip_bytes: self.header_bytes + payload_length,
            payload_length,
            payload,
            frames: self.frames,
        }
    }
}

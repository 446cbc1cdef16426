//! The table of open connections.

use std::cmp::Reverse;
use std::sync::Arc;

use watershed_model::{
    Encapsulation, EndReason, Evidence, FlowRecord, NameObservation, Protocol, TcpFlags, Timestamp,
};

use super::FlowConfig;
use super::direction::{self, chunk};
use super::entry::Entry;
use super::index::Index;
use super::key::FlowKey;
use super::naming::Naming;
use super::prefetch::prefetch;
use super::record::record;
use super::slab::Slab;
use super::taps::Tallies;
use super::tcp::{self, Letter, TcpSegment};
use super::timeouts::Timeouts;
use super::wheel::Wheel;
use crate::decode::{Segment, Segments, Transport, quoted_flow};
use crate::listening::Sockets;

/// Segments in one round of lookups: as many as the processor can fetch memory for at a time.
const ROUND: usize = 32;

/// How far ahead of their turn entries that are due are asked for.
const AHEAD: usize = 8;

/// No entry.
const NONE: u32 = u32::MAX;

/// Entries to reserve address space for.
const RESERVED: usize = 1 << 20;

/// Open connections, and the records of those that ended.
#[derive(Debug)]
pub struct FlowTable {
    config: FlowConfig,
    timeouts: Timeouts,
    /// What the host listens on, as of the last time that something was due.
    listening: Arc<Sockets>,
    index: Index,
    entries: Vec<Entry>,
    free: Vec<u32>,
    wheel: Wheel,
    encapsulations: Slab<Box<Encapsulation>>,
    tallies: Tallies,
    naming: Naming,
    records: Vec<FlowRecord>,
    /// The connections that [`FlowTable::finish`] has yet to end.
    closing: Option<Vec<u32>>,
    started: u64,
    evicted: u64,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(config: FlowConfig) -> Self {
        Self {
            timeouts: Timeouts::new(&config),
            listening: config.listening.get(),
            index: Index::new(),
            // Reserved at once, so that it never has to be copied; memory is used only where entries are.
            entries: Vec::with_capacity(config.max_flows.min(RESERVED)),
            free: Vec::new(),
            wheel: Wheel::new(),
            encapsulations: Slab::default(),
            tallies: Tallies::default(),
            naming: Naming::default(),
            records: Vec::new(),
            closing: None,
            started: 0,
            evicted: 0,
            config,
        }
    }

    /// Follows the connections of these segments.
    ///
    /// 1. Hash every key and ask for its slot of the index.
    /// 2. Find every entry's number and ask for the entry.
    /// 3. Follow each connection in order.
    pub fn observe(&mut self, segments: &Segments<'_>) {
        for round in segments.as_slice().chunks(ROUND) {
            let mut hashes = [0; ROUND];
            for (segment, hash) in round.iter().zip(&mut hashes) {
                *hash = segment.key.hash(self.config.hash_key);
                self.index.prefetch(*hash);
            }
            let mut numbers = [NONE; ROUND];
            for (&hash, number) in hashes.iter().zip(&mut numbers).take(round.len()) {
                // The first entry with this hash is nearly always the right one; it is only a hint.
                if let Some(candidate) = self.index.find(hash, |_| true) {
                    *number = candidate;
                    prefetch(&self.entries[candidate as usize]);
                }
            }
            for ((segment, hash), hint) in round.iter().zip(hashes).zip(numbers) {
                self.follow(segment, hash, hint, segments);
            }
        }
    }

    /// Lets time pass without a segment.
    pub fn pass(&mut self, now: Timestamp) {
        if self.wheel.is_behind(now.as_nanos()) {
            self.expire(now.as_nanos());
        }
    }

    /// Ends or reports what is due as of `now`.
    #[cold]
    fn expire(&mut self, now: i64) {
        self.listening = self.config.listening.get();
        let due = self.wheel.turn(now);
        for (place, &number) in due.iter().enumerate() {
            if let Some(&ahead) = due.get(place + AHEAD) {
                prefetch(&self.entries[ahead as usize]);
            }
            self.due(number, now);
        }
    }

    /// Ends up to `at_most` of the connections that are open when it is first called, those that began first
    /// first; tells whether some are left. No packet may come in between.
    pub fn finish(&mut self, at_most: usize) -> bool {
        self.listening = self.config.listening.get();
        let closing = self.closing.take().unwrap_or_else(|| self.open_latest_first());
        let closing = self.closing.insert(closing);
        let ending = closing.split_off(closing.len().saturating_sub(at_most));
        let left = !closing.is_empty();
        for number in ending.into_iter().rev() {
            self.wheel.unfile(number);
            self.end(number, EndReason::EndOfCapture);
        }
        left
    }

    fn open_latest_first(&self) -> Vec<u32> {
        let all = self.entries.iter().zip(0_u32..).filter(|(entry, _)| entry.key != FlowKey::NONE);
        let mut open: Vec<_> = all.map(|(entry, number)| (Reverse(entry.first), Reverse(number))).collect();
        open.sort_unstable();
        open.into_iter().map(|(_, Reverse(number))| number).collect()
    }

    /// Records of connections that ended or were due for a report, in that order; they are handed over.
    pub fn take_records(&mut self) -> Vec<FlowRecord> {
        let room = Vec::with_capacity(self.records.len());
        std::mem::replace(&mut self.records, room)
    }

    /// How many records there are to take.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Names seen in DNS answers since the last call.
    pub fn take_names(&mut self) -> Vec<NameObservation> {
        self.naming.take_observations()
    }

    /// How often a limit kept a name in a payload from being read.
    #[must_use]
    pub const fn names_limited(&self) -> u64 {
        self.naming.limited()
    }

    /// Packets so far that are in no record's counts, since another interface had shown them before.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.tallies.repeated()
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Connections started so far.
    #[must_use]
    pub const fn started(&self) -> u64 {
        self.started
    }

    /// Connections evicted so far because the table was full.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    #[inline]
    fn follow(&mut self, segment: &Segment<'_>, hash: u32, hint: u32, segments: &Segments<'_>) {
        let now = segment.time.as_nanos();
        if self.wheel.is_behind(now) {
            self.expire(now);
        }
        let hinted = self.entries.get(hint as usize).is_some_and(|entry| entry.key == segment.key);
        let found = if hinted {
            Some(hint)
        } else {
            self.index.find(hash, |number| self.entries[number as usize].key == segment.key)
        };
        let number = match found {
            Some(number) => {
                self.make_way(number, now, segment, segments);
                number
            }
            None => self.open_new(segment, hash, segments),
        };
        self.update(number, segment);
        if let Transport::IcmpError { unreachable: true } = segment.transport {
            self.mark_unreachable(segment);
        }
    }

    /// Ends or reports what the entry holds where the packet begins another connection or part.
    #[inline]
    fn make_way(&mut self, number: u32, now: i64, segment: &Segment<'_>, segments: &Segments<'_>) {
        let entry = &self.entries[number as usize];
        let soon = now.saturating_sub(entry.last) <= self.timeouts.shortest;
        let syn = matches!(segment.transport, Transport::Tcp { flags, .. } if flags.contains(TcpFlags::SYN));
        let full = entry.sides.iter().any(|side| side.packets == u32::MAX);
        if soon && !syn && !full && self.timeouts.active_report.is_none() {
            return;
        }
        if now > entry.idle_deadline(&self.timeouts) {
            self.replace(number, entry.silent_end(), segment, segments);
        } else if syn
            && tcp::is_reuse(&entry.sides, &entry.details, &tcp_segment(segment))
            && !is_copy(entry, segment)
        {
            self.replace(number, EndReason::Reused, segment, segments);
        } else if full || entry.report_is_due(&self.timeouts, now) {
            self.report(number);
        }
    }

    fn open_new(&mut self, segment: &Segment<'_>, hash: u32, segments: &Segments<'_>) -> u32 {
        if self.open() >= self.config.max_flows {
            self.evict();
        }
        let entry = Entry::new(segment.key, segment.time, segment.interface);
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.index.insert(hash, number);
        self.begin(number, segment, segments);
        number
    }

    /// Reports the connection and starts another in its place.
    fn replace(&mut self, number: u32, reason: EndReason, segment: &Segment<'_>, segments: &Segments<'_>) {
        self.wheel.unfile(number);
        self.write(number, reason);
        self.release(number);
        self.entries[number as usize] = Entry::new(segment.key, segment.time, segment.interface);
        self.begin(number, segment, segments);
    }

    fn begin(&mut self, number: u32, segment: &Segment<'_>, segments: &Segments<'_>) {
        self.started += 1;
        let sender_is_client = direction::first_sender_is_client(segment);
        let entry = &mut self.entries[number as usize];
        entry.low_is_originator = segment.from_low == sender_is_client;
        if !sender_is_client {
            entry.turned = true;
            entry.history.push(b'^');
        }
        if let Some(wrapping) = segments.wrapping(segment) {
            entry.encapsulation = self.encapsulations.insert(Box::new(wrapping.to_encapsulation()));
        }
        self.wheel.file(number, self.entries[number as usize].deadline(&self.timeouts));
    }

    /// Counts the segment in.
    fn update(&mut self, number: u32, segment: &Segment<'_>) {
        let entry = &mut self.entries[number as usize];
        let was_over = entry.over;
        let from = usize::from(segment.from_low != entry.low_is_originator);
        entry.seen(segment.time.as_nanos());
        let new = entry.taps.is_only(segment.interface) || {
            let counted = entry.sides.map(|side| side.packets);
            self.tallies.is_new(&mut entry.taps, segment.interface, from, counted)
        };
        match segment.transport {
            Transport::Tcp { .. } => update_tcp(entry, from, segment, new),
            _ if new => update_plain(entry, from, segment),
            _ => {}
        }
        let side = &mut entry.sides[from];
        if new {
            side.packets += 1;
            side.ip_bytes += u64::from(segment.ip_bytes);
        }
        if new && !entry.names_done && !segment.payload.is_empty() {
            let offset = match segment.transport {
                Transport::Tcp { .. } => entry.ends().stream_offset(from, &tcp_segment(segment)),
                _ => 0,
            };
            self.naming.read(entry, segment, offset);
        }
        if entry.over && !was_over {
            let deadline = entry.deadline(&self.timeouts);
            self.wheel.unfile(number);
            self.wheel.file(number, deadline);
        }
    }

    /// An ICMP unreachable quotes a packet: what it was part of was not answered there.
    fn mark_unreachable(&mut self, segment: &Segment<'_>) {
        let Some((key, _)) = quoted_flow(segment.payload) else { return };
        let hash = key.hash(self.config.hash_key);
        if let Some(number) = self.index.find(hash, |n| self.entries[n as usize].key == key) {
            self.entries[number as usize].evidence |= Evidence::ICMP_UNREACHABLE;
        }
    }

    /// What is due for an entry that came out of the wheel: its end, a report, or another wait.
    fn due(&mut self, number: u32, now: i64) {
        let entry = &self.entries[number as usize];
        if now > entry.idle_deadline(&self.timeouts) {
            return self.end(number, entry.silent_end());
        }
        if entry.report_is_due(&self.timeouts, now) {
            self.report(number);
        }
        self.wheel.file(number, self.entries[number as usize].deadline(&self.timeouts));
    }

    /// Makes room: ends the connection whose timeout is nearest.
    fn evict(&mut self) {
        while let Some(number) = self.wheel.next() {
            let deadline = self.entries[number as usize].deadline(&self.timeouts);
            let moved = self.wheel.would_move(number, deadline);
            self.wheel.unfile(number);
            if moved {
                // It has been active since it was filed.
                self.wheel.file(number, deadline);
                continue;
            }
            self.evicted += 1;
            return self.end(number, EndReason::Evicted);
        }
    }

    /// Ends a connection that is not in the wheel any more.
    fn end(&mut self, number: u32, reason: EndReason) {
        self.write(number, reason);
        self.release(number);
        let key = std::mem::replace(&mut self.entries[number as usize].key, FlowKey::NONE);
        self.index.remove(key.hash(self.config.hash_key), number);
        self.free.push(number);
    }

    /// Writes the part so far; the connection goes on.
    fn report(&mut self, number: u32) {
        self.write(number, EndReason::Active);
        let entry = &mut self.entries[number as usize];
        let is_tcp = entry.is_tcp();
        entry.part = entry.part.saturating_add(1);
        entry.first = entry.last;
        entry.ends().start_part(is_tcp);
        self.tallies.start_part(entry.taps);
    }

    fn write(&mut self, number: u32, end: EndReason) {
        let entry = &mut self.entries[number as usize];
        let told = if end == EndReason::Active { self.naming.told(entry) } else { self.naming.take(entry) };
        direction::settle(entry, told.evidence, &self.listening, self.naming.services());
        let encapsulation = self.encapsulations.get(entry.encapsulation).cloned();
        let interface = self.tallies.best(entry.taps);
        self.records.push(record(entry, told.hints, encapsulation, interface, end));
    }

    /// Gives back what an entry that is over holds elsewhere.
    fn release(&mut self, number: u32) {
        let entry = &mut self.entries[number as usize];
        self.encapsulations.remove(std::mem::take(&mut entry.encapsulation));
        self.tallies.release(entry.taps);
    }
}

fn tcp_segment(segment: &Segment<'_>) -> TcpSegment {
    let (sequence, acknowledgement, flags) = match segment.transport {
        Transport::Tcp { sequence, acknowledgement, flags } => (sequence, acknowledgement, flags),
        _ => (0, 0, TcpFlags::empty()),
    };
    TcpSegment { sequence, acknowledgement, flags, payload_length: segment.payload_length }
}

/// A copy of the connection's first packet, from an interface that is read after it was all seen elsewhere.
fn is_copy(entry: &Entry, segment: &Segment<'_>) -> bool {
    let from = usize::from(segment.from_low != entry.low_is_originator);
    // Without a SYN the side's start is not known, and 0 is a start that a SYN may have.
    let began = entry.sides[from].flags.contains(TcpFlags::SYN)
        && entry.details[from].starts_at(tcp_segment(segment).sequence);
    !entry.taps.is_only(segment.interface) && began
}

/// `new`: no other interface has shown this packet before.
fn update_tcp(entry: &mut Entry, from: usize, segment: &Segment<'_>, new: bool) {
    let tcp = tcp_segment(segment);
    if let Some(letter) = tcp::history_letter(&tcp) {
        let first = entry.note(letter, from);
        if first && letter == Letter::Data {
            entry.ends().first_data(from, &tcp);
        }
    }
    let outcome = tcp::update(&mut entry.ends(), from, &tcp);
    entry.over |= outcome.over;
    if outcome.retransmission && new {
        entry.retransmitted(from);
    }
    if !entry.evidence.contains(Evidence::HANDSHAKE) {
        note_handshake(entry, from, &tcp, segment.time.as_nanos());
    }
}

fn note_handshake(entry: &mut Entry, from: usize, tcp: &TcpSegment, now: i64) {
    match (from, tcp.flags.contains(TcpFlags::SYN), tcp.flags.contains(TcpFlags::ACK)) {
        (0, true, false) => {
            entry.evidence |= Evidence::SYN;
            entry.handshake = now;
        }
        (1, true, true) => entry.evidence |= Evidence::SYN_ACK,
        (0, false, true)
            if entry.evidence.contains(Evidence::SYN_ACK) && tcp::shook_hands(&entry.sides, tcp) =>
        {
            entry.evidence |= Evidence::HANDSHAKE;
            if entry.handshake != 0 {
                entry.handshake = now.saturating_sub(entry.handshake).max(1);
            }
        }
        _ => {}
    }
}

fn update_plain(entry: &mut Entry, from: usize, segment: &Segment<'_>) {
    entry.sides[from].add_plain_payload(segment.payload_length);
    if entry.key.protocol() == Protocol::UDP {
        let _ = entry.note(Letter::Data, from);
    }
    match (segment.transport, from) {
        (Transport::Sctp { first_chunk: chunk::INIT }, 0) => entry.evidence |= Evidence::SCTP_INIT,
        (Transport::Sctp { first_chunk: chunk::INIT_ACK }, 1) => entry.evidence |= Evidence::SCTP_INIT_ACK,
        // SCTP has no flags; an ABORT is its RST.
        (Transport::Sctp { first_chunk: chunk::ABORT }, _) => entry.sides[from].flags |= TcpFlags::RST,
        _ => {}
    }
}

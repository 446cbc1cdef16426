//! The table of open connections.

use arrayvec::ArrayVec;
use watershed_model::{
    Encapsulation, EndReason, Evidence, FlowRecord, NameObservation, Protocol, TcpFlags, Timestamp,
};

use super::FlowConfig;
use super::direction::{self, chunk};
use super::entry::Entry;
use super::index::Index;
use super::naming::Naming;
use super::prefetch::prefetch;
use super::record::record;
use super::slab::Slab;
use super::tcp::{self, TcpSegment};
use super::wheel::Wheel;
use crate::decode::{Segment, Segments, Transport, quoted_flow};

/// Segments in one round of lookups: as many as the processor can fetch memory for at a time.
const ROUND: usize = 32;

/// Open connections, and the records of those that ended.
#[derive(Debug)]
pub struct FlowTable {
    config: FlowConfig,
    index: Index,
    entries: Vec<Entry>,
    free: Vec<u32>,
    wheel: Wheel,
    encapsulations: Slab<Box<Encapsulation>>,
    naming: Naming,
    records: Vec<FlowRecord>,
    started: u64,
    evicted: u64,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(config: FlowConfig) -> Self {
        Self {
            config,
            index: Index::new(),
            entries: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::new(),
            encapsulations: Slab::default(),
            naming: Naming::default(),
            records: Vec::new(),
            started: 0,
            evicted: 0,
        }
    }

    /// Follows the connections of these segments.
    ///
    /// 1. Hash every key and ask for its slot of the index.
    /// 2. Find every entry's number and ask for the entry.
    /// 3. Follow each connection in order.
    pub fn observe(&mut self, segments: &Segments<'_>) {
        for round in segments.as_slice().chunks(ROUND) {
            let hashes: ArrayVec<u32, ROUND> =
                round.iter().map(|segment| segment.key.hash(self.config.hash_key)).collect();
            for &hash in &hashes {
                self.index.prefetch(hash);
            }
            for &hash in &hashes {
                // The first entry with this hash: nearly always the right one, and only a hint.
                if let Some(number) = self.index.find(hash, |_| true) {
                    prefetch(&self.entries[number as usize]);
                }
            }
            for (segment, &hash) in round.iter().zip(&hashes) {
                self.follow(segment, hash, segments);
            }
        }
    }

    /// Ends what is due as of `now`.
    pub fn expire(&mut self, now: Timestamp) {
        if !self.wheel.is_behind(now) {
            return;
        }
        for slot in self.wheel.turn(now) {
            for number in self.wheel.slot(&self.entries, slot) {
                self.wheel.unfile(&mut self.entries, number);
                self.due(number, now);
            }
        }
    }

    /// Ends every connection, in the order in which they began.
    pub fn finish(&mut self) {
        let mut open: Vec<u32> = (0..self.entries.len() as u32).filter(|&n| self.is_open(n)).collect();
        open.sort_by_key(|&number| (self.entries[number as usize].first, number));
        for number in open {
            self.wheel.unfile(&mut self.entries, number);
            self.end(number, EndReason::EndOfCapture);
        }
    }

    /// Records of connections that ended or were due for a report, in that order; they are handed over.
    pub fn take_records(&mut self) -> Vec<FlowRecord> {
        std::mem::take(&mut self.records)
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

    fn is_open(&self, number: u32) -> bool {
        let entry = &self.entries[number as usize];
        self.index.find(entry.hash, |n| n == number).is_some()
    }

    fn follow(&mut self, segment: &Segment<'_>, hash: u32, segments: &Segments<'_>) {
        self.expire(segment.time);
        let found = self.index.find(hash, |number| self.entries[number as usize].key == segment.key);
        let number = match found {
            Some(number) => self.same_or_successor(number, segment, segments),
            None => self.open_new(segment, hash, segments),
        };
        self.update(number, segment);
        if let Transport::IcmpError { unreachable: true } = segment.transport {
            self.mark_unreachable(segment);
        }
    }

    /// The entry itself, or a fresh one in its place where the packet begins another connection.
    fn same_or_successor(&mut self, number: u32, segment: &Segment<'_>, segments: &Segments<'_>) -> u32 {
        let entry = &self.entries[number as usize];
        if segment.time > entry.idle_deadline(&self.config) {
            let reason = if entry.over { EndReason::Closed } else { EndReason::Idle };
            self.replace(number, reason, segment, segments);
        } else if let Transport::Tcp { .. } = segment.transport
            && tcp::is_reuse(&entry.sides, &tcp_segment(segment))
        {
            self.replace(number, EndReason::Reused, segment, segments);
        } else if self.config.active_report.is_some() && segment.time >= entry.deadline(&self.config) {
            self.report(number);
        }
        number
    }

    fn open_new(&mut self, segment: &Segment<'_>, hash: u32, segments: &Segments<'_>) -> u32 {
        if self.open() >= self.config.max_flows {
            self.evict();
        }
        let entry = Entry::new(segment.key, hash, segment.time, segment.interface);
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
        self.wheel.unfile(&mut self.entries, number);
        self.write(number, reason);
        self.release_parts(number);
        let hash = self.entries[number as usize].hash;
        self.entries[number as usize] = Entry::new(segment.key, hash, segment.time, segment.interface);
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
        let deadline = entry.deadline(&self.config);
        self.wheel.file(&mut self.entries, number, deadline);
    }

    /// Counts the segment in.
    fn update(&mut self, number: u32, segment: &Segment<'_>) {
        let entry = &mut self.entries[number as usize];
        let was_over = entry.over;
        let from = usize::from(segment.from_low != entry.low_is_originator);
        if !entry.has_packets() {
            entry.first = segment.time.as_nanos();
        }
        entry.first = entry.first.min(segment.time.as_nanos());
        entry.last = entry.last.max(segment.time.as_nanos());
        let offset = match segment.transport {
            Transport::Tcp { .. } => update_tcp(entry, from, segment),
            _ => {
                update_plain(entry, from, segment);
                0
            }
        };
        let side = &mut entry.sides[from];
        side.packets += 1;
        side.ip_bytes += u64::from(segment.ip_bytes);
        if !entry.names_done && !segment.payload.is_empty() {
            self.naming.read(entry, segment, offset);
        }
        if entry.over && !was_over {
            let deadline = entry.deadline(&self.config);
            self.wheel.unfile(&mut self.entries, number);
            self.wheel.file(&mut self.entries, number, deadline);
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
    fn due(&mut self, number: u32, now: Timestamp) {
        let entry = &self.entries[number as usize];
        if now > entry.idle_deadline(&self.config) {
            let reason = if entry.over { EndReason::Closed } else { EndReason::Idle };
            return self.end(number, reason);
        }
        if now >= entry.deadline(&self.config) {
            self.report(number);
        }
        let deadline = self.entries[number as usize].deadline(&self.config);
        self.wheel.file(&mut self.entries, number, deadline);
    }

    /// Makes room: ends the connection whose timeout is nearest.
    fn evict(&mut self) {
        while let Some(number) = self.wheel.next() {
            let entry = &self.entries[number as usize];
            let deadline = entry.deadline(&self.config);
            let moved = self.wheel.would_move(entry, deadline);
            self.wheel.unfile(&mut self.entries, number);
            if moved {
                // It has been active since it was filed.
                self.wheel.file(&mut self.entries, number, deadline);
                continue;
            }
            self.evicted += 1;
            return self.end(number, EndReason::Evicted);
        }
    }

    /// Ends a connection that is not in the wheel any more.
    fn end(&mut self, number: u32, reason: EndReason) {
        self.write(number, reason);
        self.release_parts(number);
        self.index.remove(self.entries[number as usize].hash, number);
        self.free.push(number);
    }

    /// Writes the part so far; the connection goes on.
    fn report(&mut self, number: u32) {
        self.write(number, EndReason::Active);
        let entry = &mut self.entries[number as usize];
        let is_tcp = entry.is_tcp();
        entry.part += 1;
        entry.first = entry.last;
        entry.sides.iter_mut().for_each(|side| side.start_part(is_tcp));
    }

    fn write(&mut self, number: u32, end: EndReason) {
        let entry = &mut self.entries[number as usize];
        let told = self.naming.told(entry);
        direction::settle(entry, told.evidence);
        let encapsulation = self.encapsulations.get(entry.encapsulation).cloned();
        self.records.push(record(entry, told.hints, encapsulation, end));
    }

    fn release_parts(&mut self, number: u32) {
        let entry = &mut self.entries[number as usize];
        self.encapsulations.remove(std::mem::take(&mut entry.encapsulation));
        self.naming.release(entry);
    }
}

fn tcp_segment(segment: &Segment<'_>) -> TcpSegment {
    let (sequence, acknowledgement, flags) = match segment.transport {
        Transport::Tcp { sequence, acknowledgement, flags } => (sequence, acknowledgement, flags),
        _ => (0, 0, TcpFlags::empty()),
    };
    TcpSegment { sequence, acknowledgement, flags, payload_length: segment.payload_length }
}

/// Follows TCP; returns where in its stream the segment's payload starts.
fn update_tcp(entry: &mut Entry, from: usize, segment: &Segment<'_>) -> u32 {
    let tcp = tcp_segment(segment);
    let (syn, ack) = (tcp.flags.contains(TcpFlags::SYN), tcp.flags.contains(TcpFlags::ACK));
    if let Some(letter) = tcp::history_letter(&tcp) {
        entry.note(letter, from == 0);
    }
    let outcome = tcp::update(&mut entry.sides, from, &tcp);
    if outcome.retransmission {
        entry.note_retransmission(from == 0);
    }
    entry.over = outcome.over;
    match (from, syn, ack) {
        (0, true, false) => {
            entry.evidence |= Evidence::SYN;
            entry.syn_time = segment.time.as_nanos();
        }
        (1, true, true) => entry.evidence |= Evidence::SYN_ACK,
        (0, false, true) if tcp::shook_hands(&entry.sides, &tcp) => {
            if !entry.evidence.contains(Evidence::HANDSHAKE) && entry.evidence.contains(Evidence::SYN_ACK) {
                entry.evidence |= Evidence::HANDSHAKE;
                if entry.syn_time != 0 {
                    entry.handshake_nanos =
                        segment.time.as_nanos().saturating_sub(entry.syn_time).max(0).unsigned_abs();
                }
            }
        }
        _ => {}
    }
    entry.sides[from].stream_offset(&tcp)
}

fn update_plain(entry: &mut Entry, from: usize, segment: &Segment<'_>) {
    entry.sides[from].add_plain_payload(segment.payload_length);
    if entry.key.protocol() == Protocol::UDP {
        entry.note(b'D', from == 0);
    }
    match (segment.transport, from) {
        (Transport::Sctp { first_chunk: chunk::INIT }, 0) => entry.evidence |= Evidence::SCTP_INIT,
        (Transport::Sctp { first_chunk: chunk::INIT_ACK }, 1) => entry.evidence |= Evidence::SCTP_INIT_ACK,
        // SCTP has no flags; an ABORT is its RST.
        (Transport::Sctp { first_chunk: chunk::ABORT }, _) => entry.sides[from].flags |= TcpFlags::RST,
        _ => {}
    }
}

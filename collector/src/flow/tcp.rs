//! TCP as an observer sees it: both ends' states, sequence numbers and history.
//!
//! The states and their transitions are Zeek's (`TCPSessionAdapter`), so that the connection states mean what
//! Zeek's mean. Originator and responder stand for client and server before the direction is settled.

use watershed_model::{ConnState, TcpFlags};

/// The state of one end of a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum TcpState {
    /// Nothing seen from it.
    #[default]
    Inactive,
    /// Sent a SYN.
    SynSent,
    /// Sent a SYN-ACK although it is the originator.
    SynAckSent,
    /// Sent something, but no SYN.
    Partial,
    /// The handshake reached it.
    Established,
    /// Sent a FIN.
    Closed,
    /// Sent a RST.
    Reset,
}

/// One end of a connection and what it sent: 32 octets, so that both ends share a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Side {
    pub(super) ip_bytes: u64,
    /// TCP: octets of sequence space used since the start, SYN and FIN included. Else: payload octets.
    sent: u64,
    pub(super) packets: u32,
    /// The sequence number behind the last octet sent, and the one that the peer asked for last.
    next: u32,
    acknowledged: u32,
    pub(super) flags: TcpFlags,
    pub(super) state: TcpState,
    previous: TcpState,
    /// Sent a FIN or RST that closed its side.
    closed: bool,
}

/// What is rarely needed of one end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideDetail {
    /// The sequence number of its SYN.
    start: u32,
    pub(super) retransmissions: u32,
}

/// Both ends of a connection, the originator first.
pub(super) struct Ends<'e> {
    pub(super) sides: &'e mut [Side; 2],
    pub(super) details: &'e mut [SideDetail; 2],
}

/// What the segment's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpSegment {
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: TcpFlags,
    pub(super) payload_length: u32,
}

/// A sequence number that is this far off is not to be trusted on a SYN or RST.
const OUTLANDISH: i32 = 1 << 20;

/// What a segment changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TcpOutcome {
    /// Its payload had been sent before.
    pub(super) retransmission: bool,
    /// Both sides are closed, or one was reset.
    pub(super) over: bool,
}

impl SideDetail {
    /// Whether its SYN, if it sent one, had this sequence number.
    pub(super) const fn starts_at(&self, sequence: u32) -> bool {
        self.start == sequence
    }
}

impl Side {
    /// Payload octets it sent: sequence space without SYN and FIN. What the peer acknowledged was sent,
    /// captured or not.
    pub(super) fn tcp_payload(&self) -> u64 {
        let beyond = self.acknowledged.wrapping_sub(self.next).cast_signed().max(0);
        let fin = u64::from(self.flags.contains(TcpFlags::FIN));
        (self.sent + u64::from(beyond.unsigned_abs())).saturating_sub(1).saturating_sub(fin)
    }

    /// Payload octets of a protocol without sequence numbers.
    pub(super) const fn plain_payload(&self) -> u64 {
        self.sent
    }

    pub(super) fn add_plain_payload(&mut self, octets: u32) {
        self.sent += u64::from(octets);
    }

    pub(super) const fn is_silent(&self) -> bool {
        matches!(self.state, TcpState::Inactive | TcpState::Partial)
    }

    fn set_state(&mut self, state: TcpState) {
        if self.state != state {
            self.previous = self.state;
            self.state = state;
        }
    }

    /// The peer acknowledged up to `number`.
    fn acknowledge(&mut self, number: u32) {
        let delta = number.wrapping_sub(self.acknowledged).cast_signed();
        // A zero far away is a broken field rather than progress.
        if delta > 0 && !(number == 0 && delta > OUTLANDISH) {
            self.acknowledged = number;
        }
    }
}

impl Ends<'_> {
    /// Starts the counters of a new report; the connection goes on.
    pub(super) fn start_part(&mut self, is_tcp: bool) {
        for (side, detail) in self.sides.iter_mut().zip(self.details.iter_mut()) {
            let reported = if is_tcp { side.tcp_payload() } else { side.sent };
            if is_tcp && side.acknowledged.wrapping_sub(side.next).cast_signed() > 0 {
                side.sent += u64::from(side.acknowledged.wrapping_sub(side.next));
                side.next = side.acknowledged;
            }
            side.sent = side.sent.saturating_sub(reported);
            (side.packets, side.ip_bytes, detail.retransmissions) = (0, 0, 0);
        }
    }

    /// The first payload of a side begins its stream, unless a SYN did. What was sent before it without
    /// payload tells nothing: keep-alive probes repeat the number before.
    pub(super) fn first_data(&mut self, from: usize, segment: &TcpSegment) {
        if !(self.sides[from].flags | segment.flags).contains(TcpFlags::SYN) {
            self.details[from].start = segment.sequence.wrapping_sub(1);
        }
    }

    /// Where in the stream a segment's payload starts, counted from the first octet behind the SYN.
    pub(super) fn stream_offset(&self, from: usize, segment: &TcpSegment) -> u32 {
        let syn = u32::from(segment.has(TcpFlags::SYN));
        segment.sequence.wrapping_add(syn).wrapping_sub(self.details[from].start).wrapping_sub(1)
    }

    fn begin(&mut self, which: usize, start: u32, next: u32) {
        self.details[which].start = start;
        let side = &mut self.sides[which];
        (side.next, side.acknowledged) = (next, start);
        side.sent = u64::from(next.wrapping_sub(start));
    }

    /// Sets the sequence numbers up at the first segment, and again where a SYN says otherwise.
    fn prepare(&mut self, from: usize, segment: &TcpSegment) {
        let next = segment.sequence.wrapping_add(segment.sequence_space());
        let syn = segment.has(TcpFlags::SYN);
        let side = &self.sides[from];
        match side.state {
            // Midstream: as though the SYN had been just before it.
            TcpState::Inactive if !syn => {
                self.begin(from, segment.sequence.wrapping_sub(1), segment.sequence);
            }
            TcpState::SynSent | TcpState::SynAckSent if segment.sequence == self.details[from].start => {}
            TcpState::Closed => {}
            TcpState::Reset if side.previous != TcpState::Inactive => {}
            _ if syn => self.begin(from, segment.sequence, next),
            _ => {}
        }
    }

    /// Moves the highest sequence number on; tells whether payload was sent again.
    fn advance(&mut self, from: usize, segment: &TcpSegment) -> bool {
        let side = &mut self.sides[from];
        let next = segment.sequence.wrapping_add(segment.sequence_space());
        let delta = next.wrapping_sub(side.next).cast_signed();
        let flags = segment.flags;
        if flags.intersects(TcpFlags::SYN | TcpFlags::RST) && !(-OUTLANDISH..=OUTLANDISH).contains(&delta) {
            return false;
        }
        // Only a SYN and this FIN were captured: whatever lies between was sent.
        if segment.has(TcpFlags::FIN) && side.next == self.details[from].start.wrapping_add(1) {
            side.sent += u64::from(next.wrapping_sub(side.next));
            side.next = next;
            return false;
        }
        if side.state == TcpState::Reset {
            return false;
        }
        if delta > 0 {
            side.sent += u64::from(delta.unsigned_abs());
            side.next = next;
            return false;
        }
        segment.payload_length > 0
    }
}

impl TcpSegment {
    fn has(&self, flags: TcpFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Sequence numbers it uses: payload, SYN and FIN; a RST's payload is not part of the stream.
    fn sequence_space(&self) -> u32 {
        let payload = if self.has(TcpFlags::RST) { 0 } else { self.payload_length };
        payload + u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN))
    }
}

/// Whether a SYN starts another connection between the same endpoints.
pub(super) fn is_reuse(sides: &[Side; 2], details: &[SideDetail; 2], segment: &TcpSegment) -> bool {
    if !segment.has(TcpFlags::SYN) || segment.has(TcpFlags::RST) {
        return false;
    }
    let [originator, responder] = sides;
    let [originator_start, responder_start] = details.map(|detail| detail.start);
    if originator.closed && responder.closed {
        return true;
    }
    if segment.has(TcpFlags::ACK) {
        // Only a connection of which nothing but the responder was seen.
        return originator.state == TcpState::Inactive && segment.sequence != responder_start;
    }
    let turned_round = originator.state == TcpState::SynAckSent && responder.state == TcpState::Inactive;
    segment.sequence != originator_start && !(turned_round && segment.sequence == responder_start)
}

/// Takes one segment in. `from` is 0 if the originator sent it.
#[inline]
pub(super) fn update(ends: &mut Ends<'_>, from: usize, segment: &TcpSegment) -> TcpOutcome {
    let control = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
    let [a, b] = &mut *ends.sides;
    let (side, peer) = if from == 0 { (a, b) } else { (b, a) };
    let under_way = !matches!(side.state, TcpState::Inactive | TcpState::Reset)
        && !matches!(peer.state, TcpState::Inactive);
    if under_way && !segment.flags.intersects(control) {
        ongoing(side, peer, segment)
    } else {
        begin_or_end(ends, from, segment)
    }
}

/// Data and acknowledgements of a connection of which both sides were seen: most segments.
#[inline]
fn ongoing(side: &mut Side, peer: &mut Side, segment: &TcpSegment) -> TcpOutcome {
    side.flags |= segment.flags;
    if segment.has(TcpFlags::ACK) {
        peer.acknowledge(segment.acknowledgement);
    }
    let next = segment.sequence.wrapping_add(segment.payload_length);
    let delta = next.wrapping_sub(side.next).cast_signed();
    if delta > 0 {
        side.sent += u64::from(delta.unsigned_abs());
        side.next = next;
    }
    TcpOutcome { retransmission: delta <= 0 && segment.payload_length > 0, over: false }
}

fn begin_or_end(ends: &mut Ends<'_>, from: usize, segment: &TcpSegment) -> TcpOutcome {
    let to = 1 - from;
    ends.prepare(from, segment);
    ends.sides[from].flags |= segment.flags;
    if segment.has(TcpFlags::ACK) {
        let peer = &mut ends.sides[to];
        if peer.state == TcpState::Inactive {
            let start = segment.acknowledgement.wrapping_sub(1);
            ends.begin(to, start, start);
        } else if !segment.has(TcpFlags::RST) {
            peer.acknowledge(segment.acknowledgement);
        }
    }
    let retransmission = ends.advance(from, segment);
    let [a, b] = &mut *ends.sides;
    let (side, peer) = if from == 0 { (a, b) } else { (b, a) };
    change_state(side, peer, from == 0, segment);
    if segment.flags.intersects(TcpFlags::FIN | TcpFlags::RST)
        && matches!(side.state, TcpState::Closed | TcpState::Reset)
    {
        side.closed = true;
    }
    let reset = side.state == TcpState::Reset || peer.state == TcpState::Reset;
    TcpOutcome { retransmission, over: reset || (side.closed && peer.closed) }
}

fn change_state(side: &mut Side, peer: &mut Side, is_originator: bool, segment: &TcpSegment) {
    let (syn, fin, rst) =
        (segment.has(TcpFlags::SYN), segment.has(TcpFlags::FIN), segment.has(TcpFlags::RST));
    match side.state {
        TcpState::Inactive => from_inactive(side, peer, is_originator, segment),
        TcpState::SynSent | TcpState::SynAckSent => {
            if fin {
                side.set_state(TcpState::Closed);
            }
            if rst {
                side.set_state(TcpState::Reset);
            }
        }
        TcpState::Established | TcpState::Partial => {
            if syn
                && side.state == TcpState::Partial
                && peer.state == TcpState::Inactive
                && !segment.has(TcpFlags::ACK)
            {
                side.set_state(TcpState::SynSent);
            }
            if fin && !rst {
                side.set_state(TcpState::Closed);
                if peer.state == TcpState::Reset && peer.previous == TcpState::Closed {
                    // The peer sent a FIN and then a RST: with this FIN, a normal end after all.
                    peer.set_state(TcpState::Closed);
                }
            }
            if rst {
                side.set_state(TcpState::Reset);
            }
        }
        TcpState::Closed => {
            if rst && peer.state != TcpState::Closed {
                side.set_state(TcpState::Reset);
            }
        }
        TcpState::Reset => {}
    }
}

fn from_inactive(side: &mut Side, peer: &mut Side, is_originator: bool, segment: &TcpSegment) {
    if segment.has(TcpFlags::SYN) {
        if is_originator {
            let answers = segment.has(TcpFlags::ACK);
            side.set_state(if answers { TcpState::SynAckSent } else { TcpState::SynSent });
        } else {
            if matches!(peer.state, TcpState::SynSent | TcpState::SynAckSent) {
                peer.set_state(TcpState::Established);
            }
            side.set_state(TcpState::Established);
        }
    }
    if segment.has(TcpFlags::FIN) {
        side.set_state(TcpState::Closed);
    }
    if segment.has(TcpFlags::RST) {
        side.set_state(TcpState::Reset);
    }
    if side.state == TcpState::Inactive {
        let early_acknowledgement =
            !is_originator && segment.payload_length == 0 && peer.state == TcpState::SynSent;
        if early_acknowledgement {
            // Some stacks acknowledge a SYN before they answer it.
        } else if segment.has(TcpFlags::ACK) && peer.state == TcpState::Established {
            // The SYN was missed, its answer and this acknowledgement were not.
            side.set_state(TcpState::Established);
        } else {
            side.set_state(TcpState::Partial);
        }
    }
}

/// Whether this acknowledgement of the originator completes a handshake, or follows one.
pub(super) fn shook_hands(sides: &[Side; 2], segment: &TcpSegment) -> bool {
    !segment.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
        && sides.iter().all(|side| !matches!(side.state, TcpState::Inactive | TcpState::SynSent))
}

/// Zeek's `conn_state` for the two ends of a TCP connection.
pub(super) fn conn_state(sides: &[Side; 2]) -> ConnState {
    use TcpState::{Closed, Established, Inactive, Reset, SynAckSent, SynSent};
    let [originator, responder] = sides;
    let no_payload = originator.tcp_payload() == 0 && responder.tcp_payload() == 0;
    match (originator.state, responder.state) {
        (SynSent | SynAckSent, Reset) => ConnState::Rej,
        (Reset, Reset) if no_payload => ConnState::Rej,
        (_, Reset) if originator.is_silent() => ConnState::Rstrh,
        (_, Reset) => ConnState::Rstr,
        (Reset, _) if responder.is_silent() => ConnState::Rstos0,
        (Reset, _) => ConnState::Rsto,
        (Closed, Closed) => ConnState::Sf,
        (Closed, _) if responder.is_silent() => ConnState::Sh,
        (Closed, _) => ConnState::S2,
        (_, Closed) if originator.is_silent() => ConnState::Shr,
        (_, Closed) => ConnState::S3,
        (SynSent, Inactive) => ConnState::S0,
        (Established, Established) => ConnState::S1,
        _ => ConnState::Oth,
    }
}

/// The history letter that a segment's flags stand for.
#[inline]
pub(super) fn history_letter(segment: &TcpSegment) -> Option<Letter> {
    let control = segment.flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    Some(match control.bits().count_ones() {
        0 if segment.payload_length > 0 => Letter::Data,
        0 if segment.has(TcpFlags::ACK) => Letter::Ack,
        0 => return None,
        1 if segment.has(TcpFlags::FIN) => Letter::Fin,
        1 if segment.has(TcpFlags::RST) => Letter::Reset,
        1 if segment.has(TcpFlags::ACK) => Letter::SynAck,
        1 => Letter::Syn,
        _ if segment.has(TcpFlags::FIN | TcpFlags::RST) => Letter::FinReset,
        _ => Letter::ManyFlags,
    })
}

/// What a history notes once for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Letter {
    Syn,
    SynAck,
    Ack,
    Data,
    Fin,
    Reset,
    FinReset,
    ManyFlags,
}

impl Letter {
    /// Zeek's letter, as for the originator.
    pub(super) const fn as_byte(self) -> u8 {
        b"SHADFRIQ"[self as usize]
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;

//! TCP as an observer sees it: both ends' states, sequence numbers and history.
//!
//! The states and their transitions are Zeek's (`TCPSessionAdapter`), so that the connection states mean what
//! Zeek's mean. Originator and responder stand for client and server before the direction is settled.

use watershed_model::{ConnState, TcpFlags};

/// The state of one end of a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// One end of a connection and what it sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side {
    pub(super) packets: u64,
    pub(super) ip_bytes: u64,
    /// TCP: octets of sequence space used since the start, SYN and FIN included. Else: payload octets.
    sent: u64,
    /// The same, as the peer acknowledged it.
    acknowledged: u64,
    start: u32,
    last: u32,
    last_acknowledged: u32,
    pub(super) retransmissions: u32,
    pub(super) flags: TcpFlags,
    pub(super) state: TcpState,
    previous: TcpState,
    /// Sent a FIN or RST that closed its side.
    closed: bool,
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

impl Side {
    /// Payload octets it sent: sequence space without SYN and FIN.
    pub(super) fn tcp_payload(&self) -> u64 {
        let fin = u64::from(self.flags.contains(TcpFlags::FIN));
        self.sent.max(self.acknowledged).saturating_sub(1).saturating_sub(fin)
    }

    /// Payload octets of a protocol without sequence numbers.
    pub(super) const fn plain_payload(&self) -> u64 {
        self.sent
    }

    pub(super) fn add_plain_payload(&mut self, octets: u32) {
        self.sent += u64::from(octets);
    }

    /// Starts the counters of a new report; the connection goes on.
    pub(super) fn start_part(&mut self, is_tcp: bool) {
        let reported = if is_tcp { self.tcp_payload() } else { self.sent };
        self.sent = self.sent.saturating_sub(reported);
        self.acknowledged = self.acknowledged.saturating_sub(reported);
        self.start = self.start.wrapping_add(reported as u32);
        (self.packets, self.ip_bytes, self.retransmissions) = (0, 0, 0);
    }

    /// Where in the stream a segment's payload starts, counted from the first octet behind the SYN.
    pub(super) fn stream_offset(&self, segment: &TcpSegment) -> u32 {
        let syn = u32::from(segment.flags.contains(TcpFlags::SYN));
        segment.sequence.wrapping_add(syn).wrapping_sub(self.start).wrapping_sub(1)
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

    fn begin(&mut self, start: u32, next: u32) {
        (self.start, self.last, self.last_acknowledged) = (start, next, start);
        self.sent = u64::from(next.wrapping_sub(start));
        self.acknowledged = 0;
    }

    /// Sets the sequence numbers up at the first segment, and again where a SYN says otherwise.
    fn prepare(&mut self, segment: &TcpSegment) {
        let next = segment.sequence.wrapping_add(segment.sequence_space());
        let syn = segment.flags.contains(TcpFlags::SYN);
        match self.state {
            TcpState::Inactive if syn => self.begin(segment.sequence, next),
            // Midstream: as though the SYN had been just before it.
            TcpState::Inactive => self.begin(segment.sequence.wrapping_sub(1), segment.sequence),
            TcpState::SynSent | TcpState::SynAckSent if syn && segment.sequence != self.start => {
                self.begin(segment.sequence, next);
            }
            TcpState::Established | TcpState::Partial if syn => self.begin(segment.sequence, next),
            TcpState::Reset if syn && self.previous == TcpState::Inactive => {
                self.begin(segment.sequence, next);
            }
            _ => {}
        }
    }

    /// Moves the highest sequence number on; tells whether payload was sent again.
    fn advance(&mut self, segment: &TcpSegment) -> bool {
        let next = segment.sequence.wrapping_add(segment.sequence_space());
        let delta = next.wrapping_sub(self.last).cast_signed();
        let flags = segment.flags;
        if flags.intersects(TcpFlags::SYN | TcpFlags::RST) && !(-OUTLANDISH..=OUTLANDISH).contains(&delta) {
            return false;
        }
        // Only a SYN and this FIN were captured: whatever lies between was sent.
        let only_syn = self.last == self.start.wrapping_add(1);
        if flags.contains(TcpFlags::FIN) && only_syn {
            self.sent += u64::from(next.wrapping_sub(self.last));
            self.last = next;
            return false;
        }
        if self.state == TcpState::Reset {
            return false;
        }
        if delta > 0 {
            self.sent += u64::from(delta.unsigned_abs());
            self.last = next;
            return false;
        }
        segment.payload_length > 0
    }

    /// The peer acknowledged up to `number`.
    fn acknowledge(&mut self, number: u32) {
        let delta = number.wrapping_sub(self.last_acknowledged).cast_signed();
        // A zero far away is a broken field rather than progress.
        if delta > 0 && !(number == 0 && delta > OUTLANDISH) {
            self.acknowledged += u64::from(delta.unsigned_abs());
            self.last_acknowledged = number;
        }
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
pub(super) fn is_reuse(sides: &[Side; 2], segment: &TcpSegment) -> bool {
    let [originator, responder] = sides;
    if !segment.has(TcpFlags::SYN) || segment.has(TcpFlags::RST) {
        return false;
    }
    if originator.closed && responder.closed {
        return true;
    }
    if segment.has(TcpFlags::ACK) {
        // Only a connection of which nothing but the responder was seen.
        return originator.state == TcpState::Inactive
            && originator.packets == 0
            && segment.sequence != responder.start;
    }
    let turned_round = originator.state == TcpState::SynAckSent && responder.state == TcpState::Inactive;
    segment.sequence != originator.start && !(turned_round && segment.sequence == responder.start)
}

/// Takes one segment in. `from` is 0 if the originator sent it.
pub(super) fn update(sides: &mut [Side; 2], from: usize, segment: &TcpSegment) -> TcpOutcome {
    let (head, tail) = sides.split_at_mut(1);
    let (side, peer) =
        if from == 0 { (&mut head[0], &mut tail[0]) } else { (&mut tail[0], &mut head[0]) };
    let is_originator = from == 0;

    side.prepare(segment);
    side.flags |= segment.flags;
    if segment.has(TcpFlags::ACK) {
        if peer.state == TcpState::Inactive && peer.packets == 0 {
            let start = segment.acknowledgement.wrapping_sub(1);
            peer.begin(start, start);
        } else if !segment.has(TcpFlags::RST) {
            peer.acknowledge(segment.acknowledgement);
        }
    }
    let retransmission = side.advance(segment);
    if retransmission {
        side.retransmissions = side.retransmissions.saturating_add(1);
    }
    change_state(side, peer, is_originator, segment);
    if segment.flags.intersects(TcpFlags::FIN | TcpFlags::RST)
        && matches!(side.state, TcpState::Closed | TcpState::Reset)
    {
        side.closed = true;
    }
    let reset = side.state == TcpState::Reset || peer.state == TcpState::Reset;
    TcpOutcome { retransmission, over: reset || (side.closed && peer.closed) }
}

fn change_state(side: &mut Side, peer: &mut Side, is_originator: bool, segment: &TcpSegment) {
    let (syn, fin, rst) = (segment.has(TcpFlags::SYN), segment.has(TcpFlags::FIN), segment.has(TcpFlags::RST));
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

/// The history letter that a segment's flags stand for, in the originator's case.
pub(super) fn history_letter(segment: &TcpSegment) -> Option<u8> {
    let control = segment.flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    Some(match control.bits().count_ones() {
        0 if segment.payload_length > 0 => b'D',
        0 if segment.has(TcpFlags::ACK) => b'A',
        0 => return None,
        1 if segment.has(TcpFlags::FIN) => b'F',
        1 if segment.has(TcpFlags::RST) => b'R',
        1 if segment.has(TcpFlags::ACK) => b'H',
        1 => b'S',
        _ if segment.has(TcpFlags::FIN | TcpFlags::RST) => b'I',
        _ => b'Q',
    })
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;

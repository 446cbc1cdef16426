//! One open connection.

use watershed_model::{EndReason, Evidence, History, InterfaceId, Protocol, Timestamp};

use super::key::FlowKey;
use super::taps::Taps;
use super::tcp::{Ends, Letter, Side, SideDetail, TcpState};
use super::timeouts::Timeouts;

/// One open connection: three cache lines. Most packets need but the first two.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: FlowKey,
    /// Time of the last packet, nanoseconds since the Unix epoch.
    pub(super) last: i64,
    pub(super) evidence: Evidence,
    /// Place of what its payload tells, plus one; 0 if there is none.
    pub(super) names: u32,
    /// No name will be found any more.
    pub(super) names_done: bool,
    /// Whether the key's low end is the originator.
    pub(super) low_is_originator: bool,
    /// Whether originator and responder were swapped when the flow began.
    pub(super) turned: bool,
    /// Closed on both sides, or reset.
    pub(super) over: bool,
    /// Which letters the history has, a bit each, by side.
    pub(super) letters: [u8; 2],
    /// Reports written so far.
    pub(super) part: u16,
    /// What the originator and the responder sent.
    pub(super) sides: [Side; 2],
    /// Time of the first packet of this part, nanoseconds since the Unix epoch.
    pub(super) first: i64,
    /// Until the handshake is complete: when the originator last sent a SYN. From then on: how long it took
    /// from there to the acknowledgement that completed it. 0 if no SYN was seen.
    pub(super) handshake: i64,
    pub(super) details: [SideDetail; 2],
    /// Place of its encapsulation plus one; 0 if it has none.
    pub(super) encapsulation: u32,
    pub(super) taps: Taps,
    pub(super) history: History,
}

impl Entry {
    pub(super) fn new(key: FlowKey, time: Timestamp, interface: InterfaceId) -> Self {
        Self {
            key,
            last: time.as_nanos(),
            evidence: Evidence::empty(),
            names: 0,
            names_done: false,
            low_is_originator: true,
            turned: false,
            over: false,
            letters: [0; 2],
            part: 0,
            sides: [Side::default(); 2],
            first: time.as_nanos(),
            handshake: 0,
            details: [SideDetail::default(); 2],
            encapsulation: 0,
            taps: Taps::one(interface),
            history: History::default(),
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.key.protocol() == Protocol::TCP
    }

    pub(super) fn ends(&mut self) -> Ends<'_> {
        Ends { sides: &mut self.sides, details: &mut self.details }
    }

    /// Whether this part has any packet yet.
    pub(super) fn has_packets(&self) -> bool {
        self.sides.iter().any(|side| side.packets > 0)
    }

    /// Why it is over when it is silent.
    pub(super) const fn silent_end(&self) -> EndReason {
        if self.over { EndReason::Closed } else { EndReason::Idle }
    }

    /// When it ends if nothing more is seen.
    pub(super) fn idle_deadline(&self, timeouts: &Timeouts) -> i64 {
        let handshake =
            |side: &Side| matches!(side.state, TcpState::Inactive | TcpState::SynSent | TcpState::SynAckSent);
        let timeout = if !self.is_tcp() {
            timeouts.idle
        } else if self.over {
            timeouts.after_close
        } else if self.sides.iter().all(handshake) {
            timeouts.idle
        } else {
            timeouts.tcp_idle
        };
        self.last.saturating_add(timeout)
    }

    /// Whether its next report is due.
    pub(super) fn report_is_due(&self, timeouts: &Timeouts, now: i64) -> bool {
        let due = timeouts.active_report.map(|report| self.first.saturating_add(report));
        self.has_packets() && due.is_some_and(|due| now >= due)
    }

    /// When something is due: its end, or its next report.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> i64 {
        let idle = self.idle_deadline(timeouts);
        match timeouts.active_report {
            // A part that is still empty is not reported, but the first is about to have its first packet.
            Some(report) if self.part == 0 || self.has_packets() => {
                idle.min(self.first.saturating_add(report))
            }
            _ => idle,
        }
    }

    /// Notes a packet's time.
    #[inline]
    pub(super) fn seen(&mut self, time: i64) {
        if time >= self.last && self.has_packets() {
            self.last = time;
        } else {
            self.seen_out_of_order(time);
        }
    }

    /// The first packet of a part, or one whose clock ran back.
    fn seen_out_of_order(&mut self, time: i64) {
        self.first = if self.has_packets() { self.first.min(time) } else { time };
        self.last = self.last.max(time);
    }

    /// Adds a letter to the history, once for each side; tells whether this was the first time.
    #[inline]
    pub(super) fn note(&mut self, letter: Letter, from: usize) -> bool {
        let bit = 1 << letter as u8;
        let first = self.letters[from] & bit == 0;
        if first {
            self.letters[from] |= bit;
            let byte = letter.as_byte();
            self.history.push(if from == 0 { byte } else { byte.to_ascii_lowercase() });
        }
        first
    }

    /// Counts a retransmission.
    #[cold]
    pub(super) fn retransmitted(&mut self, from: usize) {
        let count = &mut self.details[from].retransmissions;
        *count = count.saturating_add(1);
        self.note_retransmission(from);
    }

    /// Adds a retransmission to the history: at the first, tenth, hundredth ... of a side, as Zeek does.
    fn note_retransmission(&mut self, from: usize) {
        let count = self.details[from].retransmissions;
        if count > 0 && count == 10_u32.pow(count.ilog10()) {
            self.history.push(if from == 0 { b'T' } else { b't' });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn an_entry_is_three_cache_lines() {
        assert_eq!(size_of::<Entry>(), 192);
        assert_eq!(size_of::<Side>(), 32);
        assert_eq!(offset_of!(Entry, sides), 64);
        assert_eq!(offset_of!(Entry, first), 128);
    }
}

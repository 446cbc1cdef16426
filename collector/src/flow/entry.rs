//! One open connection.

use watershed_model::{Evidence, History, InterfaceId, Protocol, Timestamp};

use super::FlowConfig;
use super::key::FlowKey;
use super::tcp::{Side, TcpState};
use std::time::Duration;

/// One open connection: four cache lines, the first of which a lookup needs.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: FlowKey,
    /// Time of the first and last packet of this part, nanoseconds since the Unix epoch.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) hash: u32,
    /// Whether the key's low end is the originator.
    pub(super) low_is_originator: bool,
    /// Closed on both sides, or reset.
    pub(super) over: bool,
    /// Whether originator and responder were swapped when the flow began.
    pub(super) turned: bool,
    /// No name will be found any more.
    pub(super) names_done: bool,
    /// What the originator and the responder sent.
    pub(super) sides: [Side; 2],
    /// Its neighbours in the timer wheel, and its slot.
    pub(super) timer: Timer,
    pub(super) evidence: Evidence,
    /// Place of its name reader plus one; 0 if it has none.
    pub(super) names: u32,
    /// Place of its encapsulation plus one; 0 if it has none.
    pub(super) encapsulation: u32,
    pub(super) interface: InterfaceId,
    pub(super) part: u32,
    /// When the originator last sent a SYN; 0 if it never did.
    pub(super) syn_time: i64,
    /// From there to the acknowledgement that completed the handshake; 0 if none did.
    pub(super) handshake_nanos: u64,
    /// Which letters the history has, by letter and side.
    pub(super) letters: u64,
    pub(super) history: History,
}

/// An entry's place in the timer wheel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) previous: u32,
    pub(super) next: u32,
    pub(super) slot: u32,
}

impl Timer {
    /// No neighbour.
    pub(super) const NONE: u32 = u32::MAX;
    pub(super) const UNSET: Self = Self { previous: Self::NONE, next: Self::NONE, slot: 0 };
}

impl Entry {
    pub(super) fn new(key: FlowKey, hash: u32, time: Timestamp, interface: InterfaceId) -> Self {
        Self {
            key,
            first: time.as_nanos(),
            last: time.as_nanos(),
            hash,
            low_is_originator: true,
            over: false,
            turned: false,
            names_done: false,
            sides: [Side::default(); 2],
            timer: Timer::UNSET,
            evidence: Evidence::empty(),
            names: 0,
            encapsulation: 0,
            interface,
            part: 0,
            syn_time: 0,
            handshake_nanos: 0,
            letters: 0,
            history: History::default(),
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.key.protocol() == Protocol::TCP
    }

    /// Whether this part has any packet yet.
    pub(super) fn has_packets(&self) -> bool {
        self.sides.iter().any(|side| side.packets > 0)
    }

    /// How long it may be silent.
    pub(super) fn timeout(&self, config: &FlowConfig) -> Duration {
        if !self.is_tcp() {
            return config.idle;
        }
        let shaking_hands = |side: &Side| {
            matches!(side.state, TcpState::Inactive | TcpState::SynSent | TcpState::SynAckSent)
        };
        if self.over {
            config.after_close
        } else if self.sides.iter().all(shaking_hands) {
            config.idle
        } else {
            config.tcp_idle
        }
    }

    /// When it ends if nothing more is seen.
    pub(super) fn idle_deadline(&self, config: &FlowConfig) -> Timestamp {
        Timestamp::from_nanos(self.last).plus(self.timeout(config))
    }

    /// When something is due: its end, or its next report.
    pub(super) fn deadline(&self, config: &FlowConfig) -> Timestamp {
        let idle = self.idle_deadline(config);
        match config.active_report {
            Some(report) if self.has_packets() => idle.min(Timestamp::from_nanos(self.first).plus(report)),
            _ => idle,
        }
    }

    /// Adds a letter to the history, once for each side.
    pub(super) fn note(&mut self, letter: u8, from_originator: bool) {
        let letter = if from_originator { letter } else { letter.to_ascii_lowercase() };
        let bit = 1_u64 << (letter & 0x3f);
        if self.letters & bit == 0 {
            self.letters |= bit;
            self.history.push(letter);
        }
    }

    /// Adds a retransmission to the history: at the first, tenth, hundredth ... of a side, as Zeek does.
    pub(super) fn note_retransmission(&mut self, from_originator: bool) {
        let count = self.sides[usize::from(!from_originator)].retransmissions;
        let power_of_ten = count == 10_u32.pow(count.checked_ilog10().unwrap_or(0));
        if count > 0 && power_of_ten {
            self.history.push(if from_originator { b'T' } else { b't' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_four_cache_lines() {
        assert_eq!(size_of::<Entry>(), 256);
        assert!(std::mem::offset_of!(Entry, sides) <= 64);
    }
}

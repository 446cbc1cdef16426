//! When flows are due: a timer wheel over event time.

use std::time::Duration;

use watershed_model::Timestamp;

use super::entry::{Entry, Timer};

/// Slots of one tick each. What is due later waits in the last slot and is filed again from there.
const SLOTS: i64 = 1024;
/// How finely timeouts are noticed. What a packet does to a timed-out flow is exact all the same.
const TICK: i64 = Duration::from_secs(1).as_nanos() as i64;

/// A wheel of doubly linked lists that run through the entries.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Vec<u32>,
    /// The tick that was handled last.
    tick: i64,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { heads: vec![Timer::NONE; SLOTS as usize], tick: i64::MIN }
    }

    /// Whether a packet of this time moves the wheel.
    #[inline]
    pub(super) fn is_behind(&self, now: Timestamp) -> bool {
        now.as_nanos().div_euclid(TICK) != self.tick
    }

    /// Moves on to `now` and returns the slots passed on the way, the earliest first.
    ///
    /// Time that runs back a little is ignored; time that was set back far starts afresh from there.
    pub(super) fn turn(&mut self, now: Timestamp) -> Vec<u32> {
        let tick = now.as_nanos().div_euclid(TICK);
        let from = self.tick;
        if tick > from || from.saturating_sub(tick) > SLOTS {
            self.tick = tick;
        }
        let passed = tick.saturating_sub(from).clamp(0, SLOTS);
        let first = tick.saturating_sub(passed - 1);
        (0..passed).map(|step| slot_of(first.saturating_add(step))).collect()
    }

    /// Files an entry under its deadline: at the next tick at the earliest.
    pub(super) fn file(&mut self, entries: &mut [Entry], number: u32, deadline: Timestamp) {
        let slot = slot_of(self.tick_of(deadline));
        let head = std::mem::replace(&mut self.heads[slot as usize], number);
        if let Some(next) = entries.get_mut(head as usize) {
            next.timer.previous = number;
        }
        entries[number as usize].timer = Timer { previous: Timer::NONE, next: head, slot };
    }

    /// Takes an entry out.
    pub(super) fn unfile(&mut self, entries: &mut [Entry], number: u32) {
        let Timer { previous, next, slot } = entries[number as usize].timer;
        match entries.get_mut(previous as usize) {
            Some(before) => before.timer.next = next,
            None => self.heads[slot as usize] = next,
        }
        if let Some(after) = entries.get_mut(next as usize) {
            after.timer.previous = previous;
        }
    }

    /// The entries of a slot, the one filed first at the front.
    pub(super) fn slot(&self, entries: &[Entry], slot: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut at = self.heads[slot as usize];
        while let Some(entry) = entries.get(at as usize) {
            numbers.push(at);
            at = entry.timer.next;
        }
        numbers.reverse();
        numbers
    }

    /// The entry that is due next, as filed; of those in one slot, the one filed last.
    pub(super) fn next(&self) -> Option<u32> {
        let slots = (1..=SLOTS).map(|step| slot_of(self.tick.saturating_add(step)));
        slots.map(|slot| self.heads[slot as usize]).find(|&head| head != Timer::NONE)
    }

    /// Whether filing an entry under this deadline would put it elsewhere.
    pub(super) fn would_move(&self, entry: &Entry, deadline: Timestamp) -> bool {
        slot_of(self.tick_of(deadline)) != entry.timer.slot
    }

    /// The tick under which a deadline is filed: the next one at the earliest.
    fn tick_of(&self, deadline: Timestamp) -> i64 {
        let due = deadline.as_nanos().div_euclid(TICK).saturating_add(1);
        due.clamp(self.tick.saturating_add(1), self.tick.saturating_add(SLOTS - 1))
    }
}

fn slot_of(tick: i64) -> u32 {
    tick.rem_euclid(SLOTS) as u32
}

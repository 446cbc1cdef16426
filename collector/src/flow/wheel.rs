//! When flows are due: a timer wheel over event time.

use std::time::Duration;

/// Slots of one tick each. What is due later waits in the last slot and is filed again from there.
const SLOTS: i64 = 1024;
/// How finely timeouts are noticed. What a packet does to a timed-out flow is exact all the same.
const TICK: i64 = Duration::from_secs(1).as_nanos() as i64;
/// No neighbour.
const NONE: u32 = u32::MAX;

/// A wheel of doubly linked lists of flow numbers.
///
/// The links are apart from the flows: walking a list touches twelve octets a flow instead of a cache line.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Vec<u32>,
    links: Vec<Link>,
    /// The tick that was handled last, and when it began.
    tick: i64,
    began: i64,
}

/// A flow's place in the wheel.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    slot: u32,
}

impl Wheel {
    pub(super) fn new() -> Self {
        let never = i64::MIN.div_euclid(TICK) + 1;
        Self { heads: vec![NONE; SLOTS as usize], links: Vec::new(), tick: never, began: never * TICK }
    }

    /// Whether a packet of this time moves the wheel.
    #[inline]
    pub(super) const fn is_behind(&self, now: i64) -> bool {
        now.wrapping_sub(self.began).cast_unsigned() >= TICK.cast_unsigned()
    }

    /// Moves on to `now` and empties the slots passed on the way: the flows in them, the earliest slot
    /// first, in each the flow that was filed first.
    ///
    /// Time that runs back a little is ignored; time that was set back far starts afresh from there.
    pub(super) fn turn(&mut self, now: i64) -> Vec<u32> {
        let tick = now.div_euclid(TICK);
        let from = self.tick;
        if tick > from || from.saturating_sub(tick) > SLOTS {
            (self.tick, self.began) = (tick, tick.saturating_mul(TICK));
        }
        let passed = tick.saturating_sub(from).clamp(0, SLOTS);
        let mut due = Vec::new();
        for step in (0..passed).rev() {
            self.empty(slot_of(tick.saturating_sub(step)), &mut due);
        }
        due
    }

    /// Files a flow under its deadline: at the next tick at the earliest.
    pub(super) fn file(&mut self, number: u32, deadline: i64) {
        let slot = slot_of(self.tick_of(deadline));
        let head = std::mem::replace(&mut self.heads[slot as usize], number);
        if let Some(next) = self.links.get_mut(head as usize) {
            next.previous = number;
        }
        let link = Link { previous: NONE, next: head, slot };
        match self.links.get_mut(number as usize) {
            Some(place) => *place = link,
            None => {
                self.links.resize(number as usize, Link { previous: NONE, next: NONE, slot });
                self.links.push(link);
            }
        }
    }

    /// Takes a flow out.
    pub(super) fn unfile(&mut self, number: u32) {
        let Link { previous, next, slot } = self.links[number as usize];
        match self.links.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.heads[slot as usize] = next,
        }
        if let Some(after) = self.links.get_mut(next as usize) {
            after.previous = previous;
        }
    }

    /// The flow that is due next, as filed; of those in one slot, the one filed last.
    pub(super) fn next(&self) -> Option<u32> {
        let slots = (1..=SLOTS).map(|step| slot_of(self.tick.saturating_add(step)));
        slots.map(|slot| self.heads[slot as usize]).find(|&head| head != NONE)
    }

    /// Whether filing a flow under this deadline would put it elsewhere.
    pub(super) fn would_move(&self, number: u32, deadline: i64) -> bool {
        slot_of(self.tick_of(deadline)) != self.links[number as usize].slot
    }

    fn empty(&mut self, slot: u32, due: &mut Vec<u32>) {
        let from = due.len();
        let mut at = std::mem::replace(&mut self.heads[slot as usize], NONE);
        while let Some(link) = self.links.get(at as usize) {
            due.push(at);
            at = link.next;
        }
        due[from..].reverse();
    }

    /// The tick under which a deadline is filed: the next one at the earliest.
    fn tick_of(&self, deadline: i64) -> i64 {
        let due = deadline.div_euclid(TICK).saturating_add(1);
        due.clamp(self.tick.saturating_add(1), self.tick.saturating_add(SLOTS - 1))
    }
}

fn slot_of(tick: i64) -> u32 {
    tick.rem_euclid(SLOTS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: i64) -> i64 {
        count * TICK
    }

    #[test]
    fn flows_come_out_in_order_of_deadline() {
        let mut wheel = Wheel::new();
        wheel.turn(seconds(100));
        for (number, deadline) in [(0, 105), (1, 103), (2, 105), (3, 101)] {
            wheel.file(number, seconds(deadline));
        }
        wheel.unfile(1);
        assert_eq!(wheel.next(), Some(3));
        assert_eq!(wheel.turn(seconds(102)), [3]);
        assert_eq!(wheel.turn(seconds(105)), [0_u32; 0]);
        assert_eq!(wheel.turn(seconds(110)), [0, 2]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_far_deadline_comes_out_early_and_never_gets_lost() {
        let mut wheel = Wheel::new();
        wheel.turn(0);
        wheel.file(0, seconds(1_000_000));
        assert_eq!(wheel.turn(seconds(900)), [0_u32; 0]);
        assert_eq!(wheel.turn(seconds(5_000_000)), [0]);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_wheel() {
        let mut wheel = Wheel::new();
        wheel.turn(seconds(1_000_000));
        wheel.turn(seconds(10));
        wheel.file(0, seconds(12));
        assert_eq!(wheel.turn(seconds(14)), [0]);
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let mut wheel = Wheel::new();
        wheel.turn(i64::MIN);
        wheel.file(0, i64::MIN);
        wheel.turn(i64::MAX);
        wheel.file(1, i64::MAX);
        assert!(!wheel.is_behind(i64::MAX));
    }
}

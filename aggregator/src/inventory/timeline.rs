//! Who had an address or a network, over time.

use smallvec::SmallVec;
use watershed_model::{TimeRange, Timestamp};

/// A time during which an owner had something: `from` is in it, `until` is not; [`Timestamp::MAX`] is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The owner's number.
    pub(super) owner: u32,
}

/// Who had it from which time on; what is told in any order comes to the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    /// In order of time, each up to the next; before the first nobody is known to have had it. Most addresses had one
    /// owner, who is then found without another step.
    points: SmallVec<[Point; 1]>,
}

/// From this time on it was the owner's, or nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) from: Timestamp,
    pub(super) owner: Option<u32>,
}

impl Timeline {
    /// From `from` on it is `owner`'s, or nobody's, up to the next change that is known; what was said before about
    /// this very time no longer holds. Returns how many points there are more than before.
    pub(super) fn set(&mut self, from: Timestamp, owner: Option<u32>) -> usize {
        let point = Point { from, owner };
        match self.points.binary_search_by_key(&from, |known| known.from) {
            Ok(place) => {
                self.points[place] = point;
                0
            }
            Err(place) => {
                self.points.insert(place, point);
                1
            }
        }
    }

    /// Adds a span; the first one that it overlaps when there is one, and then adds nothing.
    pub(super) fn insert(&mut self, span: Span) -> Result<(), Span> {
        let mut near = self.spans_since(span.from).take_while(|known| known.from < span.until);
        if let Some(known) = near.find(|known| span.from < known.until) {
            return Err(known);
        }
        drop(near);
        // Where the next one starts already, it stays.
        let follows = self.points.binary_search_by_key(&span.until, |point| point.from).is_ok();
        if span.until < Timestamp::MAX && !follows {
            self.set(span.until, None);
        }
        self.set(span.from, Some(span.owner));
        Ok(())
    }

    /// Whether it says already that it is `owner`'s from `from` on.
    pub(super) fn knows(&self, from: Timestamp, owner: Option<u32>) -> bool {
        let goes_on = self.points.last().is_some_and(|last| last.from <= from && last.owner == owner);
        let place = self.points.binary_search_by_key(&from, |point| point.from);
        goes_on || place.is_ok_and(|place| self.points[place].owner == owner)
    }

    /// Whose it was at `time`.
    pub(super) fn at(&self, time: Timestamp) -> Option<u32> {
        self.points[..self.points.partition_point(|point| point.from <= time)].last()?.owner
    }

    /// Whose it was when the time began, else who had it next in that time; and whether another had it later
    /// in that time. A time in which nobody had it is no change of hands.
    pub(super) fn during(&self, time: TimeRange) -> Option<(u32, bool)> {
        let first = self.points.partition_point(|point| point.from <= time.start).saturating_sub(1);
        let points = self.points[first..].iter().take_while(|point| point.from <= time.end);
        let mut owners = points.filter_map(|point| point.owner);
        let owner = owners.next()?;
        Some((owner, owners.any(|other| other != owner)))
    }

    /// All points, in order of time.
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// All spans, in order of time.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.spans_since(Timestamp::MIN)
    }

    /// Those that end after `time`, and perhaps the one before, in order of time.
    fn spans_since(&self, time: Timestamp) -> impl Iterator<Item = Span> {
        let first = self.points.partition_point(|point| point.from <= time).saturating_sub(1);
        let points = &self.points[first..];
        let ends = points.iter().skip(1).map(|next| next.from).chain([Timestamp::MAX]);
        let spans = points.iter().zip(ends);
        spans.filter_map(|(&Point { from, owner }, until)| owner.map(|owner| Span { from, until, owner }))
    }

    /// Gives each owner another number.
    pub(super) fn renumber(&mut self, mut number: impl FnMut(u32) -> u32) {
        self.points.iter_mut().for_each(|point| point.owner = point.owner.map(&mut number));
    }

    /// Forgets what was over before `time`; whose it was then stays known.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        let mut over = self.points.partition_point(|point| point.from <= time).saturating_sub(1);
        while self.points.get(over).is_some_and(|point| point.from <= time && point.owner.is_none()) {
            over += 1;
        }
        self.points.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_parts(second, 0)
    }

    fn span(from: i64, until: i64, owner: u32) -> Span {
        Span { from: time(from), until: time(until), owner }
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: time(start), end: time(end) }
    }

    #[test]
    fn an_address_that_changes_hands_during_a_flow_is_told() {
        let mut pods = Timeline::default();
        pods.insert(span(20, 30, 2)).unwrap();
        pods.insert(span(10, 18, 1)).unwrap();
        assert_eq!(pods.during(range(5, 9)), None);
        assert_eq!(pods.during(range(5, 12)), Some((1, false)), "known a little late");
        assert_eq!(pods.during(range(12, 19)), Some((1, false)), "packets after the end");
        assert_eq!(pods.during(range(17, 20)), Some((1, true)));
        assert_eq!(pods.during(range(18, 19)), None);
        assert_eq!(pods.during(range(18, 25)), Some((2, false)));
        assert_eq!(pods.during(range(30, 40)), None);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn finds_what_a_scan_of_all_spans_finds(
            spans in prop::collection::vec((0_i64..40, 1_i64..10, 0_u32..3), 0..12),
            (start, length) in (0_i64..50, 0_i64..10),
        ) {
            let mut timeline = Timeline::default();
            let mut kept: Vec<Span> = Vec::new();
            for (from, length, owner) in spans {
                let new = span(from, from + length, owner);
                let free = !kept.iter().any(|known| known.from < new.until && new.from < known.until);
                prop_assert_eq!(timeline.insert(new).is_ok(), free);
                if free {
                    kept.push(new);
                }
            }
            kept.sort();
            prop_assert_eq!(timeline.spans().collect::<Vec<_>>(), kept.clone());
            let asked = range(start, start + length);
            let owners: Vec<u32> = kept
                .iter()
                .filter(|known| known.from <= asked.end && asked.start < known.until)
                .map(|known| known.owner)
                .collect();
            let expected = owners.first().map(|&first| (first, owners.iter().any(|&owner| owner != first)));
            prop_assert_eq!(timeline.during(asked), expected);
        }
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn the_order_in_which_changes_are_told_changes_nothing(
            changes in prop::collection::btree_map(0_i64..40, prop::option::of(0_u32..3), 0..12),
            order in any::<u64>(),
            horizon in 0_i64..40,
        ) {
            let in_order: Vec<(i64, Option<u32>)> = changes.into_iter().collect();
            let mut shuffled = in_order.clone();
            fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
            let mut timeline = Timeline::default();
            for (from, owner) in shuffled {
                timeline.set(time(from), owner);
            }
            let whose = |asked: i64| in_order.iter().rev().find(|(from, _)| *from <= asked).and_then(|(_, o)| *o);
            for asked in 0..45 {
                prop_assert_eq!(timeline.at(time(asked)), whose(asked));
            }
            timeline.forget_before(time(horizon));
            for asked in horizon..45 {
                prop_assert_eq!(timeline.at(time(asked)), whose(asked));
            }
            prop_assert!(timeline.points().first().is_none_or(|first| first.owner.is_some() || first.from > time(horizon)));
        }
    }
}

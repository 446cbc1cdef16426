//! Who had an address or a network, over time.

use watershed_model::{TimeRange, Timestamp};

/// A time during which an owner had something: `from` is in it, `until` is not; [`Timestamp::MAX`] is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The owner's number.
    pub(super) owner: u32,
}

impl Span {
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }
}

/// Spans in order of time, none of which overlaps another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    spans: Vec<Span>,
}

impl Timeline {
    /// Adds a span; the first one that it overlaps when there is one, and then adds nothing.
    pub(super) fn insert(&mut self, span: Span) -> Result<(), Span> {
        let place = self.spans.partition_point(|known| known.until <= span.from);
        match self.spans.get(place) {
            Some(known) if known.overlaps(&span) => Err(*known),
            _ => {
                self.spans.insert(place, span);
                Ok(())
            }
        }
    }

    /// Whose it was when the time began, else who had it next in that time; and whether another had it later
    /// in that time. A time in which nobody had it is no change of hands.
    pub(super) fn during(&self, time: TimeRange) -> Option<(u32, bool)> {
        let ended = |span: &Span| span.until <= time.start && span.until < Timestamp::MAX;
        let first = self.spans.partition_point(ended);
        let mut owners = self.spans[first..].iter().take_while(|span| span.from <= time.end);
        let owner = owners.next()?.owner;
        Some((owner, owners.any(|span| span.owner != owner)))
    }

    /// All spans, in order of time.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
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
                let free = !kept.iter().any(|known| known.overlaps(&new));
                prop_assert_eq!(timeline.insert(new).is_ok(), free);
                if free {
                    kept.push(new);
                }
            }
            kept.sort();
            prop_assert_eq!(timeline.spans(), &kept);
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
}

//! Nested ranges of numbers, taken apart so that one search finds the innermost.

/// Owners of numbers: each from its start up to the next one's.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    starts: Vec<u128>,
    owners: Vec<Option<u32>>,
}

impl Intervals {
    /// From ranges (first, last, owner), of which one lies in another or beside it: the inner one counts, and of two
    /// that are the same the first.
    pub(super) fn of(mut ranges: Vec<(u128, u128, u32)>) -> Self {
        // The outer ones first.
        ranges.sort_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        ranges.dedup_by(|b, a| (a.0, a.1) == (b.0, b.1));
        let mut these = Self::default();
        let mut around: Vec<(u128, u32)> = Vec::new();
        for (first, last, owner) in ranges {
            these.close(&mut around, Some(first));
            these.start(first, Some(owner));
            around.push((last, owner));
        }
        these.close(&mut around, None);
        these
    }

    /// Whose `number` is.
    pub(super) fn find(&self, number: u128) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= number);
        self.owners.get(after.checked_sub(1)?).copied().flatten()
    }

    /// Goes back to what is around the ranges that end before `next`.
    fn close(&mut self, around: &mut Vec<(u128, u32)>, next: Option<u128>) {
        while let Some((last, _)) = around.pop_if(|(last, _)| next.is_none_or(|next| *last < next)) {
            // None follows the last number there is.
            if let Some(start) = last.checked_add(1) {
                self.start(start, around.last().map(|(_, owner)| *owner));
            }
        }
    }

    fn start(&mut self, start: u128, owner: Option<u32>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.owners.pop();
        }
        if self.owners.last().copied().flatten() != owner || self.owners.is_empty() {
            self.starts.push(start);
            self.owners.push(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::seeded(300))]

        #[test]
        fn finds_what_a_scan_of_all_ranges_finds(
            prefixes in prop::collection::vec((0_u128..64, 0_u32..=6), 0..20),
        ) {
            let range = |(number, (start, length)): (usize, (u128, u32))| {
                let size = 1_u128 << (6 - length);
                let first = start / size * size;
                (first, first + size - 1, number as u32)
            };
            let ranges: Vec<_> = prefixes.into_iter().enumerate().map(range).collect();
            let intervals = Intervals::of(ranges.clone());
            for number in 0..70 {
                let covering = ranges.iter().filter(|(first, last, _)| (first..=last).contains(&&number));
                let inner = covering.min_by_key(|(first, last, owner)| (last - first, *owner));
                prop_assert_eq!(intervals.find(number), inner.map(|(_, _, owner)| *owner));
            }
        }
    }

    #[test]
    fn the_last_number_is_the_last() {
        let all = Intervals::of(vec![(0, u128::MAX, 1), (u128::MAX, u128::MAX, 2)]);
        assert_eq!((all.find(0), all.find(u128::MAX - 1), all.find(u128::MAX)), (Some(1), Some(1), Some(2)));
    }
}

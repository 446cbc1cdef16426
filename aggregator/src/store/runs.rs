//! Which batches were kept, so that none counts twice.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Counters, Timestamp};

use crate::{BatchToken, Block, StoreError};

/// Gaps remembered in the sequence of one run: as many batches as a transport could still be holding back.
/// Beyond it the oldest gap closes, and a batch that comes that late is not taken; the ledger has it as missing.
const MAX_GAPS: usize = 1024;

/// Every run of every agent: from one start to the next.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<(AgentId, Timestamp), Run>);

/// One run: the sequence numbers that were kept, as ranges from first to last, and the latest counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) kept: BTreeMap<u64, u64>,
    pub(super) counters: Counters,
    /// Time of its latest packet or answer.
    pub(super) last_seen: Option<Timestamp>,
}

impl Runs {
    /// Whether the block has not been kept yet; from now on it has.
    pub(super) fn is_new(&mut self, token: &BatchToken, block: &Block<'_>) -> Result<bool, StoreError> {
        self.0.entry((token.agent.clone(), token.started)).or_default().take(token, block)
    }

    /// Every run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AgentId, &Run)> {
        self.0.iter().map(|((agent, _), run)| (agent, run))
    }

    /// The counters of all runs together.
    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.0.values().for_each(|run| sum.merge(&run.counters));
        sum
    }
}

impl Run {
    /// Whether the block has not been kept yet; from now on it has.
    pub(super) fn take(&mut self, token: &BatchToken, block: &Block<'_>) -> Result<bool, StoreError> {
        let latest = self.kept.last_key_value().map(|(_, &last)| last);
        if latest == Some(token.sequence) && self.counters != block.counters {
            let (agent, started) = (token.agent.clone(), token.started);
            return Err(StoreError::OtherContent { agent, started, sequence: token.sequence });
        }
        if latest.is_none_or(|last| last < token.sequence) {
            self.counters.clone_from(&block.counters);
        }
        let records = block.rows().map(|row| row.record.last_seen.max(row.record.first_seen));
        self.last_seen =
            records.chain(block.names.iter().map(|answer| answer.seen)).chain(self.last_seen).max();
        Ok(self.keep(token.sequence))
    }

    /// How many batches were kept.
    pub(super) fn batches(&self) -> u64 {
        let lengths = self.kept.iter().map(|(first, last)| (last - first).saturating_add(1));
        lengths.fold(0, u64::saturating_add)
    }

    /// How many batches before the latest were not kept.
    pub(super) fn missing(&self) -> u64 {
        let all = self.kept.last_key_value().map_or(0, |(_, last)| last.saturating_add(1));
        all.saturating_sub(self.batches())
    }

    fn keep(&mut self, number: u64) -> bool {
        let before = self.kept.range(..=number).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| number <= last) {
            return false;
        }
        let first = before.filter(|&(_, last)| last + 1 == number).map_or(number, |(first, _)| first);
        let after = number.checked_add(1).and_then(|next| self.kept.remove(&next));
        self.kept.insert(first, after.unwrap_or(number));
        if self.kept.len() > MAX_GAPS {
            self.close_oldest_gap();
        }
        true
    }

    fn close_oldest_gap(&mut self) {
        let oldest = self.kept.pop_first();
        let next = self.kept.pop_first();
        if let (Some((first, _)), Some((_, last))) = (oldest, next) {
            self.kept.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_new_once_in_any_order() {
        let mut run = Run::default();
        let new: Vec<bool> = [3, 0, 1, 3, 2, 2, u64::MAX, u64::MAX, 0].map(|n| run.keep(n)).into();
        assert_eq!(new, [true, true, true, false, true, false, true, false, false]);
        assert_eq!(run.kept, BTreeMap::from([(0, 3), (u64::MAX, u64::MAX)]));
    }

    #[test]
    fn ranges_stay_few() {
        let mut run = Run::default();
        assert!((0..10_000).all(|n| run.keep(n * 2)));
        assert_eq!(run.kept.len(), MAX_GAPS);
        assert!(!run.keep(1));
        assert!(run.keep(19_997));
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn keeps_like_a_set(numbers in prop::collection::vec(0_u64..40, 0..80)) {
            let (mut run, mut set) = (Run::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(run.keep(number), set.insert(number));
            }
        }
    }
}

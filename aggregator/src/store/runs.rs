//! Which batches of a run were kept: the books of one agent from one start to the next.
//!
//! The same books tell a store that a batch came before, and the aggregator what is missing. What is missing
//! follows from what was kept, so a batch that comes late takes its own loss back.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Counters, FlowRecord, Hour, Loss, NameObservation, Timestamp};

use crate::{BatchToken, Block, StoreError};

/// Gaps remembered in the sequence of one run: as many batches as a transport could still be holding back.
/// Beyond it the oldest gap closes, and a batch that comes that late is not taken; the ledger has it as missing.
const MAX_GAPS: usize = 1024;

/// Every run of every agent: from one start to the next.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<(AgentId, Timestamp), Run>);

/// One run: which batches were kept, and the counters of the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Ranges of sequence numbers, by their first, none next to another.
    pub(crate) kept: BTreeMap<u64, Kept>,
    /// The agent's counters as of the latest batch.
    pub(crate) counters: Counters,
    /// Time of its latest packet or answer.
    pub(crate) last_seen: Option<Timestamp>,
}

/// A range of sequence numbers that were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The last number of it.
    pub(crate) last: u64,
    /// The hour for which what is missing right before the range counts: that up to which the agent had seen
    /// traffic by the range's first batch. `None` where nothing is missing, or the ledger has it already.
    pub(crate) missed: Option<Hour>,
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

    /// One run; `None` where nothing was kept of it.
    pub(super) fn get(&self, agent: &AgentId, started: Timestamp) -> Option<&Run> {
        self.0.get(&(agent.clone(), started))
    }

    /// All runs of an agent, by when each began.
    pub(super) fn of(&self, agent: &AgentId) -> BTreeMap<Timestamp, Run> {
        let all = (agent.clone(), Timestamp::MIN)..=(agent.clone(), Timestamp::MAX);
        self.0.range(all).map(|(&(_, started), run)| (started, run.clone())).collect()
    }

    /// The counters of all runs together.
    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.0.values().for_each(|run| sum.merge(&run.counters));
        sum
    }
}

/// Adds what is missing of `runs` to a loss ledger.
pub(super) fn add_missing<'a>(
    ledger: &mut BTreeMap<(AgentId, Hour, Loss), u64>,
    runs: impl IntoIterator<Item = (&'a AgentId, &'a Run)>,
) {
    for (agent, run) in runs {
        for (hour, count) in run.missing_by_hour() {
            let sum = ledger.entry((agent.clone(), hour, Loss::BatchesMissing)).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

impl Run {
    /// Whether the block has not been kept yet; from now on it has.
    pub(crate) fn take(&mut self, token: &BatchToken, block: &Block<'_>) -> Result<bool, StoreError> {
        if !self.is_new(token, &block.counters)? {
            return Ok(false);
        }
        self.see(block.rows().map(|row| row.record), &block.names);
        self.keep(token.sequence, Hour::of(block.now), &block.counters);
        Ok(true)
    }

    /// Takes note of when packets and answers were.
    pub(crate) fn see<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a FlowRecord>,
        names: &[NameObservation],
    ) {
        let records = records.into_iter().map(|record| record.last_seen.max(record.first_seen));
        self.last_seen = records.chain(names.iter().map(|answer| answer.seen)).chain(self.last_seen).max();
    }

    /// Whether it is one of an agent that captures on interfaces, as far as anything was kept of it.
    pub(crate) fn is_live(&self) -> bool {
        self.counters.interfaces > 0 && !self.kept.is_empty()
    }

    /// Whether a batch has not been kept yet.
    pub(crate) fn is_new(&self, token: &BatchToken, counters: &Counters) -> Result<bool, StoreError> {
        if self.latest() == Some(token.sequence) && self.counters != *counters {
            let BatchToken { agent, started, sequence } = token.clone();
            return Err(StoreError::OtherContent { agent, started, sequence });
        }
        Ok(self.range_before(token.sequence).is_none_or(|(_, range)| range.last < token.sequence))
    }

    /// Takes note of a batch that is new. Tells what is missing for good, since the oldest gap had to close.
    pub(crate) fn keep(&mut self, number: u64, hour: Hour, counters: &Counters) -> Option<(Hour, u64)> {
        if self.latest().is_none_or(|latest| latest < number) {
            self.counters.clone_from(counters);
        }
        let (first, missed) = match self.range_before(number) {
            Some((first, range)) if range.last + 1 == number => (first, range.missed),
            None if number == 0 => (number, None),
            _ => (number, Some(hour)),
        };
        let after = number.checked_add(1).and_then(|next| self.kept.remove(&next));
        self.kept.insert(first, Kept { last: after.map_or(number, |range| range.last), missed });
        if self.kept.len() > MAX_GAPS { self.close_oldest_gap() } else { None }
    }

    /// The number of the latest batch.
    pub(crate) fn latest(&self) -> Option<u64> {
        self.kept.last_key_value().map(|(_, range)| range.last)
    }

    /// How many batches were kept.
    pub(crate) fn batches(&self) -> u64 {
        let lengths = self.kept.iter().map(|(first, range)| (range.last - first).saturating_add(1));
        lengths.fold(0, u64::saturating_add)
    }

    /// How many batches before the latest were not kept.
    pub(crate) fn missing(&self) -> u64 {
        let all = self.latest().map_or(0, |last| last.saturating_add(1));
        all.saturating_sub(self.batches())
    }

    /// Batches that are missing, by the hour in which that showed; an hour may repeat.
    pub(crate) fn missing_by_hour(&self) -> impl Iterator<Item = (Hour, u64)> {
        let mut next = 0;
        self.kept.iter().filter_map(move |(&first, range)| {
            let missing = first - next;
            next = range.last.saturating_add(1);
            Some((range.missed?, missing))
        })
    }

    /// Forgets what is missing before `hour`, as retention does; it is not taken any more.
    pub(crate) fn close_gaps_before(&mut self, hour: Hour) {
        let old = |range: &Kept| range.missed.is_some_and(|missed| missed < hour);
        while let Some((&first, _)) = self.kept.iter().find(|(_, range)| old(range)) {
            self.close_gap_before(first);
        }
    }

    fn range_before(&self, number: u64) -> Option<(u64, Kept)> {
        self.kept.range(..=number).next_back().map(|(&first, &range)| (first, range))
    }

    fn close_oldest_gap(&mut self) -> Option<(Hour, u64)> {
        let missing = self.missing_by_hour().find(|&(_, count)| count > 0);
        let second = self.kept.keys().nth(1).copied();
        match self.kept.first_key_value() {
            // The oldest gap is the one before the first range.
            Some((&first, range)) if first > 0 && range.missed.is_some() => self.close_gap_before(first),
            _ => second.into_iter().for_each(|second| self.close_gap_before(second)),
        }
        missing
    }

    /// Makes the range that begins at `first` go on from the one before.
    fn close_gap_before(&mut self, first: u64) {
        let Some(range) = self.kept.remove(&first) else { return };
        let before = first.checked_sub(1).and_then(|number| self.range_before(number));
        let (first, missed) = before.map_or((0, None), |(first, before)| (first, before.missed));
        self.kept.insert(first, Kept { last: range.last, missed });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keep(run: &mut Run, number: u64) -> bool {
        let token = BatchToken { agent: "a".into(), started: Timestamp::default(), sequence: number };
        let new = run.is_new(&token, &Counters::default()).unwrap();
        if new {
            run.keep(number, Hour(number as i64), &Counters::default());
        }
        new
    }

    fn missing(run: &Run) -> Vec<(i64, u64)> {
        run.missing_by_hour().map(|(hour, count)| (hour.0, count)).collect()
    }

    #[test]
    fn a_number_is_new_once_in_any_order() {
        let mut run = Run::default();
        let new: Vec<bool> =
            [3, 0, 1, 3, 2, 2, u64::MAX, u64::MAX, 0].map(|number| keep(&mut run, number)).into();
        assert_eq!(new, [true, true, true, false, true, false, true, false, false]);
        assert_eq!(
            run.kept.iter().map(|(&f, r)| (f, r.last)).collect::<Vec<_>>(),
            [(0, 3), (u64::MAX, u64::MAX)]
        );
    }

    #[test]
    fn what_comes_late_is_not_missing_any_more() {
        let mut run = Run::default();
        for (number, expected) in
            [(2, vec![(2, 2)]), (6, vec![(2, 2), (6, 3)]), (4, vec![(2, 2), (4, 1), (6, 1)])]
        {
            keep(&mut run, number);
            assert_eq!(missing(&run), expected);
        }
        [0, 3, 5, 1].into_iter().for_each(|number| assert!(keep(&mut run, number)));
        assert_eq!((missing(&run), run.missing()), (vec![], 0));
    }

    #[test]
    fn ranges_stay_few_and_what_they_forget_is_told() {
        let mut run = Run::default();
        let mut told = 0;
        for n in 0..10_000 {
            let closed = run.keep(n * 2, Hour(n as i64), &Counters::default());
            told += closed.map_or(0, |(_, count)| count);
        }
        assert_eq!(run.kept.len(), MAX_GAPS);
        assert!(!keep(&mut run, 1));
        assert!(keep(&mut run, 19_997));
        let left: u64 = run.missing_by_hour().map(|(_, count)| count).sum();
        assert_eq!(told + left + 1, 9_999);
    }

    #[test]
    fn a_run_first_heard_of_in_the_middle_closes_the_gap_before_it_first() {
        let mut run = Run::default();
        let closed: Vec<_> = (0..=MAX_GAPS as u64)
            .filter_map(|n| run.keep(5 + n * 2, Hour(n as i64), &Counters::default()))
            .collect();
        assert_eq!(closed, [(Hour(0), 5)]);
        assert!(!keep(&mut run, 3));
    }

    #[test]
    fn gaps_of_hours_that_are_deleted_are_forgotten() {
        let mut run = Run::default();
        [2, 6, 9].into_iter().for_each(|number| assert!(keep(&mut run, number)));
        run.close_gaps_before(Hour(9));
        assert_eq!(missing(&run), [(9, 2)]);
        assert!(!keep(&mut run, 1) && !keep(&mut run, 4) && keep(&mut run, 7));
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn keeps_like_a_set(numbers in prop::collection::vec(0_u64..40, 0..80)) {
            let (mut run, mut set) = (Run::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(keep(&mut run, number), set.insert(number));
                let missing = set.last().map_or(0, |last| last + 1 - set.len() as u64);
                prop_assert_eq!(run.missing_by_hour().map(|(_, count)| count).sum::<u64>(), missing);
            }
        }
    }
}

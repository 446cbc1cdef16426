//! What an agent did not keep, from the counters it ships.

use watershed_model::{Batch, Counters, Hour, Loss, LossEntry, SkipReason, Timestamp};

/// The books of one agent: compares each batch with the one before.
///
/// Counters and sequence numbers begin at zero with each start of the agent, so a new start is compared
/// with zero, and a gap in the sequence hides no loss but the batches themselves. A batch that comes again,
/// or after a later one, adds nothing: what it counts was in the later one's counters.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    started: Option<Timestamp>,
    next_sequence: u64,
    counters: Counters,
}

impl Ledger {
    /// What was lost between the batch before and this one.
    pub(crate) fn account(&mut self, batch: &Batch) -> Vec<LossEntry> {
        if self.started.is_none_or(|started| started < batch.started) {
            *self = Self { started: Some(batch.started), ..Self::default() };
        } else if self.started != Some(batch.started) || batch.sequence < self.next_sequence {
            return Vec::new();
        }
        let missing = batch.sequence - self.next_sequence;
        let (before, now) = (losses(&self.counters), losses(&batch.counters));
        let grown = before.into_iter().zip(now).map(|((loss, was), (_, is))| (loss, is.saturating_sub(was)));
        let entries = grown
            .chain([(Loss::BatchesMissing, missing)])
            .filter(|&(_, count)| count > 0)
            .map(|(loss, count)| entry(batch, loss, count))
            .collect();
        self.next_sequence = batch.sequence.saturating_add(1);
        self.counters.clone_from(&batch.counters);
        entries
    }

    /// When the agent started, the number of its next batch, and its counters by now; `None` before its first.
    pub(crate) fn next(&self) -> Option<(Timestamp, u64, &Counters)> {
        Some((self.started?, self.next_sequence, &self.counters))
    }
}

/// An entry for the hour up to which the agent had seen traffic.
pub(crate) fn entry(batch: &Batch, loss: Loss, count: u64) -> LossEntry {
    LossEntry { agent: batch.agent.clone(), hour: Hour::of(batch.now), loss, count }
}

/// What of an agent's counters is loss.
fn losses(counters: &Counters) -> [(Loss, u64); 5] {
    let not_decoded = SkipReason::ALL.into_iter().filter(|reason| !reason.understood());
    [
        (Loss::KernelDropped, counters.kernel_dropped),
        (
            Loss::NotDecoded,
            not_decoded.map(|reason| counters.skipped_for(reason)).fold(0, u64::saturating_add),
        ),
        (Loss::PacketsRefused, counters.refused.iter().copied().fold(0, u64::saturating_add)),
        (Loss::FlowsEvicted, counters.flows_evicted),
        (Loss::RecordsDropped, counters.records_dropped),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch;

    fn shipped(started: i64, sequence: u64, kernel_dropped: u64, not_decoded: u64) -> Batch {
        let mut batch = batch("a", sequence, Vec::new());
        batch.started = Timestamp::from_parts(started, 0);
        batch.counters.kernel_dropped = kernel_dropped;
        batch.counters.skipped[SkipReason::BadIpHeader as usize] = not_decoded;
        batch.counters.skip(SkipReason::Arp);
        batch
    }

    fn accounted(ledger: &mut Ledger, batch: &Batch) -> Vec<(Loss, u64)> {
        ledger.account(batch).into_iter().map(|entry| (entry.loss, entry.count)).collect()
    }

    #[test]
    fn only_what_grew_since_the_last_batch_is_new_loss() {
        let mut ledger = Ledger::default();
        assert_eq!(
            accounted(&mut ledger, &shipped(0, 0, 5, 1)),
            [(Loss::KernelDropped, 5), (Loss::NotDecoded, 1)]
        );
        assert_eq!(accounted(&mut ledger, &shipped(0, 1, 5, 1)), []);
        assert_eq!(accounted(&mut ledger, &shipped(0, 2, 7, 1)), [(Loss::KernelDropped, 2)]);
    }

    #[test]
    fn gaps_are_missing_batches_and_repeats_are_nothing() {
        let mut ledger = Ledger::default();
        ledger.account(&shipped(0, 0, 0, 0));
        assert_eq!(
            accounted(&mut ledger, &shipped(0, 4, 2, 0)),
            [(Loss::KernelDropped, 2), (Loss::BatchesMissing, 3)]
        );
        assert_eq!(accounted(&mut ledger, &shipped(0, 4, 2, 0)), []);
        assert_eq!(accounted(&mut ledger, &shipped(0, 2, 1, 0)), []);
        assert_eq!(
            accounted(&mut ledger, &shipped(0, u64::MAX, 2, 0)),
            [(Loss::BatchesMissing, u64::MAX - 5)]
        );
    }

    #[test]
    fn a_restart_begins_at_zero() {
        let mut ledger = Ledger::default();
        ledger.account(&shipped(0, 7, 9, 0));
        assert_eq!(accounted(&mut ledger, &shipped(60, 0, 3, 0)), [(Loss::KernelDropped, 3)]);
        assert_eq!(accounted(&mut ledger, &shipped(0, 8, 10, 0)), []);
    }
}

//! What an agent did not keep, from the counters it ships.

use watershed_model::{Batch, Counters, Hour, Loss, LossEntry, SkipReason};

use crate::store::Run;
use crate::{BatchToken, StoreError};

/// The books of one run of an agent: compares each batch with the one before.
///
/// Counters and sequence numbers begin at zero with each start of the agent. The books begin with what the
/// store has of the run, so that a run that goes on while the aggregator restarts has no loss of its own. A
/// batch that comes after a later one has no loss to tell: what it counts was in the later one's counters.
#[derive(Debug, Default)]
pub(crate) struct Ledger(pub(crate) Run);

impl Ledger {
    /// Goes on from what the store has of the run.
    pub(crate) const fn resume(run: Run) -> Self {
        Self(run)
    }

    /// What was lost between the batch before and this one; `None` for a batch that came before.
    ///
    /// Batches that are missing follow from those that the store has, but for the gaps that the run forgets.
    pub(crate) fn account(&mut self, batch: &Batch) -> Result<Option<Vec<LossEntry>>, StoreError> {
        let run = &mut self.0;
        if !run.is_new(&BatchToken::of(batch), &batch.counters)? {
            return Ok(None);
        }
        run.see(&batch.records, &batch.names);
        let newer = run.latest().is_none_or(|latest| latest < batch.sequence);
        let (before, now) = (losses(&run.counters), losses(&batch.counters));
        let grown = before.into_iter().zip(now).map(|((loss, was), (_, is))| (loss, is.saturating_sub(was)));
        let grown = grown.filter(|&(_, count)| newer && count > 0);
        let mut entries: Vec<_> = grown.map(|(loss, count)| entry(batch, loss, count)).collect();
        let forgotten = run.keep(batch.sequence, Hour::of(batch.now), &batch.counters);
        entries.extend(
            forgotten.map(|(hour, count)| LossEntry { hour, ..entry(batch, Loss::BatchesMissing, count) }),
        );
        Ok(Some(entries))
    }
}

/// An entry for the hour up to which the agent had seen traffic.
pub(crate) fn entry(batch: &Batch, loss: Loss, count: u64) -> LossEntry {
    LossEntry { agent: batch.agent.clone(), hour: Hour::of(batch.now), loss, count }
}

/// What of an agent's counters is loss.
fn losses(counters: &Counters) -> [(Loss, u64); 6] {
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
        (Loss::InterfaceAway, counters.interfaces_away),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch;

    fn shipped(sequence: u64, kernel_dropped: u64, not_decoded: u64) -> Batch {
        let mut batch = batch("a", sequence, Vec::new());
        batch.counters.kernel_dropped = kernel_dropped;
        batch.counters.skipped[SkipReason::BadIpHeader as usize] = not_decoded;
        batch.counters.skip(SkipReason::Arp);
        batch
    }

    fn accounted(ledger: &mut Ledger, batch: &Batch) -> Option<Vec<(Loss, u64)>> {
        let entries = ledger.account(batch).unwrap()?;
        Some(entries.into_iter().map(|entry| (entry.loss, entry.count)).collect())
    }

    #[test]
    fn only_what_grew_since_the_last_batch_is_new_loss() {
        let mut ledger = Ledger::default();
        let first = accounted(&mut ledger, &shipped(0, 5, 1)).unwrap();
        assert_eq!(first, [(Loss::KernelDropped, 5), (Loss::NotDecoded, 1)]);
        assert_eq!(accounted(&mut ledger, &shipped(1, 5, 1)).unwrap(), []);
        assert_eq!(accounted(&mut ledger, &shipped(2, 7, 1)).unwrap(), [(Loss::KernelDropped, 2)]);
    }

    #[test]
    fn what_comes_again_is_known_and_what_comes_late_has_no_loss_of_its_own() {
        let mut ledger = Ledger::default();
        ledger.account(&shipped(0, 0, 0)).unwrap();
        assert_eq!(accounted(&mut ledger, &shipped(4, 2, 0)).unwrap(), [(Loss::KernelDropped, 2)]);
        assert_eq!(accounted(&mut ledger, &shipped(4, 2, 0)), None);
        assert_eq!(accounted(&mut ledger, &shipped(2, 1, 0)).unwrap(), []);
        assert_eq!(accounted(&mut ledger, &shipped(2, 1, 0)), None);
    }

    #[test]
    fn books_that_are_resumed_count_no_loss_twice() {
        let mut ledger = Ledger::default();
        ledger.account(&shipped(7, 9, 0)).unwrap();
        let mut resumed = Ledger::resume(ledger.0);
        assert_eq!(accounted(&mut resumed, &shipped(7, 9, 0)), None);
        assert_eq!(accounted(&mut resumed, &shipped(8, 10, 0)).unwrap(), [(Loss::KernelDropped, 1)]);
    }
}

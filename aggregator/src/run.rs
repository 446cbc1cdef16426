//! The data path: source, ledger, names, identity, direction, reach, store.

use crate::aggregator::{Aggregator, remember};
use crate::block::Block;
use crate::inventory::News;
use crate::join::join;
use crate::memory::Standing;
use crate::reach;
use crate::source::Delivery;
use crate::{AggregatorError, FlowSource, FlowStore, Inventory, Progress};

/// Takes deliveries until the source has no more. `observe` is told how far it has come after each.
///
/// # Errors
///
/// When the source fails, or the store does and the source cannot wait; what was stored before stays stored.
pub fn run<I: Inventory, S: FlowStore>(
    source: &mut impl FlowSource,
    aggregator: &mut Aggregator<I, S>,
    mut observe: impl FnMut(&Progress),
) -> Result<(), AggregatorError> {
    while let Some(delivery) = source.next()? {
        if aggregator.take(delivery, source)? {
            source.acknowledge()?;
        }
        observe(&aggregator.progress);
    }
    Ok(())
}

impl<I: Inventory, S: FlowStore> Aggregator<I, S> {
    /// Joins a delivery and stores it; false where the source takes it back meanwhile.
    pub(crate) fn take(
        &mut self,
        delivery: Delivery,
        source: &mut impl FlowSource,
    ) -> Result<bool, AggregatorError> {
        let stored = match self.catch_up(source) {
            Ok(true) => self.store(delivery, source),
            held => held,
        };
        if !matches!(stored, Ok(true)) {
            // The ledgers are ahead of the store.
            self.memory.ledgers.clear();
        }
        stored
    }

    /// Takes over what has changed hands since the last delivery; whoever joins these flows again will want it, too.
    fn catch_up(&mut self, source: &mut impl FlowSource) -> Result<bool, AggregatorError> {
        if self.news == News::default() {
            self.news = self.inventory.catch_up();
            self.progress.inventory = self.inventory.counts();
        }
        while let Err(reason) = remember(&mut self.store, &mut self.news) {
            if !self.progress.held(reason, source)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn store(&mut self, delivery: Delivery, source: &mut impl FlowSource) -> Result<bool, AggregatorError> {
        let Self { config, inventory, store, memory, progress, notes, .. } = self;
        let Delivery { token, batches, resumed } = delivery;
        memory.make_room(resumed, progress);

        // Ledger: what the store has of each run goes on from there.
        for batch in &batches {
            let key = (batch.agent.clone(), batch.started);
            while !memory.ledgers.contains_key(&key) {
                if let Err(reason) = memory.resume(batch, store)
                    && !progress.held(reason, source)?
                {
                    return Ok(false);
                }
            }
        }

        // Join: each batch that is new.
        let mut blocks = Vec::with_capacity(batches.len());
        for (index, mut batch) in batches.into_iter().enumerate() {
            progress.batches += 1;
            progress.records += batch.records.len() as u64;
            progress.within += reach::drop_within(&mut batch, inventory);
            match memory.account(&batch) {
                Ok(Standing::New(loss)) => blocks.push(join(batch, loss, config, inventory, memory)),
                Ok(standing) => {
                    progress.repeated += 1;
                    if standing == Standing::Replayed {
                        // Only for what is remembered of it.
                        join(batch, Vec::new(), config, inventory, memory);
                    }
                }
                Err(reason) => {
                    progress.refused += 1;
                    source.refuse(index, reason)?;
                }
            }
        }

        // Ledger: what came up outside any batch goes with the agent's next.
        for (agent, noted) in notes.iter() {
            let of_agent = |block: &&mut Block<'_>| block.token.as_ref().is_some_and(|t| t.agent == *agent);
            if let Some(block) = blocks.iter_mut().find(of_agent) {
                block.loss.extend(noted.iter().cloned());
            }
        }

        // Store: all of it, as often as it takes.
        while let Err(reason) = store.append(&token, &blocks) {
            if !progress.held(reason, source)? {
                return Ok(false);
            }
        }
        for token in blocks.iter().filter_map(|block| block.token.as_ref()) {
            notes.remove(&token.agent);
        }
        progress.deliveries += 1;
        Ok(true)
    }
}

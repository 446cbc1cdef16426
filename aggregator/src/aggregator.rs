//! The aggregator, and what is asked of it beside taking deliveries.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Batch, Counters, Hour, Loss, LossEntry, Timestamp};

use crate::block::Block;
use crate::inventory::News;
use crate::memory::Memory;
use crate::source::{Delivery, DeliveryToken};
use crate::{AggregatorConfig, AggregatorError, FlowSource, FlowStore, Inventory, Progress, StoreError};

/// Joins batches and puts them into a store.
#[derive(Debug)]
pub struct Aggregator<I, S> {
    pub(crate) config: AggregatorConfig,
    pub(crate) inventory: I,
    /// What the inventory was told and the store does not have yet.
    pub(crate) news: News,
    pub(crate) store: S,
    pub(crate) memory: Memory,
    pub(crate) notes: BTreeMap<AgentId, Vec<LossEntry>>,
    pub(crate) progress: Progress,
}

impl<I: Inventory, S: FlowStore> Aggregator<I, S> {
    /// An aggregator that asks `inventory` and fills `store`.
    pub fn new(config: AggregatorConfig, inventory: I, store: S) -> Self {
        let (memory, progress) = (Memory::default(), Progress::default());
        Self { config, inventory, news: News::default(), store, memory, notes: BTreeMap::new(), progress }
    }

    /// Joins one batch and stores it.
    ///
    /// # Errors
    ///
    /// When the store fails; the same batch may then be given again.
    pub fn ingest(&mut self, batch: Batch) -> Result<(), AggregatorError> {
        self.take(batch.into(), &mut Pushed).map(|_| ())
    }

    /// How far it has come.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The store, for what is to be done between batches.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Adds to the loss ledger what came up outside any batch, such as a capture that was cut. It is stored with
    /// the agent's next batch, or at the end.
    pub fn note(&mut self, agent: &AgentId, at: Timestamp, loss: Loss, count: u64) {
        let (agent, hour) = (agent.clone(), Hour::of(at));
        self.notes.entry(agent.clone()).or_default().push(LossEntry { agent, hour, loss, count });
    }

    /// Stores what is left and hands back the store.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn finish(mut self) -> Result<S, AggregatorError> {
        remember(&mut self.store, &mut self.news)?;
        remember(&mut self.store, &mut self.inventory.catch_up())?;
        for (agent, loss) in self.notes {
            // Counts as the batch after the agent's last, so that it counts once, too.
            let (name, block) = match self.memory.after(&agent) {
                Some((token, counters)) => {
                    ((&token).into(), Block::of_loss(Some(token), counters.clone(), loss))
                }
                None => {
                    let name = DeliveryToken(format!("notes/{agent}"));
                    (name, Block::of_loss(None, Counters::default(), loss))
                }
            };
            self.store.append(&name, &[block])?;
        }
        Ok(self.store)
    }
}

/// Has the store keep what is new, which is then none any more.
pub(crate) fn remember(store: &mut impl FlowStore, news: &mut News) -> Result<(), StoreError> {
    if !news.told.is_empty() {
        store.remember(&news.told)?;
        news.told.clear();
    }
    if !news.fronts.is_empty() {
        store.remember_fronts(&news.fronts)?;
        news.fronts.clear();
    }
    Ok(())
}

/// What is pushed in cannot wait, and cannot be put aside.
struct Pushed;

impl FlowSource for Pushed {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        Ok(None)
    }
}

//! The data path: source, ledger, names, identity, reach, store.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Batch, Counters, Evidence, Hour, Loss, LossEntry, TimeRange, Timestamp};

use crate::block::{Block, Join};
use crate::inventory::News;
use crate::ledger;
use crate::memory::{Memory, Standing};
use crate::names::asker;
use crate::reach;
use crate::source::{Delivery, DeliveryToken};
use crate::{AggregatorConfig, AggregatorError, FlowSource, FlowStore, Inventory, Progress, StoreError};

/// Joins batches and puts them into a store.
#[derive(Debug)]
pub struct Aggregator<I, S> {
    config: AggregatorConfig,
    inventory: I,
    /// What the inventory was told and the store does not have yet.
    news: News,
    store: S,
    memory: Memory,
    notes: BTreeMap<AgentId, Vec<LossEntry>>,
    progress: Progress,
}

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

    /// Joins a delivery and stores it; false where the source takes it back meanwhile.
    fn take(&mut self, delivery: Delivery, source: &mut impl FlowSource) -> Result<bool, AggregatorError> {
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
fn remember(store: &mut impl FlowStore, news: &mut News) -> Result<(), StoreError> {
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

/// Finds out about each record of a batch who both ends were at the time, and by which name the client went.
fn join<'a>(
    mut batch: Batch,
    mut loss: Vec<LossEntry>,
    config: &AggregatorConfig,
    inventory: &'a impl Inventory,
    memory: &mut Memory,
) -> Block<'a> {
    let (agent, room) = memory.agent(&batch, config);

    // Names: answers first, since they come before the flows that follow from them.
    for answer in &batch.names {
        let client = asker(answer.client, inventory.identify_at(answer.client, answer.seen));
        agent.names.learn(client, answer, config, room.names);
    }

    let mut names = Vec::new();
    let mut joins = Vec::with_capacity(batch.records.len());
    for record in &mut batch.records {
        // Identity: who both were at the time of the flow.
        let (from, to, at) = (record.client.address, record.server.address, record.first_seen);
        let during = TimeRange { start: at, end: record.last_seen };
        let (client, server) = (inventory.identify(from, during), inventory.identify(to, during));
        if client.handed_over || server.handed_over {
            record.add_evidence(Evidence::HANDED_OVER);
        }

        // Names: what the client called the server when it connected; later parts are the same connection. A
        // summary has those of its first.
        let start = names.len();
        if record.begins() && !agent.names.is_empty() {
            agent.names.find((asker(from, client.workload), to), at, config, &mut names);
        }

        // Reach: who was behind the address; only now, since the connection is known by what it was called on the wire.
        let answered = agent.answers.first_in(record, room.unanswered);
        let reached = inventory.reach(record.server, record.protocol, server.workload, at);
        let server = reach::follow(record, reached, server.workload, &mut names);
        let client = client.workload;
        joins.push(Join { client, server, answered, names: start..names.len() });
    }

    // Ledger: what the joins had no room for.
    let refused = [
        (Loss::EdgesRefused, agent.answers.take_refused()),
        (Loss::NamesRefused, agent.names.take_refused()),
    ];
    let refused = refused.into_iter().filter(|&(_, count)| count > 0);
    loss.extend(refused.map(|(kind, count)| ledger::entry(&batch, kind, count)));
    memory.settle(&batch);
    Block::new(batch, joins, names, loss)
}

/// What is pushed in cannot wait, and cannot be put aside.
struct Pushed;

impl FlowSource for Pushed {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        Ok(None)
    }
}

//! The data path: source, ledger, names, identity, store.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Batch, Counters, Hour, Loss, LossEntry, Timestamp};

use crate::answers::Answers;
use crate::block::{BatchToken, Block, Join};
use crate::ledger::{self, Ledger};
use crate::names::{NamesInForce, asker};
use crate::{AggregatorConfig, AggregatorError, FlowSource, FlowStore, Inventory};

/// Joins batches and puts them into a store.
#[derive(Debug)]
pub struct Aggregator<I, S> {
    config: AggregatorConfig,
    inventory: I,
    store: S,
    /// What each agent's batches depend on is kept apart, so that the order in which agents are heard
    /// changes nothing.
    agents: BTreeMap<AgentId, Agent>,
    notes: BTreeMap<AgentId, Vec<LossEntry>>,
}

/// What is remembered from one batch of an agent to the next.
#[derive(Debug, Default)]
struct Agent {
    ledger: Ledger,
    names: NamesInForce,
    answers: Answers,
}

/// Takes batches until the source has no more.
///
/// # Errors
///
/// When the source or the store fails; what was stored before stays stored.
pub fn run<I: Inventory, S: FlowStore>(
    source: &mut impl FlowSource,
    aggregator: &mut Aggregator<I, S>,
) -> Result<(), AggregatorError> {
    while let Some(batch) = source.next()? {
        aggregator.ingest(batch)?;
    }
    Ok(())
}

impl<I: Inventory, S: FlowStore> Aggregator<I, S> {
    /// An aggregator that asks `inventory` and fills `store`.
    pub const fn new(config: AggregatorConfig, inventory: I, store: S) -> Self {
        Self { config, inventory, store, agents: BTreeMap::new(), notes: BTreeMap::new() }
    }

    /// Joins one batch and stores it.
    ///
    /// # Errors
    ///
    /// When the store fails; the same batch may then be given again.
    pub fn ingest(&mut self, batch: Batch) -> Result<(), AggregatorError> {
        let Self { config, inventory, store, agents, notes } = self;
        let agent = agents.entry(batch.agent.clone()).or_default();

        // Ledger: what the agent lost since its last batch.
        let mut loss = agent.ledger.account(&batch);

        // Names: answers first, since they come before the flows that follow from them.
        for answer in &batch.names {
            let client = asker(answer.client, inventory.identify(answer.client, answer.seen));
            agent.names.learn(client, answer, config);
        }

        let mut names = Vec::new();
        let mut joins = Vec::with_capacity(batch.records.len());
        for record in &batch.records {
            // Identity: who both were at the time of the flow.
            let (from, to, at) = (record.client.address, record.server.address, record.first_seen);
            let (client, server) = (inventory.identify(from, at), inventory.identify(to, at));

            // Names: what the client called the server when it connected; later parts are the same connection.
            let start = names.len();
            if record.part == 0 && !agent.names.is_empty() {
                agent.names.find((asker(from, client), to), at, config, &mut names);
            }

            let answered = agent.answers.is_first(record, config.max_unanswered);
            joins.push(Join { client, server, answered, names: start..names.len() });
        }

        // Ledger: what the joins had no room for.
        let refused = [
            (Loss::EdgesRefused, agent.answers.take_refused()),
            (Loss::NamesRefused, agent.names.take_refused()),
        ];
        let refused = refused.into_iter().filter(|&(_, count)| count > 0);
        loss.extend(refused.map(|(kind, count)| ledger::entry(&batch, kind, count)));
        loss.extend(notes.get(&batch.agent).into_iter().flatten().cloned());

        // Store.
        let noted = batch.agent.clone();
        store.append(&Block::new(batch, joins, names, loss))?;
        notes.remove(&noted);
        Ok(())
    }

    /// From now on `inventory` says who the addresses are.
    pub fn identify_by(&mut self, inventory: I) {
        self.inventory = inventory;
    }

    /// The store, for what is to be done between batches.
    pub const fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Adds to the loss ledger what came up outside any batch, such as a capture that was cut. It is stored with
    /// the agent's next batch, or at the end.
    pub fn note(&mut self, agent: &AgentId, at: Timestamp, loss: Loss, count: u64) {
        self.notes.entry(agent.clone()).or_default().push(LossEntry {
            agent: agent.clone(),
            hour: Hour::of(at),
            loss,
            count,
        });
    }

    /// Stores what is left and hands back the store.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn finish(mut self) -> Result<S, AggregatorError> {
        for (agent, loss) in self.notes {
            let next = self.agents.get(&agent).and_then(|known| known.ledger.next());
            let block = match next {
                Some((started, sequence, counters)) => {
                    let token = BatchToken { agent, started, sequence };
                    Block::of_loss(Some(token), counters.clone(), loss)
                }
                None => Block::of_loss(None, Counters::default(), loss),
            };
            self.store.append(&block)?;
        }
        Ok(self.store)
    }
}

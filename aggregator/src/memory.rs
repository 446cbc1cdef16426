//! What is remembered of agents from one batch to the next.
//!
//! Ledgers are a copy of what the store has and are asked of it again when they are gone. Names in force and
//! connections without an answer are only here: after a restart, flows go without the names that were asked
//! for before it, and a connection whose first part came before it and whose answer comes after counts as
//! not answered.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Answers, Batch, Counters, LossEntry, Timestamp};

use crate::ledger::Ledger;
use crate::names::NamesInForce;
use crate::{AggregatorConfig, BatchToken, FlowStore, Progress, StoreError, restart};

/// Runs whose ledgers are remembered; beyond it all are asked of the store again. A hundred times as many as a
/// thousand nodes have; about 60 MB.
const MAX_LEDGERS: usize = 100_000;

/// Agents remembered; beyond it those are forgotten that were not heard since the last time.
const MAX_AGENTS: usize = 100_000;

/// What is remembered of all agents.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) ledgers: BTreeMap<(AgentId, Timestamp), Ledger>,
    /// What each agent's batches depend on is kept apart, so that the order in which agents are heard
    /// changes nothing.
    agents: BTreeMap<AgentId, Agent>,
    /// Names and unanswered connections of all agents together.
    held: Room,
}

/// What is remembered of one agent.
#[derive(Debug, Default)]
pub(crate) struct Agent {
    pub(crate) names: NamesInForce,
    pub(crate) answers: Answers,
    /// When it started, the number of its last batch, and the counters in it.
    last: Option<(Timestamp, u64, Counters)>,
    /// What of `Memory::held` is this agent's.
    held: Room,
    heard: bool,
}

/// Numbers of names and unanswered connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    pub(crate) names: usize,
    pub(crate) unanswered: usize,
}

/// Where a batch stands among those that came before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is new, and so is this loss.
    New(Vec<LossEntry>),
    /// The store has it from an earlier process; this one has not seen it.
    Replayed,
    /// It came before.
    Repeated,
}

impl Memory {
    /// Forgets what others may have changed, and what there is no room for.
    pub(crate) fn make_room(&mut self, resumed: bool, progress: &mut Progress) {
        if resumed || self.ledgers.len() >= MAX_LEDGERS {
            self.ledgers.clear();
        }
        if self.agents.len() >= MAX_AGENTS {
            progress.agents_forgotten += 1;
            self.agents.retain(|_, agent| std::mem::take(&mut agent.heard));
            if self.agents.len() >= MAX_AGENTS {
                self.agents.clear();
            }
            let held = self.agents.values().map(|agent| agent.held);
            self.held = held.fold(Room::default(), |sum, held| Room {
                names: sum.names + held.names,
                unanswered: sum.unanswered + held.unanswered,
            });
        }
    }

    /// Takes over what the store has of the run of a batch. Of one that begins with it, what became of the agent
    /// before tells whether it is a restart; so that is taken over, too.
    pub(crate) fn resume(&mut self, batch: &Batch, store: &impl FlowStore) -> Result<(), StoreError> {
        let Batch { agent, started, counters, .. } = batch;
        let run = store.run(agent, *started)?;
        if run.is_none() && counters.interfaces > 0 {
            for (started, run) in store.runs(agent)? {
                self.ledgers.entry((agent.clone(), started)).or_insert_with(|| Ledger::resume(run));
            }
        }
        self.ledgers.insert((agent.clone(), *started), Ledger::resume(run.unwrap_or_default()));
        Ok(())
    }

    /// What is lost where an agent that captures on interfaces has started again, and this is the first that came
    /// of it since. It follows from what came before in the order of the agent's batches, be it in the store or
    /// in the same delivery; so it is the same whenever the batch is given again.
    fn restarted(&self, batch: &Batch) -> Vec<LossEntry> {
        let Batch { agent, started, counters, .. } = batch;
        let known = self.ledgers.get(&(agent.clone(), *started));
        let goes_on = known.is_some_and(|ledger| ledger.0.latest().is_some());
        if counters.interfaces == 0 || goes_on {
            return Vec::new();
        }
        let all = (agent.clone(), Timestamp::MIN)..=(agent.clone(), Timestamp::MAX);
        let runs = self.ledgers.range(all).map(|((_, began), ledger)| (began, &ledger.0));
        let others: Vec<_> = runs.filter(|(began, run)| *began != started && run.is_live()).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let earlier = others.iter().filter(|(began, _)| *began < started);
        let last_seen = earlier.filter_map(|(_, run)| run.last_seen).max();
        restart::losses(agent, last_seen, *started)
    }

    /// Where a batch stands among those that came before.
    pub(crate) fn account(&mut self, batch: &Batch) -> Result<Standing, StoreError> {
        let restarted = self.restarted(batch);
        let ledger = self.ledgers.entry((batch.agent.clone(), batch.started)).or_default();
        let loss = ledger.account(batch)?;
        let agent = self.agents.entry(batch.agent.clone()).or_default();
        agent.heard = true;
        let number = (batch.started, batch.sequence);
        let latest = agent.last.as_ref().is_none_or(|&(started, sequence, _)| (started, sequence) < number);
        if latest {
            agent.last = Some((batch.started, batch.sequence, batch.counters.clone()));
        }
        Ok(match loss {
            Some(loss) => Standing::New(restarted.into_iter().chain(loss).collect()),
            None if latest => Standing::Replayed,
            None => Standing::Repeated,
        })
    }

    /// The agent of a batch, and how many names and unanswered connections it may have.
    pub(crate) fn agent(&mut self, batch: &Batch, config: &AggregatorConfig) -> (&mut Agent, Room) {
        let agent = self.agents.entry(batch.agent.clone()).or_default();
        agent.names.age(batch.now, config);
        let others = (self.held.names - agent.held.names, self.held.unanswered - agent.held.unanswered);
        let room = Room {
            names: config.max_names.saturating_sub(others.0),
            unanswered: config.max_unanswered.saturating_sub(others.1),
        };
        (agent, room)
    }

    /// Counts what the agent of a batch holds after it.
    pub(crate) fn settle(&mut self, batch: &Batch) {
        let Some(agent) = self.agents.get_mut(&batch.agent) else { return };
        let held = Room { names: agent.names.len(), unanswered: agent.answers.len() };
        self.held.names = self.held.names - agent.held.names + held.names;
        self.held.unanswered = self.held.unanswered - agent.held.unanswered + held.unanswered;
        agent.held = held;
    }

    /// The name of the batch after the last of an agent, and the counters of the last; `None` before its first.
    pub(crate) fn after(&self, agent: &AgentId) -> Option<(BatchToken, &Counters)> {
        let (started, sequence, counters) = self.agents.get(agent)?.last.as_ref()?;
        let (agent, started, sequence) = (agent.clone(), *started, sequence.saturating_add(1));
        Some((BatchToken { agent, started, sequence }, counters))
    }
}

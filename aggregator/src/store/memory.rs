//! The store that lasts as long as the process.

mod entry;
mod history;
mod interner;
mod known;
mod order;
mod workloads;

mod exchange;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    AgentId, Edge, FlowRecord, Hour, Loss, LossEntry, Protocol, Snapshot, TimeRange, Timestamp, Workload,
};

use entry::Entry;
pub(super) use entry::{Totals, times};
pub(super) use exchange::KeptEntry;
use interner::Interner;
use known::KnownNames;
pub use order::EdgesInOrder;
use workloads::Workloads;

use super::FlowStore;
use super::held::in_order;
use super::listeners::Listeners;
use super::runs::{self, Run, Runs};
use super::status::{AgentStatus, StoreStatus};
use crate::source::DeliveryToken;
use crate::{Block, Row, StoreConfig, StoreError};

/// Agents told apart. A cluster has thousands; records of more agents than this count as `EdgesRefused`.
const MAX_AGENTS: usize = 100_000;

/// Records looked up together: enough for their waits to overlap, few enough to stay in the nearest cache.
const CHUNK: usize = 128;

/// Edges in memory: a flat list of what each agent saw between two addresses on one service in one hour,
/// about 170 bytes each, put together to edges only when a snapshot is taken.
#[derive(Debug)]
pub struct MemoryStore {
    agents: Interner<AgentId>,
    workloads: Workloads,
    parties: Interner<Member>,
    entries: Interner<Key, Entry>,
    names: KnownNames,
    /// What hosts listened on.
    listeners: Listeners,
    runs: Runs,
    loss: BTreeMap<(AgentId, Hour, Loss), u64>,
    /// Whose addresses were.
    changes: history::Changes,
    /// Where Services led.
    fronts: history::Fronts,
    /// From the first packet to the last.
    extent: Option<TimeRange>,
}

/// An address and the workload it belonged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    address: IpAddr,
    /// Number in `workloads`.
    workload: Option<u32>,
}

/// What an entry is about: small, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Numbers in `parties`.
    client: u32,
    server: u32,
    /// Number in `agents`.
    agent: u32,
    /// [`Hour`], which fits for every [`Timestamp`].
    hour: i32,
    port: u16,
    protocol: Protocol,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: &StoreConfig) -> Self {
        let max_edges = config.max_edges;
        Self {
            agents: Interner::new(MAX_AGENTS),
            // Each has at least one edge.
            workloads: Workloads::new(max_edges.saturating_mul(2)),
            parties: Interner::new(max_edges.saturating_mul(2)),
            entries: Interner::new(max_edges),
            names: KnownNames::new(config.max_names),
            listeners: Listeners::default(),
            runs: Runs::default(),
            loss: BTreeMap::new(),
            changes: BTreeMap::new(),
            fronts: BTreeMap::new(),
            extent: None,
        }
    }

    /// The edges with a packet in `period`, or all, in the order of their keys and one at a time.
    #[must_use]
    pub fn edges(&self, period: Option<TimeRange>) -> EdgesInOrder<'_> {
        EdgesInOrder::new(self, period)
    }

    /// The same in full, all at once: an error where there are more than `limit`.
    pub(super) fn whole_edges(
        &self,
        period: Option<TimeRange>,
        limit: usize,
    ) -> Result<Vec<Edge>, StoreError> {
        let mut in_order = self.edges(period);
        let edges: Vec<Edge> = in_order.by_ref().take(limit).collect();
        match in_order.next() {
            Some(_) => Err(StoreError::TooManyEdges { limit }),
            None => Ok(edges),
        }
    }

    /// How many blocks it has taken.
    #[must_use]
    pub fn added(&self) -> u64 {
        self.runs.iter().map(|(_, run)| run.batches()).fold(0, u64::saturating_add)
    }

    /// From the first packet to the last; `None` where there is none.
    #[must_use]
    pub const fn extent(&self) -> Option<TimeRange> {
        self.extent
    }

    /// What the store holds.
    #[must_use]
    pub fn status(&self) -> StoreStatus {
        let entries = self.entries.items().iter();
        let hours: BTreeSet<i32> = entries.map(|(key, _)| key.hour).collect();
        StoreStatus {
            period: self.extent,
            hours: hours.len() as u64,
            edge_hours: self.entries.len() as u64,
            names: self.names.len() as u64,
            agents: AgentStatus::of(self.runs.iter()),
            loss: self.loss_in(None),
            deleted: Default::default(),
            bytes: None,
        }
    }

    /// Counts the records of a block in and returns what found no place, a count for each record's hour.
    ///
    /// Goes in short steps over many rows, each of which touches one table: the processor then waits for
    /// the memory of several rows at once, which is most of the time spent here.
    fn add_rows<'a>(
        &mut self,
        agent: u32,
        mut rows: impl Iterator<Item = Row<'a>>,
    ) -> Vec<(Hour, Loss, u64)> {
        let mut refused = Vec::new();
        let mut chunk: Vec<Row<'_>> = Vec::with_capacity(CHUNK);
        let mut keys = Vec::with_capacity(CHUNK);
        let mut entries = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            chunk.extend(rows.by_ref().take(CHUNK));
            if chunk.is_empty() {
                return refused;
            }
            keys.clear();
            keys.extend(chunk.iter().map(|row| self.key(row, agent)));
            entries.clear();
            entries.extend(keys.iter().map(|key| self.entries.intern(&(*key)?)));
            for ((row, key), entry) in chunk.iter().zip(&keys).zip(&entries) {
                let (kept, names) = match (key, entry) {
                    (Some(key), Some(entry)) => self.add(row, *key, *entry),
                    _ => (false, 0),
                };
                for (loss, count) in [(Loss::EdgesRefused, u64::from(!kept)), (Loss::NamesRefused, names)] {
                    if count > 0 {
                        refused.push((Hour::of(row.record.first_seen), loss, count));
                    }
                }
            }
        }
    }

    /// What a row is about.
    fn key(&mut self, row: &Row<'_>, agent: u32) -> Option<Key> {
        let record = row.record;
        let mut party = |address, workload: Option<&Arc<Workload>>| {
            let workload = workload.and_then(|workload| self.workloads.number(workload));
            self.parties.intern(&Member { address, workload })
        };
        Some(Key {
            client: party(record.client.address, row.client)?,
            server: party(record.server.address, row.server)?,
            agent,
            hour: hour_of(record.first_seen),
            port: record.service_port(),
            protocol: record.protocol,
        })
    }

    /// Counts a record in; tells whether there was a place for its last hour, and how many names found none.
    fn add(&mut self, row: &Row<'_>, key: Key, index: u32) -> (bool, u64) {
        let record = row.record;
        let entry = self.entries.value_mut(index);
        entry.add(record, row.answered);
        let last = record.last_seen.max(record.first_seen);
        let hour = hour_of(last);
        let kept = if hour == key.hour {
            entry.seen(last);
            true
        } else {
            // The counts belong to the first hour; in the last hour it was there, too. Whether it was there
            // in the hours between is not known.
            let presence = self.entries.intern(&Key { hour, ..key });
            presence.is_some_and(|presence| {
                self.entries.value_mut(presence).seen(last);
                true
            })
        };
        (kept, self.names.add_to_entry(index, row.names()))
    }

    fn extend(&mut self, record: &FlowRecord) {
        let (first, last) = (record.first_seen, record.last_seen.max(record.first_seen));
        let extent = self.extent.get_or_insert(TimeRange { start: first, end: last });
        extent.start = extent.start.min(first);
        extent.end = extent.end.max(last);
    }

    fn lose(&mut self, entry: LossEntry) {
        let LossEntry { agent, hour, loss, count } = entry;
        let sum = self.loss.entry((agent, hour, loss)).or_default();
        *sum = sum.saturating_add(count);
    }

    fn loss_in(&self, period: Option<TimeRange>) -> Vec<LossEntry> {
        let touches = |hour: Hour| {
            period.is_none_or(|p| hour.start() <= p.end && p.start < hour.start().plus(Hour::LENGTH))
        };
        let mut ledger = self.loss.clone();
        runs::add_missing(&mut ledger, self.runs.iter());
        let entries = ledger.into_iter().filter(|((_, hour, _), _)| touches(*hour));
        entries.map(|((agent, hour, loss), count)| LossEntry { agent, hour, loss, count }).collect()
    }

    /// Keeps one block, or nothing of it when its batch was kept before.
    fn add_block(&mut self, block: &Block<'_>) -> Result<(), StoreError> {
        if let Some(token) = &block.token {
            if !self.runs.is_new(token, block)? {
                return Ok(());
            }
            let agent = self.agents.intern(&token.agent);
            block.rows().for_each(|row| self.extend(row.record));
            let refused = match agent {
                Some(agent) => self.add_rows(agent, block.rows()),
                None => {
                    block.rows().map(|row| (Hour::of(row.record.first_seen), Loss::EdgesRefused, 1)).collect()
                }
            };
            for (hour, loss, count) in refused {
                self.lose(LossEntry { agent: token.agent.clone(), hour, loss, count });
            }
            for answer in &block.names {
                if !self.names.learn(answer) {
                    let (agent, hour) = (token.agent.clone(), Hour::of(answer.seen));
                    self.lose(LossEntry { agent, hour, loss: Loss::NamesRefused, count: 1 });
                }
            }
            for listener in &block.listeners {
                if !self.listeners.keep(&token.agent, listener) {
                    let (agent, hour) = (token.agent.clone(), Hour::of(listener.last_seen));
                    self.lose(LossEntry { agent, hour, loss: Loss::NamesRefused, count: 1 });
                }
            }
        }
        block.loss.iter().for_each(|entry| self.lose(entry.clone()));
        Ok(())
    }
}

fn hour_of(time: Timestamp) -> i32 {
    Hour::of(time).0 as i32
}

impl FlowStore for MemoryStore {
    fn append(&mut self, _: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        blocks.iter().try_for_each(|block| self.add_block(block))
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        Ok(self.runs.get(agent, started).cloned())
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        Ok(self.runs.of(agent))
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        in_order(period)?;
        let nothing = TimeRange { start: Timestamp::default(), end: Timestamp::default() };
        Ok(Snapshot {
            period: period.or(self.extent).unwrap_or(nothing),
            edges: self.edges(period).collect(),
            names: self.names.sorted(period),
            listeners: self.listeners.within(period),
            loss: self.loss_in(period),
            counters: self.runs.counters(),
        })
    }
}

#[cfg(test)]
mod tests;

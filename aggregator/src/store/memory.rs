//! The store that lasts as long as the process.

mod entry;
mod interner;
mod known;
mod order;
mod runs;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    AgentId, FlowRecord, Hour, Loss, LossEntry, Protocol, Snapshot, TimeRange, Timestamp, Workload,
};

use entry::Entry;
use interner::Interner;
use known::KnownNames;
pub use order::EdgesInOrder;
use runs::Runs;

use super::FlowStore;
use crate::{Block, Row, StoreConfig, StoreError};

/// Agents told apart. A cluster has thousands; records of more agents than this count as `EdgesRefused`.
const MAX_AGENTS: usize = 100_000;

/// Edges in memory: a flat list of what each agent saw between two addresses on one service in one hour,
/// about 160 bytes each, put together to edges only when a snapshot is taken.
#[derive(Debug)]
pub struct MemoryStore {
    agents: Interner<AgentId>,
    workloads: Interner<Arc<Workload>>,
    parties: Interner<Member>,
    keys: Interner<Key>,
    /// By the index of their key.
    entries: Vec<Entry>,
    names: KnownNames,
    runs: Runs,
    loss: BTreeMap<(AgentId, Hour, Loss), u64>,
    /// From the first packet to the last.
    extent: Option<TimeRange>,
}

/// An address and the workload it belonged to, an index into `workloads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    address: IpAddr,
    workload: Option<u32>,
}

/// What an entry is about: small, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Indices into `parties`.
    client: u32,
    server: u32,
    /// Index into `agents`.
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
            workloads: Interner::new(max_edges.saturating_mul(2)),
            parties: Interner::new(max_edges.saturating_mul(2)),
            keys: Interner::new(max_edges),
            entries: Vec::new(),
            names: KnownNames::new(config.max_names),
            runs: Runs::default(),
            loss: BTreeMap::new(),
            extent: None,
        }
    }

    /// The edges with a packet in `period`, or all, in the order of their keys and one at a time.
    #[must_use]
    pub fn edges(&self, period: Option<TimeRange>) -> EdgesInOrder<'_> {
        EdgesInOrder::new(self, period)
    }

    /// Counts a record in; false when there was no place for it, or none for its last hour.
    fn add(&mut self, row: &Row<'_>, agent: u32, workloads: &[Option<u32>], refused_names: &mut u64) -> bool {
        let record = row.record;
        let workload = |index: Option<u32>| index.and_then(|i| workloads.get(i as usize).copied().flatten());
        let client = Member { address: record.client.address, workload: workload(row.client) };
        let server = Member { address: record.server.address, workload: workload(row.server) };
        let (Some(client), Some(server)) = (self.parties.intern(&client), self.parties.intern(&server)) else {
            return false;
        };
        let first = record.first_seen;
        let last = record.last_seen.max(first);
        let (first_hour, last_hour) = (hour_of(first), hour_of(last));
        let (port, protocol) = (record.service_port(), record.protocol);
        let key = Key { client, server, agent, hour: first_hour, port, protocol };

        let Some(entry) = self.entry(key) else { return false };
        self.entries[entry].add(record, row.answered);
        self.names.add_to_entry(entry as u32, row.names(), refused_names);
        if last_hour == first_hour {
            self.entries[entry].seen(last);
            return true;
        }
        // The counts belong to the first hour; in the last hour it was there, too. Whether it was there in
        // the hours between is not known.
        let Some(presence) = self.entry(Key { hour: last_hour, ..key }) else { return false };
        self.entries[presence].seen(last);
        true
    }

    /// The index of the entry for `key`.
    fn entry(&mut self, key: Key) -> Option<usize> {
        let index = self.keys.intern(&key)? as usize;
        if index == self.entries.len() {
            self.entries.push(Entry::default());
        }
        Some(index)
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
        let entries = self.loss.iter().filter(|((_, hour, _), _)| touches(*hour));
        entries
            .map(|(&(ref agent, hour, loss), &count)| LossEntry { agent: agent.clone(), hour, loss, count })
            .collect()
    }
}

fn hour_of(time: Timestamp) -> i32 {
    Hour::of(time).0 as i32
}

impl FlowStore for MemoryStore {
    fn append(&mut self, block: &Block) -> Result<(), StoreError> {
        if let Some(token) = &block.token {
            if !self.runs.is_new(token, &block.counters) {
                return Ok(());
            }
            let agent = self.agents.intern(&token.agent);
            let workloads: Vec<_> = block.workloads.iter().map(|w| self.workloads.intern(w)).collect();
            for row in block.rows() {
                self.extend(row.record);
                let mut names = 0;
                let kept = agent.is_some_and(|agent| self.add(&row, agent, &workloads, &mut names));
                for (loss, count) in [(Loss::EdgesRefused, u64::from(!kept)), (Loss::NamesRefused, names)] {
                    if count > 0 {
                        let (agent, hour) = (token.agent.clone(), Hour::of(row.record.first_seen));
                        self.lose(LossEntry { agent, hour, loss, count });
                    }
                }
            }
            for answer in &block.names {
                if !self.names.learn(answer) {
                    let (agent, hour) = (token.agent.clone(), Hour::of(answer.seen));
                    self.lose(LossEntry { agent, hour, loss: Loss::NamesRefused, count: 1 });
                }
            }
        }
        block.loss.iter().for_each(|entry| self.lose(entry.clone()));
        Ok(())
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        if let Some(TimeRange { start, end }) = period.filter(|p| p.end < p.start) {
            return Err(StoreError::Period { start, end });
        }
        let nothing = TimeRange { start: Timestamp::default(), end: Timestamp::default() };
        Ok(Snapshot {
            period: period.or(self.extent).unwrap_or(nothing),
            edges: self.edges(period).collect(),
            names: self.names.sorted(period),
            loss: self.loss_in(period),
            counters: self.runs.counters(),
        })
    }
}

#[cfg(test)]
mod tests;

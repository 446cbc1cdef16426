//! What a store holds.

use std::collections::BTreeMap;

use watershed_model::{AgentId, Counters, LossEntry, TimeRange, Timestamp};

use super::runs::Run;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// From the first packet to the last; `None` where there is none.
    pub period: Option<TimeRange>,
    /// Hours with traffic.
    pub hours: u64,
    /// Edges, counted as address pair, service, agent and hour.
    pub edge_hours: u64,
    /// Names of addresses, counted as pairs.
    pub names: u64,
    /// Agents, by name.
    pub agents: Vec<AgentStatus>,
    /// The loss ledger, in order.
    pub loss: Vec<LossEntry>,
    /// What retention has deleted so far.
    pub deleted: Deleted,
    /// Room taken on disk, bytes; `None` for a store in memory.
    pub bytes: Option<u64>,
}

/// What came from one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// The agent.
    pub agent: AgentId,
    /// How often it started; for captures, how many were added.
    pub starts: u64,
    /// Time of the latest packet or answer that it told of.
    pub last_seen: Option<Timestamp>,
    /// Batches kept.
    pub batches: u64,
    /// Batches missing before the latest of each start.
    pub missing: u64,
    /// Flow records that it wrote, as of its latest batches.
    pub records: u64,
    /// Packets that the kernel received on its interfaces.
    pub kernel_received: u64,
    /// Packets of them that the kernel dropped.
    pub kernel_dropped: u64,
}

/// What retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Hours.
    pub hours: u64,
    /// Edges, counted as address pair, service, agent and hour.
    pub edge_hours: u64,
    /// Names of addresses.
    pub names: u64,
}

impl AgentStatus {
    /// Of every agent, over its runs.
    pub(super) fn of<'a>(runs: impl IntoIterator<Item = (&'a AgentId, &'a Run)>) -> Vec<Self> {
        let mut agents: BTreeMap<&AgentId, Self> = BTreeMap::new();
        for (agent, run) in runs {
            let status = agents.entry(agent).or_insert_with(|| Self {
                agent: agent.clone(),
                starts: 0,
                last_seen: None,
                batches: 0,
                missing: 0,
                records: 0,
                kernel_received: 0,
                kernel_dropped: 0,
            });
            status.starts += 1;
            status.last_seen = status.last_seen.max(run.last_seen);
            status.batches = status.batches.saturating_add(run.batches());
            status.missing = status.missing.saturating_add(run.missing());
            let Counters { records, kernel_received, kernel_dropped, .. } = run.counters;
            status.records = status.records.saturating_add(records);
            status.kernel_received = status.kernel_received.saturating_add(kernel_received);
            status.kernel_dropped = status.kernel_dropped.saturating_add(kernel_dropped);
        }
        agents.into_values().collect()
    }
}

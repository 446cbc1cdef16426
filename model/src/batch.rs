//! What an agent ships.

use std::fmt;
use std::sync::Arc;

use crate::{Counters, FlowRecord, Listener, NameObservation, Timestamp};

/// An agent's name: unique among the collectors of one deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub Arc<str>);

impl From<&str> for AgentId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an agent ships at once.
///
/// `(agent, started, sequence)` names a batch for good: sequence numbers start at 0 with each start
/// of the agent and have no gaps, so a receiver can tell a lost batch from a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who ships it.
    pub agent: AgentId,
    /// When the agent started.
    pub started: Timestamp,
    /// Number of this batch since then.
    pub sequence: u64,
    /// Event time up to which the agent has seen traffic.
    pub now: Timestamp,
    /// Flow records, in the order in which they ended.
    pub records: Vec<FlowRecord>,
    /// Names seen in DNS answers.
    pub names: Vec<NameObservation>,
    /// What the agent's host listens on: what has changed, and every few minutes all of it.
    pub listeners: Vec<Listener>,
    /// The agent's counters since it started, as of this batch.
    pub counters: Counters,
}

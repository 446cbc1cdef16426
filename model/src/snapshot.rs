//! What a store tells about a period: the input of graph and rules.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AgentId, Counters, Edge, Hour, KnownListener, Timestamp};

/// Everything observed in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The period: from the first to the last packet, or as asked for.
    pub period: TimeRange,
    /// Edges in order of their keys.
    pub edges: Vec<Edge>,
    /// Which names addresses had, in order of address and name.
    pub names: Vec<KnownName>,
    /// What hosts listened on, in order; every one that may have gone on into the period.
    pub listeners: Vec<KnownListener>,
    /// The loss ledger, in order.
    pub loss: Vec<LossEntry>,
    /// What the collectors counted, over all of them.
    pub counters: Counters,
}

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// The earliest time in it.
    pub start: Timestamp,
    /// The latest time in it.
    pub end: Timestamp,
}

/// A name that DNS answers gave to an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KnownName {
    /// The address.
    pub address: IpAddr,
    /// The name, lower case.
    pub name: Box<str>,
    /// When an answer first said so.
    pub first_seen: Timestamp,
    /// When an answer last said so.
    pub last_seen: Timestamp,
}

/// One line of the loss ledger: what `agent` did not keep in `hour`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossEntry {
    /// Who lost it.
    pub agent: AgentId,
    /// When.
    pub hour: Hour,
    /// What was lost.
    pub loss: Loss,
    /// How much of it.
    pub count: u64,
}

/// A kind of loss. What is computed over a period with loss says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Packets that the kernel dropped.
    KernelDropped,
    /// Packets that could not be decoded.
    NotDecoded,
    /// Packets refused by a limit of the collector.
    PacketsRefused,
    /// Connections cut in two because the flow table was full.
    FlowsEvicted,
    /// Edges that the store had no room for: connections not recorded.
    EdgesRefused,
    /// Names, of servers or of who listens, that the store had no room for.
    NamesRefused,
    /// Flow records that an agent had no room to keep until they could be shipped.
    RecordsDropped,
    /// Batches that never arrived, by gaps in their sequence.
    BatchesMissing,
    /// Captures that ended in the middle of a packet.
    CaptureCut,
    /// Times that an interface was away: nothing is known of what passed meanwhile.
    InterfaceAway,
    /// Starts of an agent that had run before: connections were cut in two.
    AgentRestarted,
    /// Seconds, rounded up, without a packet before an agent's restart: it was down for so long at most, and
    /// nothing is known of what passed meanwhile.
    AgentDown,
}

impl Loss {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 12] = [
        Self::KernelDropped,
        Self::NotDecoded,
        Self::PacketsRefused,
        Self::FlowsEvicted,
        Self::EdgesRefused,
        Self::NamesRefused,
        Self::RecordsDropped,
        Self::BatchesMissing,
        Self::CaptureCut,
        Self::InterfaceAway,
        Self::AgentRestarted,
        Self::AgentDown,
    ];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KernelDropped => "kernel_dropped",
            Self::NotDecoded => "not_decoded",
            Self::PacketsRefused => "packets_refused",
            Self::FlowsEvicted => "flows_evicted",
            Self::EdgesRefused => "edges_refused",
            Self::NamesRefused => "names_refused",
            Self::RecordsDropped => "records_dropped",
            Self::BatchesMissing => "batches_missing",
            Self::CaptureCut => "capture_cut",
            Self::InterfaceAway => "interface_away",
            Self::AgentRestarted => "agent_restarted",
            Self::AgentDown => "agent_down",
        }
    }

    /// What was lost, for a person: `packets dropped by the kernel`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::KernelDropped => "packets dropped by the kernel",
            Self::NotDecoded => "packets that could not be decoded",
            Self::PacketsRefused => "packets refused by a limit",
            Self::FlowsEvicted => "connections evicted from a full flow table",
            Self::EdgesRefused => "connections refused by a full edge store",
            Self::NamesRefused => "names refused by a full name store",
            Self::RecordsDropped => "connections dropped by a full spool",
            Self::BatchesMissing => "batches missing",
            Self::CaptureCut => "captures cut in the middle of a packet",
            Self::InterfaceAway => "times that an interface was away",
            Self::AgentRestarted => "restarts of the agent",
            Self::AgentDown => "seconds at most that the agent was down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_loss_is_its_index_and_its_name() {
        for (index, loss) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(loss as usize, index);
            assert_eq!(serde_json::to_value(loss).unwrap(), loss.as_str());
        }
    }
}

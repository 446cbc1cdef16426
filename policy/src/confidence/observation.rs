//! Which hours were watched, and how much of each loss has hidden.
//!
//! An hour was watched if any edge was seen in it. The loss ledger takes away from that:
//!
//! 1. where it does not tell how much was lost (batches missing, an interface away, a capture cut), the hour
//!    counts as not watched, and as part of the period even if nothing was seen in it;
//! 2. lost packets hide an hour's connections in proportion: a connection is not known by its answer unless
//!    none of the [`HANDSHAKE`] packets that show it is lost. Drops come in bursts, so a lost packet is not
//!    made up for by the packets after it;
//! 3. connections refused or cut by a limit hide in proportion to the connections of an hour.
//!
//! What was seen in an hour with loss stays seen; only the time in which one would have seen what is new
//! shrinks. So the same number of new edges stands for a higher rate, and the bound widens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use watershed_model::{Edge, Hour, Loss, LossEntry};

/// Packets that show an answered connection: opening, answer, confirmation.
const HANDSHAKE: i32 = 3;

/// For each hour with traffic, or whose traffic was lost, the share that no loss has hidden, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observation {
    /// Hours in which anything was seen, whatever loss has hidden of them.
    pub(super) with_traffic: u64,
    watched: BTreeMap<Hour, f64>,
}

impl Observation {
    /// Of all edges, accepted or not: any traffic shows that somebody watched.
    pub(super) fn of(edges: &[Edge], loss: &[LossEntry]) -> Self {
        let hours: BTreeSet<Hour> = edges.iter().flat_map(|edge| edge.hours.iter().copied()).collect();
        let count = hours.len().max(1) as f64;
        let packets: u64 = edges.iter().map(|edge| edge.to_server.packets + edge.to_client.packets).sum();
        let connections: u64 = edges.iter().map(|edge| edge.connections).sum();
        let mean = Mean { packets: packets as f64 / count, connections: connections as f64 / count };

        let with_traffic = hours.len() as u64;
        let mut watched: BTreeMap<Hour, f64> = hours.into_iter().map(|hour| (hour, 1.0)).collect();
        for entry in loss {
            let left = 1.0 - mean.hidden_by(entry);
            match watched.get_mut(&entry.hour) {
                Some(share) => *share *= left,
                None if left <= 0.0 => drop(watched.insert(entry.hour, 0.0)),
                None => {}
            }
        }
        Self { with_traffic, watched }
    }

    /// The same, as it was known before `end`.
    pub(super) fn before(&self, end: Hour) -> Self {
        let watched = self.watched.range(..end).map(|(&hour, &share)| (hour, share)).collect();
        Self { with_traffic: self.with_traffic, watched }
    }

    /// The share of all this time that loss has hidden, from 0 to 1.
    pub(super) fn hidden(&self) -> f64 {
        let all = self.watched.len() as f64;
        if self.watched.is_empty() { 0.0 } else { 1.0 - self.watched.values().sum::<f64>() / all }
    }

    /// From the first to the last hour.
    pub(super) fn span(&self) -> Option<RangeInclusive<Hour>> {
        Some(*self.watched.first_key_value()?.0..=*self.watched.last_key_value()?.0)
    }

    /// Hours watched, at least in part.
    pub(super) fn hours(&self) -> Vec<Hour> {
        self.watched.iter().filter(|(_, share)| **share > 0.0).map(|(&hour, _)| hour).collect()
    }

    /// How many hours of `range` were watched, those with loss in part.
    pub(super) fn watched(&self, range: RangeInclusive<Hour>) -> f64 {
        if range.is_empty() { 0.0 } else { self.watched.range(range).map(|(_, share)| share).sum() }
    }
}

/// What an hour has on average. Stores do not keep packets by hour, and the average of watched hours is the
/// best that is known.
struct Mean {
    packets: f64,
    connections: f64,
}

impl Mean {
    /// The share of its hour that a loss may have hidden, from 0 to 1.
    fn hidden_by(&self, entry: &LossEntry) -> f64 {
        let lost = entry.count as f64;
        let share = |of: f64| if lost > 0.0 { lost / (lost + of) } else { 0.0 };
        match entry.loss {
            Loss::KernelDropped | Loss::NotDecoded | Loss::PacketsRefused => {
                1.0 - (1.0 - share(self.packets)).powi(HANDSHAKE)
            }
            Loss::FlowsEvicted | Loss::EdgesRefused | Loss::RecordsDropped => share(self.connections),
            Loss::AgentDown => (lost / Hour::LENGTH.as_secs_f64()).min(1.0),
            // Edges are there without their names; a restart cuts connections in two, and both parts are there.
            Loss::NamesRefused | Loss::AgentRestarted => 0.0,
            Loss::BatchesMissing | Loss::CaptureCut | Loss::InterfaceAway => 1.0,
        }
    }
}

//! How far an aggregator has come.

use crate::inventory::HistoryCounts;
use crate::{AggregatorError, FlowSource, StoreError};

/// What an aggregator has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Deliveries stored.
    pub deliveries: u64,
    /// Batches taken from the source, repeated and refused ones among them.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Of these records those that stayed within one pod or node of a cluster, which are no edges.
    pub within: u64,
    /// Batches that the store had already.
    pub repeated: u64,
    /// Batches that came again with other content and were put aside.
    pub refused: u64,
    /// Times that the store failed and the delivery had to wait.
    pub store_failures: u64,
    /// Times that what is remembered of agents was forgotten for want of room; names that were in force and
    /// answers that are still to come are then not joined.
    pub agents_forgotten: u64,
    /// What became of what the inventory was told.
    pub inventory: HistoryCounts,
}

impl Progress {
    /// Whether to try again what failed for `reason`; the source waits.
    pub(crate) fn held(
        &mut self,
        reason: StoreError,
        source: &mut impl FlowSource,
    ) -> Result<bool, AggregatorError> {
        self.store_failures += 1;
        source.hold(reason)
    }
}

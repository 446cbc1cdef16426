//! Where batches come from.

mod channel;

use watershed_model::Batch;

pub use channel::{Channel, QUEUE_BATCHES, channel};

use crate::AggregatorError;

/// A source of batches, in the order in which each agent sent them.
pub trait FlowSource {
    /// Waits for the next batch; `None` once there will be no more.
    ///
    /// # Errors
    ///
    /// When the transport fails. A batch that was never received is no error: the ledger sees the gap.
    fn next(&mut self) -> Result<Option<Batch>, AggregatorError>;
}

//! Where batches go: the [`FlowSink`] seam.

pub mod kafka;

pub mod spool;

use crossbeam_channel::Sender;
use watershed_model::Batch;

use crate::error::SinkError;

/// A place that batches go to.
///
/// Conformance: batches arrive in the order in which they were sent, each once.
pub trait FlowSink {
    /// Hands a batch over; waits while there is no room.
    ///
    /// # Errors
    ///
    /// Nobody takes batches any more.
    fn send(&mut self, batch: Batch) -> Result<(), SinkError>;
}

/// Sends batches to another thread of this process. The channel's bound is its queue.
#[derive(Clone, Debug)]
pub struct Channel(pub Sender<Batch>);

impl FlowSink for Channel {
    fn send(&mut self, batch: Batch) -> Result<(), SinkError> {
        self.0.send(batch).map_err(|_| SinkError::Gone)
    }
}

/// Keeps batches, for tests and for whoever wants them all.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub Vec<Batch>);

impl FlowSink for Memory {
    fn send(&mut self, batch: Batch) -> Result<(), SinkError> {
        self.0.push(batch);
        Ok(())
    }
}

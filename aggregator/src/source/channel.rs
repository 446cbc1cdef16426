//! Batches from a collector in the same process.

use crossbeam_channel::{Receiver, Sender};
use watershed_model::Batch;

use super::{Delivery, FlowSource};
use crate::AggregatorError;

/// Batches that may wait between collector and aggregator. Enough to ride out a slow moment of either side,
/// few enough that the records in between stay a small part of the memory; a full queue holds the collector
/// back, so nothing is lost and nothing needs counting.
pub const QUEUE_BATCHES: usize = 16;

/// The receiving end of a bounded channel; ends when every sender is gone.
#[derive(Debug)]
pub struct Channel(Receiver<Batch>);

/// A channel of [`QUEUE_BATCHES`] places: the sender for the collector, the source for the aggregator.
#[must_use]
pub fn channel() -> (Sender<Batch>, Channel) {
    let (sender, receiver) = crossbeam_channel::bounded(QUEUE_BATCHES);
    (sender, Channel(receiver))
}

impl From<Receiver<Batch>> for Channel {
    fn from(receiver: Receiver<Batch>) -> Self {
        Self(receiver)
    }
}

impl FlowSource for Channel {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        Ok(self.0.recv().ok().map(Delivery::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch;

    #[test]
    fn hands_out_batches_in_order_and_ends_with_the_last_sender() {
        let (sender, mut source) = channel();
        for sequence in 0..3 {
            sender.send(batch("a", sequence, Vec::new())).unwrap();
        }
        drop(sender);
        for sequence in 0..3 {
            assert_eq!(source.next().unwrap().unwrap().batches[0].sequence, sequence);
        }
        assert!(source.next().unwrap().is_none());
    }
}

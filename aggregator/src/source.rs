//! Where batches come from.

mod channel;

use std::fmt;

use watershed_model::Batch;

pub use channel::{Channel, QUEUE_BATCHES, channel};

use crate::{AggregatorError, BatchToken, StoreError};

/// Batches that are stored together, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What names it for good.
    pub token: DeliveryToken,
    /// The batches, in the order in which each agent sent them.
    pub batches: Vec<Batch>,
    /// Whether others may have stored batches of these agents since the last delivery, so that what is
    /// remembered of their runs has to be asked of the store again.
    pub resumed: bool,
}

/// What names a delivery for good: the same batches under the same name, also after a crash. A store that
/// drops what it has by its name drops it by this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryToken(pub String);

impl fmt::Display for DeliveryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A delivery of one batch is named as the batch is.
impl From<&BatchToken> for DeliveryToken {
    fn from(BatchToken { agent, started, sequence }: &BatchToken) -> Self {
        Self(format!("batch/{agent}/{}/{sequence}", started.as_nanos()))
    }
}

impl From<Batch> for Delivery {
    fn from(batch: Batch) -> Self {
        Self { token: (&BatchToken::of(&batch)).into(), batches: vec![batch], resumed: false }
    }
}

/// A source of batches, in the order in which each agent sent them.
///
/// A delivery is given until it is acknowledged, also by the next process that reads from the source; so what
/// was stored before a crash comes again, and what was not comes at all.
pub trait FlowSource {
    /// Waits for the next batches; `None` once there will be no more.
    ///
    /// # Errors
    ///
    /// When the transport fails. A batch that was never received is no error: the ledger sees the gap.
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError>;

    /// The store has the latest delivery.
    ///
    /// # Errors
    ///
    /// When the transport fails for good.
    fn acknowledge(&mut self) -> Result<(), AggregatorError> {
        Ok(())
    }

    /// The store cannot take the latest delivery now. Tells whether to try again, after a while that the source
    /// waits for itself; if not, the delivery is given to someone else, or again.
    ///
    /// # Errors
    ///
    /// Gives up with `reason`, as a source does that cannot hold anything back.
    fn hold(&mut self, reason: StoreError) -> Result<bool, AggregatorError> {
        Err(reason.into())
    }

    /// The store will never take batch `index` of the latest delivery; the others go on without it.
    ///
    /// # Errors
    ///
    /// Gives up with `reason`, as a source does that can put nothing aside.
    fn refuse(&mut self, index: usize, reason: StoreError) -> Result<(), AggregatorError> {
        let _ = index;
        Err(reason.into())
    }
}

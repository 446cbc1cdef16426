//! Without librdkafka: nothing can be read from Kafka.

use super::{KafkaSourceConfig, KafkaStatus};
use crate::AggregatorError;
use crate::source::{Delivery, FlowSource};

/// Batches from Kafka; there are none in this build.
#[derive(Debug)]
pub enum KafkaSource {}

impl KafkaSource {
    /// Says how to get a build that can read from Kafka.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open(config: KafkaSourceConfig) -> Result<Self, AggregatorError> {
        Err(AggregatorError::KafkaDisabled { brokers: config.brokers })
    }

    /// The same of a source that tells how it goes.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open_watched(
        config: KafkaSourceConfig,
        _: impl FnMut(&KafkaStatus, Option<&str>) + Send + 'static,
    ) -> Result<Self, AggregatorError> {
        Self::open(config)
    }

    /// What became of the messages so far.
    #[must_use]
    pub const fn status(&self) -> KafkaStatus {
        match *self {}
    }
}

impl FlowSource for KafkaSource {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        match *self {}
    }
}

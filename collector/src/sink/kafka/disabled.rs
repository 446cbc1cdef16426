//! Without the client library: nothing can be shipped to Kafka.

use watershed_model::Batch;

use super::{KafkaConfig, ShippingStatus};
use crate::error::SinkError;
use crate::sink::FlowSink;

/// Ships to Kafka; there is none in this build.
#[derive(Debug)]
pub enum KafkaSink {}

impl KafkaSink {
    /// Says how to get a build that can ship to Kafka.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open(config: &KafkaConfig) -> Result<Self, SinkError> {
        Err(SinkError::KafkaDisabled { brokers: config.brokers.clone() })
    }

    /// The same of a sink that tells how it goes.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open_watched(
        config: &KafkaConfig,
        _: impl FnMut(&ShippingStatus) + Send + 'static,
    ) -> Result<Self, SinkError> {
        Self::open(config)
    }

    /// What became of the batches so far.
    #[must_use]
    pub const fn status(&self) -> ShippingStatus {
        match *self {}
    }

    /// Waits until everything is shipped or spooled.
    ///
    /// # Errors
    ///
    /// Never in this build.
    pub const fn close(self) -> Result<ShippingStatus, SinkError> {
        match self {}
    }
}

impl FlowSink for KafkaSink {
    fn send(&mut self, _: Batch) -> Result<(), SinkError> {
        match *self {}
    }
}

//! How `watershed aggregate` reads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use watershed_aggregator::source::kafka::{DEAD_LETTERS, KafkaSourceConfig};

use super::kafka::KafkaSettings;
use crate::clock;

/// How the consumer group is shared, and how much is stored at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AggregateSettings {
    pub(crate) group: String,
    /// Empty: none.
    pub(crate) instance: String,
    pub(crate) dead_letters: String,
    pub(crate) max_records: usize,
    pub(crate) max_wait: Duration,
}

impl Default for AggregateSettings {
    fn default() -> Self {
        let defaults = KafkaSourceConfig::new(String::new(), Arc::default(), clock::now);
        Self {
            group: defaults.group,
            instance: String::new(),
            dead_letters: DEAD_LETTERS.to_owned(),
            max_records: defaults.max_records,
            max_wait: defaults.max_wait,
        }
    }
}

impl AggregateSettings {
    /// The source that these settings and those of Kafka stand for.
    ///
    /// # Errors
    ///
    /// The settings of Kafka contradict each other, or the password cannot be read.
    pub(crate) fn source(
        &self,
        kafka: &KafkaSettings,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<KafkaSourceConfig> {
        Ok(KafkaSourceConfig {
            group: self.group.clone(),
            instance: Some(self.instance.clone()).filter(|name| !name.is_empty()),
            topic: kafka.topic.clone(),
            dead_letters: self.dead_letters.clone(),
            connection: kafka.connection()?,
            max_records: self.max_records,
            max_wait: self.max_wait,
            ..KafkaSourceConfig::new(kafka.brokers.clone(), stop, clock::now)
        })
    }
}

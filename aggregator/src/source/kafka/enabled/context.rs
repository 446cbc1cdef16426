//! What librdkafka tells while it is polled.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::statistics::Statistics;

/// How often it tells how far behind the group is.
pub(super) const STATISTICS_EVERY: &str = "5000";

/// Notes what it is told; whoever polls looks at it afterwards.
#[derive(Debug, Default)]
pub(super) struct Context(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Raised whenever partitions are assigned or taken away.
    generation: u64,
    lag: u64,
    /// What went wrong last with a broker, in librdkafka's words; gone once one answers.
    trouble: Option<Arc<str>>,
    /// Whether no broker answers, as of the last statistics.
    lost: bool,
}

impl Context {
    pub(super) fn generation(&self) -> u64 {
        self.told(|told| told.generation)
    }

    pub(super) fn lag(&self) -> u64 {
        self.told(|told| told.lag)
    }

    /// What went wrong last with a broker, such as a wrong password; errors themselves only have a code.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.told(|told| told.trouble.clone())
    }

    /// Why no broker answers; `None` where one does, as far as is known.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        let reason = |told: &Told| told.trouble.clone().unwrap_or_else(|| "no broker answers".into());
        self.told(|told| told.lost.then(|| reason(told)))
    }

    fn told<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            self.told(|told| told.trouble = Some(message.into()));
        }
        tracing::debug!(?level, facility, message, "kafka client");
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let lag = partitions.map(|partition| u64::try_from(partition.consumer_lag).unwrap_or(0)).sum();
        let answers = statistics.brokers.values().any(|broker| broker.state == "UP");
        self.told(|told| {
            (told.lag, told.lost) = (lag, !answers);
            told.trouble.take_if(|_| answers);
        });
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.told(|told| told.generation += 1);
    }
}

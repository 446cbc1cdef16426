//! What librdkafka tells while it is polled.

use std::sync::Mutex;
use std::sync::PoisonError;

use rdkafka::client::ClientContext;
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
}

impl Context {
    pub(super) fn generation(&self) -> u64 {
        self.told(|told| told.generation)
    }

    pub(super) fn lag(&self) -> u64 {
        self.told(|told| told.lag)
    }

    fn told<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let lag = partitions.map(|partition| u64::try_from(partition.consumer_lag).unwrap_or(0)).sum();
        self.told(|told| told.lag = lag);
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.told(|told| told.generation += 1);
    }
}

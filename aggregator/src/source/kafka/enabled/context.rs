//! What librdkafka tells while it is polled.

use std::sync::Mutex;
use std::sync::PoisonError;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;

/// How often it tells how far behind the group is.
pub(super) const STATISTICS_EVERY: &str = "5000";

/// Notes what it is told; whoever polls looks at it afterwards.
#[derive(Debug, Default)]
pub(super) struct Context(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Raised whenever partitions are assigned or taken away.
    generation: u64,
    commits: Vec<Commit>,
    lag: u64,
}

/// How a commit of an offset went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) partition: i32,
    pub(super) offset: Option<i64>,
    /// What went wrong.
    pub(super) failure: Option<String>,
}

impl Context {
    pub(super) fn generation(&self) -> u64 {
        self.told(|told| told.generation)
    }

    pub(super) fn lag(&self) -> u64 {
        self.told(|told| told.lag)
    }

    pub(super) fn take_commits(&self) -> Vec<Commit> {
        self.told(|told| std::mem::take(&mut told.commits))
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

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let all = result.err().map(|error| error.to_string());
        let commits = offsets.elements().into_iter().map(|element| Commit {
            partition: element.partition(),
            offset: element.offset().to_raw(),
            failure: all.clone().or_else(|| element.error().err().map(|error| error.to_string())),
        });
        let commits: Vec<Commit> = commits.collect();
        self.told(|told| told.commits.extend(commits));
    }
}

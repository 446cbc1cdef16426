//! What a process that reads from Kafka tells.

use prometheus::{IntCounter, IntGauge};
use watershed_aggregator::source::kafka::KafkaStatus;

use super::{Metrics, amount, follow};

/// The source's counters as metrics.
#[derive(Clone, Debug)]
pub(crate) struct ReadingMetrics {
    messages: IntCounter,
    dead_letters: IntCounter,
    dead_letters_lost: IntCounter,
    assignments: IntCounter,
    rebuilt: IntCounter,
    commit_failures: IntCounter,
    lag: IntGauge,
    waiting: IntGauge,
}

impl ReadingMetrics {
    /// Registers them, all at zero.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.counter(name, help);
        Self {
            messages: counter("kafka_messages_total", "Messages read, those that came again among them"),
            dead_letters: counter(
                "kafka_dead_letters_total",
                "Messages that could not be read and were put aside",
            ),
            dead_letters_lost: counter(
                "kafka_dead_letters_lost_total",
                "Messages put aside that the topic for them did not take either; the log names them",
            ),
            assignments: counter("kafka_assignments_total", "Times that partitions were assigned"),
            rebuilt: counter(
                "kafka_ranges_rebuilt_total",
                "Ranges that an earlier reader had planned and that were handed out again",
            ),
            commit_failures: counter(
                "kafka_commit_failures_total",
                "Commits of an offset that failed and were tried again",
            ),
            lag: metrics.gauge("kafka_lag_messages", "Messages of own partitions that are not stored yet"),
            waiting: metrics.gauge("kafka_waiting_records", "Records and names that wait in memory"),
        }
    }

    /// The source's counters by now.
    pub(crate) fn observe(&self, status: &KafkaStatus) {
        let KafkaStatus {
            messages,
            dead_letters,
            dead_letters_lost,
            assignments,
            rebuilt,
            commit_failures,
            lag,
            waiting,
        } = status;
        follow(&self.messages, *messages);
        follow(&self.dead_letters, *dead_letters);
        follow(&self.dead_letters_lost, *dead_letters_lost);
        follow(&self.assignments, *assignments);
        follow(&self.rebuilt, *rebuilt);
        follow(&self.commit_failures, *commit_failures);
        self.lag.set(amount(*lag));
        self.waiting.set(amount(*waiting));
    }
}

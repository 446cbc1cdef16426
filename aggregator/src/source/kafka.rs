//! Batches from Kafka, as one of a consumer group.
//!
//! Each partition is read in ranges. Before a range is handed out, its start is committed with its end as the
//! offset's metadata; once the store has it, its end is committed. Whoever gets the partition next, be it after
//! a crash or a rebalance, finds in the metadata which range to hand out first, and under which token; so the
//! store is given exactly the same again and keeps none of it twice.
//!
//! The client library needs OpenSSL, so it is behind the cargo feature `kafka`. Without it everything here is
//! still there and type-checks; opening says how to get it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use watershed_model::Timestamp;

#[cfg(not(feature = "kafka"))]
mod disabled;
#[cfg(feature = "kafka")]
mod enabled;

#[cfg(not(feature = "kafka"))]
pub use disabled::KafkaSource;
#[cfg(feature = "kafka")]
pub use enabled::KafkaSource;

/// The topic that agents ship to. The version of the wire format is in its name.
pub const TOPIC: &str = "watershed.flows.v1";

/// The topic for what cannot be read.
pub const DEAD_LETTERS: &str = "watershed.dead.v1";

/// How to read from Kafka.
#[derive(Clone)]
pub struct KafkaSourceConfig {
    /// Where to find the cluster: `host:port,...`.
    pub brokers: String,
    /// The consumer group: aggregators of one group share the partitions and keep their place together.
    pub group: String,
    /// A name that this aggregator keeps from one start to the next, its own in the group (Kafka's static
    /// membership): it then has its partitions back at once after a restart. Without it the group finds out
    /// after ten seconds that one of it was killed.
    pub instance: Option<String>,
    /// The topic.
    pub topic: String,
    /// Where to put what cannot be read; made if there is none.
    pub dead_letters: String,
    /// How to connect: properties of librdkafka such as `security.protocol`. May hold secrets.
    pub connection: Vec<(String, String)>,
    /// Records and names that are stored together, at most by one batch more. Twice as many may wait in memory
    /// while the store does not take them; beyond it nothing more is fetched. 100,000 take about 50 MB.
    pub max_records: usize,
    /// How long a batch waits for others to be stored with it. One second: the store is asked often enough to be
    /// up to date, and seldom enough to work.
    pub max_wait: Duration,
    /// Set to end: what was not acknowledged by then is given to whoever reads next.
    pub stop: Arc<AtomicBool>,
    /// What time it is.
    pub now: fn() -> Timestamp,
}

impl KafkaSourceConfig {
    /// The defaults.
    #[must_use]
    pub fn new(brokers: String, stop: Arc<AtomicBool>, now: fn() -> Timestamp) -> Self {
        Self {
            brokers,
            group: "watershed".to_owned(),
            instance: None,
            topic: TOPIC.to_owned(),
            dead_letters: DEAD_LETTERS.to_owned(),
            connection: Vec::new(),
            max_records: 100_000,
            max_wait: Duration::from_secs(1),
            stop,
            now,
        }
    }
}

/// Leaves out the connection's properties: there may be a password among them.
impl fmt::Debug for KafkaSourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, group, instance, topic, max_records, max_wait, .. } = self;
        f.debug_struct("KafkaSourceConfig")
            .field("brokers", brokers)
            .field("group", group)
            .field("instance", instance)
            .field("topic", topic)
            .field("max_records", max_records)
            .field("max_wait", max_wait)
            .finish_non_exhaustive()
    }
}

/// What became of the messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KafkaStatus {
    /// Messages read, those among them that came again after a rebalance.
    pub messages: u64,
    /// Messages that could not be read and were put aside.
    pub dead_letters: u64,
    /// Of these, those that not even the topic for them took; the log names their places.
    pub dead_letters_lost: u64,
    /// Times that partitions were assigned.
    pub assignments: u64,
    /// Ranges that an earlier reader had planned and that were handed out again.
    pub rebuilt: u64,
    /// Commits of an offset that failed and were tried again.
    pub commit_failures: u64,
    /// Messages in this reader's partitions that are not stored yet, as of a few seconds ago.
    pub lag: u64,
    /// Records and names that wait in memory.
    pub waiting: u64,
}

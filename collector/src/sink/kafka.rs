//! Batches to Kafka, through a spool on disk.
//!
//! The client library needs OpenSSL, so it is behind the cargo feature `kafka`. Without it everything here is
//! still there and type-checks; opening says how to get it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(not(feature = "kafka"))]
mod disabled;
#[cfg(feature = "kafka")]
mod enabled;

#[cfg(not(feature = "kafka"))]
pub use disabled::KafkaSink;
#[cfg(feature = "kafka")]
pub use enabled::KafkaSink;

use super::spool::{Dropped, SpoolConfig};

/// The topic for batches. The version of the wire format is in its name, so that another one gets a topic of
/// its own.
pub const TOPIC: &str = "watershed.flows.v1";

/// How to ship to Kafka.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Where to find the cluster: `host:port,...`.
    pub brokers: String,
    /// The topic; made if there is none.
    pub topic: String,
    /// Its partitions, where it is made: no more aggregators can share it. An agent's batches stay in one.
    pub partitions: u16,
    /// Its copies, where it is made.
    pub replication: u16,
    /// How to connect: properties of librdkafka such as `security.protocol`. May hold secrets.
    pub connection: Vec<(String, String)>,
    /// Where batches wait until Kafka has them.
    pub spool: SpoolConfig,
    /// What to do with a batch when there is no room for it.
    pub when_full: WhenFull,
    /// At the end, how long to wait for Kafka while nothing arrives; what is left stays in the spool.
    pub patience: Duration,
}

/// Leaves out the connection's properties: there may be a password among them.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, topic, spool, when_full, .. } = self;
        write!(f, "KafkaConfig {{ {brokers}, {topic}, {spool:?}, {when_full:?}, .. }}")
    }
}

/// What to do with a batch when there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Drop and count it: what is captured on an interface cannot wait.
    Drop,
    /// Wait for room: a capture file stays as it is.
    Wait,
}

/// What became of the batches so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShippingStatus {
    /// Batches that Kafka acknowledged.
    pub acknowledged: u64,
    /// Octets that wait in the spool.
    pub spooled_bytes: u64,
    /// What was dropped since there was no room for it, an earlier process's untold losses included.
    pub dropped: Dropped,
    /// Batches of an earlier process that were found torn in the spool.
    pub torn: u64,
    /// Batches that Kafka refused for good.
    pub refused: u64,
    /// Times that the connection had to be made anew.
    pub reconnects: u64,
    /// Why Kafka takes nothing at the moment; `None` while it does, or as long as nothing is known.
    pub away: Option<Arc<str>>,
    /// Whether a batch was dropped since there was no room for it, and a quarter of the room is not free again: a smaller
    /// batch may fit before.
    pub full: bool,
}

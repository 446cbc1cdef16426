//! The flow table: from segments to flow records.
//!
//! Open addressing over fixed-size entries. A batch of segments is looked up in three passes, so that
//! the memory of one is fetched while the others are worked on; see [`FlowTable::observe`]. Time is the
//! packets' own: the same packets give the same records in the same order, whatever the batches were.

mod key;

mod index;

mod entry;

mod tcp;

mod direction;

mod wheel;

mod timeouts;

mod table;

mod record;

mod slab;

mod taps;

mod naming;

mod prefetch;

use std::time::Duration;

use crate::listening::Listening;

pub use key::{Address, FlowKey};
pub use table::FlowTable;

/// How connections are followed. All times are event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// Connections that may be open at a time; the one whose timeout is nearest makes room. At 192 octets
    /// each and 32 for index and timers, the default is 56 MiB, so that an agent that is flooded stays below 100.
    pub max_flows: usize,
    /// An established TCP connection without a packet for this long is over (Zeek: 5 min).
    pub tcp_idle: Duration,
    /// Any other flow without a packet for this long is over (Zeek: 1 min for UDP and ICMP).
    pub idle: Duration,
    /// A TCP connection that was closed or reset is kept this long for late packets (Zeek: 5 s).
    pub after_close: Duration,
    /// A connection that goes on is reported this often; `None`: only when it is over.
    pub active_report: Option<Duration>,
    /// Key of the table's hash. A secret one keeps senders from building collisions; it changes no output.
    pub hash_key: u64,
    /// What the host that captures listens on, as far as somebody looks.
    pub listening: Listening,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            max_flows: 1 << 18,
            tcp_idle: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            after_close: Duration::from_secs(5),
            active_report: None,
            hash_key: 0x9e37_79b9_7f4a_7c15,
            listening: Listening::default(),
        }
    }
}

#[cfg(test)]
mod tests;

//! How a collector works.

use std::time::Duration;

use watershed_model::{AgentId, Timestamp};

use crate::decode::DecodeConfig;
use crate::flow::FlowConfig;
use crate::summary::SummaryConfig;

/// How a collector works.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorConfig {
    /// The name under which it ships.
    pub agent: AgentId,
    /// When it started; with the agent's name it tells its batches from those of an earlier start.
    pub started: Timestamp,
    /// How packets are decoded.
    pub decode: DecodeConfig,
    /// How connections are followed.
    pub flow: FlowConfig,
    /// Records in a batch: enough to spread the cost of shipping, few enough to be under way soon. A batch
    /// of plain records is about 300 KiB in memory.
    pub batch_records: usize,
    /// A batch is shipped after so much event time even if it is not full, and empty if need be, since it
    /// carries the counters; `None`: only when it is full, and at the end.
    pub ship_every: Option<Duration>,
    /// Ships summaries of connections instead of single ones.
    pub summary: Option<SummaryConfig>,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            agent: AgentId::from("local"),
            started: Timestamp::default(),
            decode: DecodeConfig::default(),
            flow: FlowConfig::default(),
            batch_records: 1024,
            ship_every: None,
            summary: None,
        }
    }
}

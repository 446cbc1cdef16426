//! What a process that ships to Kafka tells: what arrived, what waits in the spool, what was lost on the way.

use prometheus::{IntCounter, IntGauge};
use watershed_collector::sink::kafka::ShippingStatus;

use super::{Metrics, amount, follow};

/// The sink's status as metrics.
#[derive(Clone, Debug)]
pub(crate) struct ShippingMetrics {
    acknowledged: IntCounter,
    refused: IntCounter,
    reconnects: IntCounter,
    up: IntGauge,
    spooled: IntGauge,
    batches_dropped: IntCounter,
    records_dropped: IntCounter,
    names_dropped: IntCounter,
    torn: IntCounter,
}

impl ShippingMetrics {
    /// Registers them, all at zero. `limit` is how much the spool may hold.
    pub(crate) fn register(metrics: &Metrics, limit: u64) -> Self {
        let counter = |name: &str, help: &str| metrics.counter(name, help);
        metrics.gauge("spool_limit_bytes", "Octets that may wait in the spool").set(amount(limit));
        Self {
            acknowledged: counter("kafka_batches_acknowledged_total", "Batches that Kafka has"),
            refused: counter("kafka_batches_refused_total", "Batches that Kafka refused for good"),
            reconnects: counter(
                "kafka_reconnects_total",
                "Times that the connection to Kafka had to be made anew",
            ),
            up: metrics.gauge("kafka_up", "Whether Kafka takes batches, as far as is known"),
            spooled: metrics.gauge("spool_bytes", "Octets that wait in the spool until they can be shipped"),
            batches_dropped: counter(
                "spool_batches_dropped_total",
                "Batches that there was no room to keep until they could be shipped",
            ),
            records_dropped: counter("spool_flow_records_dropped_total", "Flow records in dropped batches"),
            names_dropped: counter("spool_name_observations_dropped_total", "Names in dropped batches"),
            torn: counter(
                "spool_batches_torn_total",
                "Batches of an earlier process, found torn in the spool",
            ),
        }
    }

    /// What became of the batches by now.
    pub(crate) fn observe(&self, status: &ShippingStatus) {
        let ShippingStatus { acknowledged, spooled_bytes, dropped, torn, refused, reconnects, .. } = status;
        follow(&self.acknowledged, *acknowledged);
        follow(&self.refused, *refused);
        follow(&self.reconnects, *reconnects);
        self.up.set(i64::from(status.away.is_none()));
        self.spooled.set(amount(*spooled_bytes));
        follow(&self.batches_dropped, dropped.batches);
        follow(&self.records_dropped, dropped.records);
        follow(&self.names_dropped, dropped.names);
        follow(&self.torn, *torn);
    }
}

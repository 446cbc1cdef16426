//! What a process that keeps tells: batches, loss, the store, the inventory.

use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge};
use watershed_aggregator::inventory::{HistoryCounts, Source};
use watershed_aggregator::{Block, Deleted, Told};
use watershed_model::{Loss, Timestamp};

use super::{Metrics, amount, follow, tell_time};

/// Seconds that a block may take: from what a fast disk needs to what delays the map noticeably.
const BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// What is kept, and what was lost on the way.
#[derive(Clone, Debug)]
pub(crate) struct KeepingMetrics {
    batches: IntCounter,
    repeated: IntCounter,
    records: IntCounter,
    loss: [IntCounter; Loss::ALL.len()],
    time: Gauge,
    seconds: Histogram,
    pub(crate) errors: IntCounter,
    refusing: IntGauge,
    bytes: IntGauge,
    limit: IntGauge,
    deleted_hours: IntCounter,
    deleted_edges: IntCounter,
    queue: IntGauge,
    queue_limit: IntGauge,
    reloads: [IntCounter; 2],
    inventory_time: Gauge,
    changes: [IntCounter; Source::ALL.len()],
    changes_remembered: IntGauge,
    changes_late: IntCounter,
    changes_refused: IntCounter,
    forgotten_early: IntCounter,
}

impl KeepingMetrics {
    /// Registers them, all at zero. `max_bytes` is the room that the store may take, `queue` the batches that may wait.
    pub(crate) fn register(metrics: &Metrics, max_bytes: u64, queue: usize) -> Self {
        let loss = metrics.counters("loss_total", "Entries of the loss ledger, by kind", "kind");
        let reloads =
            metrics.counters("inventory_reloads_total", "How reading the inventory again went", "result");
        let changes = metrics.counters(
            "inventory_changes_total",
            "Changes of whose addresses are, by who said so, that the store has taken",
            "source",
        );
        let this = Self {
            batches: metrics.counter("batches_stored_total", "Batches that the store has taken"),
            repeated: metrics
                .counter("batches_repeated_total", "Batches that the store had already, and counted once"),
            records: metrics.counter("flow_records_stored_total", "Flow records that the store has taken"),
            loss: Loss::ALL.map(|kind| loss.with_label_values(&[kind.as_str()])),
            time: metrics
                .time("store_timestamp_seconds", "Time up to which what was captured is in the store"),
            seconds: metrics.durations(
                "store_append_duration_seconds",
                "How long the store took for a batch",
                &BUCKETS,
            ),
            errors: metrics
                .counter("store_errors_total", "How often the store failed; what it did not take waits"),
            refusing: metrics.gauge("store_refusing", "Whether the store took nothing when last tried"),
            bytes: metrics.gauge("store_bytes", "Room that the store takes on disk"),
            limit: metrics.gauge("store_limit_bytes", "Room that the store may take on disk"),
            deleted_hours: metrics.counter("retention_deleted_hours_total", "Hours deleted as too old"),
            deleted_edges: metrics
                .counter("retention_deleted_edge_hours_total", "Edges, counted by hour, deleted as too old"),
            queue: metrics.gauge("queue_batches", "Batches that wait for the store"),
            queue_limit: metrics.gauge(
                "queue_limit_batches",
                "Batches that may wait; beyond, capturing waits and loss grows",
            ),
            reloads: ["read", "refused"].map(|result| reloads.with_label_values(&[result])),
            inventory_time: metrics
                .time("inventory_timestamp_seconds", "When the inventory in force was read"),
            changes: Source::ALL.map(|source| changes.with_label_values(&[source.as_str()])),
            changes_remembered: metrics.gauge(
                "inventory_changes_remembered",
                "Changes of the inventory in memory, by which flows are joined",
            ),
            changes_late: metrics.counter(
                "inventory_changes_late_total",
                "Changes of the inventory that came after a later one of the same address",
            ),
            changes_refused: metrics.counter(
                "inventory_changes_refused_total",
                "Changes of the inventory that there was no room for in memory",
            ),
            forgotten_early: metrics.counter(
                "inventory_forgotten_early_total",
                "How often the older half of the inventory's changes was forgotten for want of room",
            ),
        };
        this.limit.set(amount(max_bytes));
        this.queue_limit.set(amount(queue));
        this
    }

    /// The store has taken these blocks, of which so many were new, in so much time.
    pub(crate) fn kept(&self, added: u64, blocks: &[Block<'_>], time: Duration) {
        self.seconds.observe(time.as_secs_f64());
        self.batches.inc_by(added);
        self.repeated.inc_by((blocks.len() as u64).saturating_sub(added));
        // Blocks of one delivery are new together, or were there together.
        for block in blocks.iter().filter(|_| added > 0) {
            self.records.inc_by(block.rows().count() as u64);
            for entry in &block.loss {
                self.loss[entry.loss as usize].inc_by(entry.count);
            }
        }
    }

    /// Everything up to `time` is in the store.
    pub(crate) fn kept_until(&self, time: Timestamp) {
        tell_time(&self.time, time);
    }

    /// Whether the store takes anything.
    pub(crate) fn refusing(&self, refusing: bool) {
        self.refusing.set(i64::from(refusing));
        self.errors.inc_by(u64::from(refusing));
    }

    /// Room that the store takes.
    pub(crate) fn size(&self, bytes: u64) {
        self.bytes.set(amount(bytes));
    }

    /// What retention deleted just now.
    pub(crate) fn deleted(&self, deleted: Deleted) {
        self.deleted_hours.inc_by(deleted.hours);
        self.deleted_edges.inc_by(deleted.edge_hours);
    }

    /// Batches that wait.
    pub(crate) fn waiting(&self, batches: usize) {
        self.queue.set(amount(batches));
    }

    /// The store has taken what the inventory was told.
    pub(crate) fn remembered(&self, told: &[Told]) {
        for told in told {
            self.changes[told.source as usize].inc();
        }
    }

    /// What became of what the inventory was told.
    pub(crate) fn inventory(&self, counts: HistoryCounts) {
        self.changes_remembered.set(amount(counts.remembered));
        follow(&self.changes_late, counts.out_of_order);
        follow(&self.changes_refused, counts.refused);
        follow(&self.forgotten_early, counts.forgotten_early);
    }

    /// The inventory was read at `time`, for the first time.
    pub(crate) fn inventory_read(&self, time: Timestamp) {
        tell_time(&self.inventory_time, time);
    }

    /// The inventory was read again, or is wrong and the one before stays.
    pub(crate) fn inventory_again(&self, outcome: Result<Timestamp, ()>) {
        match outcome {
            Ok(time) => {
                self.reloads[0].inc();
                self.inventory_read(time);
            }
            Err(()) => self.reloads[1].inc(),
        }
    }
}

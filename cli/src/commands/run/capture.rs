//! The thread that captures: packets in, batches into the queue, everything counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};
use watershed_collector::sink::{Channel, FlowSink};
use watershed_collector::source::live::InterfaceStatus;
use watershed_collector::source::{PacketBatch, PacketSource, Source, Tapped};
use watershed_collector::{CollectorConfig, CollectorError, Report, SinkError, SourceError};
use watershed_model::{Batch, Timestamp};

use crate::telemetry::metrics::{CaptureMetrics, KeepingMetrics};
use crate::telemetry::{Health, InterfaceWatch};

/// What the capturing thread tells the others.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    interfaces: InterfaceWatch,
    metrics: CaptureMetrics,
    queue: KeepingMetrics,
}

impl Watch {
    pub(super) fn new(health: Health, metrics: CaptureMetrics, queue: KeepingMetrics) -> Self {
        Self { interfaces: InterfaceWatch::new(health, metrics.clone()), metrics, queue }
    }

    /// Tells which interfaces went away or came back since they were `present`.
    fn look(&mut self, interfaces: &[&InterfaceStatus], present: &mut BTreeMap<String, bool>) {
        self.interfaces.tell(interfaces);
        for InterfaceStatus { name, present: is, reason, .. } in interfaces {
            match (present.insert(name.clone(), *is), *is) {
                (Some(false), true) => info!(interface = %name, "the interface is back"),
                (Some(true) | None, false) => {
                    warn!(interface = %name, %reason, "the interface went away; looking for it again");
                }
                _ => {}
            }
        }
    }
}

/// A source that is watched, and that ends when it is told to.
pub(super) struct Capture {
    source: Source,
    stop: Arc<AtomicBool>,
    watch: Watch,
    present: BTreeMap<String, bool>,
}

impl Capture {
    pub(super) fn new(source: Source, stop: Arc<AtomicBool>, watch: Watch) -> Self {
        Self { source, stop, watch, present: BTreeMap::new() }
    }

    /// Captures until the end; what is left goes into the queue.
    pub(super) fn run(&mut self, queue: Channel, config: &CollectorConfig) -> Result<Report, CollectorError> {
        let metrics = self.watch.metrics.clone();
        let mut sink = Queue { queue, watch: self.watch.clone() };
        let report = watershed_collector::run(self, &mut sink, config, |counters| metrics.observe(counters));
        self.watch.look(&self.source.interfaces(), &mut self.present);
        report
    }

    /// Files have no end of their own making.
    fn ended(&self) -> bool {
        !matches!(self.source, Source::Live(_)) && self.stop.load(Ordering::Relaxed)
    }
}

impl PacketSource for Capture {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        if self.ended() {
            return Ok(());
        }
        if self.watch.interfaces.is_due() {
            self.watch.look(&self.source.interfaces(), &mut self.present);
        }
        self.source.fill(batch)
    }

    fn kernel_dropped(&self) -> u64 {
        self.source.kernel_dropped()
    }

    fn tapped(&self) -> Tapped {
        self.source.tapped()
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        if self.ended() { None } else { self.source.quiet_until() }
    }
}

/// The queue to the thread that keeps.
struct Queue {
    queue: Channel,
    watch: Watch,
}

impl FlowSink for Queue {
    fn send(&mut self, batch: Batch) -> Result<(), SinkError> {
        let Watch { metrics, queue, .. } = &self.watch;
        metrics.shipped(&batch);
        // This one waits, too, while there is no room.
        queue.waiting(self.queue.0.len() + 1);
        self.queue.send(batch)?;
        queue.waiting(self.queue.0.len());
        Ok(())
    }
}

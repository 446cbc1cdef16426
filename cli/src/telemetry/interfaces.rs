//! How the interfaces are, for metrics and health.

use std::time::Duration;

use watershed_collector::source::live::InterfaceStatus;

use super::Health;
use super::metrics::CaptureMetrics;
use crate::clock::Stopwatch;

/// How often interfaces are looked at: soon enough for a person, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The part of the process that has a fault while an interface is away.
const PART: &str = "capture";

/// Tells what became of the packets of each interface, and which one is away.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceWatch {
    health: Health,
    metrics: CaptureMetrics,
    looked: Option<Stopwatch>,
}

impl InterfaceWatch {
    pub(crate) const fn new(health: Health, metrics: CaptureMetrics) -> Self {
        Self { health, metrics, looked: None }
    }

    /// Whether it is time to look again.
    pub(crate) fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// Tells how they are now.
    pub(crate) fn tell(&mut self, interfaces: &[&InterfaceStatus]) {
        self.looked = Some(Stopwatch::start());
        self.metrics.interfaces(interfaces);
        match interfaces.iter().find(|status| !status.present) {
            None => self.health.mend(PART),
            Some(status) => self.health.fault(PART, format!("interface {} is away", status.name)),
        }
    }
}

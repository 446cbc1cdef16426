//! Who watches over the inventory while a command runs for long.

use tracing::info;
use watershed_aggregator::OpenInventory;
use watershed_aggregator::inventory::kubernetes::KubernetesWatch;

use crate::clock;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::telemetry::Health;
use crate::telemetry::metrics::WatchingMetrics;

/// The part of the process that has a fault while an API server cannot be watched.
const PART: &str = "kubernetes";

/// Who watches; they end with this.
pub(super) struct Watching {
    kubernetes: Option<KubernetesWatch>,
    metrics: WatchingMetrics,
    health: Health,
}

impl Watching {
    /// Has everybody watch whom the settings name, and tell `inventory`.
    ///
    /// # Errors
    ///
    /// The settings are wrong.
    pub(super) fn start(
        settings: &Settings,
        inventory: &mut OpenInventory,
        metrics: WatchingMetrics,
        health: Health,
    ) -> Result<Self, Failure> {
        let kubernetes = match &settings.kubernetes {
            None => None,
            Some(access) => {
                info!(%access, "watching Kubernetes");
                Some(KubernetesWatch::start(access, inventory, clock::now).map_err(Failure::usage)?)
            }
        };
        Ok(Self { kubernetes, metrics, health })
    }

    /// Tells how it goes.
    pub(super) fn tell(&self) {
        let Some(kubernetes) = &self.kubernetes else { return };
        let status = kubernetes.status();
        self.metrics.observe(&status);
        match status.failing.iter().flatten().next() {
            Some(reason) => self.health.fault(PART, format!("cannot watch: {reason}")),
            None => self.health.mend(PART),
        }
    }
}

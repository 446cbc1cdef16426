//! Who watches over the inventory while a command runs for long.

use std::thread;
use std::time::Duration;

use tracing::info;
use watershed_aggregator::OpenInventory;
use watershed_aggregator::inventory::docker::DockerWatch;
use watershed_aggregator::inventory::kubernetes::KubernetesWatch;

use crate::clock::{self, Stopwatch};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::telemetry::Health;
use crate::telemetry::metrics::WatchingMetrics;

/// The parts of the process that have a fault while an API server or an engine cannot be watched.
const KUBERNETES: &str = "kubernetes";
const DOCKER: &str = "docker";

/// How long to wait at the start until it is known who is who: a large cluster is listed in seconds.
const WAIT: Duration = Duration::from_secs(30);

/// How often to look whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who watches; they end with this.
pub(super) struct Watching {
    kubernetes: Option<KubernetesWatch>,
    docker: Option<DockerWatch>,
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
        let docker = match &settings.docker {
            None => None,
            Some(socket) => {
                info!(socket = %socket.display(), "watching containers");
                Some(DockerWatch::start(socket, inventory, clock::now)?)
            }
        };
        let this = Self { kubernetes, docker, metrics, health };
        this.wait();
        Ok(this)
    }

    /// Waits until it is known who is who, or known that it is not: what was captured before has its identity, too.
    fn wait(&self) {
        let started = Stopwatch::start();
        let known = || {
            let kubernetes = self.kubernetes.as_ref().map(KubernetesWatch::status);
            let docker = self.docker.as_ref().map(DockerWatch::status);
            kubernetes.is_none_or(|status| status.is_settled())
                && docker.is_none_or(|status| status.lists > 0 || status.failing.is_some())
        };
        while !known() && started.elapsed() < WAIT {
            thread::sleep(LOOK_EVERY);
        }
        self.tell();
    }

    /// Tells how it goes.
    pub(super) fn tell(&self) {
        if let Some(kubernetes) = &self.kubernetes {
            let status = kubernetes.status();
            self.metrics.kubernetes(&status);
            self.report(KUBERNETES, status.failing.iter().flatten().next());
        }
        if let Some(docker) = &self.docker {
            let status = docker.status();
            self.metrics.docker(&status);
            self.report(DOCKER, status.failing.as_ref());
        }
    }

    fn report(&self, part: &'static str, failing: Option<&String>) {
        match failing {
            Some(reason) => self.health.fault(part, format!("cannot watch: {reason}")),
            None => self.health.mend(part),
        }
    }
}

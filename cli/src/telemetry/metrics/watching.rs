//! What a process that watches a Kubernetes API server or a container engine tells.

use prometheus::{IntCounter, IntGauge};
use watershed_aggregator::inventory::docker::DockerStatus;
use watershed_aggregator::inventory::kubernetes::{Kind, KubernetesStatus, Trouble};

use super::{Metrics, amount, follow};

/// The watcher's counters as metrics.
#[derive(Clone, Debug)]
pub(crate) struct WatchingMetrics {
    synced: IntGauge,
    failing: [IntGauge; Kind::ALL.len()],
    objects: [IntGauge; Kind::ALL.len()],
    lists: [IntCounter; Kind::ALL.len()],
    events: IntCounter,
    changes: IntCounter,
    refused: IntCounter,
    troubles: [IntCounter; Trouble::ALL.len()],
    containers: IntGauge,
    docker_failing: IntGauge,
    docker_failures: IntCounter,
    docker_changes: IntCounter,
    docker_refused: IntCounter,
}

impl WatchingMetrics {
    /// Registers them, all at zero.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let failing = metrics.gauges(
            "kubernetes_failing",
            "Whether this kind of object cannot be watched at present",
            "kind",
        );
        let objects = metrics.gauges("kubernetes_objects", "Objects known", "kind");
        let lists = metrics.counters(
            "kubernetes_lists_total",
            "Complete lists read: one at the start, more where changes were missed",
            "kind",
        );
        let troubles = metrics.counters(
            "kubernetes_troubles_total",
            "What went wrong with the API server, whose last word stays in force",
            "trouble",
        );
        Self {
            synced: metrics.gauge("kubernetes_synced", "Whether all that can be watched was listed once"),
            failing: Kind::ALL.map(|kind| failing.with_label_values(&[kind.as_str()])),
            objects: Kind::ALL.map(|kind| objects.with_label_values(&[kind.as_str()])),
            lists: Kind::ALL.map(|kind| lists.with_label_values(&[kind.as_str()])),
            events: metrics.counter("kubernetes_events_total", "Objects and other events read"),
            changes: metrics
                .counter("kubernetes_changes_total", "Changes of whose an address is or where a Service leads"),
            refused: metrics.counter(
                "kubernetes_objects_refused_total",
                "Objects such as no API server lets pass, or for which there was no room",
            ),
            troubles: Trouble::ALL.map(|trouble| troubles.with_label_values(&[trouble.as_str()])),
            containers: metrics.gauge("docker_containers", "Running containers known"),
            docker_failing: metrics
                .gauge("docker_failing", "Whether the container engine cannot be asked at present"),
            docker_failures: metrics
                .counter("docker_failures_total", "Times that the container engine could not be asked"),
            docker_changes: metrics.counter("docker_changes_total", "Changes of whose an address is"),
            docker_refused: metrics.counter(
                "docker_containers_refused_total",
                "Containers left out of a list as such that no engine has, or for want of room",
            ),
        }
    }

    /// The engine's watcher's counters by now.
    pub(crate) fn docker(&self, status: &DockerStatus) {
        self.containers.set(amount(status.containers));
        self.docker_failing.set(i64::from(status.failing.is_some()));
        follow(&self.docker_failures, status.failures);
        follow(&self.docker_changes, status.changes);
        follow(&self.docker_refused, status.refused);
    }

    /// The API server's watcher's counters by now.
    pub(crate) fn kubernetes(&self, status: &KubernetesStatus) {
        self.synced.set(i64::from(status.synced));
        for kind in Kind::ALL {
            let index = kind as usize;
            self.failing[index].set(i64::from(status.failing[index].is_some()));
            self.objects[index].set(amount(status.objects[index]));
            follow(&self.lists[index], status.lists[index]);
        }
        for trouble in Trouble::ALL {
            follow(&self.troubles[trouble as usize], status.troubles[trouble as usize]);
        }
        follow(&self.events, status.events);
        follow(&self.changes, status.changes);
        follow(&self.refused, status.refused);
    }
}

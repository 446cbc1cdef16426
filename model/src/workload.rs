//! Who an address was.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Labels of a workload: `role`, `app`, `env`, `loc` and any others.
pub type Labels = BTreeMap<String, String>;

/// Who an address was at the time of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// What kind of thing it is.
    pub kind: WorkloadKind,
    /// Its name, unique within kind and namespace.
    pub name: String,
    /// The namespace or project it lives in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

/// What kind of thing a workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    /// A host or virtual machine, or whatever an inventory file names.
    #[default]
    Host,
    /// A network rather than a machine: an inventory entry that covers a range of addresses.
    Network,
    /// The pods of a Kubernetes Deployment.
    Deployment,
    /// The pods of a Kubernetes StatefulSet.
    StatefulSet,
    /// The pods of a Kubernetes DaemonSet.
    DaemonSet,
    /// The pods of a Kubernetes ReplicaSet that nothing else controls.
    ReplicaSet,
    /// The pods of a Kubernetes Job that no CronJob started.
    Job,
    /// The pods of all Jobs of a Kubernetes CronJob.
    CronJob,
    /// The pods of a controller that is none of Kubernetes' own, such as an operator's.
    Custom,
    /// A Kubernetes pod that nothing controls.
    Pod,
    /// What is behind a Kubernetes Service, where that is not one workload; its labels are the Service's selector.
    Service,
    /// A Kubernetes node, with whatever on it uses its addresses.
    Node,
    /// Kubernetes pods in the network of their nodes: they have their nodes' addresses, and what selects pods does not
    /// select them.
    HostNetwork,
    /// A container of Docker or another engine.
    Container,
}

impl WorkloadKind {
    /// Its name in lower case, as it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Network => "network",
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::ReplicaSet => "replicaset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
            Self::Custom => "custom",
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Node => "node",
            Self::HostNetwork => "hostnetwork",
            Self::Container => "container",
        }
    }

    /// Whether it is made of Kubernetes pods with addresses of their own, which a pod selector selects.
    #[must_use]
    pub const fn is_pods(self) -> bool {
        match self {
            Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::ReplicaSet
            | Self::Job
            | Self::CronJob
            | Self::Custom
            | Self::Pod
            | Self::Service => true,
            Self::Host | Self::Network | Self::Node | Self::HostNetwork | Self::Container => false,
        }
    }

    /// Whether a rule names its addresses rather than its labels: a network is many machines, and no pod selector
    /// selects a node or what is in its network.
    #[must_use]
    pub const fn is_addresses(self) -> bool {
        matches!(self, Self::Network | Self::Node | Self::HostNetwork)
    }
}

/// `namespace/name`, or the name alone.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_stored_by_its_name() {
        for kind in [WorkloadKind::Host, WorkloadKind::StatefulSet, WorkloadKind::HostNetwork] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}

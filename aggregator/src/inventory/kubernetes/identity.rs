//! Which workload a pod belongs to: what people deployed, not what a controller made of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use watershed_model::{Labels, Workload, WorkloadKind};

use super::objects::Pod;

/// Labels that controllers and the system set on each pod or rollout: with them one Deployment would be as many
/// workloads as it has rollouts, or pods.
///
/// Source: the well-known labels of Kubernetes; those of Argo Rollouts and of OpenShift's deployments.
const GENERATED: [&str; 17] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "deploymentconfig-revision",
    "job-name",
    "kubernetes.io/config.hash",
    "kubernetes.io/config.seen",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "service.istio.io/canonical-revision",
    "statefulset.kubernetes.io/pod-name",
    "workflows.argoproj.io/completed",
    "workflows.argoproj.io/workflow",
];

/// Labels of a node that say nothing but its name and what it runs on.
const GENERATED_OF_NODES: [&str; 5] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
];

/// Who controls something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) kind: WorkloadKind,
    pub(super) name: Box<str>,
}

/// Who controls an object, by what it says itself.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<Owner> {
    let references = metadata.owner_references.as_deref().unwrap_or_default();
    let reference = references.iter().find(|reference| reference.controller == Some(true))?;
    Some(Owner { kind: kind(reference)?, name: reference.name.as_str().into() })
}

/// `None` for a node, which "owns" the pods that its kubelet starts from files.
fn kind(reference: &OwnerReference) -> Option<WorkloadKind> {
    let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
    Some(match (group, reference.kind.as_str()) {
        ("apps", "Deployment") => WorkloadKind::Deployment,
        ("apps", "StatefulSet") => WorkloadKind::StatefulSet,
        ("apps", "DaemonSet") => WorkloadKind::DaemonSet,
        ("apps", "ReplicaSet") => WorkloadKind::ReplicaSet,
        ("batch", "Job") => WorkloadKind::Job,
        ("batch", "CronJob") => WorkloadKind::CronJob,
        ("", "Node") => return None,
        _ => WorkloadKind::Custom,
    })
}

/// The workload of a pod with this top owner.
pub(super) fn workload(pod: &Pod, owner: Option<&Owner>) -> Workload {
    let metadata = &pod.metadata;
    let own = metadata.name.clone().unwrap_or_default();
    let (kind, name) = owner.map_or((WorkloadKind::Pod, own), |owner| (owner.kind, owner.name.to_string()));
    let labels = labels(metadata, &GENERATED);
    let namespace = metadata.namespace.clone();
    if pod.spec.host_network {
        // It has no place in the namespace's pod network, so no policy of the namespace is about it.
        let name = namespace.map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
        return Workload { kind: WorkloadKind::HostNetwork, name, namespace: None, labels };
    }
    Workload { kind, name, namespace, labels }
}

/// The workload of a node.
pub(super) fn node(metadata: &ObjectMeta) -> Workload {
    let name = metadata.name.clone().unwrap_or_default();
    let labels = labels(metadata, &GENERATED_OF_NODES);
    Workload { kind: WorkloadKind::Node, name, namespace: None, labels }
}

fn labels(metadata: &ObjectMeta, generated: &[&str]) -> Labels {
    let labels = metadata.labels.iter().flatten().filter(|(key, _)| !generated.contains(&key.as_str()));
    labels.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The Deployment behind a ReplicaSet that is not known yet: a Deployment calls its ReplicaSets by its own name and the
/// hash that its pods carry, too.
pub(super) fn guessed(pod: &Pod, replica_set: &str) -> Option<Owner> {
    let labels = pod.metadata.labels.as_ref()?;
    let of = |label, kind| {
        let hash: &String = labels.get(label)?;
        let name = replica_set.strip_suffix(hash.as_str())?.strip_suffix('-')?;
        Some(Owner { kind, name: name.into() })
    };
    of("pod-template-hash", WorkloadKind::Deployment)
        .or_else(|| of("rollouts-pod-template-hash", WorkloadKind::Custom))
}

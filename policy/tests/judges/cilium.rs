//! Cilium's policy engine: pods as its agent sees them, and what it answers.

use std::net::IpAddr;

use serde_json::{Value, json};
use watershed_policy::k8s::{Pod, World};

/// Its folder.
pub(crate) const NAME: &str = "cilium";

/// Its labels for those of a pod's namespace begin with this.
const OF_NAMESPACE: &str = "io.cilium.k8s.namespace.labels.";

/// A pod, with the labels that the agent gives it.
pub(crate) fn pod(pod: &Pod, world: &World) -> Value {
    let mut labels = pod.labels.clone();
    labels.insert("io.kubernetes.pod.namespace".into(), pod.namespace.clone());
    let of_namespace = &world.namespaces()[&pod.namespace];
    labels.extend(of_namespace.iter().map(|(key, value)| (format!("{OF_NAMESPACE}{key}"), value.clone())));
    let ports: serde_json::Map<_, _> =
        pod.ports.iter().map(|port| (port.name.clone(), json!(port.port))).collect();
    json!({"labels": labels, "ports": ports})
}

/// An end that is no pod, and what the DNS calls it.
pub(crate) fn outside(address: IpAddr, names: &[&str]) -> Value {
    json!({"address": address, "names": names})
}

/// For each service, client and server whether they may connect; `None` where it refuses the policies.
pub(crate) fn verdicts(answer: &Value) -> Option<Vec<bool>> {
    Some(answer.get("allowed")?.as_str()?.bytes().map(|digit| digit == b'1').collect())
}

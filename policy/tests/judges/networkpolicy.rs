//! Cyclonus' model of NetworkPolicy: pods as it is told of them, and what it answers.

use std::net::IpAddr;

use serde_json::{Value, json};
use watershed_policy::k8s::{Pod, World};

/// A pod; a name of a port by `TCP/80`.
pub(crate) fn pod(pod: &Pod, world: &World) -> Value {
    let key = |protocol: &str, port: u16| format!("{}/{port}", protocol.to_uppercase());
    let ports: serde_json::Map<_, _> =
        pod.ports.iter().map(|one| (key(&one.protocol.to_string(), one.port), json!(one.name))).collect();
    json!({"address": pod.addresses[0], "pod": {
        "namespace": pod.namespace,
        "namespace_labels": world.namespaces()[&pod.namespace],
        "labels": pod.labels,
        "ports": ports,
        "host_network": pod.host_network,
    }})
}

/// An end that is no pod.
pub(crate) fn outside(address: IpAddr) -> Value {
    json!({ "address": address })
}

/// For each service, client and server: what the client's policies say, and what the server's say. None where it refuses
/// the policies.
pub(crate) fn verdicts(answer: &Value) -> Vec<(bool, bool)> {
    let said = |key: &str| answer[key].as_str().unwrap_or_default().bytes().map(|digit| digit == b'1');
    said("egress").zip(said("ingress")).collect()
}

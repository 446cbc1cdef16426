//! Pods, the workloads that make pods, and namespaces, read leniently: what they lack is no problem here.

use std::net::IpAddr;

use watershed_model::Protocol;

use super::super::world::{NamedPort, Pod, World};
use super::super::yaml::Node;
use super::selector::labels;

/// Adds what an object of `kind` says about the world; nothing for a kind that says nothing. `namespace` is
/// that of objects that name none.
pub(super) fn read(world: &mut World, namespace: &str, kind: &str, node: &Node) {
    match kind {
        "Namespace" => {
            if let Some(name) = node.at(&["metadata", "name"]).and_then(Node::scalar) {
                world.add_namespace(name, labels(node.at(&["metadata", "labels"])));
            }
        }
        "Pod" => add(world, namespace, kind, node, node),
        "Deployment"
        | "ReplicaSet"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "ReplicationController"
        | "VirtualMachine" => {
            if let Some(template) = node.at(&["spec", "template"]) {
                add(world, namespace, kind, node, template);
            }
        }
        "CronJob" => {
            if let Some(template) = node.at(&["spec", "jobTemplate", "spec", "template"]) {
                add(world, namespace, kind, node, template);
            }
        }
        _ => {}
    }
}

/// Adds the pod that `template` describes, under the name of its owner, else of `object`.
fn add(world: &mut World, namespace: &str, kind: &str, object: &Node, template: &Node) {
    let text = |path: &[&str]| object.at(path).and_then(Node::scalar);
    let owner = object.at(&["metadata", "ownerReferences"]).and_then(|owners| owners.items().first());
    let of_owner = |key: &str| owner.and_then(|owner| owner.get(key)).and_then(Node::scalar);
    // A node owns its static pods, and is not what they are called after.
    let of_owner = |key: &str| of_owner(key).filter(|_| of_owner("kind") != Some("Node"));
    let Some(name) = of_owner("name").or_else(|| text(&["metadata", "name"])) else { return };
    let spec = template.get("spec");
    // What names no account runs under the one that every namespace has.
    let account = |spec: &Node| spec.get("serviceAccountName").and_then(Node::scalar).map(str::to_owned);
    let service_account = spec.map(|spec| account(spec).unwrap_or_else(|| "default".to_owned()));
    let host_network = spec.and_then(|spec| spec.get("hostNetwork")).and_then(Node::scalar);
    // An instance has the name of its virtual machine, which owns it.
    let kind = match of_owner("kind").unwrap_or(kind) {
        "VirtualMachineInstance" => "VirtualMachine",
        kind => kind,
    };
    world.add_pod(Pod {
        namespace: text(&["metadata", "namespace"]).unwrap_or(namespace).to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        labels: labels(template.at(&["metadata", "labels"])),
        service_account,
        addresses: addresses(object),
        ports: spec.map(ports).unwrap_or_default(),
        host_network: host_network == Some("true"),
        node: text(&["status", "hostIP"]).and_then(|address| address.parse().ok()),
    });
}

fn addresses(pod: &Node) -> Vec<IpAddr> {
    let one = pod.at(&["status", "podIP"]).and_then(Node::scalar);
    let several = pod.at(&["status", "podIPs"]).map_or(&[][..], Node::items);
    let several = several.iter().filter_map(|entry| entry.get("ip").and_then(Node::scalar));
    let mut addresses: Vec<IpAddr> = several.chain(one).filter_map(|address| address.parse().ok()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The named ports of a pod's containers: the ordinary ones, and the initial ones that keep running.
fn ports(spec: &Node) -> Vec<NamedPort> {
    let list = |key: &str| spec.get(key).map_or(&[][..], Node::items);
    let stays = |container: &&Node| container.get("restartPolicy").and_then(Node::scalar) == Some("Always");
    let containers = list("containers").iter().chain(list("initContainers").iter().filter(stays));
    let ports = containers.flat_map(|container| container.get("ports").map_or(&[][..], Node::items));
    ports.filter_map(port).collect()
}

fn port(node: &Node) -> Option<NamedPort> {
    let protocol = match node.get("protocol").and_then(Node::scalar) {
        None | Some("TCP") => Protocol::TCP,
        Some("UDP") => Protocol::UDP,
        Some("SCTP") => Protocol::SCTP,
        Some(_) => return None,
    };
    let port = node.get("containerPort")?.scalar()?.parse().ok()?;
    Some(NamedPort { name: node.get("name")?.scalar()?.to_owned(), protocol, port })
}

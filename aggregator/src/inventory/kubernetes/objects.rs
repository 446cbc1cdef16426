//! Objects of the API server, as little of each as is needed.
//!
//! What is not named here is skipped while reading and never kept: a pod takes kilobytes on the wire, most of which is
//! for other readers. What makes no sense is dropped and counted, so that one object never stops the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use serde::{Deserialize, Deserializer};

/// Labels kept of one object; one with more is refused. People set a dozen; each is in every edge's workload.
pub(super) const MAX_LABELS: usize = 64;

/// Letters of a name; the API server allows 253 (RFC 1123 subdomain).
pub(super) const MAX_NAME: usize = 253;

/// Letters of a label's key with its prefix (253 + 1 + 63), and of its value (63).
pub(super) const MAX_LABEL: (usize, usize) = (317, 63);

/// Addresses, ports and endpoints of one object; one with more is refused. An EndpointSlice has at most 1,000.
pub(super) const MAX_PARTS: usize = 1_000;

/// The part of an object's metadata that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        resource_version: read.resource_version,
        creation_timestamp: read.creation_timestamp,
        labels: read.labels,
        owner_references: read.owner_references,
        ..ObjectMeta::default()
    })
}

/// A list that may be left out or `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Something that may be left out or `null`.
fn part<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! resource {
    ($type:ty, $scope:ty, $kind:literal, $group:literal, $plural:literal) => {
        impl kube::Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

/// A pod.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pod {
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    #[serde(default, deserialize_with = "part")]
    pub(super) spec: PodSpec,
    #[serde(default, deserialize_with = "part")]
    pub(super) status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(default, deserialize_with = "part")]
    pub(super) host_network: bool,
    #[serde(default, deserialize_with = "list")]
    pub(super) containers: Vec<Container>,
    /// Sidecars are init containers that go on.
    #[serde(default, deserialize_with = "list")]
    pub(super) init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Container {
    #[serde(default, deserialize_with = "list")]
    pub(super) ports: Vec<ContainerPort>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerPort {
    #[serde(default)]
    pub(super) container_port: u16,
    pub(super) host_port: Option<u16>,
    pub(super) protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct PodStatus {
    #[serde(default, deserialize_with = "part")]
    pub(super) phase: String,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<String>,
    #[serde(default, rename = "podIPs", deserialize_with = "list")]
    pub(super) pod_ips: Vec<Ip>,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: Option<String>,
    #[serde(default, rename = "hostIPs", deserialize_with = "list")]
    pub(super) host_ips: Vec<Ip>,
    #[serde(rename = "startTime")]
    pub(super) start_time: Option<Time>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ip {
    #[serde(default)]
    pub(super) ip: String,
}

resource!(Pod, NamespaceResourceScope, "Pod", "", "pods");

/// A Service.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Service {
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    #[serde(default, deserialize_with = "part")]
    pub(super) spec: ServiceSpec,
    #[serde(default, deserialize_with = "part")]
    pub(super) status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Option<String>,
    #[serde(default, rename = "clusterIPs", deserialize_with = "list")]
    pub(super) cluster_ips: Vec<String>,
    #[serde(default, rename = "externalIPs", deserialize_with = "list")]
    pub(super) external_ips: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) ports: Vec<ServicePort>,
    #[serde(default, deserialize_with = "part")]
    pub(super) selector: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePort {
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) port: u16,
    pub(super) protocol: Option<String>,
    pub(super) target_port: Option<TargetPort>,
    pub(super) node_port: Option<u16>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TargetPort {
    Number(u16),
    /// That of a container's port, looked up for each pod by the API server.
    #[allow(dead_code, reason = "the name says that the number is in the EndpointSlices only")]
    Name(String),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceStatus {
    #[serde(default, deserialize_with = "part")]
    pub(super) load_balancer: LoadBalancer,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct LoadBalancer {
    #[serde(default, deserialize_with = "list")]
    pub(super) ingress: Vec<Ip>,
}

resource!(Service, NamespaceResourceScope, "Service", "", "services");

/// Part of who is behind a Service.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EndpointSlice {
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    #[serde(default, deserialize_with = "list")]
    pub(super) endpoints: Vec<Endpoint>,
    #[serde(default, deserialize_with = "list")]
    pub(super) ports: Vec<EndpointPort>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Endpoint {
    #[serde(default, deserialize_with = "list")]
    pub(super) addresses: Vec<String>,
    #[serde(default, deserialize_with = "part")]
    pub(super) conditions: Conditions,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct EndpointPort {
    pub(super) name: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Option<String>,
}

resource!(EndpointSlice, NamespaceResourceScope, "EndpointSlice", "discovery.k8s.io", "endpointslices");

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Node {
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    #[serde(default, deserialize_with = "part")]
    pub(super) status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct NodeStatus {
    #[serde(default, deserialize_with = "list")]
    pub(super) addresses: Vec<NodeAddress>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NodeAddress {
    #[serde(default)]
    pub(super) address: String,
}

resource!(Node, ClusterResourceScope, "Node", "", "nodes");

/// An object that stands between a pod and what people wrote: a ReplicaSet or a Job.
#[derive(Clone, Debug)]
pub(super) struct Between {
    pub(super) metadata: ObjectMeta,
}

/// The address in a text; `None` for what is no address of a machine on a network.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let usable = !(address.is_unspecified() || address.is_loopback() || address.is_multicast());
    usable.then_some(address)
}

/// Whether an object's metadata are such as an API server lets pass.
pub(super) fn is_plausible(metadata: &ObjectMeta) -> bool {
    let name = |name: Option<&String>| name.is_some_and(|name| !name.is_empty() && name.len() <= MAX_NAME);
    name(metadata.name.as_ref())
        && metadata.namespace.as_ref().is_none_or(|namespace| name(Some(namespace)))
        && metadata.labels.as_ref().is_none_or(are_plausible)
}

/// Whether labels are such as an API server lets pass.
pub(super) fn are_plausible(labels: &BTreeMap<String, String>) -> bool {
    let fits = |(key, value): (&String, &String)| key.len() <= MAX_LABEL.0 && value.len() <= MAX_LABEL.1;
    labels.len() <= MAX_LABELS && labels.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_read_from_what_an_api_server_writes() {
        let pod: Pod = serde_json::from_str(
            r#"{"apiVersion": "v1", "kind": "Pod",
              "metadata": {"name": "web-1", "namespace": "shop", "resourceVersion": "7",
                "annotations": {"a": "b"}, "managedFields": [{"fieldsV1": {"f:spec": {}}}],
                "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"app": "web"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true}]},
              "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}], "initContainers": null},
              "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "startTime": "2026-01-02T03:04:06Z"}}"#,
        )
        .unwrap();
        assert_eq!(pod.metadata.name.as_deref(), Some("web-1"));
        assert_eq!(pod.spec.containers[0].ports[0].container_port, 8080);
        assert_eq!(pod.status.pod_ips.len(), 2);
        assert!(pod.status.start_time.is_some() && is_plausible(&pod.metadata));
    }

    #[test]
    fn what_is_no_address_of_a_machine_is_none() {
        for text in ["", "None", "0.0.0.0", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "10.0.0.256", "10.0.0.0/8"] {
            assert_eq!(address(text), None, "{text}");
        }
        assert!(address("10.0.0.1").is_some() && address("fd00::1").is_some());
    }

    #[test]
    fn what_no_api_server_lets_pass_is_not_plausible() {
        let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        assert!(is_plausible(&named("a")));
        assert!(!is_plausible(&named("")) && !is_plausible(&named(&"a".repeat(254))));
        assert!(!is_plausible(&ObjectMeta::default()));
        let labels = (0..65).map(|number| (number.to_string(), String::new())).collect();
        assert!(!is_plausible(&ObjectMeta { labels: Some(labels), ..named("a") }));
    }
}

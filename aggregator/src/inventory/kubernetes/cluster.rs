//! The cluster as its objects tell it: who has which address, and where Services lead.
//!
//! Knows no network and no clock: objects go in, changes come out. Kept of each object is what the next version of it
//! must be compared with, a few hundred octets for a pod.

mod services;

mod declared;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use watershed_model::{Protocol, Timestamp, Workload, WorkloadKind};

use self::services::Services;
use super::identity::{self, Owner};
use super::objects::{self, Between, EndpointSlice, MAX_PARTS, Node, Pod, Service, address};
use crate::inventory::Change;
use crate::inventory::claims::{Claim, Claims};
use crate::inventory::fronts::{Backend, Front, FrontChange, Server};

/// Objects kept of each kind; beyond it new ones are refused and counted. Ten times the pods of a large cluster.
const MAX_OBJECTS: usize = 1_000_000;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nodes, first: their addresses are nobody else's.
    Nodes,
    /// ReplicaSets, which stand between pods and Deployments; their metadata only.
    ReplicaSets,
    /// Jobs, which stand between pods and CronJobs; their metadata only.
    Jobs,
    /// Pods.
    Pods,
    /// Services.
    Services,
    /// EndpointSlices: who is behind a Service.
    EndpointSlices,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 6] =
        [Self::Nodes, Self::ReplicaSets, Self::Jobs, Self::Pods, Self::Services, Self::EndpointSlices];

    /// Its name in the API: `pods`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::ReplicaSets => "replicasets",
            Self::Jobs => "jobs",
            Self::Pods => "pods",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
        }
    }
}

/// An object of any kind.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Node(Node),
    ReplicaSet(Between),
    Job(Between),
    Pod(Box<Pod>),
    Service(Box<Service>),
    EndpointSlice(EndpointSlice),
}

impl Object {
    fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Nodes,
            Self::ReplicaSet(_) => Kind::ReplicaSets,
            Self::Job(_) => Kind::Jobs,
            Self::Pod(_) => Kind::Pods,
            Self::Service(_) => Kind::Services,
            Self::EndpointSlice(_) => Kind::EndpointSlices,
        }
    }

    fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Node(node) => &node.metadata,
            Self::ReplicaSet(between) | Self::Job(between) => &between.metadata,
            Self::Pod(pod) => &pod.metadata,
            Self::Service(service) => &service.metadata,
            Self::EndpointSlice(slice) => &slice.metadata,
        }
    }
}

/// What became different.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) addresses: Vec<Change>,
    pub(super) fronts: Vec<FrontChange>,
}

/// Everything that is known of a cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    kept: [HashSet<Arc<str>>; Kind::ALL.len()],
    /// What a list has named so far, while it is read.
    listed: [Option<HashSet<Arc<str>>>; Kind::ALL.len()],
    pods: HashMap<Arc<str>, KeptPod>,
    /// Who controls a ReplicaSet or a Job, by the object.
    between: HashMap<Arc<str>, Owner>,
    /// Pods of a ReplicaSet or a Job that is not known yet, by that object.
    waiting: HashMap<Arc<str>, Vec<Arc<str>>>,
    nodes: HashMap<Arc<str>, Vec<IpAddr>>,
    services: Services,
    addresses: Claims<IpAddr, Arc<Workload>>,
    fronts: Claims<Front, Arc<Backend>>,
    declared: Claims<Front, Arc<Backend>>,
    workloads: HashSet<Arc<Workload>>,
    refused: u64,
}

#[derive(Debug)]
struct KeptPod {
    workload: Arc<Workload>,
    addresses: Box<[IpAddr]>,
    fronts: Box<[Front]>,
    /// Ports that its containers declare.
    declared: Box<[Front]>,
}

impl Cluster {
    /// A list of all objects of `kind` begins.
    pub(super) fn begin(&mut self, kind: Kind) {
        self.listed[kind as usize] = Some(HashSet::new());
    }

    /// The list is complete: what it did not name is gone.
    pub(super) fn end(&mut self, kind: Kind, now: Timestamp) {
        let Some(listed) = self.listed[kind as usize].take() else { return };
        let gone: Vec<_> = self.kept[kind as usize].extract_if(|key| !listed.contains(key)).collect();
        gone.iter().for_each(|key| self.forget(kind, key, now));
    }

    /// An object is new, or has changed.
    pub(super) fn apply(&mut self, object: &Object, now: Timestamp) {
        let (kind, metadata) = (object.kind(), object.metadata());
        let key = key(kind, metadata);
        if let Some(listed) = &mut self.listed[kind as usize] {
            listed.insert(Arc::clone(&key));
        }
        let kept = &mut self.kept[kind as usize];
        let room = kept.len() < MAX_OBJECTS || kept.contains(&key);
        if !room || !objects::is_plausible(metadata) || !has_plausible_parts(object) {
            // What was known of it before stays.
            self.refused += 1;
            return;
        }
        let key = Arc::clone(kept.get_or_insert(key));
        match object {
            Object::Node(node) => self.node(&key, node, now),
            Object::ReplicaSet(between) | Object::Job(between) => self.between(&key, between, now),
            Object::Pod(pod) => self.pod(&key, pod, now),
            Object::Service(service) => {
                for released in self.services.service(&key, service) {
                    self.addresses.release(released, &key, now);
                }
            }
            Object::EndpointSlice(slice) => {
                let before = self.services.ends(&key);
                self.services.slice(&key, slice);
                let after = self.services.ends(&key);
                // Made earlier, it may name an address only now.
                let since = time(metadata.creation_timestamp.as_ref()).filter(|_| before.is_empty());
                self.declare(&key, &before, &after, since, now);
            }
        }
    }

    /// An object is gone.
    pub(super) fn delete(&mut self, object: &Object, now: Timestamp) {
        let kind = object.kind();
        let key = key(kind, object.metadata());
        if self.kept[kind as usize].remove(&key) {
            self.forget(kind, &key, now);
        }
    }

    fn forget(&mut self, kind: Kind, key: &Arc<str>, now: Timestamp) {
        match kind {
            Kind::Nodes => {
                for address in self.nodes.remove(key).unwrap_or_default() {
                    self.addresses.release(address, key, now);
                }
            }
            Kind::ReplicaSets | Kind::Jobs => drop(self.between.remove(key)),
            Kind::Pods => {
                if let Some(pod) = self.pods.remove(key) {
                    self.let_go(key, &pod.addresses, &pod.fronts, now);
                    self.declare(key, &pod.declared.into_iter().collect(), &BTreeSet::new(), None, now);
                }
            }
            Kind::Services => {
                let (addresses, fronts) = self.services.forget_service(key);
                self.let_go(key, &addresses, &fronts, now);
            }
            Kind::EndpointSlices => {
                let before = self.services.ends(key);
                self.services.forget_slice(key);
                self.declare(key, &before, &BTreeSet::new(), None, now);
            }
        }
    }

    fn let_go(&mut self, by: &str, addresses: &[IpAddr], fronts: &[Front], now: Timestamp) {
        for &address in addresses {
            self.addresses.release(address, by, now);
            self.services.touched(address);
        }
        fronts.iter().for_each(|&front| self.fronts.release(front, by, now));
    }

    fn node(&mut self, key: &Arc<str>, node: &Node, now: Timestamp) {
        let workload = self.shared(&identity::node(&node.metadata));
        let addresses: Vec<IpAddr> =
            node.status.addresses.iter().filter_map(|known| address(&known.address)).collect();
        for before in self.nodes.insert(Arc::clone(key), addresses.clone()).unwrap_or_default() {
            if !addresses.contains(&before) {
                self.addresses.release(before, key, now);
            }
        }
        let since = time(node.metadata.creation_timestamp.as_ref());
        addresses.into_iter().for_each(|address| self.own(address, key, &workload, since, now));
    }

    /// A ReplicaSet or a Job: who is over it is who is over its pods.
    fn between(&mut self, key: &Arc<str>, between: &Between, now: Timestamp) {
        let owner = identity::controller(&between.metadata);
        let owner = owner.unwrap_or_else(|| Owner {
            kind: if key.starts_with(Kind::Jobs.as_str()) {
                WorkloadKind::Job
            } else {
                WorkloadKind::ReplicaSet
            },
            name: between.metadata.name.as_deref().unwrap_or_default().into(),
        });
        for pod in self.waiting.remove(key).unwrap_or_default() {
            let Some(kept) = self.pods.remove(&pod) else { continue };
            let mut workload = Workload::clone(&kept.workload);
            workload.name = match (workload.kind, &between.metadata.namespace) {
                (WorkloadKind::HostNetwork, Some(namespace)) => format!("{namespace}/{}", owner.name),
                _ => owner.name.to_string(),
            };
            if workload.kind != WorkloadKind::HostNetwork {
                workload.kind = owner.kind;
            }
            let workload = self.shared(&workload);
            self.pods.insert(Arc::clone(&pod), KeptPod { workload: Arc::clone(&workload), ..kept });
            self.tell(&pod, &workload, None, &[], now);
        }
        self.between.insert(Arc::clone(key), owner);
    }

    fn pod(&mut self, key: &Arc<str>, pod: &Pod, now: Timestamp) {
        let owner = self.top_owner(key, pod);
        let workload = self.shared(&identity::workload(pod, owner.as_ref()));
        let over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        let addresses = if over || pod.spec.host_network { Vec::new() } else { own_addresses(pod) };
        let backends = if over { Vec::new() } else { host_ports(pod, &workload) };
        let declared = declared::of_pod(pod, &addresses);
        let kept = KeptPod {
            workload: Arc::clone(&workload),
            addresses: addresses.into(),
            fronts: backends.iter().map(|(front, _)| *front).collect(),
            declared: declared.iter().copied().collect(),
        };
        let since = time(pod.status.start_time.as_ref());
        let before = self.pods.insert(Arc::clone(key), kept);
        let declared_before = before.iter().flat_map(|before| before.declared.iter().copied()).collect();
        self.declare(key, &declared_before, &declared, since, now);
        if let Some(before) = before {
            let after = &self.pods[key];
            let addresses: Vec<_> =
                before.addresses.iter().copied().filter(|old| !after.addresses.contains(old)).collect();
            let fronts: Vec<_> =
                before.fronts.iter().copied().filter(|old| !after.fronts.contains(old)).collect();
            self.let_go(key, &addresses, &fronts, now);
        }
        self.tell(key, &workload, since, &backends, now);
    }

    /// Says whose a pod's addresses and ports are.
    fn tell(
        &mut self,
        key: &Arc<str>,
        workload: &Arc<Workload>,
        since: Option<Timestamp>,
        backends: &[(Front, Backend)],
        now: Timestamp,
    ) {
        let addresses = self.pods.get(key).map(|pod| pod.addresses.clone()).unwrap_or_default();
        for &address in &addresses {
            self.own(address, key, workload, since, now);
            self.services.touched(address);
        }
        for (front, backend) in backends {
            let claim = Claim { by: key, value: Arc::new(backend.clone()), since, corrects: |_, _| false };
            self.fronts.claim(*front, claim, now);
        }
    }

    /// Who is over a pod at the top, as far as it is known now.
    fn top_owner(&mut self, key: &Arc<str>, pod: &Pod) -> Option<Owner> {
        let owner = identity::controller(&pod.metadata)?;
        let kind = match owner.kind {
            WorkloadKind::ReplicaSet => Kind::ReplicaSets,
            WorkloadKind::Job => Kind::Jobs,
            _ => return Some(owner),
        };
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let between: Arc<str> = named(kind, namespace, &owner.name);
        if let Some(top) = self.between.get(&between) {
            return Some(top.clone());
        }
        let waiting = self.waiting.entry(between).or_default();
        if !waiting.contains(key) {
            waiting.push(Arc::clone(key));
        }
        identity::guessed(pod, &owner.name).or(Some(owner))
    }

    /// An address is a workload's; a Service's only where it is nobody else's.
    fn own(
        &mut self,
        address: IpAddr,
        by: &Arc<str>,
        workload: &Arc<Workload>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) {
        let holder = self.addresses.get(address).map(|holder| holder.kind);
        if workload.kind == WorkloadKind::Service && holder.is_some_and(|kind| kind != WorkloadKind::Service)
        {
            return;
        }
        let displaced = holder == Some(WorkloadKind::Service) && workload.kind != WorkloadKind::Service;
        if let Some(service) = self.addresses.holder(address).filter(|_| displaced).cloned() {
            self.addresses.release(address, &service, since.unwrap_or(now).min(now));
        }
        let corrects = |before: &Arc<Workload>, after: &Arc<Workload>| {
            (before.kind, &before.name) != (after.kind, &after.name)
        };
        self.addresses.claim(address, Claim { by, value: Arc::clone(workload), since, corrects }, now);
    }

    /// One workload in memory, however many pods it has.
    fn shared(&mut self, workload: &Workload) -> Arc<Workload> {
        // Those that nobody has any more are dropped whenever there are twice as many as were in use.
        if self.workloads.len() == self.workloads.capacity() {
            self.workloads.retain(|workload| Arc::strong_count(workload) > 1);
        }
        Arc::clone(self.workloads.get_or_insert_with(workload, |workload| Arc::new(workload.clone())))
    }

    /// What is different since the last time, Services included.
    pub(super) fn settle(&mut self, now: Timestamp) -> Changed {
        self.resolve_services(now);
        let changed =
            |(at, address, workload): (_, IpAddr, _)| Change { at, prefix: address.into(), workload };
        let addresses = self.addresses.take_changed().into_iter().map(changed).collect();
        Changed { addresses, fronts: self.changed_fronts() }
    }

    /// Everything there is now, and since when; what is different since the last time is part of it.
    pub(super) fn everything(&mut self, now: Timestamp) -> Changed {
        self.settle(now);
        let changed =
            |(at, address, workload): (_, IpAddr, _)| Change { at, prefix: address.into(), workload };
        let mut addresses: Vec<Change> = self.addresses.all().map(changed).collect();
        addresses.sort_by_key(|change| change.prefix);
        Changed { addresses, fronts: self.all_fronts() }
    }

    /// How many objects of `kind` are known.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.kept[kind as usize].len()
    }

    /// How many objects were refused: too many, or such as no API server lets pass.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

/// `pods/shop/web-1`.
fn key(kind: Kind, metadata: &ObjectMeta) -> Arc<str> {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
    named(kind, &text(&metadata.namespace), &text(&metadata.name))
}

fn named(kind: Kind, namespace: &str, name: &str) -> Arc<str> {
    format!("{}/{namespace}/{name}", kind.as_str()).into()
}

fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| Timestamp::from_parts(time.0.as_second(), time.0.subsec_nanosecond().unsigned_abs()))
}

fn protocol(name: Option<&str>) -> Option<Protocol> {
    match name.unwrap_or("TCP") {
        "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "SCTP" => Some(Protocol::SCTP),
        _ => None,
    }
}

fn has_plausible_parts(object: &Object) -> bool {
    match object {
        Object::Pod(pod) => {
            let (spec, status) = (&pod.spec, &pod.status);
            let containers = spec.containers.iter().chain(&spec.init_containers);
            let ports: usize = containers.map(|container| container.ports.len()).sum();
            ports + status.pod_ips.len() + status.host_ips.len() <= MAX_PARTS
        }
        Object::Service(service) => {
            let spec = &service.spec;
            let addresses =
                spec.cluster_ips.len() + spec.external_ips.len() + service.status.load_balancer.ingress.len();
            addresses + spec.ports.len() <= MAX_PARTS && objects::are_plausible(&spec.selector)
        }
        Object::EndpointSlice(slice) => slice.endpoints.len().max(slice.ports.len()) <= MAX_PARTS,
        Object::Node(node) => node.status.addresses.len() <= MAX_PARTS,
        Object::ReplicaSet(_) | Object::Job(_) => true,
    }
}

fn own_addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = &pod.status;
    let texts = status.pod_ips.iter().map(|ip| ip.ip.as_str()).chain(status.pod_ip.as_deref());
    texts.filter_map(address).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Ports of the pod's node that lead to the pod: declared host ports, and every declared port in the node's network.
fn host_ports(pod: &Pod, workload: &Arc<Workload>) -> Vec<(Front, Backend)> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let ports: Vec<(u16, u16, Protocol)> = containers
        .flat_map(|container| &container.ports)
        .filter_map(|port| {
            let on_host = if pod.spec.host_network { Some(port.container_port) } else { port.host_port };
            let on_host = on_host.filter(|&number| number > 0)?;
            Some((on_host, port.container_port, protocol(port.protocol.as_deref())?))
        })
        .collect();
    if ports.is_empty() {
        return Vec::new();
    }
    let status = &pod.status;
    let texts = status.host_ips.iter().map(|ip| ip.ip.as_str()).chain(status.host_ip.as_deref());
    let nodes: BTreeSet<IpAddr> = texts.filter_map(address).collect();
    let leads = |&(on_host, port, protocol): &(u16, u16, Protocol), node: IpAddr| {
        let server = Server::Workload(Arc::clone(workload));
        let backend = Backend { service: None, server, port: Some(port), rewritten: !pod.spec.host_network };
        (Front::Address(node, protocol, on_host), backend)
    };
    nodes.iter().flat_map(|&node| ports.iter().map(move |port| leads(port, node))).collect()
}

#[cfg(test)]
mod tests;

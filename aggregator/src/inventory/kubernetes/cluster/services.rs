//! Services: their addresses and ports, and who is behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::{Protocol, Timestamp, Workload, WorkloadKind};

use super::{Claim, Claims, Cluster, Kind, named, protocol, time};
use crate::inventory::fronts::{Backend, Front, Server};
use crate::inventory::kubernetes::objects::{self, TargetPort, address};

/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Addresses with their ports that are heeded of one slice.
const MAX_ENDS: usize = 5_000;

/// Services and their slices.
#[derive(Debug, Default)]
pub(super) struct Services {
    services: HashMap<Arc<str>, KeptService>,
    slices: HashMap<Arc<str>, KeptSlice>,
    /// Slices of a Service, by the Service.
    slices_of: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// Services that an address is behind.
    behind: HashMap<IpAddr, Vec<Arc<str>>>,
    /// Services to be looked at again.
    dirty: BTreeSet<Arc<str>>,
}

#[derive(Debug)]
struct KeptService {
    namespace: Box<str>,
    name: Box<str>,
    since: Option<Timestamp>,
    selector: BTreeMap<String, String>,
    addresses: Box<[IpAddr]>,
    ports: Box<[Port]>,
    /// Fronts that are claimed for it, and what was last known to be behind them.
    fronts: BTreeMap<Front, Arc<Backend>>,
}

#[derive(Debug)]
struct Port {
    name: Box<str>,
    protocol: Protocol,
    number: u16,
    on_nodes: Option<u16>,
    /// Where the Service itself says so by number.
    target: Option<u16>,
}

#[derive(Debug)]
struct KeptSlice {
    service: Arc<str>,
    ports: Box<[(Box<str>, Protocol, u16)]>,
    addresses: Box<[IpAddr]>,
}

impl Services {
    /// A Service is new or has changed. Returns the addresses that it has no more.
    pub(super) fn service(&mut self, key: &Arc<str>, service: &objects::Service) -> Vec<IpAddr> {
        let (metadata, spec) = (&service.metadata, &service.spec);
        let texts = spec.cluster_ips.iter().chain(&spec.cluster_ip).chain(&spec.external_ips);
        let balanced = service.status.load_balancer.ingress.iter().map(|ingress| &ingress.ip);
        // "None" is the address of a headless Service: clients get those of the pods.
        let addresses: BTreeSet<IpAddr> = texts.chain(balanced).filter_map(|text| address(text)).collect();
        let ports = spec.ports.iter().filter_map(|port| {
            Some(Port {
                name: port.name.as_deref().unwrap_or_default().into(),
                protocol: protocol(port.protocol.as_deref())?,
                number: port.port,
                on_nodes: port.node_port.filter(|&number| number > 0),
                target: match port.target_port {
                    Some(TargetPort::Number(number)) if number > 0 => Some(number),
                    Some(TargetPort::Name(_)) => None,
                    _ => Some(port.port),
                },
            })
        });
        let before = self.services.remove(key);
        let kept = KeptService {
            namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
            name: metadata.name.as_deref().unwrap_or_default().into(),
            since: time(metadata.creation_timestamp.as_ref()),
            selector: spec.selector.clone(),
            addresses: addresses.iter().copied().collect(),
            ports: ports.collect(),
            fronts: before.as_ref().map(|before| before.fronts.clone()).unwrap_or_default(),
        };
        self.services.insert(Arc::clone(key), kept);
        self.dirty.insert(Arc::clone(key));
        let before = before.map(|before| before.addresses).unwrap_or_default();
        before.iter().copied().filter(|old| !addresses.contains(old)).collect()
    }

    /// A Service is gone: its addresses and fronts.
    pub(super) fn forget_service(&mut self, key: &Arc<str>) -> (Box<[IpAddr]>, Vec<Front>) {
        self.dirty.remove(key);
        let gone = self.services.remove(key);
        gone.map(|gone| (gone.addresses, gone.fronts.into_keys().collect())).unwrap_or_default()
    }

    /// A slice is new or has changed.
    pub(super) fn slice(&mut self, key: &Arc<str>, slice: &objects::EndpointSlice) {
        self.forget_slice(key);
        let labels = slice.metadata.labels.as_ref();
        let Some(name) = labels.and_then(|labels| labels.get(SERVICE_NAME)) else { return };
        let service = named(Kind::Services, slice.metadata.namespace.as_deref().unwrap_or_default(), name);
        let ports = slice.ports.iter().filter_map(|port| {
            let name = port.name.as_deref().unwrap_or_default().into();
            Some((name, protocol(port.protocol.as_deref())?, port.port.filter(|&number| number > 0)?))
        });
        let serves = |endpoint: &&objects::Endpoint| {
            let conditions = endpoint.conditions;
            conditions.ready.unwrap_or(true) || conditions.serving == Some(true)
        };
        let endpoints = slice.endpoints.iter().filter(serves).flat_map(|endpoint| &endpoint.addresses);
        let addresses: BTreeSet<IpAddr> = endpoints.filter_map(|text| address(text)).collect();
        for &address in &addresses {
            self.behind.entry(address).or_default().push(Arc::clone(&service));
        }
        self.slices_of.entry(Arc::clone(&service)).or_default().push(Arc::clone(key));
        self.dirty.insert(Arc::clone(&service));
        let (ports, addresses) = (ports.collect(), addresses.into_iter().collect());
        self.slices.insert(Arc::clone(key), KeptSlice { service, ports, addresses });
    }

    /// The addresses and ports of a slice: a hundred addresses with a few ports each; more than are plausible are left out.
    pub(super) fn ends(&self, key: &str) -> BTreeSet<Front> {
        let Some(slice) = self.slices.get(key) else { return BTreeSet::new() };
        let at = |&address: &IpAddr| {
            slice.ports.iter().map(move |&(_, protocol, port)| Front::Address(address, protocol, port))
        };
        slice.addresses.iter().flat_map(at).take(MAX_ENDS).collect()
    }

    /// A slice is gone.
    pub(super) fn forget_slice(&mut self, key: &Arc<str>) {
        let Some(KeptSlice { service, addresses, .. }) = self.slices.remove(key) else { return };
        for address in &addresses {
            if let Some(services) = self.behind.get_mut(address) {
                // One entry for each slice that has it.
                if let Some(place) = services.iter().position(|known| *known == service) {
                    services.swap_remove(place);
                }
                if services.is_empty() {
                    self.behind.remove(address);
                }
            }
        }
        if let Some(slices) = self.slices_of.get_mut(&service) {
            slices.retain(|slice| slice != key);
            if slices.is_empty() {
                self.slices_of.remove(&service);
            }
        }
        self.dirty.insert(service);
    }

    /// Whose an address is may have changed.
    pub(super) fn touched(&mut self, address: IpAddr) {
        for service in self.behind.get(&address).into_iter().flatten() {
            if !self.dirty.contains(service) {
                self.dirty.insert(Arc::clone(service));
            }
        }
    }

    /// Where each port of a Service leads.
    fn resolve(
        &self,
        key: &str,
        itself: &Arc<Workload>,
        known: &Claims<IpAddr, Arc<Workload>>,
    ) -> BTreeMap<Front, Backend> {
        let Some(service) = self.services.get(key) else { return BTreeMap::new() };
        let mut fronts = BTreeMap::new();
        for port in &service.ports {
            let backend = self.behind_port(key, service, port, itself, known);
            for &address in &service.addresses {
                fronts.insert(Front::Address(address, port.protocol, port.number), backend.clone());
            }
            if let Some(number) = port.on_nodes {
                fronts.insert(Front::EveryNode(port.protocol, number), backend);
            }
        }
        fronts
    }

    fn behind_port(
        &self,
        key: &str,
        service: &KeptService,
        port: &Port,
        itself: &Arc<Workload>,
        known: &Claims<IpAddr, Arc<Workload>>,
    ) -> Backend {
        let mut endpoints: BTreeSet<(IpAddr, u16)> = BTreeSet::new();
        for slice in self.slices_of.get(key).into_iter().flatten().filter_map(|slice| self.slices.get(slice))
        {
            let same = slice
                .ports
                .iter()
                .filter(|(name, protocol, _)| *name == port.name && *protocol == port.protocol);
            for (_, _, number) in same {
                endpoints.extend(slice.addresses.iter().map(|&address| (address, *number)));
            }
        }
        let name = format!("{}.{}.svc:{}", service.name, service.namespace, port.number);
        let leads =
            |server, port| Backend { service: Some(name.as_str().into()), server, port, rewritten: true };
        if endpoints.is_empty() {
            let front =
                service.addresses.first().map(|&address| Front::Address(address, port.protocol, port.number));
            // Whoever was behind it last will be again: a Deployment between two rollouts is still the one.
            return match front.and_then(|front| service.fronts.get(&front)) {
                Some(last) => Backend::clone(last),
                None => leads(Server::Workload(Arc::clone(itself)), port.target.or(Some(port.number))),
            };
        }
        let numbers: BTreeSet<u16> = endpoints.iter().map(|&(_, number)| number).collect();
        let number = numbers.first().copied().filter(|_| numbers.len() == 1);
        let addresses: BTreeSet<IpAddr> = endpoints.iter().map(|&(address, _)| address).collect();
        leads(server(&addresses, itself, known), number)
    }
}

/// Who has these addresses: one workload, one address that is nobody's, or what is behind the Service as a whole.
fn server(
    addresses: &BTreeSet<IpAddr>,
    itself: &Arc<Workload>,
    known: &Claims<IpAddr, Arc<Workload>>,
) -> Server {
    let mut owners: BTreeMap<&Arc<Workload>, usize> = BTreeMap::new();
    let owned = addresses.iter().filter_map(|&address| known.get(address));
    owned.for_each(|owner| *owners.entry(owner).or_default() += 1);
    let mut names: Vec<_> = owners.keys().map(|owner| (owner.kind, &owner.namespace, &owner.name)).collect();
    names.dedup();
    match (names.len(), addresses.first()) {
        (0, Some(&address)) if addresses.len() == 1 => Server::Address(address),
        (1, _) => {
            // While labels are rolled out there are pods with the old ones and with the new ones.
            let most = owners.into_iter().max_by_key(|&(owner, count)| (count, owner));
            Server::Workload(Arc::clone(most.map_or(itself, |(owner, _)| owner)))
        }
        _ => Server::Workload(Arc::clone(itself)),
    }
}

impl Cluster {
    /// Looks again at every Service that may lead elsewhere than before.
    pub(super) fn resolve_services(&mut self, now: Timestamp) {
        for key in std::mem::take(&mut self.services.dirty) {
            let Some(service) = self.services.services.get(&key) else { continue };
            let (since, addresses) = (service.since, service.addresses.clone());
            let workload = Workload {
                kind: WorkloadKind::Service,
                name: service.name.to_string(),
                namespace: Some(service.namespace.to_string()),
                labels: service.selector.clone(),
            };
            let itself = self.shared(&workload);
            addresses.iter().for_each(|&address| self.own(address, &key, &itself, since, now));
            let resolved = self.services.resolve(&key, &itself, &self.addresses);
            let Some(service) = self.services.services.get_mut(&key) else { continue };
            let resolved: BTreeMap<Front, Arc<Backend>> =
                resolved.into_iter().map(|(front, backend)| (front, Arc::new(backend))).collect();
            let before = std::mem::replace(&mut service.fronts, resolved.clone());
            for front in before.keys().filter(|front| !resolved.contains_key(*front)) {
                self.fronts.release(*front, &key, now);
            }
            for (front, value) in resolved {
                self.fronts.claim(front, Claim { by: &key, value, since, corrects: |_, _| false }, now);
            }
        }
    }
}

//! Who plays which part: parties of edges as pods and as addresses outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::{Edge, Party, Workload};

use super::Observed;
use crate::k8s::{End, Pod, World};

/// A world with the workloads that were observed or are known beside the pods of the manifests.
pub(crate) struct Cast {
    /// The inventory's pods first, then those of the manifests.
    pub(crate) world: World,
    of_workload: BTreeMap<Arc<Workload>, usize>,
    /// Pods by the addresses that manifests give them.
    of_address: BTreeMap<IpAddr, usize>,
}

impl Cast {
    pub(crate) fn new<'a>(manifests: &World, observed: Observed<'a>) -> Self {
        // Edges share their workloads: a place in memory is quicker to find than a name with its labels.
        let mut met: HashMap<*const Workload, (&Arc<Workload>, BTreeSet<IpAddr>)> = HashMap::new();
        let mut meet = |workload: &'a Arc<Workload>, seen: Option<&BTreeSet<IpAddr>>| {
            if workload.namespace.is_some() {
                let (_, addresses) =
                    met.entry(Arc::as_ptr(workload)).or_insert_with(|| (workload, BTreeSet::new()));
                addresses.extend(seen.into_iter().flatten());
            }
        };
        observed.workloads.iter().for_each(|workload| meet(workload, None));
        let ends = |edge: &&'a Edge| {
            let Edge { key, client_addresses, server_addresses, .. } = *edge;
            [(&key.client, client_addresses), (&key.server, server_addresses)]
        };
        for (party, seen) in observed.edges.unwrap_or_default().iter().flat_map(ends) {
            if let Party::Workload(workload) = party {
                meet(workload, Some(seen));
            }
        }
        let mut addresses: BTreeMap<Arc<Workload>, BTreeSet<IpAddr>> = BTreeMap::new();
        for (workload, seen) in met.into_values() {
            addresses.entry(Arc::clone(workload)).or_default().extend(seen);
        }
        Self::of(manifests, addresses)
    }

    fn of(manifests: &World, workloads: BTreeMap<Arc<Workload>, BTreeSet<IpAddr>>) -> Self {
        let mut world = World::default();
        for (name, labels) in manifests.namespaces() {
            world.add_namespace(name, labels.clone());
        }
        let described: BTreeMap<(&str, &str), &Pod> =
            manifests.pods().iter().map(|pod| ((pod.namespace.as_str(), pod.name.as_str()), pod)).collect();
        let mut of_workload = BTreeMap::new();
        let mut met = BTreeSet::new();
        for (workload, addresses) in workloads {
            let namespace = workload.namespace.as_deref().unwrap_or_default();
            // What an inventory does not know, the manifest of the same workload may.
            let known =
                described.get(&(namespace, workload.name.as_str())).copied().cloned().unwrap_or_default();
            met.insert((namespace.to_owned(), workload.name.clone()));
            let mut labels = known.labels;
            labels.extend(workload.labels.clone());
            world.add_pod(Pod {
                namespace: namespace.to_owned(),
                name: workload.name.clone(),
                labels,
                addresses: addresses.into_iter().collect(),
                ..known
            });
            of_workload.insert(workload, world.pods().len() - 1);
        }
        let mut of_address = BTreeMap::new();
        for pod in manifests.pods() {
            if !met.contains(&(pod.namespace.clone(), pod.name.clone())) {
                world.add_pod(pod.clone());
                let index = world.pods().len() - 1;
                // Pods on their node's network share its address, which is then nobody's.
                of_address.extend(pod.addresses.iter().filter(|_| !pod.host_network).map(|&a| (a, index)));
            }
        }
        Self { world, of_workload, of_address }
    }

    /// The pods of the inventory; where there are none, those of the manifests.
    pub(crate) fn inventory(&self) -> Range<usize> {
        0..if self.of_workload.is_empty() { self.world.pods().len() } else { self.of_workload.len() }
    }

    /// What a party is to policies: its pod, or the addresses that it was seen with.
    pub(crate) fn ends(&self, party: &Party, addresses: &BTreeSet<IpAddr>) -> Vec<End> {
        match party {
            Party::Workload(workload) if workload.namespace.is_some() => {
                self.of_workload.get(workload).map(|&pod| End::Pod(pod)).into_iter().collect()
            }
            Party::Workload(_) => addresses.iter().map(|&address| self.end(address)).collect(),
            Party::Address(address) => vec![self.end(*address)],
        }
    }

    fn end(&self, address: IpAddr) -> End {
        self.of_address.get(&address).map_or(End::Outside(address), |&pod| End::Pod(pod))
    }
}

//! Who takes part in the proof: everybody who was observed, as they were and after the next rollout, and pods
//! made up to look almost like them.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashMap;

use watershed_model::Labels;

use super::dialect::Dialect;
use super::faults::Fault;
use crate::Service;
use crate::k8s::{End, Pod, World};
use crate::mine::{Census, ClassId, NodeId, Plan, Someone, stable_keys};

/// Addresses of documentation (RFC 5737, RFC 3849): nobody's.
pub(super) const NOBODY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 251)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x251)),
];

/// A label of pods whose own side allows everything, so that the other side alone decides.
const FREE: &str = "watershed-probe";

/// A value that no label has: other than observed ones.
pub(super) const OTHER: &str = "watershed-other";

/// Labels that controllers of Kubernetes make up for each generation of pods, by its documentation. What
/// mining holds for stable is its own judgement; this list is not.
const GENERATED: [&str; 5] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
];

/// Whom an end stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role<'a> {
    /// Somebody whom rules and default deny bind.
    Bound(Someone<'a>),
    /// Somebody who is free to do anything on their own side.
    Free(Someone<'a>),
}

impl<'a> Role<'a> {
    pub(super) const fn someone(self) -> Someone<'a> {
        match self {
            Self::Bound(someone) | Self::Free(someone) => someone,
        }
    }
}

/// Pods and whom they stand for.
pub(crate) struct Stage<'a> {
    pub(super) census: &'a Census,
    pub(super) plan: &'a Plan,
    world: World,
    /// The node that each pod stands for; `None` for one that is made up.
    nodes: Vec<Option<NodeId>>,
    free: Vec<bool>,
    /// The ends that each node is. A pod: as it was, and last as it will be; else its addresses.
    of_node: Vec<Vec<End>>,
    /// Of each node that is a pod: one that is free on its own side.
    free_of_node: Vec<Option<End>>,
    /// Pods by a hash of whom they stand for, their namespace and their labels.
    made_up: HashMap<u64, Vec<usize>>,
    unstable: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn of(census: &'a Census, plan: &'a Plan) -> Self {
        let stable = stable_keys(census);
        let keys = census.nodes.iter().flat_map(|node| &node.variants).flat_map(|labels| labels.keys());
        let unstable = keys.filter(|key| !stable.contains(key.as_str())).cloned();
        let generated = GENERATED.map(str::to_owned);
        let mut stage = Self {
            census,
            plan,
            world: World::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            of_node: vec![Vec::new(); census.nodes.len()],
            free_of_node: vec![None; census.nodes.len()],
            made_up: HashMap::new(),
            unstable: unstable.chain(generated).filter(|key| !plan.pinned.contains(key)).collect(),
        };
        for (id, node) in census.nodes.iter().enumerate() {
            let Some(namespace) = node.namespace() else {
                stage.of_node[id].extend(node.addresses.iter().copied().map(End::Outside));
                continue;
            };
            for labels in &node.variants {
                let pod = stage.add(Some(id as NodeId), namespace, labels.as_ref().clone(), false);
                stage.of_node[id].push(End::Pod(pod));
            }
            let next = stage.next(id as NodeId);
            let pod = stage.add(Some(id as NodeId), namespace, next.clone(), false);
            stage.of_node[id].push(End::Pod(pod));
            stage.free_of_node[id] = Some(stage.pod(Some(id as NodeId), namespace, next, true));
        }
        stage
    }

    /// The labels of a node after its next rollout.
    pub(super) fn next(&self, node: NodeId) -> Labels {
        let labels = self.census.nodes[node as usize].variants.first();
        let mut labels = labels.map_or_else(Labels::new, |labels| labels.as_ref().clone());
        for (key, value) in &mut labels {
            if self.unstable.contains(key) {
                OTHER.clone_into(value);
            }
        }
        labels
    }

    /// A pod of a node, free on its own side; none of a node that is no pod.
    pub(super) fn free(&self, node: NodeId) -> Option<End> {
        self.free_of_node[node as usize]
    }

    /// A pod, made if it is not there.
    pub(super) fn pod(
        &mut self,
        node: Option<NodeId>,
        namespace: &str,
        mut labels: Labels,
        free: bool,
    ) -> End {
        if free {
            labels.insert(FREE.to_owned(), FREE.to_owned());
        }
        let hash = self.made_up.hasher().hash_one((node, namespace, &labels));
        let same = |&at: &usize| {
            let pod = &self.world.pods()[at];
            let known = (self.nodes[at], self.free[at], pod.namespace.as_str(), &pod.labels);
            known == (node, free, namespace, &labels)
        };
        let alike = self.made_up.entry(hash).or_default();
        if let Some(at) = alike.iter().copied().find(same) {
            return End::Pod(at);
        }
        alike.push(self.nodes.len());
        End::Pod(self.add(node, namespace, labels, free))
    }

    fn add(&mut self, node: Option<NodeId>, namespace: &str, labels: Labels, free: bool) -> usize {
        let name = match node {
            Some(node) => self.census.nodes[node as usize].display(),
            None => "a pod made up".to_owned(),
        };
        self.world.add_pod(Pod { namespace: namespace.to_owned(), name, labels, ..Pod::default() });
        self.nodes.push(node);
        self.free.push(free);
        self.nodes.len() - 1
    }

    pub(super) const fn world(&self) -> &World {
        &self.world
    }

    /// Whether a pod stands for somebody known, and whether it is free on its own side.
    pub(super) fn is_known(&self, pod: usize, free: bool) -> bool {
        self.nodes[pod].is_some() && self.free[pod] == free
    }

    /// Every pod.
    pub(super) fn pods(&self) -> impl Iterator<Item = End> {
        (0..self.nodes.len()).map(End::Pod)
    }

    /// Every pod that stands for somebody known and is bound by policies, with its class.
    pub(super) fn bound_pods(&self) -> impl Iterator<Item = (usize, ClassId)> {
        let known = self.nodes.iter().zip(&self.free).enumerate().filter(|(_, (_, free))| !**free);
        known.filter_map(|(pod, (node, _))| Some((pod, self.plan.classes.of_node[(*node)? as usize])))
    }

    /// Policies that free the free pods.
    pub(super) fn policies(&self, dialect: &impl Dialect) -> String {
        self.world.namespaces().keys().map(|namespace| dialect.free(namespace, FREE)).collect()
    }

    pub(super) fn role(&self, end: End) -> Role<'_> {
        match end {
            End::Outside(address) => Role::Bound(Someone::Address(address)),
            End::Pod(at) => {
                let pod = &self.world.pods()[at];
                let someone = match self.nodes[at] {
                    Some(node) => Someone::Node(node),
                    None => Someone::Stranger { number: at, namespace: &pod.namespace, labels: &pod.labels },
                };
                if self.free[at] { Role::Free(someone) } else { Role::Bound(someone) }
            }
        }
    }

    /// The namespace of a pod.
    pub(super) fn namespace(&self, end: End) -> Option<&str> {
        let End::Pod(at) = end else { return None };
        Some(&self.world.pods()[at].namespace)
    }

    /// Connections to try for a dependency; none where neither end is a pod.
    ///
    /// Every end is in at least one of them, and a workload that uses itself does so from another pod.
    pub(super) fn pairs(&self, client: NodeId, server: NodeId) -> impl Iterator<Item = (End, End)> + Clone {
        let is_pod = |node: NodeId| self.free_of_node[node as usize].is_some();
        let ends = |node: NodeId| match is_pod(client) || is_pod(server) {
            true => self.of_node[node as usize].as_slice(),
            false => &[],
        };
        let (clients, servers) = (ends(client), ends(server));
        let count =
            if clients.is_empty() || servers.is_empty() { 0 } else { clients.len().max(servers.len()) };
        let each = (0..count).map(|at| (clients[at % clients.len()], servers[(at + 1) % servers.len()]));
        let last = clients.last().copied().zip(servers.last().copied());
        each.chain(last.filter(|_| client != server))
    }

    pub(super) fn fault(&self, client: End, server: End, service: Service) -> Fault {
        let name = |end| match end {
            End::Outside(address) => address.to_string(),
            End::Pod(at) => {
                let pod = &self.world.pods()[at];
                let labels: Vec<_> = pod.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} of {} ({})", pod.name, pod.namespace, labels.join(","))
            }
        };
        Fault { client: name(client), server: name(server), service }
    }
}

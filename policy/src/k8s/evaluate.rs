//! What policies allow between two ends.
//!
//! 1. A pod that no policy isolates for a direction may do everything in that direction.
//! 2. A pod that some policy isolates may do what any rule of any policy that isolates it allows; no policy
//!    takes away what another gives.
//! 3. A connection needs both: egress at its client and ingress at its server.
//! 4. Answers belong to their connection, a pod reaches itself, and a node reaches its own pods, always.
//! 5. Pods on their node's network are addresses to policies, not pods.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watershed_model::{Labels, Protocol};

use super::policy::{Direction, NetworkPolicy, PeerKind, PolicyRule, PortMatch, Ports};
use super::{Connections, Pod, World};

/// Whether `ipBlock` means pods too, by their addresses. The API leaves it to the network plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Addresses outside the cluster alone, as Cilium and np-guard have it.
    OutsideOnly,
    /// Pods' addresses too, as Calico and kube-network-policies have it.
    PodsToo,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A pod, by its index in [`World::pods`].
    Pod(usize),
    /// An address that is no pod's.
    Outside(IpAddr),
}

/// Tells what policies allow in a world.
#[derive(Debug)]
pub struct Evaluator<'a> {
    world: &'a World,
    policies: &'a [NetworkPolicy],
    blocks: Blocks,
    /// The labels of each pod's namespace.
    namespaces: Vec<&'a Labels>,
    /// Whether the node of any pod is known.
    nodes: bool,
    /// Which policies isolate each pod, as indices: for ingress, for egress.
    isolating: [Vec<Vec<usize>>; 2],
}

/// Which policies isolate an end for a direction: nothing passes there that none of them allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The direction, seen from the end.
    pub direction: Direction,
    /// Indices of the policies.
    pub policies: Vec<usize>,
}

impl<'a> Evaluator<'a> {
    /// Finds out which policies isolate which pods.
    #[must_use]
    pub fn new(world: &'a World, policies: &'a [NetworkPolicy], blocks: Blocks) -> Self {
        static NO_LABELS: Labels = Labels::new();
        let mut of_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, policy) in policies.iter().enumerate() {
            of_namespace.entry(&policy.namespace).or_default().push(index);
        }
        let isolate = |direction: Direction| -> Vec<Vec<usize>> {
            let of_pod = |pod: &Pod| match of_namespace.get(pod.namespace.as_str()) {
                Some(indices) if !pod.host_network => {
                    let isolates = |policy: &NetworkPolicy| {
                        policy.rules(direction).is_some() && policy.subject.matches(&pod.labels)
                    };
                    indices.iter().copied().filter(|&index| isolates(&policies[index])).collect()
                }
                _ => Vec::new(),
            };
            world.pods().iter().map(of_pod).collect()
        };
        let labels = |pod: &Pod| world.namespaces().get(&pod.namespace);
        Self {
            world,
            policies,
            blocks,
            namespaces: world.pods().iter().map(|pod| labels(pod).unwrap_or(&NO_LABELS)).collect(),
            nodes: world.pods().iter().any(|pod| pod.node.is_some()),
            isolating: [isolate(Direction::Ingress), isolate(Direction::Egress)],
        }
    }

    /// The connections that `client` may open to `server`.
    #[must_use]
    pub fn connections(&self, client: End, server: End) -> Connections {
        if self.always(client, server) {
            return Connections::all();
        }
        let egress = self.side(Direction::Egress, client, server);
        if egress.is_empty() {
            return egress;
        }
        egress.intersection(&self.side(Direction::Ingress, client, server))
    }

    /// Why `client` may not connect to `port` of `server`: the ends that do not permit it. Empty where it may.
    #[must_use]
    pub fn denied_by(&self, client: End, server: End, protocol: Protocol, port: u16) -> Vec<Isolation> {
        if self.connections(client, server).contains(protocol, port) {
            return Vec::new();
        }
        let refuses = |&direction: &Direction| !self.side(direction, client, server).contains(protocol, port);
        let isolation = |direction| Isolation {
            direction,
            policies: self.isolating(direction, subject_of(direction, client, server).0).to_vec(),
        };
        [Direction::Egress, Direction::Ingress].into_iter().filter(refuses).map(isolation).collect()
    }

    /// The rules that allow a connection at either end: index of the policy, direction, index of the rule.
    pub fn allowing(
        &self,
        client: End,
        server: End,
        protocol: Protocol,
        port: u16,
    ) -> impl Iterator<Item = (usize, Direction, usize)> {
        [Direction::Egress, Direction::Ingress].into_iter().flat_map(move |direction| {
            self.rules(direction, client, server)
                .filter(move |(.., rule)| {
                    let mut allowed = Connections::default();
                    self.add_rule(&mut allowed, rule, server);
                    allowed.contains(protocol, port)
                })
                .map(move |(policy, index, _)| (policy, direction, index))
        })
    }

    /// Which policies isolate `end` for `direction`, as indices.
    #[must_use]
    pub fn isolating(&self, direction: Direction, end: End) -> &[usize] {
        match end {
            End::Pod(pod) => &self.isolating[direction as usize][pod],
            End::Outside(_) => &[],
        }
    }

    /// Whether `kind`, a peer of `policy`, means `end`.
    #[must_use]
    pub fn means(&self, policy: &NetworkPolicy, kind: &PeerKind, end: End) -> bool {
        match (kind, end) {
            (PeerKind::Pods { namespaces, pods }, End::Pod(index)) => {
                let pod = &self.world.pods()[index];
                let namespace = match namespaces {
                    Some(selector) => selector.matches(self.namespaces[index]),
                    None => pod.namespace == policy.namespace,
                };
                namespace
                    && !pod.host_network
                    && pods.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
            }
            (PeerKind::Pods { .. }, End::Outside(_)) => false,
            (PeerKind::Block { cidr, except }, end) => {
                let within = |address: &IpAddr| {
                    cidr.contains(address) && !except.iter().any(|not| not.contains(address))
                };
                match end {
                    End::Outside(address) => within(&address),
                    End::Pod(index) => {
                        let pod = &self.world.pods()[index];
                        (pod.host_network || self.blocks == Blocks::PodsToo)
                            && pod.addresses.iter().any(within)
                    }
                }
            }
        }
    }

    /// Whether policies have no say: a pod and itself, a node and its pods.
    pub(super) fn always(&self, client: End, server: End) -> bool {
        client == server || self.nodes && (self.is_node_of(client, server) || self.is_node_of(server, client))
    }

    /// What one end permits.
    fn side(&self, direction: Direction, client: End, server: End) -> Connections {
        if self.isolating(direction, subject_of(direction, client, server).0).is_empty() {
            return Connections::all();
        }
        let mut allowed = Connections::default();
        for (.., rule) in self.rules(direction, client, server) {
            self.add_rule(&mut allowed, rule, server);
        }
        allowed
    }

    /// The rules that mean both ends: index of the policy, index of the rule, the rule.
    fn rules(
        &self,
        direction: Direction,
        client: End,
        server: End,
    ) -> impl Iterator<Item = (usize, usize, &'a PolicyRule)> {
        let (subject, peer) = subject_of(direction, client, server);
        self.isolating(direction, subject).iter().flat_map(move |&index| {
            let policy = &self.policies[index];
            let rules = policy.rules(direction).unwrap_or_default().iter().enumerate();
            let meant = move |(_, rule): &(usize, &PolicyRule)| {
                rule.peers.is_empty() || rule.peers.iter().any(|one| self.means(policy, &one.kind, peer))
            };
            rules.filter(meant).map(move |(number, rule)| (index, number, rule))
        })
    }

    pub(super) fn add_rule(&self, allowed: &mut Connections, rule: &PolicyRule, server: End) {
        if rule.ports.is_empty() {
            *allowed = Connections::all();
        }
        rule.ports.iter().for_each(|port| self.add_ports(allowed, port, server));
    }

    /// A name means what the server's containers call so; outside the cluster nothing has such names.
    fn add_ports(&self, allowed: &mut Connections, port: &PortMatch, server: End) {
        match (&port.ports, server) {
            (Ports::All, _) => allowed.insert(port.protocol, 1..=u16::MAX),
            (Ports::Range(range), _) => allowed.insert(port.protocol, range.clone()),
            (Ports::Named(name), End::Pod(index)) => {
                let named = self.world.pods()[index].ports.iter();
                for known in named.filter(|known| known.protocol == port.protocol && known.name == *name) {
                    allowed.insert(known.protocol, known.port..=known.port);
                }
            }
            (Ports::Named(_), End::Outside(_)) => {}
        }
    }

    fn is_node_of(&self, node: End, pod: End) -> bool {
        let End::Pod(pod) = pod else { return false };
        let Some(address) = self.world.pods()[pod].node else { return false };
        match node {
            End::Outside(outside) => outside == address,
            End::Pod(index) => {
                let pod = &self.world.pods()[index];
                pod.host_network && pod.addresses.contains(&address)
            }
        }
    }
}

/// The subject and the peer of a rule that looks in `direction`.
pub(super) const fn subject_of(direction: Direction, client: End, server: End) -> (End, End) {
    match direction {
        Direction::Ingress => (server, client),
        Direction::Egress => (client, server),
    }
}

#[cfg(test)]
mod tests;

//! Connections that were not seen, chosen where a wrong policy would let them through.
//!
//! For each rule, with one member of its subject and two of its peer:
//! 1. To the subject, from pods that look almost like the peer: the same labels in another namespace, the
//!    peer's namespace without labels, each label of its selector with another value; and from addresses
//!    that are nobody's, and the neighbours of each network.
//! 2. From the peer to pods that look almost like the subject.
//! 3. To the subject, from members of other classes.
//! 4. The other way round, and with the ports beside each range and the other transports.
//!
//! The end that does not matter is free to do anything, so that no mistake at one end hides behind the other.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::stage::{NOBODY, OTHER, Stage};
use crate::Service;
use crate::k8s::{Direction, End, PROTOCOLS};
use crate::mine::{Allowed, Namespace, NodeId, Rule, Whom};

/// Members of a peer that are imitated.
const MEMBERS: usize = 2;

/// Members of other classes that are tried with each rule.
const STRANGERS: usize = 8;

/// Networks of a rule whose neighbours are tried.
const NETWORKS: usize = 16;

/// An echo request (RFC 792).
const PING: Service = Service::Icmp { protocol: Protocol::ICMP, message_type: 8 };

/// Namespace of pods that are in none of the cluster's.
const ELSEWHERE: &str = "watershed-elsewhere";

/// Connections of one client to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(super) client: End,
    pub(super) server: End,
    /// What of the server.
    pub(super) services: Rc<[Service]>,
}

/// Probes around every rule whose subject is in the cluster.
pub(super) fn around(stage: &mut Stage<'_>) -> Vec<Probe> {
    let plan = stage.plan;
    let mut probes = Vec::new();
    for (at, rule) in plan.rules.iter().enumerate() {
        if let Whom::Workloads { namespace: Namespace::One(namespace), labels } = &rule.subject {
            Around { rule, namespace, labels }.add(stage, at, &mut probes);
        }
    }
    probes
}

struct Around<'a> {
    rule: &'a Rule,
    namespace: &'a str,
    /// Of the subject's selector.
    labels: &'a Labels,
}

impl Around<'_> {
    fn add(&self, stage: &mut Stage<'_>, at: usize, probes: &mut Vec<Probe>) {
        let Some(subject) = members(stage, &self.rule.subjects, 1).first().copied() else { return };
        let labels = stage.next(subject);
        let bound = stage.pod(Some(subject), self.namespace, labels.clone(), false);
        let services: Rc<[_]> = services(&self.rule.ports).into();
        let others = self.almost_peers(stage);
        let others = others.into_iter().chain(self.strangers(stage, at));
        let mut connect = |subject: End, peer: End| {
            let (client, server) = match self.rule.direction {
                Direction::Ingress => (peer, subject),
                Direction::Egress => (subject, peer),
            };
            probes.push(Probe { client, server, services: Rc::clone(&services) });
            probes.push(Probe { client: server, server: client, services: Rc::clone(&services) });
        };
        others.for_each(|other| connect(bound, other));
        let peers = self.peers(stage);
        for almost in almost(self.labels, &labels) {
            let subject = stage.pod(None, self.namespace, almost, false);
            peers.iter().for_each(|&peer| connect(subject, peer));
        }
        peers.iter().for_each(|&peer| connect(bound, peer));
    }

    /// Members of the peer, free on their own side.
    fn peers(&self, stage: &mut Stage<'_>) -> Vec<End> {
        let mut ends: Vec<End> =
            self.networks(stage).iter().take(MEMBERS).map(|network| End::Outside(network.addr())).collect();
        for node in members(stage, &self.rule.peers, MEMBERS) {
            ends.extend(free(stage, node));
        }
        ends
    }

    /// The networks that the peer is, where it is no pod.
    fn networks(&self, stage: &Stage<'_>) -> Vec<IpNet> {
        let whole = |addresses: &BTreeSet<IpAddr>| addresses.iter().copied().map(IpNet::from).collect();
        match &self.rule.peer {
            Whom::Networks(networks) => networks.clone(),
            Whom::Host { addresses, .. } => whole(addresses),
            Whom::Workloads { namespace: Namespace::Hosts, .. } => {
                whole(&stage.plan.addresses(stage.census, &self.rule.peers))
            }
            Whom::Workloads { .. } => Vec::new(),
        }
    }

    fn almost_peers(&self, stage: &mut Stage<'_>) -> Vec<End> {
        let mut ends: Vec<End> = NOBODY.map(End::Outside).into();
        ends.push(stage.pod(None, ELSEWHERE, Labels::new(), true));
        let beside = self.networks(stage).into_iter().take(NETWORKS).flat_map(neighbours);
        ends.extend(beside.map(End::Outside));
        let Whom::Workloads { labels, .. } = &self.rule.peer else { return ends };
        for member in members(stage, &self.rule.peers, MEMBERS) {
            let census = stage.census;
            let Some(namespace) = census.nodes[member as usize].namespace() else { continue };
            let full = stage.next(member);
            ends.push(stage.pod(None, ELSEWHERE, full.clone(), true));
            for almost in almost(labels, &full) {
                ends.push(stage.pod(None, namespace, almost, true));
            }
        }
        ends
    }

    /// Members of other classes, others for each rule.
    fn strangers(&self, stage: &mut Stage<'_>, at: usize) -> Vec<End> {
        let classes = stage.plan.classes.list.len();
        let step = classes.div_ceil(STRANGERS).max(1);
        let chosen = (0..classes).skip(at % step).step_by(step);
        let nodes: Vec<NodeId> =
            chosen.filter_map(|class| stage.plan.classes.list[class].members.first().copied()).collect();
        nodes.into_iter().filter_map(|node| free(stage, node)).collect()
    }
}

/// A pod of a node, free on its own side; none of a node that is no pod.
fn free(stage: &mut Stage<'_>, node: NodeId) -> Option<End> {
    let census = stage.census;
    let labels = stage.next(node);
    let namespace = census.nodes[node as usize].namespace()?;
    Some(stage.pod(Some(node), namespace, labels, true))
}

/// Members of classes, one of each class at the two ends of the list.
fn members(stage: &Stage<'_>, classes: &[u32], most: usize) -> Vec<NodeId> {
    let chosen = classes.iter().take(most.div_ceil(2)).chain(classes.iter().rev().take(most / 2));
    let first = |&class: &u32| stage.plan.classes.class(class).members.first().copied();
    let mut members: Vec<NodeId> = chosen.filter_map(first).collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// Labels that a selector should not mean: none, and those of a member with one of the selector's changed.
fn almost(selector: &Labels, member: &Labels) -> Vec<Labels> {
    let changed = |key: &String| {
        let mut labels = member.clone();
        labels.insert(key.clone(), OTHER.to_owned());
        labels
    };
    std::iter::once(Labels::new()).chain(selector.keys().map(changed)).collect()
}

/// The ports and ICMP types at and beside the ends of each range, the same ports of the other transports,
/// and a ping.
fn services(allowed: &[Allowed]) -> Vec<Service> {
    let of_each = |port| PROTOCOLS.map(|protocol| Service::Port { protocol, port });
    let mut services = vec![PING];
    for allowed in allowed {
        match *allowed {
            Allowed::Ports(_, first, last) => {
                let beside = [first.saturating_sub(1), first, last, last.saturating_add(1)];
                services.extend(beside.into_iter().filter(|&port| port > 0).flat_map(of_each));
            }
            Allowed::Service(Service::Icmp { protocol, message_type }) => {
                let beside = [message_type.saturating_sub(1), message_type, message_type.saturating_add(1)];
                services.extend(beside.map(|message_type| Service::Icmp { protocol, message_type }));
                services.extend(of_each(1));
            }
            Allowed::Anything | Allowed::Service(_) => services.extend(of_each(1)),
        }
    }
    services.sort_unstable();
    services.dedup();
    services
}

/// The addresses before and after a network: a prefix that is too short takes in one of them.
fn neighbours(network: IpNet) -> impl Iterator<Item = IpAddr> {
    let (first, last) = (network.network(), network.broadcast());
    let [before, after] = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => [
            first.to_bits().checked_sub(1).map(|bits| IpAddr::V4(bits.into())),
            last.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        ],
        (IpAddr::V6(first), IpAddr::V6(last)) => [
            first.to_bits().checked_sub(1).map(|bits| IpAddr::V6(bits.into())),
            last.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
        ],
        _ => [None, None],
    };
    before.into_iter().chain(after)
}

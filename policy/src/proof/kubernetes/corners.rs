//! What the text itself lists, tried from its own point of view: the ends of each network and port range, and
//! pods that each peer means.

use std::rc::Rc;

use super::probes::Probe;
use super::stage::Stage;
use crate::Service;
use crate::k8s::{Direction, End, Indexed, PROTOCOLS, PeerKind, PolicyRule, Ports};

/// Pods of a peer that are tried: the first ones.
pub(super) const PEERS: usize = 2;

/// A port of every transport, for rules that are about everything.
pub(super) fn one_of_each() -> Vec<Service> {
    PROTOCOLS.map(|protocol| Service::Port { protocol, port: 1 }).into()
}

/// Probes for every rule of every policy, with one pod that the policy is for.
pub(super) fn of(stage: &Stage<'_>, policies: &Indexed<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let subjects = subjects(stage, policies, direction);
        for (policy, rule, pods) in policies.rules(direction) {
            let Some(subject) = subjects[policy] else { continue };
            let services: Rc<[Service]> = services(rule).into();
            let pods = pods.filter(|&pod| stage.is_known(pod, true)).take(PEERS).map(End::Pod);
            let networks = rule.peers.iter().filter_map(|peer| match &peer.kind {
                PeerKind::Block { cidr, .. } => Some([cidr.network(), cidr.broadcast()].map(End::Outside)),
                PeerKind::Pods { .. } => None,
            });
            for peer in pods.chain(networks.flatten()) {
                let (client, server) = match direction {
                    Direction::Ingress => (peer, subject),
                    Direction::Egress => (subject, peer),
                };
                probes.push(Probe { client, server, services: Rc::clone(&services) });
            }
        }
    }
    probes
}

/// For each policy the first known pod that it isolates.
fn subjects(stage: &Stage<'_>, policies: &Indexed<'_>, direction: Direction) -> Vec<Option<End>> {
    let mut subjects = vec![None; policies.policies()];
    let known = (0..stage.world().pods().len()).filter(|&pod| stage.is_known(pod, false)).map(End::Pod);
    for pod in known {
        for &policy in policies.isolating(direction, pod) {
            subjects[policy].get_or_insert(pod);
        }
    }
    subjects
}

/// The ends of the ports of a rule.
fn services(rule: &PolicyRule) -> Vec<Service> {
    let ends = rule.ports.iter().flat_map(|one| {
        let port = |port| Service::Port { protocol: one.protocol, port };
        match &one.ports {
            Ports::Range(range) => vec![port(*range.start()), port(*range.end())],
            Ports::All | Ports::Named(_) => vec![port(1)],
        }
    });
    let services: Vec<Service> = ends.collect();
    if services.is_empty() { one_of_each() } else { services }
}

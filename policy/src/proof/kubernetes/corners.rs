//! What the text itself lists, tried from its own point of view: the ends of each network and port range, and
//! pods that each peer means.

use std::collections::HashMap;
use std::rc::Rc;

use super::probes::Probe;
use super::stage::Stage;
use crate::Service;
use crate::k8s::{
    Direction, End, Evaluator, NAMESPACE_NAME, NetworkPolicy, Operator, PROTOCOLS, PeerKind, PolicyRule,
    Ports,
};

/// Pods of a peer that are tried: the first ones.
pub(super) const PEERS: usize = 2;

/// A port of every transport, for rules that are about everything.
pub(super) fn one_of_each() -> Vec<Service> {
    PROTOCOLS.map(|protocol| Service::Port { protocol, port: 1 }).into()
}

/// Probes for every rule of every policy, with one pod that the policy is for.
pub(super) fn of(stage: &Stage<'_>, policies: &[NetworkPolicy], evaluator: &Evaluator<'_>) -> Vec<Probe> {
    let mut pods: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, pod) in stage.world().pods().iter().enumerate() {
        pods.entry(&pod.namespace).or_default().push(at);
    }
    let corners = Corners { stage, evaluator, pods };
    let mut probes = Vec::new();
    for policy in policies {
        let Some(subject) = corners.subject(policy) else { continue };
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in policy.rules(direction).unwrap_or_default() {
                corners.add(policy, rule, (direction, subject), &mut probes);
            }
        }
    }
    probes
}

struct Corners<'a> {
    stage: &'a Stage<'a>,
    evaluator: &'a Evaluator<'a>,
    /// By namespace.
    pods: HashMap<&'a str, Vec<usize>>,
}

impl Corners<'_> {
    fn subject(&self, policy: &NetworkPolicy) -> Option<End> {
        let pods = self.pods.get(policy.namespace.as_str())?.iter().copied();
        let known = pods.filter(|&pod| self.stage.is_known(pod, false));
        known
            .filter(|&pod| policy.subject.matches(&self.stage.world().pods()[pod].labels))
            .map(End::Pod)
            .next()
    }

    fn add(
        &self,
        policy: &NetworkPolicy,
        rule: &PolicyRule,
        (direction, subject): (Direction, End),
        probes: &mut Vec<Probe>,
    ) {
        let ends = rule.ports.iter().flat_map(|one| {
            let port = |port| Service::Port { protocol: one.protocol, port };
            match &one.ports {
                Ports::Range(range) => vec![port(*range.start()), port(*range.end())],
                Ports::All | Ports::Named(_) => vec![port(1)],
            }
        });
        let mut services: Vec<_> = ends.collect();
        if services.is_empty() {
            services = one_of_each();
        }
        let services: Rc<[_]> = services.into();
        for peer in rule.peers.iter().flat_map(|peer| self.meant(policy, &peer.kind)) {
            let (client, server) = match direction {
                Direction::Ingress => (peer, subject),
                Direction::Egress => (subject, peer),
            };
            probes.push(Probe { client, server, services: Rc::clone(&services) });
        }
    }

    fn meant(&self, policy: &NetworkPolicy, kind: &PeerKind) -> Vec<End> {
        let namespaces = match kind {
            PeerKind::Block { cidr, .. } => {
                return vec![End::Outside(cidr.network()), End::Outside(cidr.broadcast())];
            }
            PeerKind::Pods { namespaces, .. } => namespaces,
        };
        // One namespace is looked through, not all pods of the cluster.
        let named = namespaces.iter().flat_map(|selector| &selector.requirements).find_map(|one| match &one
            .operator
        {
            Operator::In(values) if one.key == NAMESPACE_NAME && values.len() == 1 => values.first(),
            _ => None,
        });
        let means = |&pod: &usize| {
            self.stage.is_known(pod, true) && self.evaluator.means(policy, kind, End::Pod(pod))
        };
        match named {
            Some(name) => {
                let pods = self.pods.get(name.as_str()).map_or(&[][..], Vec::as_slice).iter().copied();
                pods.filter(means).take(PEERS).map(End::Pod).collect()
            }
            None => (0..self.stage.world().pods().len()).filter(means).take(PEERS).map(End::Pod).collect(),
        }
    }
}

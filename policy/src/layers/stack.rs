//! All policies of manifests together, whatever their dialects.
//!
//! 1. The Admin tier of ClusterNetworkPolicies.
//! 2. NetworkPolicies, which isolate what they select.
//! 3. The Baseline tier.

use super::{Action, Layers, Names, Part, Peers, Pods, Rule, Selection, Services};
use crate::cluster::{self, Tier};
use crate::k8s::{Blocks, Direction, Manifests, NetworkPolicy, PeerKind, PolicyRule, Ports, World};

impl<'a> Layers<'a> {
    /// Lays down everything that `manifests` hold for `world`, which need not be their own. `names` are those
    /// of addresses outside.
    pub(crate) fn of(manifests: &Manifests, world: &'a World, names: &Names, blocks: Blocks) -> Self {
        let selection = Selection::of_world(world);
        let mut layers = Self::new(world, blocks);
        cluster::lay(&mut layers, Tier::Admin, &manifests.cluster, &selection, names);
        let parts: Vec<Part> =
            manifests.policies.iter().flat_map(|policy| parts(&mut layers, policy, &selection)).collect();
        layers.lay(parts);
        cluster::lay(&mut layers, Tier::Baseline, &manifests.cluster, &selection, names);
        layers
    }
}

/// The two directions of a NetworkPolicy; none where it does not isolate.
fn parts(layers: &mut Layers<'_>, policy: &NetworkPolicy, selection: &Selection) -> Vec<Part> {
    let at = layers.policy(policy, &policy.place);
    let subjects = selection.in_namespace(&policy.namespace, &policy.subject);
    let part = |direction| {
        let rules = policy.rules(direction)?;
        Some(Part {
            policy: at,
            direction,
            subjects: Pods::clone(&subjects),
            isolates: true,
            rules: rules.iter().map(|one| rule(policy, one, selection)).collect(),
        })
    };
    [Direction::Ingress, Direction::Egress].into_iter().filter_map(part).collect()
}

fn rule(policy: &NetworkPolicy, rule: &PolicyRule, selection: &Selection) -> Rule {
    let mut peers = Peers { everybody: rule.peers.is_empty(), ..Peers::default() };
    for peer in &rule.peers {
        match &peer.kind {
            PeerKind::Pods { namespaces, pods } => {
                let pods = pods.clone().unwrap_or_default();
                peers.pods.push(match namespaces {
                    Some(namespaces) => selection.in_namespaces(namespaces, &pods),
                    None => selection.in_namespace(&policy.namespace, &pods),
                });
            }
            PeerKind::Block { cidr, except } => peers.networks.push((*cidr, except.clone())),
        }
    }
    let services = rule.ports.iter().map(|port| match &port.ports {
        Ports::All => Services::Whole(port.protocol),
        Ports::Range(range) => Services::Ports(port.protocol, range.clone()),
        Ports::Named(name) => Services::Named(Some(port.protocol), name.clone()),
    });
    Rule { place: rule.place.clone(), action: Action::Allow, peers, services: services.collect() }
}

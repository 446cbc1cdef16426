//! All policies of manifests together, whatever their dialects.
//!
//! 1. Istio's policies, which leave to the others what they do not refuse.
//! 2. The Admin tier of ClusterNetworkPolicies.
//! 3. Rules of Cilium that deny.
//! 4. NetworkPolicies, which isolate what they select, and Cilium's other rules; they add up. Calico has its own
//!    policies around them, in their order.
//! 5. The Baseline tier.

use super::{Action, Layers, Names, Network, Part, Peers, Pods, Rule, Selection, Services};
use crate::calico;
use crate::cilium;
use crate::cluster::{self, Tier};
use crate::istio;
use crate::k8s::{Blocks, Direction, Manifests, NetworkPolicy, PeerKind, PolicyRule, Ports, World};

impl<'a> Layers<'a> {
    /// Lays down everything that `manifests` hold for `world`, which need not be their own. `names` are those
    /// of addresses outside.
    #[must_use]
    pub fn of(manifests: &Manifests, world: &'a World, names: &Names, blocks: Blocks) -> Self {
        let selection = Selection::of_world(world);
        let mut layers = Self::new(world, blocks);
        istio::lay(&mut layers, world, &manifests.istio);
        cluster::lay(&mut layers, Tier::Admin, &manifests.cluster, &selection, names);
        let cilium = cilium::lay(&mut layers, world, &manifests.cilium, names);
        layers.lay(cilium.deny);
        let calico = calico::lay(&mut layers, world, &manifests.calico);
        let mut all = calico.before;
        all.extend(cilium.allow);
        for policy in &manifests.policies {
            all.extend(parts(&mut layers, policy, &selection));
        }
        all.extend(calico.after);
        layers.lay(all);
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
            PeerKind::Block { cidr, except } => {
                peers.networks.push(Network { except: except.clone(), ..Network::of(*cidr) });
            }
        }
    }
    let services = rule.ports.iter().map(|port| match &port.ports {
        Ports::All => Services::Whole(port.protocol),
        Ports::Range(range) => Services::Ports(port.protocol, range.clone()),
        Ports::Named(name) => Services::Named(Some(port.protocol), name.clone()),
    });
    Rule { place: rule.place.clone(), action: Action::Allow, peers, services: services.collect() }
}

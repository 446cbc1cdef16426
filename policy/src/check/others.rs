//! What of policies matches nothing, and which rules that explains; beside NetworkPolicies also those of the
//! other dialects.

use std::collections::BTreeSet;

use super::selectors::{Unmatched, Vain, Where};
use crate::calico;
use crate::cilium;
use crate::cluster::{self, Group};
use crate::istio;
use crate::k8s::{Direction, Manifests, Place, World};
use crate::layers::Selection;

/// Subjects and peers of policies other than NetworkPolicies that mean no pod.
pub(super) fn unmatched(world: &World, manifests: &Manifests) -> Vec<Unmatched> {
    let mut found = Vec::new();
    if !manifests.cluster.is_empty() {
        let selection = Selection::of_world(world);
        for policy in &manifests.cluster {
            let vain = |group: &Group| selection.in_namespaces(&group.namespaces, &group.pods).is_empty();
            let text = |group: &Group| format!("{} in namespaces with {}", group.pods, group.namespaces);
            let name = policy.to_string();
            if vain(&policy.subject) {
                found.push(nothing(&policy.subject_place, &name, Where::Subject, text(&policy.subject)));
                continue;
            }
            let sides = [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)];
            for (direction, rule) in
                sides.iter().flat_map(|(direction, rules)| rules.iter().map(|rule| (*direction, rule)))
            {
                let groups = rule.peers.iter().filter_map(|peer| match peer {
                    cluster::Peer::Pods(group) => Some(group),
                    _ => None,
                });
                for group in groups.filter(|group| vain(group)) {
                    found.push(nothing(&rule.place, &name, Where::Peer(direction), text(group)));
                }
            }
        }
    }
    if !manifests.cilium.is_empty() {
        let selection = cilium::selection(world);
        for (policy, spec) in
            manifests.cilium.iter().flat_map(|one| one.specs.iter().map(move |spec| (one, spec)))
        {
            let name = policy.to_string();
            if selection.select(&spec.subject).is_empty() {
                found.push(nothing(&spec.place, &name, Where::Subject, spec.subject.to_string()));
                continue;
            }
            for rule in &spec.rules {
                for peer in rule.peers.iter().flatten() {
                    let cilium::Peer::Endpoints(selector) = peer else { continue };
                    if selection.select(selector).is_empty() {
                        let part = Where::Peer(rule.direction);
                        found.push(nothing(&rule.place, &name, part, selector.to_string()));
                    }
                }
            }
        }
    }
    let calico = calico::vain(world, &manifests.calico);
    for (place, policy, peer, selector) in calico.into_iter().chain(istio::vain(world, &manifests.istio)) {
        found.push(nothing(&place, &policy, peer.map_or(Where::Subject, Where::Peer), selector));
    }
    found
}

fn nothing(place: &Place, policy: &str, part: Where, selector: String) -> Unmatched {
    Unmatched { place: place.clone(), policy: policy.to_owned(), part, why: Vain::Together { selector } }
}

/// Where rules stand that nothing can need, since their subject or a peer of theirs is one of `vain`.
pub(super) fn explained<'a>(manifests: &'a Manifests, vain: &BTreeSet<&Place>) -> BTreeSet<&'a Place> {
    let mut explained = BTreeSet::new();
    for policy in &manifests.policies {
        let subject = vain.contains(&policy.subject_place);
        for rule in policy.ingress.iter().chain(&policy.egress).flatten() {
            if subject || rule.peers.iter().any(|peer| vain.contains(&peer.place)) {
                explained.insert(&rule.place);
            }
        }
    }
    for policy in &manifests.cluster {
        let subject = vain.contains(&policy.subject_place);
        let rules = policy.ingress.iter().chain(&policy.egress);
        explained.extend(rules.map(|rule| &rule.place).filter(|place| subject || vain.contains(place)));
    }
    for spec in manifests.cilium.iter().flat_map(|policy| &policy.specs) {
        let subject = vain.contains(&spec.place);
        let places = spec.rules.iter().map(|rule| &rule.place);
        explained.extend(places.filter(|place| subject || vain.contains(place)));
    }
    for policy in &manifests.calico.policies {
        let subject = vain.contains(&policy.subject_place);
        let rules = policy.ingress.iter().chain(&policy.egress).flatten();
        explained.extend(rules.map(|rule| &rule.place).filter(|place| subject || vain.contains(place)));
    }
    explained
}

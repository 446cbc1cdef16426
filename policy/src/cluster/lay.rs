//! The policies as layers of rules.

use watershed_model::Protocol;

use super::policy::{Action, ClusterPolicy, Group, Peer, Ports, Rule, Tier};
use crate::k8s::Direction;
use crate::layers::{self, Layers, Meant, Names, Network, Part, Peers, Pods, Selection, Services};

/// Lays down the policies of one tier. `selection` knows pods with the labels of their namespaces.
pub(crate) fn lay(
    layers: &mut Layers<'_>,
    tier: Tier,
    policies: &[ClusterPolicy],
    selection: &Selection,
    names: &Names,
) {
    let mut tier: Vec<&ClusterPolicy> = policies.iter().filter(|policy| policy.tier == tier).collect();
    if tier.is_empty() {
        return;
    }
    tier.sort_by_key(|policy| (policy.priority, &policy.name, policy.kind));
    let mut parts = Vec::new();
    for policy in tier {
        let at = layers.policy(policy, &policy.place);
        let subjects = select(selection, &policy.subject);
        let sides = [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)];
        parts.extend(sides.map(|(direction, rules)| Part {
            policy: at,
            direction,
            subjects: Pods::clone(&subjects),
            isolates: false,
            rules: rules.iter().map(|one| rule(one, selection, names)).collect(),
        }));
    }
    layers.lay(parts);
}

fn select(selection: &Selection, group: &Group) -> Pods {
    selection.in_namespaces(&group.namespaces, &group.pods)
}

fn rule(rule: &Rule, selection: &Selection, names: &Names) -> layers::Rule {
    let mut peers = Peers::default();
    for peer in &rule.peers {
        match peer {
            Peer::Pods(group) => peers.pods.push(select(selection, group)),
            Peer::Nodes => {}
            Peer::Networks(networks) => {
                peers.networks.extend(networks.iter().copied().map(Network::of));
            }
            Peer::DomainNames(wanted) => {
                let meant = |name: &str| wanted.iter().any(|one| covers(one, name));
                let exact = wanted.iter().all(|one| !one.starts_with('*'));
                let listed = if exact { wanted.len() as u64 } else { u64::MAX };
                let before = peers.by_name.unwrap_or(Meant { names: 0, shared: 0 });
                peers.by_name = Some(Meant {
                    names: before.names.saturating_add(listed),
                    shared: before.shared + names.shared(meant),
                });
                peers.addresses.extend(names.addresses(meant));
            }
        }
    }
    let services = rule.ports.iter().map(|ports| match ports {
        Ports::Range(protocol, range) if *range == (1..=u16::MAX) => Services::Whole(*protocol),
        Ports::Range(protocol, range) => Services::Ports(*protocol, range.clone()),
        Ports::Named(name) => Services::Named(None::<Protocol>, name.clone()),
    });
    layers::Rule {
        place: rule.place.clone(),
        action: match rule.action {
            Action::Accept => layers::Action::Allow,
            Action::Deny => layers::Action::Deny,
            Action::Pass => layers::Action::Pass,
        },
        peers,
        services: services.collect(),
    }
}

/// Whether a name is meant: the same, or below `*.`.
fn covers(wanted: &str, name: &str) -> bool {
    match wanted.strip_prefix('*') {
        Some(below) => name.len() > below.len() && name.ends_with(below),
        None => wanted == name,
    }
}

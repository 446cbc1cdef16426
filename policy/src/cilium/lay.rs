//! The policies as layers of rules.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use watershed_model::Labels;

use super::POD_NAMESPACE;
use super::pattern::Pattern;
use super::policy::{CiliumPolicy, Entity, Peer, Rule, Spec};
use crate::k8s::{Direction, World};
use crate::layers::{self, Action, Layers, Meant, Names, Network, Part, Peers, Pods, Selection};

/// The parts of the policies: rules that deny, which come first, and the rest.
#[derive(Default)]
pub(crate) struct Laid {
    pub(crate) deny: Vec<Part>,
    pub(crate) allow: Vec<Part>,
}

/// Finds out whom the policies mean in a world.
pub(crate) fn lay(layers: &mut Layers<'_>, world: &World, policies: &[CiliumPolicy], names: &Names) -> Laid {
    let mut laid = Laid::default();
    if policies.is_empty() {
        return laid;
    }
    let selection = selection(world);
    let specs: Vec<(usize, &Spec, Pods)> = policies
        .iter()
        .flat_map(|policy| {
            let at = layers.policy(policy, &policy.place);
            policy.specs.iter().map(move |spec| (at, spec))
        })
        .map(|(at, spec)| (at, spec, selection.select(&spec.subject)))
        .collect();
    let lookups = Lookups::of(&specs);
    let inside = Inside::of(world);
    for (policy, spec, subjects) in &specs {
        for direction in [Direction::Ingress, Direction::Egress] {
            let part = |denies: bool, isolates: bool| {
                let rules =
                    spec.rules.iter().filter(|rule| rule.direction == direction && rule.denies == denies);
                Part {
                    policy: *policy,
                    direction,
                    subjects: Pods::clone(subjects),
                    isolates,
                    rules: rules.map(|rule| laid_rule(rule, &selection, &inside)).collect(),
                }
            };
            laid.deny.push(part(true, false));
            laid.allow.push(part(false, spec.isolates[direction as usize]));
        }
        laid.allow.extend(by_name(*policy, spec, subjects, &lookups, names));
    }
    laid
}

/// Pods with the labels that Cilium sees on them; those on their node's network are no endpoints.
pub(crate) fn selection(world: &World) -> Selection {
    Selection::of(world.pods().iter().map(|pod| {
        let of_namespace = world.namespaces().get(&pod.namespace).into_iter().flatten();
        let of_namespace =
            of_namespace.map(|(key, value)| (format!("io.cilium.k8s.namespace.labels.{key}"), value.clone()));
        (!pod.host_network).then(|| {
            let mut labels: Labels = pod.labels.clone();
            labels.extend(of_namespace);
            labels.insert(POD_NAMESPACE.to_owned(), pod.namespace.clone());
            labels
        })
    }))
}

/// Pods by what they are to entities.
struct Inside {
    all: Pods,
    nodes: Pods,
}

impl Inside {
    fn of(world: &World) -> Self {
        let nodes = world.pods().iter().enumerate().filter(|(_, pod)| pod.host_network);
        Self { all: (0..world.pods().len()).collect(), nodes: nodes.map(|(at, _)| at).collect() }
    }
}

/// A rule as far as it does not mean names.
fn laid_rule(rule: &Rule, selection: &Selection, inside: &Inside) -> layers::Rule {
    let mut peers =
        Peers { everybody: rule.peers.is_none() && !rule.services.is_empty(), ..Peers::default() };
    for peer in rule.peers.iter().flatten() {
        match peer {
            Peer::Endpoints(selector) => peers.pods.push(selection.select(selector)),
            Peer::Entity(Entity::All) => peers.everybody = true,
            Peer::Entity(Entity::World) => {
                peers.networks.extend([IpNet::default(), EVERY_IPV6].map(Network::outside));
            }
            Peer::Entity(Entity::Cluster) => peers.pods.push(Pods::clone(&inside.all)),
            Peer::Entity(Entity::Nodes) => peers.pods.push(Pods::clone(&inside.nodes)),
            Peer::Network { cidr, except } => {
                peers.networks.push(Network { except: except.clone(), ..Network::outside(*cidr) });
            }
            Peer::Entity(Entity::Nobody) | Peer::Name(_) | Peer::Unknown => {}
        }
    }
    layers::Rule {
        place: rule.place.clone(),
        action: if rule.denies { Action::Deny } else { Action::Allow },
        peers,
        services: rule.services.clone(),
    }
}

const EVERY_IPV6: IpNet = IpNet::V6(ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0));

/// Who may ask for which names, so that Cilium sees the answers.
struct Lookups<'a>(Vec<(Pods, &'a [Pattern])>);

impl<'a> Lookups<'a> {
    fn of(specs: &[(usize, &'a Spec, Pods)]) -> Self {
        let of = |(_, spec, subjects): &(usize, &'a Spec, Pods)| {
            let rules = spec.rules.iter().filter(|rule| !rule.lookups.is_empty() && !rule.denies);
            rules.map(|rule| (Pods::clone(subjects), rule.lookups.as_slice())).collect::<Vec<_>>()
        };
        Self(specs.iter().flat_map(of).collect())
    }

    /// Pods by the questions that they may ask.
    fn groups(&self, pods: &[usize]) -> BTreeMap<Vec<usize>, Vec<usize>> {
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for &pod in pods {
            let asks = |(_, (pods, _)): &(usize, &(Pods, &[Pattern]))| pods.binary_search(&pod).is_ok();
            let rules = self.0.iter().enumerate().filter(asks).map(|(at, _)| at).collect();
            groups.entry(rules).or_default().push(pod);
        }
        groups
    }

    fn may_ask(&self, rules: &[usize], name: &str) -> bool {
        rules.iter().any(|&at| self.0[at].1.iter().any(|pattern| pattern.matches(name)))
    }
}

/// The rules of a policy that mean names, with the addresses that its pods can know by them.
fn by_name(policy: usize, spec: &Spec, subjects: &Pods, lookups: &Lookups<'_>, names: &Names) -> Vec<Part> {
    let wanted = |rule: &Rule| -> Vec<Pattern> {
        let peers = rule.peers.iter().flatten();
        peers.filter_map(|peer| if let Peer::Name(name) = peer { Some(name.clone()) } else { None }).collect()
    };
    let named: Vec<(&Rule, Vec<Pattern>)> =
        spec.rules.iter().map(|rule| (rule, wanted(rule))).filter(|(_, names)| !names.is_empty()).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let part = |(rules, pods): (Vec<usize>, Vec<usize>)| {
        let laid = |(rule, wanted): &(&Rule, Vec<Pattern>)| {
            let meant = |name: &str| {
                wanted.iter().any(|pattern| pattern.matches(name)) && lookups.may_ask(&rules, name)
            };
            let exact = wanted.iter().all(Pattern::is_exact);
            let listed = wanted.iter().collect::<BTreeSet<_>>().len() as u64;
            let by_name = Meant { names: if exact { listed } else { u64::MAX }, shared: names.shared(meant) };
            layers::Rule {
                place: rule.place.clone(),
                action: Action::Allow,
                peers: Peers {
                    addresses: names.addresses(meant).collect(),
                    by_name: Some(by_name),
                    ..Peers::default()
                },
                services: rule.services.clone(),
            }
        };
        let rules = named.iter().map(laid).collect();
        Part { policy, direction: Direction::Egress, subjects: pods.into(), isolates: false, rules }
    };
    lookups.groups(subjects).into_iter().map(part).collect()
}

//! Policies laid down as a layer: whom each of their rules means among the pods of a world.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use watershed_model::Protocol;

use super::Policies;
use super::policy::{Action, Entity, IcmpMatch, Policy, Ports, Rule};
use super::whom::Cast;
use crate::k8s::{Direction, World};
use crate::layers::{self, Layers, Part, Pods, Services};

/// The order of Kubernetes' own policies among Calico's.
const KUBERNETES: f64 = 1000.0;

/// The default tier around Kubernetes' own policies, which are in it too.
pub(crate) struct Laid {
    /// What is asked before them.
    pub(crate) before: Vec<Part>,
    /// What is asked after them.
    pub(crate) after: Vec<Part>,
}

/// Lays policies down, those that are staged as if they were enforced.
pub(crate) fn lay(layers: &mut Layers<'_>, world: &World, policies: &Policies) -> Laid {
    let mut laid = Laid { before: Vec::new(), after: Vec::new() };
    if policies.policies.is_empty() {
        return laid;
    }
    let policies = policies.clone().as_if_enforced();
    let mut cast = Cast::of(world, &policies.sets);
    let mut sorted: Vec<&Policy> = policies.policies.iter().collect();
    sorted.sort_by(|a, b| precedence(a, b));
    for policy in sorted {
        let at = layers.policy(policy, &policy.place);
        let subjects = cast.subjects(policy);
        let before = policy.order.is_some_and(|order| order <= KUBERNETES);
        let parts = if before { &mut laid.before } else { &mut laid.after };
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(rules) = policy.rules(direction) {
                add(parts, &mut cast, (at, direction, &subjects), rules);
            }
        }
    }
    laid
}

/// Lower orders first, those without one last, then by name; a namespace is part of the name.
fn precedence(a: &Policy, b: &Policy) -> Ordering {
    let order = |policy: &Policy| policy.order.unwrap_or(f64::INFINITY);
    let name = |policy: &Policy| (policy.namespace.clone(), policy.name.clone());
    order(a).total_cmp(&order(b)).then_with(|| name(a).cmp(&name(b)))
}

/// The parts of one direction of a policy. A rule that names its own end is for some of the subjects alone, so
/// it is a part of its own; the last part isolates them all.
fn add(
    parts: &mut Vec<Part>,
    cast: &mut Cast<'_>,
    (policy, direction, subjects): (usize, Direction, &Pods),
    rules: &[Rule],
) {
    let part = |subjects: Pods, isolates, rules| Part { policy, direction, subjects, isolates, rules };
    let mut together = Vec::new();
    for rule in rules {
        let (own, peer) = match direction {
            Direction::Ingress => (&rule.destination, &rule.source),
            Direction::Egress => (&rule.source, &rule.destination),
        };
        let Some(laid) = self::rule(cast, rule, peer) else { continue };
        if own.is_anybody() {
            together.push(laid);
            continue;
        }
        let earlier = std::mem::take(&mut together);
        if !earlier.is_empty() {
            parts.push(part(Pods::clone(subjects), false, earlier));
        }
        let meant = cast.pods(own, rule.version);
        let some = subjects.iter().copied().filter(|pod| meant.binary_search(pod).is_ok());
        parts.push(part(some.collect(), false, vec![laid]));
    }
    parts.push(part(Pods::clone(subjects), true, together));
}

/// What a rule decides; `None` where it decides nothing, or nothing that is known.
fn rule(cast: &mut Cast<'_>, rule: &Rule, peer: &Entity) -> Option<layers::Rule> {
    let action = match rule.action {
        Action::Allow => layers::Action::Allow,
        Action::Deny => layers::Action::Deny,
        Action::Pass => layers::Action::Pass,
        Action::Log => return None,
    };
    if rule.source.unknown || rule.destination.unknown {
        return None;
    }
    let services = services(rule)?;
    Some(layers::Rule { place: rule.place.clone(), action, peers: cast.peers(peer, rule.version), services })
}

/// What a rule is about; none means everything, and `None` nothing.
fn services(rule: &Rule) -> Option<Vec<Services>> {
    let Some(one) = rule.protocol else { return Some(Vec::new()) };
    if one.not {
        return Some(
            (0..=u8::MAX).map(Protocol).filter(|&other| other != one.protocol).map(Services::Whole).collect(),
        );
    }
    let protocol = one.protocol;
    let services = if protocol.has_ports() {
        ports(&rule.destination, protocol)
    } else if rule.icmp.is_some() || rule.not_icmp.is_some() {
        types(rule).into_iter().map(|range| Services::Icmp(protocol, range)).collect()
    } else {
        vec![Services::Whole(protocol)]
    };
    (!services.is_empty()).then_some(services)
}

fn ports(server: &Entity, protocol: Protocol) -> Vec<Services> {
    if server.ports.is_empty() && server.not_ports.is_empty() {
        return vec![Services::Whole(protocol)];
    }
    let everything = [Ports::Range(0..=u16::MAX)];
    let meant = if server.ports.is_empty() { &everything[..] } else { &server.ports };
    let mut services = Vec::new();
    for ports in meant {
        match ports {
            Ports::Named(name) => services.push(Services::Named(Some(protocol), name.clone())),
            Ports::Range(range) => {
                let mut left = vec![range.clone()];
                for not in &server.not_ports {
                    // The reader lets no names be excluded.
                    let Ports::Range(not) = not else { continue };
                    left = left.iter().flat_map(|range| without(range, not)).collect();
                }
                services.extend(left.into_iter().map(|range| Services::Ports(protocol, range)));
            }
        }
    }
    services
}

/// What is left of a range without another.
fn without(range: &RangeInclusive<u16>, not: &RangeInclusive<u16>) -> Vec<RangeInclusive<u16>> {
    if not.end() < range.start() || not.start() > range.end() {
        return vec![range.clone()];
    }
    let before = not.start().checked_sub(1).map(|last| *range.start()..=last);
    let after = not.end().checked_add(1).map(|first| first..=*range.end());
    before.into_iter().chain(after).filter(|left| !left.is_empty()).collect()
}

/// The types of ICMP that a rule means.
fn types(rule: &Rule) -> Vec<RangeInclusive<u8>> {
    let meant = |of: IcmpMatch| of.message_type.map_or(0..=u8::MAX, |one| one..=one);
    let is = rule.icmp.map_or(0..=u8::MAX, meant);
    let Some(not) = rule.not_icmp.map(meant) else { return vec![is] };
    let mut left = Vec::new();
    for one in is.filter(|one| !not.contains(one)) {
        match left.last_mut() {
            Some(range) if one.checked_sub(1) == Some(*RangeInclusive::end(range)) => {
                *range = *RangeInclusive::start(range)..=one;
            }
            _ => left.push(one..=one),
        }
    }
    left
}

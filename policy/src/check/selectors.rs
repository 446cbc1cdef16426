//! Selectors and names of ports that match nothing: mostly a label that was renamed, or never was.

use crate::k8s::{
    Direction, End, Evaluator, NetworkPolicy, Operator, PeerKind, Place, Pod, PolicyRule, Ports, Requirement,
    Selector, World,
};

/// A part of a policy that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmatched {
    /// Where it stands.
    pub place: Place,
    /// Its policy.
    pub policy: String,
    /// Which part it is.
    pub part: Where,
    /// Why it matches nothing.
    pub why: Vain,
}

/// A part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    /// The selector of the pods that the policy is for.
    Subject,
    /// A peer of a rule.
    Peer(Direction),
    /// A port of a rule.
    Port(Direction),
    /// The clients that a rule of nftables names.
    Clients,
    /// The servers that it names.
    Servers,
}

/// Why a part of a policy matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vain {
    /// There are no pods to select from.
    NoPods {
        /// Where, such as `namespace shop`.
        place: String,
    },
    /// No namespace has the labels.
    NoNamespace {
        /// The selector.
        selector: String,
    },
    /// No pod that is looked at meets this one requirement.
    Requirement {
        /// The requirement, such as `name=cart`.
        requirement: String,
        /// The label that some pod has and that looks most like it, such as `name=carts`.
        nearest: Option<String>,
    },
    /// Each requirement is met by some pod, but all by none.
    Together {
        /// The selector.
        selector: String,
    },
    /// None of the addresses was seen.
    NoAddress {
        /// The first of them.
        addresses: String,
    },
    /// No pod that the connection could go to has a port of this name.
    PortName {
        /// The name.
        name: String,
    },
}

/// Everything in `policies` that matches nothing in `world`, in order of place.
pub(super) fn unmatched(
    world: &World,
    policies: &[NetworkPolicy],
    evaluator: &Evaluator<'_>,
) -> Vec<Unmatched> {
    let mut found = Vec::new();
    for policy in policies {
        let mut note = |place: &Place, part, why| {
            found.push(Unmatched { place: place.clone(), policy: policy.to_string(), part, why });
        };
        let own = |pod: &&Pod| pod.namespace == policy.namespace;
        let pods = world.pods().iter().filter(own);
        if let Some(why) = vain(pods, Some(&policy.subject), &format!("namespace {}", policy.namespace)) {
            note(&policy.subject_place, Where::Subject, why);
            continue;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in policy.rules(direction).unwrap_or_default() {
                for peer in &rule.peers {
                    if let Some(why) = vain_peer(world, policy, &peer.kind) {
                        note(&peer.place, Where::Peer(direction), why);
                    }
                }
                for port in &rule.ports {
                    let Ports::Named(name) = &port.ports else { continue };
                    let named = |pod: &Pod| {
                        pod.ports.iter().any(|known| known.protocol == port.protocol && known.name == *name)
                    };
                    if !servers(world, policy, direction, rule, evaluator).any(named) {
                        note(&port.place, Where::Port(direction), Vain::PortName { name: name.clone() });
                    }
                }
            }
        }
    }
    found.sort();
    found
}

/// The pods that connections of a rule go to.
fn servers<'a>(
    world: &'a World,
    policy: &'a NetworkPolicy,
    direction: Direction,
    rule: &'a PolicyRule,
    evaluator: &'a Evaluator<'_>,
) -> impl Iterator<Item = &'a Pod> {
    let meant = move |&(index, pod): &(usize, &Pod)| match direction {
        Direction::Ingress => pod.namespace == policy.namespace && policy.subject.matches(&pod.labels),
        Direction::Egress => {
            rule.peers.is_empty()
                || rule.peers.iter().any(|peer| evaluator.means(policy, &peer.kind, End::Pod(index)))
        }
    };
    world.pods().iter().enumerate().filter(meant).map(|(_, pod)| pod)
}

fn vain_peer(world: &World, policy: &NetworkPolicy, peer: &PeerKind) -> Option<Vain> {
    // Whether an address exists outside the cluster is not to be known here.
    let PeerKind::Pods { namespaces, pods } = peer else { return None };
    let Some(selector) = namespaces else {
        let own = world.pods().iter().filter(|pod| pod.namespace == policy.namespace);
        return vain(own, pods.as_deref(), &format!("namespace {}", policy.namespace));
    };
    let selected =
        |pod: &&Pod| world.namespaces().get(&pod.namespace).is_some_and(|labels| selector.matches(labels));
    if !world.namespaces().values().any(|labels| selector.matches(labels)) {
        return Some(Vain::NoNamespace { selector: selector.to_string() });
    }
    vain(world.pods().iter().filter(selected), pods.as_deref(), &format!("namespaces with {selector}"))
}

/// Why `selector` selects none of `pods`; `None` where it selects one. No selector selects all.
fn vain<'a>(pods: impl Iterator<Item = &'a Pod>, selector: Option<&Selector>, place: &str) -> Option<Vain> {
    let pods: Vec<&Pod> = pods.filter(|pod| !pod.host_network).collect();
    if pods.is_empty() {
        return Some(Vain::NoPods { place: place.to_owned() });
    }
    let selector = selector?;
    let selects = |selector: &Selector| pods.iter().any(|pod| selector.matches(&pod.labels));
    if selects(selector) {
        return None;
    }
    let alone = |requirement: &&_| !selects(&Selector { requirements: vec![Clone::clone(*requirement)] });
    Some(match selector.requirements.iter().find(alone) {
        Some(requirement) => {
            Vain::Requirement { requirement: requirement.to_string(), nearest: nearest(requirement, &pods) }
        }
        None => Vain::Together { selector: selector.to_string() },
    })
}

/// The label of one of `pods` that looks most like what `requirement` wants.
fn nearest(requirement: &Requirement, pods: &[&Pod]) -> Option<String> {
    /// Jaro's likeness above which one text may be a slip for another: `wep` and `web` have 0.78.
    const ALIKE: f64 = 0.75;
    let Operator::In(wanted) = &requirement.operator else { return None };
    let mut best: Option<(f64, String)> = None;
    for (key, value) in pods.iter().flat_map(|pod| &pod.labels) {
        for wanted in wanted {
            let alike = strsim::jaro(key, &requirement.key) * strsim::jaro(value, wanted);
            if alike >= ALIKE && best.as_ref().is_none_or(|(most, _)| alike > *most) {
                best = Some((alike, format!("{key}={value}")));
            }
        }
    }
    best.map(|(_, label)| label)
}

/// What is wrong, for a person: `no pod there has name=cart`.
impl std::fmt::Display for Vain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPods { place } => write!(f, "there are no pods in {place}"),
            Self::NoNamespace { selector } => write!(f, "no namespace has {selector}"),
            Self::Requirement { requirement, nearest } => {
                write!(f, "no pod there has {requirement}")?;
                nearest.iter().try_for_each(|nearest| write!(f, "; some have {nearest}"))
            }
            Self::Together { selector } => write!(f, "no pod there has all of {selector}"),
            Self::NoAddress { addresses } => write!(f, "nobody was seen with {addresses}"),
            Self::PortName { name } => write!(f, "no container that it is about has a port called {name}"),
        }
    }
}

/// `subject`, `ingress peer`, `egress port`.
impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Peer(direction) => write!(f, "{direction} peer"),
            Self::Port(direction) => write!(f, "{direction} port"),
            Self::Clients => f.write_str("clients"),
            Self::Servers => f.write_str("servers"),
        }
    }
}

//! Whom a policy is for and whom a rule means: pods, and addresses outside.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use watershed_model::Labels;

use super::Policies;
use super::policy::{Entity, NetworkSet, Policy, Scope, Subject};
use super::selector::{Expression, Labelled};
use crate::k8s::{Direction, Place, Pod, World};
use crate::layers::{Network, Peers, Pods};

/// The label that stands for the namespace of what is in one.
const NAMESPACE: &str = "projectcalico.org/namespace";
/// The label that stands for the service account of a pod.
const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";
/// The label that stands for who runs a workload.
const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
/// The label that Calico gives to every namespace: its name.
const NAME: &str = "projectcalico.org/name";

/// What selectors of an end are made of.
type Meaning = (Scope, Option<Expression>, Option<Expression>, Option<Vec<String>>);

/// Pods, namespaces and network sets, to be selected from.
pub(super) struct Cast<'a> {
    world: &'a World,
    sets: &'a [NetworkSet],
    /// Pods that selectors can mean: those on their node's network are hosts to Calico.
    of_namespace: BTreeMap<&'a str, Vec<usize>>,
    known: HashMap<Meaning, Pods>,
}

impl<'a> Cast<'a> {
    pub(super) fn of(world: &'a World, sets: &'a [NetworkSet]) -> Self {
        let mut of_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, pod) in world.pods().iter().enumerate().filter(|(_, pod)| !pod.host_network) {
            of_namespace.entry(&pod.namespace).or_default().push(at);
        }
        Self { world, sets, of_namespace, known: HashMap::new() }
    }

    /// The pods that a policy is for.
    pub(super) fn subjects(&mut self, policy: &Policy) -> Pods {
        let Subject { selector, namespaces, accounts } = &policy.subject;
        if accounts.is_some() {
            return Pods::from([]);
        }
        let scope = match (&policy.namespace, namespaces) {
            (Some(own), _) => Scope::Own(own.clone()),
            (None, Some(namespaces)) => Scope::Namespaces(namespaces.clone()),
            (None, None) => Scope::Anywhere,
        };
        self.selected((scope, Some(selector.clone()), None, None))
    }

    /// The pods that an end of a rule means.
    pub(super) fn pods(&mut self, entity: &Entity, version: Option<u8>) -> Pods {
        let Entity { scope, selector, not_selector, accounts, nets, not_nets, .. } = entity;
        // Without a selector of its own the policy's namespace narrows nothing.
        let scope = if entity.selects() { scope.clone() } else { Scope::Anywhere };
        let pods = self.selected((scope, selector.clone(), not_selector.clone(), accounts.clone()));
        if nets.is_empty() && not_nets.is_empty() && version.is_none() {
            return pods;
        }
        let within = |nets: &[IpNet], address: &IpAddr| nets.iter().any(|net| net.contains(address));
        let meant = |pod: &usize| {
            let addresses = &self.world.pods()[*pod].addresses;
            let fits = |address: &&IpAddr| version.is_none_or(|version| (version == 4) == address.is_ipv4());
            let mut fitting = addresses.iter().filter(fits).peekable();
            // A pod whose addresses are not known may have any, but none that is asked for by name.
            (addresses.is_empty() || fitting.peek().is_some())
                && (nets.is_empty() || fitting.any(|address| within(nets, address)))
                && !addresses.iter().any(|address| within(not_nets, address))
        };
        pods.iter().copied().filter(meant).collect()
    }

    /// Everybody whom an end of a rule means.
    pub(super) fn peers(&mut self, entity: &Entity, version: Option<u8>) -> Peers {
        if entity.is_anybody() && version.is_none() {
            return Peers { everybody: true, ..Peers::default() };
        }
        let networks = if entity.selects_by_label() {
            let sets = self.sets.iter().filter(|set| means_set(entity, set));
            let nets = sets.flat_map(|set| &set.nets).copied();
            nets.flat_map(|net| common(net, &entity.nets)).map(|net| with(net, &entity.not_nets)).collect()
        } else {
            let mut except = entity.not_nets.clone();
            if let Some(not) = &entity.not_selector {
                let sets = self.sets.iter().filter(|set| not.matches(&SetLabels(set)));
                except.extend(sets.flat_map(|set| &set.nets));
            }
            let nets = if entity.nets.is_empty() { everywhere() } else { entity.nets.clone() };
            nets.into_iter().map(|net| with(net, &except)).collect()
        };
        let right = |one: &Network| version.is_none_or(|version| (version == 4) == one.cidr.addr().is_ipv4());
        let networks: Vec<Network> = Vec::into_iter(networks).filter(right).collect();
        Peers { pods: vec![self.pods(entity, version)], networks, ..Peers::default() }
    }

    fn selected(&mut self, meaning: Meaning) -> Pods {
        if let Some(known) = self.known.get(&meaning) {
            return Pods::clone(known);
        }
        let (scope, selector, not_selector, accounts) = &meaning;
        let mut pods = Vec::new();
        for (namespace, of) in &self.of_namespace {
            let there = match scope {
                Scope::Anywhere => true,
                Scope::Own(own) => own == namespace,
                Scope::Namespaces(selector) => {
                    let labels = self.world.namespaces().get(*namespace);
                    labels.is_some_and(|labels| selector.matches(&NamespaceLabels { namespace, labels }))
                }
            };
            let meant = |&pod: &usize| {
                let pod = PodLabels(&self.world.pods()[pod]);
                selector.as_ref().is_none_or(|selector| selector.matches(&pod))
                    && !not_selector.as_ref().is_some_and(|not| not.matches(&pod))
                    && accounts.as_ref().is_none_or(|names| {
                        pod.label(SERVICE_ACCOUNT)
                            .is_some_and(|account| names.iter().any(|name| name == account))
                    })
            };
            if there {
                pods.extend(of.iter().copied().filter(meant));
            }
        }
        pods.sort_unstable();
        let pods: Pods = pods.into();
        self.known.insert(meaning, Pods::clone(&pods));
        pods
    }
}

impl Entity {
    /// Whether it narrows nothing down but ports.
    pub(super) fn is_anybody(&self) -> bool {
        !self.selects() && self.nets.is_empty() && self.not_nets.is_empty()
    }

    /// Whether any of its selectors has a say, so that the policy's namespace has one too.
    fn selects(&self) -> bool {
        self.not_selector.is_some() || self.selects_by_label()
    }

    /// Whether only what has labels can match.
    fn selects_by_label(&self) -> bool {
        self.selector.is_some()
            || self.accounts.is_some()
            || matches!(self.scope, Scope::Namespaces(_))
            || matches!(self.scope, Scope::Own(_)) && self.not_selector.is_some()
    }
}

/// Whether an end's selectors mean a network set.
fn means_set(entity: &Entity, set: &NetworkSet) -> bool {
    static NO_LABELS: Labels = Labels::new();
    let there = match &entity.scope {
        Scope::Anywhere => true,
        Scope::Own(own) => set.namespace.as_ref() == Some(own),
        // Labels of a set's namespace are not looked up; its name is.
        Scope::Namespaces(selector) => match &set.namespace {
            Some(namespace) => {
                let named = Labels::from([(crate::k8s::NAMESPACE_NAME.to_owned(), namespace.clone())]);
                selector.matches(&NamespaceLabels { namespace, labels: &named })
            }
            None => selector.matches(&Nowhere(&NO_LABELS)),
        },
    };
    there
        && entity.accounts.is_none()
        && entity.selector.as_ref().is_none_or(|selector| selector.matches(&SetLabels(set)))
        && !entity.not_selector.as_ref().is_some_and(|not| not.matches(&SetLabels(set)))
}

/// The part of `net` that lies in any of `nets`; all of it where there are none.
fn common(net: IpNet, nets: &[IpNet]) -> Vec<IpNet> {
    if nets.is_empty() {
        return vec![net];
    }
    let both = |&other: &IpNet| {
        if other.contains(&net) { Some(net) } else { net.contains(&other).then_some(other) }
    };
    nets.iter().filter_map(both).collect()
}

/// Which pods the addresses mean is found elsewhere.
fn with(cidr: IpNet, except: &[IpNet]) -> Network {
    Network { except: except.to_vec(), ..Network::outside(cidr) }
}

fn everywhere() -> Vec<IpNet> {
    vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
}

struct PodLabels<'a>(&'a Pod);

impl Labelled for PodLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        match key {
            NAMESPACE => Some(&self.0.namespace),
            SERVICE_ACCOUNT => self.0.service_account.as_deref(),
            ORCHESTRATOR => Some("k8s"),
            key => self.0.labels.get(key).map(String::as_str),
        }
    }

    fn is_global(&self) -> bool {
        // Outside of selectors of namespaces it is another word for all().
        true
    }
}

struct NamespaceLabels<'a> {
    namespace: &'a str,
    labels: &'a Labels,
}

impl Labelled for NamespaceLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        if key == NAME { Some(self.namespace) } else { self.labels.get(key).map(String::as_str) }
    }

    fn is_global(&self) -> bool {
        false
    }
}

struct SetLabels<'a>(&'a NetworkSet);

impl Labelled for SetLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        match key {
            NAMESPACE => self.0.namespace.as_deref(),
            key => self.0.labels.get(key).map(String::as_str),
        }
    }

    fn is_global(&self) -> bool {
        true
    }
}

/// What is in no namespace, as a selector of namespaces sees it. `all()` there means every namespace.
struct Nowhere<'a>(&'a Labels);

impl Labelled for Nowhere<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn is_global(&self) -> bool {
        true
    }

    fn is_in_all(&self) -> bool {
        false
    }
}

/// Selectors of policies that mean nobody: the place, the policy, the direction of a peer or `None` for a
/// subject, and the selector.
pub(crate) fn vain(world: &World, policies: &Policies) -> Vec<(Place, String, Option<Direction>, String)> {
    let mut cast = Cast::of(world, &policies.sets);
    let mut vain = Vec::new();
    for policy in &policies.policies {
        let subject = &policy.subject;
        if cast.subjects(policy).is_empty() {
            let selector = subject.accounts.as_ref().unwrap_or(&subject.selector).to_string();
            vain.push((policy.subject_place.clone(), policy.to_string(), None, selector));
            continue;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in policy.rules(direction).unwrap_or_default() {
                let peer = match direction {
                    Direction::Ingress => &rule.source,
                    Direction::Egress => &rule.destination,
                };
                // Whether an address exists outside the cluster is not to be known here.
                if !peer.selects_by_label() || !peer.nets.is_empty() {
                    continue;
                }
                let meant = cast.peers(peer, None);
                if meant.networks.is_empty() && meant.pods.iter().all(|pods| pods.is_empty()) {
                    let selectors =
                        [&peer.selector, &peer.not_selector].into_iter().flatten().chain(match &peer.scope {
                            Scope::Namespaces(selector) => Some(selector),
                            Scope::Anywhere | Scope::Own(_) => None,
                        });
                    let text: Vec<String> = selectors.map(ToString::to_string).collect();
                    vain.push((rule.place.clone(), policy.to_string(), Some(direction), text.join(", ")));
                }
            }
        }
    }
    vain
}

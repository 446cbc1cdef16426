//! Policies laid down as layers: what is not TCP, then what is denied, then what is allowed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use watershed_model::Protocol;

use super::policy::{Action, AuthorizationPolicy, NamespacePattern, Operation, Pattern, Source};
use super::{Policies, ROOT_NAMESPACE, SERVICE_ACCOUNT_LABELS, TRUST_DOMAIN, principal};
use crate::k8s::{Direction, Place, Pod, World};
use crate::layers::{self, Layers, Network, Part, Peers, Pods, Services};

/// Lays policies down: two layers that refuse, or leave it to whatever else is in force.
pub(crate) fn lay(layers: &mut Layers<'_>, world: &World, policies: &Policies) {
    let Some(first) = policies.policies.first() else { return };
    let cast = Cast::of(world);
    let at: Vec<usize> =
        policies.policies.iter().map(|policy| layers.policy(policy, &policy.place)).collect();
    let parts = |action: Action| {
        let of = policies.policies.iter().zip(&at).filter(move |(policy, _)| policy.action == action);
        of.map(|(policy, &at)| cast.part(policy, at))
    };
    layers.lay(parts(Action::Deny).collect());
    let not_tcp = not_tcp(first, at[0], (0..world.pods().len()).collect());
    layers.lay(std::iter::once(not_tcp).chain(parts(Action::Allow)).collect());
}

/// What no policy governs. It stands with the first, which it says nothing about.
fn not_tcp(policy: &AuthorizationPolicy, at: usize, subjects: Pods) -> Part {
    let others = (0..=u8::MAX).map(Protocol).filter(|&protocol| protocol != Protocol::TCP);
    let rule = layers::Rule {
        place: policy.place.clone(),
        action: layers::Action::Pass,
        peers: Peers { everybody: true, ..Peers::default() },
        services: others.map(Services::Whole).collect(),
    };
    Part { policy: at, direction: Direction::Ingress, subjects, isolates: false, rules: vec![rule] }
}

/// Selectors of policies that mean nobody: the place, the policy, the direction of a peer or `None` for a
/// subject, and the selector.
pub(crate) fn vain(world: &World, policies: &Policies) -> Vec<(Place, String, Option<Direction>, String)> {
    let cast = Cast::of(world);
    let mut vain = Vec::new();
    for policy in &policies.policies {
        if cast.subjects(policy).is_empty() {
            vain.push((policy.subject_place.clone(), policy.to_string(), None, policy.subject.to_string()));
            continue;
        }
        for rule in &policy.rules {
            for source in rule.sources.iter().filter(|source| source.is_of_mesh()) {
                if cast.peers(source).pods.iter().all(|pods| pods.is_empty()) {
                    let wanted =
                        source.principals.iter().chain(&source.trust_domains).map(ToString::to_string);
                    let wanted = wanted.chain(source.namespaces.iter().map(ToString::to_string));
                    let wanted: Vec<String> = wanted.collect();
                    vain.push((
                        rule.place.clone(),
                        policy.to_string(),
                        Some(Direction::Ingress),
                        wanted.join(", "),
                    ));
                }
            }
        }
    }
    vain
}

impl Source {
    /// Whether only who has an identity is meant.
    fn is_of_mesh(&self) -> bool {
        !(self.principals.is_empty() && self.namespaces.is_empty() && self.trust_domains.is_empty())
    }
}

/// The pods of a mesh and who they are.
struct Cast<'a> {
    world: &'a World,
    /// By namespace, each with what identities there begin with.
    of_namespace: BTreeMap<&'a str, (String, Vec<usize>)>,
    /// Pods on their node's network, which are in no mesh and have no identity.
    hosts: Vec<usize>,
}

impl<'a> Cast<'a> {
    fn of(world: &'a World) -> Self {
        let mut of_namespace: BTreeMap<&str, (String, Vec<usize>)> = BTreeMap::new();
        let mut hosts = Vec::new();
        for (at, pod) in world.pods().iter().enumerate() {
            match pod.host_network {
                true => hosts.push(at),
                false => {
                    let there = of_namespace.entry(&pod.namespace);
                    there.or_insert_with(|| (principal(&pod.namespace, ""), Vec::new())).1.push(at);
                }
            }
        }
        Self { world, of_namespace, hosts }
    }

    fn part(&self, policy: &AuthorizationPolicy, at: usize) -> Part {
        let action = match policy.action {
            Action::Deny => layers::Action::Deny,
            // What is allowed here others may still deny.
            Action::Allow | Action::Nothing => layers::Action::Pass,
        };
        let mut rules = Vec::new();
        // What is about some requests of a connection lets it be opened, and does not refuse it.
        for rule in policy.rules.iter().filter(|rule| !rule.partly || policy.action == Action::Allow) {
            let anybody = [Source::default()];
            let sources = if rule.sources.is_empty() { &anybody[..] } else { &rule.sources };
            let anything = [Operation::default()];
            let operations = if rule.operations.is_empty() { &anything[..] } else { &rule.operations };
            let services: Vec<Services> = operations.iter().flat_map(services).collect();
            // No services would mean everything: here every port is excluded.
            for source in sources.iter().filter(|_| !services.is_empty()) {
                rules.push(layers::Rule {
                    place: rule.place.clone(),
                    action,
                    peers: self.peers(source),
                    services: services.clone(),
                });
            }
        }
        let isolates = policy.action == Action::Allow;
        Part { policy: at, direction: Direction::Ingress, subjects: self.subjects(policy), isolates, rules }
    }

    fn subjects(&self, policy: &AuthorizationPolicy) -> Pods {
        let there = |namespace: &str| policy.namespace == ROOT_NAMESPACE || policy.namespace == namespace;
        let pods = self
            .of_namespace
            .iter()
            .filter(|(namespace, _)| there(namespace))
            .flat_map(|(_, (_, pods))| pods);
        let mut pods: Vec<usize> =
            pods.copied().filter(|&pod| policy.subject.matches(&self.world.pods()[pod].labels)).collect();
        pods.sort_unstable();
        pods.into()
    }

    fn peers(&self, source: &Source) -> Peers {
        if *source == Source::default() {
            return Peers { everybody: true, ..Peers::default() };
        }
        let named = |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        let within = |nets: &[IpNet], address: &IpAddr| nets.iter().any(|net| net.contains(address));
        let at_address = |pod: &Pod| {
            (source.blocks.is_empty() || pod.addresses.iter().any(|a| within(&source.blocks, a)))
                && !pod.addresses.iter().any(|address| within(&source.not_blocks, address))
        };
        let mut pods = Vec::new();
        for (namespace, (someone, of)) in &self.of_namespace {
            // Which account it is says nothing of the namespace.
            let inside = |patterns: &[NamespacePattern]| patterns.iter().any(|one| one.matches(someone));
            let there = (source.namespaces.is_empty() || inside(&source.namespaces))
                && !inside(&source.not_namespaces)
                && (source.trust_domains.is_empty() || named(&source.trust_domains, TRUST_DOMAIN))
                && !named(&source.not_trust_domains, TRUST_DOMAIN);
            let meant = |pod: &&usize| {
                let pod = &self.world.pods()[**pod];
                let account = account(pod).map(|account| principal(namespace, account));
                let account = account.as_deref();
                let known = |patterns: &[Pattern]| account.is_some_and(|account| named(patterns, account));
                (source.principals.is_empty() || anyone(&source.principals) || known(&source.principals))
                    && !(anyone(&source.not_principals) || known(&source.not_principals))
                    && at_address(pod)
            };
            if there {
                pods.extend(of.iter().filter(meant).copied());
            }
        }
        if !source.is_of_mesh() {
            pods.extend(self.hosts.iter().copied().filter(|&pod| at_address(&self.world.pods()[pod])));
        }
        pods.sort_unstable();
        // Who is in no mesh has no identity: what asks for one does not mean them.
        let networks = if !source.is_of_mesh() {
            let everywhere = vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
            let nets = if source.blocks.is_empty() { everywhere } else { source.blocks.clone() };
            nets.into_iter()
                .map(|net| Network { except: source.not_blocks.clone(), ..Network::outside(net) })
                .collect()
        } else {
            Vec::new()
        };
        Peers { pods: vec![pods.into()], networks, ..Peers::default() }
    }
}

/// Whether every identity is meant, whatever it is.
fn anyone(patterns: &[Pattern]) -> bool {
    patterns.contains(&Pattern::Any)
}

/// The service account of a pod, where it is known.
fn account(pod: &Pod) -> Option<&str> {
    let label = || SERVICE_ACCOUNT_LABELS.iter().find_map(|key| pod.labels.get(*key));
    pod.service_account.as_deref().or_else(|| label().map(String::as_str))
}

fn services(operation: &Operation) -> Vec<Services> {
    let tcp = |first: u16, last: u16| Services::Ports(Protocol::TCP, first..=last);
    if !operation.ports.is_empty() {
        let meant = operation.ports.iter().filter(|port| !operation.not_ports.contains(port));
        return meant.map(|&port| tcp(port, port)).collect();
    }
    let mut not = operation.not_ports.clone();
    not.sort_unstable();
    let mut left = Vec::new();
    let mut first = 1_u16;
    for port in not {
        if port > first {
            left.push(tcp(first, port - 1));
        }
        let Some(next) = port.checked_add(1) else { return left };
        first = first.max(next);
    }
    left.push(tcp(first, u16::MAX));
    left
}

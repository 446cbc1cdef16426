//! Mined rules as Calico NetworkPolicies (`projectcalico.org/v3`), enforced or staged: a directory of the same
//! shape as that of Kubernetes NetworkPolicies.
//!
//! ```text
//! kustomization.yaml       the rules, and per namespace a policy that still allows everything
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject
//! default-deny/            turns the policy that allows everything into one that allows nothing
//! default-deny-revert/     and back
//! ```
//!
//! Unlike NetworkPolicy, Calico says ICMP by type, and any protocol. Rules have the order that Calico gives
//! Kubernetes' own policies, so that what people put before these comes first; the policy of each namespace has
//! none and comes last. Staged, the same policies deny nothing: flow logs show what they would do.
//!
//! Hosts are peers by their addresses. As subjects they would need a HostEndpoint each, which also isolates the
//! node that it stands for; that is for people to decide, so rules for hosts are listed and not written.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::directory::Directory;
use super::isolating::Isolating;
use super::names;
use crate::mine::{Census, Plan};
use crate::{Allowed, Error, Namespace, Rule, Service, Whom};

/// Whether policies are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// They are.
    Enforced,
    /// They only show what they would do.
    Staged,
}

/// The other end of a Calico rule.
#[derive(Clone)]
enum Peer {
    /// Pods with labels, in one namespace or in every one.
    Pods { namespace: Option<String>, labels: Labels },
    /// Networks of one version of IP.
    Nets(Vec<IpNet>),
}

/// What a Calico rule is about.
enum About {
    /// Everything.
    Anything,
    /// Ports of a protocol: first and last of each range.
    Ports(Protocol, Vec<(u16, u16)>),
    /// A type of ICMP.
    Icmp(Protocol, u8),
    /// A whole protocol.
    Protocol(Protocol),
}

/// A mined rule, and what it becomes: every peer with every service.
struct Said<'a> {
    rule: &'a Rule,
    each: Vec<(Peer, About)>,
}

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan, form: Form) -> Result<Directory, Error> {
    let mut export = Directory::default();
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else {
            export.cannot(
                rule,
                "its subject is no pod: give it a HostEndpoint and a GlobalNetworkPolicy by hand",
            );
            continue;
        };
        names::check(rule)?;
        let each = each(census, plan, rule);
        if each.is_empty() {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        }
        policies.entry((namespace, &rule.subject)).or_default().push(Said { rule, each });
    }
    let mut listed = BTreeSet::new();
    for ((namespace, subject), rules) in &policies {
        listed.insert(export.allow(
            namespace,
            subject,
            text::policy(form, namespace, subject, rules, plan.level),
        ));
    }
    let mut open = BTreeSet::new();
    for namespace in plan.namespaces() {
        names::check_namespace(namespace)?;
        let (deny, revert) = (text::default_deny(form, namespace), text::allow_everything(form, namespace));
        open.insert(export.default_deny(namespace, deny, revert));
    }
    // First what allows everything: between two steps of loading nothing is denied.
    Ok(export.finish(open.iter().chain(&listed).map(String::as_str)))
}

/// Policies that isolate, for the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// As [`export`].
pub(crate) fn isolate(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
    form: Form,
) -> Result<Vec<String>, Error> {
    let text = |one: &Isolating<'_>| {
        names::check_namespace(one.namespace)?;
        let mut said = Vec::new();
        for rule in one.rules {
            names::check(rule)?;
            let each = each(census, plan, rule);
            said.extend((!each.is_empty()).then_some(Said { rule, each }));
        }
        Ok(text::isolating(form, one, &said))
    };
    policies.iter().map(text).collect()
}

fn each(census: &Census, plan: &Plan, rule: &Rule) -> Vec<(Peer, About)> {
    let mut each = Vec::new();
    for peer in peers(census, plan, rule) {
        let of_version = |about: &About| match (&peer, about) {
            (Peer::Nets(nets), About::Icmp(protocol, _)) => {
                nets.iter().any(|net| net.addr().is_ipv4() == (*protocol == Protocol::ICMP))
            }
            _ => true,
        };
        let about: Vec<About> = services(rule).into_iter().filter(of_version).collect();
        each.extend(about.into_iter().map(|about| (peer.clone(), about)));
    }
    each
}

fn peers(census: &Census, plan: &Plan, rule: &Rule) -> Vec<Peer> {
    let pods = |namespace: Option<&String>, labels: &Labels| {
        vec![Peer::Pods { namespace: namespace.cloned(), labels: labels.clone() }]
    };
    match &rule.peer {
        Whom::Workloads { namespace: Namespace::One(name), labels } => pods(Some(name), labels),
        Whom::Workloads { namespace: Namespace::Every, labels } => pods(None, labels),
        Whom::Workloads { namespace: Namespace::Hosts, .. } => {
            let addresses = plan.addresses(census, &rule.peers);
            by_version(&addresses.into_iter().map(IpNet::from).collect::<Vec<_>>())
        }
        Whom::Parties(_) => by_version(&rule.peer.networks()),
        Whom::Networks(networks) => by_version(networks),
    }
}

/// Calico refuses a rule with addresses of both versions.
fn by_version(nets: &[IpNet]) -> Vec<Peer> {
    let of = |v4: bool| nets.iter().copied().filter(|net| net.addr().is_ipv4() == v4).collect::<Vec<_>>();
    [of(true), of(false)].into_iter().filter(|nets| !nets.is_empty()).map(Peer::Nets).collect()
}

fn services(rule: &Rule) -> Vec<About> {
    if rule.ports.contains(&Allowed::Anything) {
        return vec![About::Anything];
    }
    let mut ports: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
    let mut others = Vec::new();
    for allowed in &rule.ports {
        let mut add = |protocol, range| ports.entry(protocol).or_default().push(range);
        match *allowed {
            Allowed::Anything => {}
            Allowed::Ports(protocol, first, last) => add(protocol, (first, last)),
            Allowed::Service(Service::Port { protocol, port }) => add(protocol, (port, port)),
            Allowed::Service(Service::Icmp { protocol, message_type }) => {
                others.push(About::Icmp(protocol, message_type));
            }
            Allowed::Service(Service::Protocol(protocol)) => others.push(About::Protocol(protocol)),
        }
    }
    ports.into_iter().map(|(protocol, ranges)| About::Ports(protocol, ranges)).chain(others).collect()
}

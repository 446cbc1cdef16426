//! The other end of a rule, as NetworkPolicy says it: pods of namespaces, or networks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::Labels;

use crate::mine::{Census, Plan};
use crate::rule::addresses;
use crate::{Namespace, Rule, Whom};

/// One item of `from` or `to`.
pub(in crate::export) enum Peer<'a> {
    /// Pods with labels, in one namespace or in every one.
    Pods { namespace: Option<&'a str>, labels: &'a Labels },
    /// Addresses.
    Block(IpNet),
}

/// The peers of a rule; none where nothing of it can be said.
pub(in crate::export) fn of<'a>(census: &Census, plan: &Plan, rule: &'a Rule) -> Vec<Peer<'a>> {
    let pods = |namespace: Option<&'a str>, labels: &'a Labels| vec![Peer::Pods { namespace, labels }];
    match &rule.peer {
        Whom::Workloads { namespace: Namespace::One(name), labels } => pods(Some(name), labels),
        Whom::Workloads { namespace: Namespace::Every, labels } => pods(None, labels),
        // The cluster knows nothing of hosts' labels.
        Whom::Workloads { namespace: Namespace::Hosts, .. } => blocks(&plan.addresses(census, &rule.peers)),
        Whom::Parties(members) => blocks(&addresses(members)),
        Whom::Networks(networks) => networks.iter().copied().map(Peer::Block).collect(),
    }
}

/// Each address by itself: /32 of IPv4, /128 of IPv6.
fn blocks<'a>(addresses: &BTreeSet<IpAddr>) -> Vec<Peer<'a>> {
    addresses.iter().map(|&address| Peer::Block(address.into())).collect()
}

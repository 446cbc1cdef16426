//! Mined rules as CiliumNetworkPolicies (`cilium.io/v2`): a directory for `kubectl apply -k`.
//!
//! ```text
//! kustomization.yaml       the rules
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject; they isolate nobody (`enableDefaultDeny`)
//! default-deny/            a policy per namespace that isolates all its pods
//! default-deny-revert/     the same policy, isolating nobody
//! ```
//!
//! An address outside that clients called by a name is written by it (`toFQDNs`), but at level nano, which
//! admits nothing beyond what was seen. Cilium learns what a name means from the answers that pods get, so the
//! rules for the DNS of such a namespace let Cilium's proxy see the questions.

mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::directory::Directory;
use super::isolating::Isolating;
use super::kubernetes::peers::{self, Peer};
use super::names;
use super::text::NamesSaid;
use crate::cilium::Pattern;
use crate::k8s::Direction;
use crate::mine::{Census, Level, Plan, size};
use crate::{Error, Namespace, Rule, Whom};

/// A rule as a policy says it.
struct Said<'a> {
    rule: &'a Rule,
    peers: Vec<Peer<'a>>,
    /// Names in place of addresses.
    names: BTreeSet<String>,
    /// What is stated of them, where there are some.
    stated: Option<NamesSaid>,
}

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan) -> Result<Directory, Error> {
    let mut export = Directory::default();
    let named = Named::of(census, plan);
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    // Namespaces whose questions to the DNS have to be seen.
    let mut asking = BTreeSet::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else {
            export.cannot(rule, "its subject is no pod: nothing of it is enforced by the cluster");
            continue;
        };
        names::check(rule)?;
        if !rule.ports.iter().all(text::is_sayable) {
            export.cannot(rule, "Cilium knows TCP, UDP, SCTP and ICMP alone: the rest of it stays denied");
        }
        // Without this a rule for nothing else would have no ports, which means all of them.
        if !rule.ports.iter().any(text::is_sayable) {
            continue;
        }
        let mut peers = peers::of(census, plan, rule);
        if peers.is_empty() {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        }
        let names = named.take(rule, &mut peers);
        if !names.is_empty() {
            asking.insert(namespace.as_str());
            let listed: Vec<&str> = names.iter().map(String::as_str).collect();
            let reason = format!(
                "written by name ({}): it also admits every other address that the names come to stand for",
                listed.join(", ")
            );
            export.cannot(rule, Cow::Owned(reason));
        }
        let stated = named.stated(rule, &peers, &names);
        policies.entry((namespace, &rule.subject)).or_default().push(Said { rule, peers, names, stated });
    }
    let mut listed = Vec::new();
    for ((namespace, subject), rules) in &policies {
        let text = text::policy(namespace, subject, rules, plan.level, asking.contains(namespace));
        listed.push(export.allow(namespace, subject, text));
    }
    for namespace in plan.namespaces() {
        names::check_namespace(namespace)?;
        export.default_deny(namespace, text::default(namespace, true), text::default(namespace, false));
    }
    Ok(export.finish(listed.iter().map(String::as_str)))
}

/// Policies that isolate, for the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// As [`export`].
pub(crate) fn isolate(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
) -> Result<Vec<String>, Error> {
    let named = Named::of(census, plan);
    let text = |one: &Isolating<'_>| {
        names::check_namespace(one.namespace)?;
        let mut said: Vec<Said<'_>> = Vec::new();
        for rule in one.rules.iter().filter(|rule| rule.ports.iter().any(text::is_sayable)) {
            names::check(rule)?;
            let mut peers = peers::of(census, plan, rule);
            let names = named.take(rule, &mut peers);
            let stated = named.stated(rule, &peers, &names);
            let some = !peers.is_empty() || !names.is_empty();
            said.extend(some.then_some(Said { rule, peers, names, stated }));
        }
        Ok(text::isolating(one, &said))
    };
    policies.iter().map(text).collect()
}

/// Whom clients called by a name.
struct Named<'a> {
    plan: &'a Plan,
    /// Names of addresses that are no pod's and were called by nothing else.
    of_address: BTreeMap<IpAddr, BTreeSet<String>>,
}

impl<'a> Named<'a> {
    fn of(census: &Census, plan: &'a Plan) -> Self {
        let mut of_address: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
        for node in census.nodes.iter().filter(|node| node.namespace().is_none()) {
            // Who puts an address where a name belongs did not ask the DNS for it.
            let name = |name: &str| name.parse::<IpAddr>().is_err() && Pattern::new(name, false).is_some();
            if node.names.is_empty() || !node.names.iter().all(|one| name(one)) {
                continue;
            }
            let names: BTreeSet<String> =
                node.names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
            for &address in &node.addresses {
                of_address.entry(address).or_default().extend(names.iter().cloned());
            }
        }
        Self { plan, of_address }
    }

    /// Takes single addresses that have names out of `peers`; gives all their names.
    ///
    /// A network of several addresses stays: not each of them was seen, nor has a name.
    fn take(&self, rule: &Rule, peers: &mut Vec<Peer>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let outward = rule.direction == Direction::Egress && matches!(rule.peer, Whom::Networks(_));
        if !outward || self.plan.level == Level::Nano || !self.asks(rule) {
            return names;
        }
        peers.retain(|peer| {
            let Peer::Block(network) = peer else { return true };
            let single = IpNet::from(network.addr()) == *network;
            match self.of_address.get(&network.addr()).filter(|_| single) {
                Some(known) => {
                    names.extend(known.iter().cloned());
                    false
                }
                None => true,
            }
        });
        names
    }

    /// What a rule states of `names`, of which it has written some in place of networks; `peers` are left.
    fn stated(&self, rule: &Rule, peers: &[Peer], names: &BTreeSet<String>) -> Option<NamesSaid> {
        let Whom::Networks(networks) = &rule.peer else { return None };
        if names.is_empty() {
            return None;
        }
        let sizes =
            |networks: &mut dyn Iterator<Item = &IpNet>| networks.map(size).fold(0, u128::saturating_add);
        let left = sizes(&mut peers.iter().filter_map(|peer| match peer {
            Peer::Block(network) => Some(network),
            Peer::Pods { .. } => None,
        }));
        let each = u128::from(rule.all).checked_div(sizes(&mut networks.iter())).unwrap_or_default();
        let all = each.saturating_mul(left.saturating_add(names.len() as u128));
        let meant = self.of_address.values().filter(|known| !known.is_disjoint(names));
        let shared = meant.clone().filter(|known| !known.is_subset(names)).count() as u64;
        Some(NamesSaid {
            names: names.len() as u64,
            addresses: meant.count() as u64,
            shared,
            all: u64::try_from(all).unwrap_or(u64::MAX),
        })
    }

    /// Whether rules let all of its subjects ask a DNS server.
    fn asks(&self, rule: &Rule) -> bool {
        let dns = |one: &&Rule| {
            let everybody = rule.subjects.iter().all(|class| one.subjects.binary_search(class).is_ok());
            one.direction == Direction::Egress && everybody && one.ports.iter().any(text::is_dns)
        };
        self.plan.rules.iter().any(|one| dns(&one))
    }
}

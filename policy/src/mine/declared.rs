//! What rules say is allowed, asked one connection at a time.
//!
//! Whoever was observed counts by the members that a rule lists, and not by its selector: a selector that
//! means more than the rule knows of shows.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use watershed_model::Labels;

use super::classes::ClassId;
use super::{Allowed, Census, Namespace, NodeId, Plan, Rule, Whom};
use crate::k8s::Direction;

/// An end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Someone<'a> {
    /// A workload that was observed or is known.
    Node(NodeId),
    /// A workload that nobody knows.
    Stranger {
        /// Its namespace.
        namespace: &'a str,
        /// Its labels.
        labels: &'a Labels,
    },
    /// An address that is no pod's.
    Address(IpAddr),
}

/// Rules by whom they are for.
pub(crate) struct Declared<'a> {
    census: &'a Census,
    plan: &'a Plan,
    of_class: HashMap<(Direction, ClassId), Vec<&'a Rule>>,
    of_namespace: HashMap<(Direction, &'a str), Vec<&'a Rule>>,
    /// Where a rule for addresses means every address of the same names: what each was called.
    names: Option<HashMap<IpAddr, &'a BTreeSet<Box<str>>>>,
}

impl<'a> Declared<'a> {
    pub(crate) fn of(census: &'a Census, plan: &'a Plan) -> Self {
        let mut declared =
            Self { census, plan, of_class: HashMap::new(), of_namespace: HashMap::new(), names: None };
        for rule in &plan.rules {
            for &class in &*rule.subjects {
                declared.of_class.entry((rule.direction, class)).or_default().push(rule);
            }
            if let Whom::Workloads { namespace: Namespace::One(name), .. } = &rule.subject {
                declared.of_namespace.entry((rule.direction, name)).or_default().push(rule);
            }
        }
        declared
    }

    /// The same, but a rule for addresses that have names means every address with one of them.
    pub(crate) fn by_name(census: &'a Census, plan: &'a Plan) -> Self {
        let named = census
            .nodes
            .iter()
            .flat_map(|node| node.addresses.iter().map(move |&address| (address, &node.names)));
        Self { names: Some(named.collect()), ..Self::of(census, plan) }
    }

    /// What the rules for `subject` permit it with `peer`; `None` where there are no rules for such as it: a
    /// host or an address.
    pub(crate) fn permitted(
        &self,
        direction: Direction,
        subject: Someone<'_>,
        peer: Someone<'_>,
    ) -> Option<Vec<&'a [Allowed]>> {
        let of = |rules: Option<&Vec<&'a Rule>>, selects: &dyn Fn(&Rule) -> bool| {
            let rules = rules.into_iter().flatten().copied();
            let meant = rules.filter(|rule| selects(rule) && self.means_peer(rule, peer));
            meant.map(|rule| rule.ports.as_slice()).collect()
        };
        match subject {
            Someone::Address(_) => None,
            Someone::Node(node) => {
                let class = self.plan.classes.of_node[node as usize];
                let rules = self.of_class.get(&(direction, class));
                self.plan.classes.in_cluster(class).then(|| of(rules, &|_| true))
            }
            Someone::Stranger { namespace, labels } => {
                let rules = self.of_namespace.get(&(direction, namespace));
                Some(of(rules, &|rule| selects(&rule.subject, namespace, labels)))
            }
        }
    }

    fn means_peer(&self, rule: &Rule, peer: Someone<'_>) -> bool {
        match peer {
            Someone::Node(node) => {
                rule.peers.binary_search(&self.plan.classes.of_node[node as usize]).is_ok()
            }
            Someone::Stranger { namespace, labels } => selects(&rule.peer, namespace, labels),
            Someone::Address(address) => match &rule.peer {
                Whom::Networks(networks) => {
                    let names = self.names.as_ref().and_then(|names| names.get(&address));
                    networks.iter().any(|network| network.contains(&address))
                        || names.is_some_and(|names| !names.is_disjoint(&rule.names))
                }
                Whom::Host { addresses, .. } => addresses.contains(&address),
                Whom::Workloads { namespace: Namespace::Hosts, .. } => {
                    self.plan.addresses(self.census, &rule.peers).contains(&address)
                }
                Whom::Workloads { .. } => false,
            },
        }
    }
}

/// Whether a selector means a workload with these labels.
fn selects(whom: &Whom, namespace: &str, labels: &Labels) -> bool {
    let Whom::Workloads { namespace: place, labels: wanted } = whom else { return false };
    let there = match place {
        Namespace::Hosts => false,
        Namespace::One(name) => name == namespace,
        Namespace::Every => true,
    };
    there && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

//! What rules say is allowed, asked one connection at a time.
//!
//! Whoever was observed counts by the members that a rule lists, and not by its selector: a selector that
//! means more than the rule knows of shows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use hashbrown::HashMap;
use watershed_model::Labels;

use super::classes::ClassId;
use super::{Census, NodeId, Plan};
use crate::k8s::Direction;
use crate::lists::Lists;
use crate::{Namespace, Rule, Whom};

/// A rule that is about more pairs of classes than this is looked at anew each time; of the others every pair is
/// remembered, which stays in proportion to the rules.
const WIDE: usize = 64;

/// An end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Someone<'a> {
    /// A workload that was observed or is known.
    Node(NodeId),
    /// A workload that nobody knows.
    Stranger {
        /// A number that no other stranger has.
        number: usize,
        /// Its namespace.
        namespace: &'a str,
        /// Its labels.
        labels: &'a Labels,
    },
    /// An address that is no pod's.
    Address(IpAddr),
}

/// A number of a rule in the plan.
pub(crate) type RuleNumber = u32;

/// Rules by whom they are for.
pub(crate) struct Declared<'a> {
    census: &'a Census,
    plan: &'a Plan,
    /// For ingress and egress.
    sides: [Side<'a>; 2],
    /// Where a rule for addresses means every address of the same names: what each was called.
    names: Option<HashMap<IpAddr, &'a BTreeSet<Box<str>>>>,
}

/// The rules of one direction.
#[derive(Default)]
struct Side<'a> {
    /// For each class its rules for few pairs: the class of each peer, then the rule; in order of both.
    narrow: Vec<Vec<(ClassId, RuleNumber)>>,
    /// For each class its rules that are wide, or about addresses.
    wide: Lists,
    by_subject: ByNamespace<'a>,
    by_peer: ByNamespace<'a>,
}

/// Rules by the namespace of one of their ends, and what strangers they mean there.
#[derive(Default)]
struct ByNamespace<'a> {
    /// Those in one namespace: rules with the same end together.
    one: HashMap<&'a str, Vec<(&'a Labels, Vec<RuleNumber>)>>,
    every: Vec<(&'a Labels, Vec<RuleNumber>)>,
    strangers: RefCell<HashMap<usize, Rc<[RuleNumber]>>>,
}

impl<'a> ByNamespace<'a> {
    fn of(ends: impl Iterator<Item = (RuleNumber, &'a Whom)>) -> Self {
        let mut same: HashMap<&Whom, Vec<RuleNumber>> = HashMap::new();
        for (at, whom) in ends {
            same.entry(whom).or_default().push(at);
        }
        let mut all = Self::default();
        for (whom, rules) in same {
            match whom {
                Whom::Workloads { namespace: Namespace::One(name), labels } => {
                    all.one.entry(name).or_default().push((&**labels, rules));
                }
                Whom::Workloads { namespace: Namespace::Every, labels } => all.every.push((&**labels, rules)),
                _ => {}
            }
        }
        all
    }

    /// The rules that mean a stranger.
    fn stranger(&self, number: usize, namespace: &str, labels: &Labels) -> Rc<[RuleNumber]> {
        let mut strangers = self.strangers.borrow_mut();
        let rules = strangers.entry(number).or_insert_with(|| {
            let there = self.one.get(namespace).into_iter().flatten().chain(&self.every);
            let mut rules: Vec<RuleNumber> = there
                .filter(|(wanted, _)| has_all(labels, wanted))
                .flat_map(|(_, rules)| rules)
                .copied()
                .collect();
            rules.sort_unstable();
            rules.into()
        });
        Rc::clone(rules)
    }
}

impl<'a> Declared<'a> {
    pub(crate) fn of(census: &'a Census, plan: &'a Plan) -> Self {
        let side = |direction| Side::of(plan, direction);
        Self { census, plan, sides: [side(Direction::Ingress), side(Direction::Egress)], names: None }
    }

    /// The same, but a rule for addresses that have names means every address with one of them.
    pub(crate) fn by_name(census: &'a Census, plan: &'a Plan) -> Self {
        let named = census
            .nodes
            .iter()
            .flat_map(|node| node.addresses.iter().map(move |&address| (address, &node.names)));
        Self { names: Some(named.collect()), ..Self::of(census, plan) }
    }

    /// Of the first `rules` rules of the plan those for `subject` that permit it something with `peer`; `None` where
    /// there are no rules for such as it: a host or an address.
    pub(crate) fn permitted_by_first(
        &self,
        direction: Direction,
        subject: Someone<'_>,
        peer: Someone<'_>,
        rules: RuleNumber,
    ) -> Option<Vec<RuleNumber>> {
        let classes = &self.plan.classes;
        if matches!(subject, Someone::Node(node) if !classes.in_cluster(classes.of_node[node as usize])) {
            return None;
        }
        let mut permitted = self.rules(direction, subject, peer)?;
        permitted.retain(|&at| at < rules);
        Some(permitted)
    }

    /// The rules for `subject`, a host or a pod, that mean `peer`, by their places in the plan; `None` where there
    /// are none for such as it: an address.
    pub(crate) fn rules(
        &self,
        direction: Direction,
        subject: Someone<'_>,
        peer: Someone<'_>,
    ) -> Option<Vec<RuleNumber>> {
        let side = &self.sides[direction as usize];
        let plan = self.plan;
        let rule = |at: RuleNumber| &plan.rules[at as usize];
        match (subject, peer) {
            (Someone::Address(_), _) => None,
            (Someone::Node(node), peer) => {
                let class = plan.classes.of_node[node as usize];
                let mut permitted = Vec::new();
                if let Someone::Node(node) = peer {
                    let narrow = &side.narrow[class as usize];
                    let peer = plan.classes.of_node[node as usize];
                    let first = narrow.partition_point(|&(other, _)| other < peer);
                    let of_peer = narrow[first..].iter().take_while(|&&(other, _)| other == peer);
                    permitted.extend(of_peer.map(|&(_, at)| at));
                }
                if let Someone::Stranger { number, namespace, labels } = peer {
                    let meant = side.by_peer.stranger(number, namespace, labels);
                    let own = |&at: &RuleNumber| rule(at).subjects.binary_search(&class).is_ok();
                    permitted.extend(meant.iter().copied().filter(own));
                } else {
                    let wide = side.wide.of(class).iter().copied();
                    permitted.extend(wide.filter(|&at| self.means_peer(rule(at), peer)));
                }
                Some(permitted)
            }
            (Someone::Stranger { number, namespace, labels }, peer) => {
                let own = side.by_subject.stranger(number, namespace, labels);
                Some(own.iter().copied().filter(|&at| self.means_peer(rule(at), peer)).collect())
            }
        }
    }

    fn means_peer(&self, rule: &Rule, peer: Someone<'_>) -> bool {
        match peer {
            Someone::Node(node) => {
                rule.peers.binary_search(&self.plan.classes.of_node[node as usize]).is_ok()
            }
            Someone::Stranger { namespace, labels, .. } => selects(&rule.peer, namespace, labels),
            Someone::Address(address) => match &rule.peer {
                Whom::Networks(networks) => {
                    let names = self.names.as_ref().and_then(|names| names.get(&address));
                    networks.iter().any(|network| network.contains(&address))
                        || names.is_some_and(|names| !names.is_disjoint(&rule.names))
                }
                Whom::Parties(_) => rule.peer.has(address),
                Whom::Workloads { namespace: Namespace::Hosts, .. } => {
                    self.plan.addresses(self.census, &rule.peers).contains(&address)
                }
                Whom::Workloads { .. } => false,
            },
        }
    }
}

impl<'a> Side<'a> {
    fn of(plan: &'a Plan, direction: Direction) -> Self {
        let classes = plan.classes.list.len();
        let rules = || (0..).zip(&plan.rules).filter(|(_, rule)| rule.direction == direction);
        let mut side = Self {
            narrow: vec![Vec::new(); classes],
            by_subject: ByNamespace::of(rules().map(|(at, rule)| (at, &rule.subject))),
            by_peer: ByNamespace::of(rules().map(|(at, rule)| (at, &rule.peer))),
            ..Self::default()
        };
        let mut wide: Vec<Vec<u32>> = vec![Vec::new(); classes];
        for (at, rule) in rules() {
            let of_pods =
                matches!(&rule.peer, Whom::Workloads { namespace, .. } if *namespace != Namespace::Hosts);
            for &subject in &*rule.subjects {
                if of_pods && rule.subjects.len() * rule.peers.len() <= WIDE {
                    side.narrow[subject as usize].extend(rule.peers.iter().map(|&peer| (peer, at)));
                } else {
                    wide[subject as usize].push(at);
                }
            }
        }
        side.narrow.iter_mut().for_each(|rules| rules.sort_unstable());
        side.wide = wide.into_iter().collect();
        side
    }
}

/// Whether a selector means a workload with these labels.
pub(crate) fn selects(whom: &Whom, namespace: &str, labels: &Labels) -> bool {
    let Whom::Workloads { namespace: place, labels: wanted } = whom else { return false };
    let there = match place {
        Namespace::Hosts => false,
        Namespace::One(name) => name == namespace,
        Namespace::Every => true,
    };
    there && has_all(labels, wanted)
}

fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

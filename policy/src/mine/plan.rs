//! Everything that was mined: the rules, and what they say is allowed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use watershed_model::Labels;

use super::census::Census;
use super::classes::{ClassId, Classes, Scope, Selection};
use super::price::{self, Evidence, Seen};
use super::rule::{Namespace, Rule, Whom, id};
use super::sides::{Draft, Target, is_address};
use super::{ClassDependency, Level, NodeId, mine};
use crate::Service;
use crate::identity::Identity;
use crate::k8s::Direction;

/// The rules of one level.
#[derive(Debug)]
pub struct Plan {
    /// How general they are.
    pub level: Level,
    /// In order of subject, direction and peer.
    pub rules: Vec<Rule>,
    /// Dependencies between two addresses that no rule is for, since neither is a workload's.
    pub outside: u64,
    pub(crate) classes: Classes,
}

/// An end of a connection, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// A workload.
    Node(NodeId),
    /// An address that is no workload's.
    Address(IpAddr),
}

impl Plan {
    pub(crate) fn new(
        census: &Census,
        classes: Classes,
        dependencies: &[ClassDependency],
        drafts: Vec<Draft>,
        level: Level,
    ) -> Self {
        let evidence = Evidence::of(dependencies);
        let mut rules: Vec<Rule> =
            drafts.into_iter().map(|draft| rule(census, &classes, &evidence, draft, level)).collect();
        rules.sort_by(|a, b| {
            (&a.subject, a.direction, &a.peer, &a.ports).cmp(&(&b.subject, b.direction, &b.peer, &b.ports))
        });
        let address = |class| is_address(census, &classes, class);
        let between = dependencies.iter().filter(|one| address(one.server) && address(one.client));
        let outside = between.map(|one| one.pairs).sum();
        Self { level, rules, outside, classes }
    }

    /// Tuples of client, server and port that the rules admit without their having been observed, at most:
    /// where both ends have rules, those of the server are counted.
    #[must_use]
    pub fn price(&self) -> u64 {
        let counted = |rule: &&Rule| {
            rule.direction == Direction::Ingress || matches!(rule.peer, Whom::Networks(_))
        };
        self.rules.iter().filter(counted).fold(0, |sum, rule| sum.saturating_add(rule.price))
    }

    /// Rules by the subjects that they are for, to ask what they allow.
    pub(crate) fn declared(&self) -> Declared<'_> {
        let mut of_class: HashMap<(Direction, ClassId), Vec<usize>> = HashMap::new();
        for (at, rule) in self.rules.iter().enumerate() {
            for &class in &*rule.subjects {
                of_class.entry((rule.direction, class)).or_default().push(at);
            }
        }
        Declared { plan: self, of_class }
    }
}

fn rule(census: &Census, classes: &Classes, evidence: &Evidence<'_>, draft: Draft, level: Level) -> Rule {
    let seen = evidence.seen(&draft);
    let ports = price::allowed(&draft, &seen, level);
    let price = price::price(classes, &draft, &ports, seen.tuples);
    let subject = whom(census, classes, &draft.subject);
    let peer = match &draft.peer {
        Target::Selection(selection) => whom(census, classes, selection),
        Target::Networks(networks) => Whom::Networks(networks.clone()),
    };
    Rule {
        id: id(&subject, draft.direction, &peer, &ports),
        subject,
        direction: draft.direction,
        peer,
        ports,
        observed: seen.observed,
        shared: draft.shared,
        names: names(census, classes, &seen),
        price,
        subjects: draft.subjects,
        peers: draft.peers,
    }
}

/// What clients called the servers that were seen.
fn names(census: &Census, classes: &Classes, seen: &Seen) -> BTreeSet<Box<str>> {
    let nodes = seen.servers.iter().flat_map(|&class| &classes.class(class).members);
    nodes.flat_map(|&node| census.nodes[node as usize].names.iter().cloned()).collect()
}

fn whom(census: &Census, classes: &Classes, selection: &Selection) -> Whom {
    match selection {
        Selection::Labels { scope, labels } => {
            let label = |&at: &u32| {
                let (key, value) = &classes.labels[at as usize];
                (key.to_string(), value.to_string())
            };
            let namespace = match scope {
                Scope::Everywhere => Namespace::Every,
                Scope::Namespace(number) => match &classes.namespaces[*number as usize] {
                    Some(name) => Namespace::One(name.clone()),
                    None => Namespace::Hosts,
                },
            };
            Whom::Workloads { namespace, labels: labels.iter().map(label).collect::<Labels>() }
        }
        Selection::Alone(class) => {
            let node = &census.nodes[classes.class(*class).members[0] as usize];
            match &node.identity {
                Identity::Workload { .. } => {
                    Whom::Host { name: node.display(), addresses: node.addresses.clone() }
                }
                Identity::Address(address) => Whom::Networks(vec![(*address).into()]),
            }
        }
    }
}

/// Answers what the rules say is allowed, by the members they list and not by their selectors.
pub(crate) struct Declared<'a> {
    plan: &'a Plan,
    of_class: HashMap<(Direction, ClassId), Vec<usize>>,
}

impl Declared<'_> {
    /// Whether a workload may connect, by the rules of each end that has any: workloads of a namespace.
    pub(crate) fn allows(&self, client: Party, server: Party, service: Service) -> bool {
        self.permits(Direction::Egress, client, server, service)
            && self.permits(Direction::Ingress, server, client, service)
    }

    fn permits(&self, direction: Direction, subject: Party, peer: Party, service: Service) -> bool {
        let Some(class) = self.class(subject).filter(|&class| self.plan.classes.in_cluster(class)) else {
            return true;
        };
        let rules = self.of_class.get(&(direction, class)).map_or(&[][..], Vec::as_slice);
        rules.iter().any(|&at| {
            let rule = &self.plan.rules[at];
            rule.ports.iter().any(|allowed| allowed.includes(service)) && self.means(rule, peer)
        })
    }

    fn means(&self, rule: &Rule, peer: Party) -> bool {
        match (&rule.peer, peer) {
            (Whom::Networks(networks), Party::Address(address)) => {
                networks.iter().any(|network| network.contains(&address))
            }
            (_, Party::Node(_)) => {
                self.class(peer).is_some_and(|class| rule.peers.binary_search(&class).is_ok())
            }
            (_, Party::Address(_)) => false,
        }
    }

    fn class(&self, party: Party) -> Option<ClassId> {
        match party {
            Party::Node(node) => Some(self.plan.classes.of_node[node as usize]),
            Party::Address(_) => None,
        }
    }
}

/// What each level would take: the choice between few rules and little admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// Level, number of rules, and tuples admitted unobserved.
    pub points: BTreeMap<Level, (usize, u64)>,
}

impl Frontier {
    /// Mines every level.
    #[must_use]
    pub fn of(census: &Census) -> Self {
        let point = |level| {
            let plan = mine(census, level);
            (level, (plan.rules.len(), plan.price()))
        };
        Self { points: Level::ALL.map(point).into() }
    }
}

//! Everything that was mined: the rules, and what they say is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::Labels;

use super::census::Census;
use super::classes::{ClassId, Classes, Scope, Selection};
use super::price::{self, Evidence, Seen};
use super::sides::{Draft, Target, is_address};
use super::{ClassDependency, Level, mine, mine_decided};
use crate::decisions::{Decisions, Said};
use crate::identity::Identity;
use crate::k8s::Direction;
use crate::rule::{Origin, width};
use crate::{Error, Namespace, Rule, RuleId, Whom};

/// The rules of one level.
#[derive(Debug)]
pub struct Plan {
    /// How general they are.
    pub level: Level,
    /// In order of subject, direction and peer.
    pub rules: Vec<Rule>,
    /// Dependencies between two addresses that no rule is for, since neither is a workload's.
    pub outside: u64,
    /// Rules that people rejected: they are not exported, and what only they allow is denied.
    pub rejected: Vec<Rule>,
    /// What was decided about rules that are no longer proposed, by their ids.
    pub gone: BTreeMap<String, Said>,
    /// Labels that rules of people select by.
    pub(crate) pinned: BTreeSet<String>,
    pub(crate) classes: Arc<Classes>,
}

impl Plan {
    pub(crate) fn new(
        census: &Census,
        classes: Classes,
        dependencies: &[ClassDependency],
        drafts: Vec<Draft>,
        level: Level,
    ) -> Self {
        let evidence = Evidence::of(dependencies, classes.list.len());
        let mut rules: Vec<Rule> = in_order(census, &classes, drafts)
            .into_iter()
            .map(|(draft, ends)| rule(census, &classes, &evidence, draft, ends, level))
            .collect();
        for same in rules.chunk_by_mut(|a, b| ends(a) == ends(b)) {
            same.sort_by(|a, b| a.ports.cmp(&b.ports));
        }
        let address = |class| is_address(census, &classes, class);
        let between = dependencies.iter().filter(|one| address(one.server) && address(one.client));
        let outside = between.map(|one| one.pairs).sum();
        Self {
            level,
            rules,
            outside,
            rejected: Vec::new(),
            gone: BTreeMap::new(),
            pinned: BTreeSet::new(),
            classes: Arc::new(classes),
        }
    }

    /// The namespaces of the cluster, in order.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.classes.namespaces.iter().flatten().map(String::as_str)
    }

    /// The addresses that classes were seen with.
    pub(crate) fn addresses(&self, census: &Census, classes: &[ClassId]) -> BTreeSet<IpAddr> {
        let members = classes.iter().flat_map(|&class| &self.classes.class(class).members);
        members.flat_map(|&node| census.nodes[node as usize].addresses.iter().copied()).collect()
    }

    /// Tuples of client, server and port that the rules admit without their having been observed, at most:
    /// where both ends have rules, those of the server are counted.
    #[must_use]
    pub fn price(&self) -> u64 {
        let counted =
            |rule: &&Rule| rule.direction == Direction::Ingress || matches!(rule.peer, Whom::Networks(_));
        self.rules.iter().filter(counted).fold(0, |sum, rule| sum.saturating_add(rule.price))
    }
}

fn ends(rule: &Rule) -> (&Whom, Direction, &Whom) {
    (&rule.subject, rule.direction, &rule.peer)
}

/// Drafts with whom they mean, in order of subject, direction and peer. Rules are large and whom they mean takes
/// long to compare, so each is put in its place once, by numbers.
fn in_order(census: &Census, classes: &Classes, drafts: Vec<Draft>) -> Vec<(Draft, (Whom, Whom))> {
    let mut targets: HashMap<Target, usize> = HashMap::new();
    let mut whoms: Vec<Whom> = Vec::new();
    let mut number = |target: Target| {
        *targets.entry(target).or_insert_with_key(|target| {
            whoms.push(match target {
                Target::Selection(selection) => whom(census, classes, selection),
                Target::Networks(networks) => Whom::Networks(networks.clone()),
            });
            whoms.len() - 1
        })
    };
    let numbers: Vec<(usize, Direction, usize)> = drafts
        .iter()
        .map(|draft| {
            let subject = number(Target::Selection(draft.subject.clone()));
            (subject, draft.direction, number(draft.peer.clone()))
        })
        .collect();
    let mut by_whom: Vec<usize> = (0..whoms.len()).collect();
    by_whom.sort_by(|&a, &b| whoms[a].cmp(&whoms[b]));
    // What means the same has the same place.
    let mut places = vec![0; whoms.len()];
    for (place, same) in by_whom.chunk_by(|&a, &b| whoms[a] == whoms[b]).enumerate() {
        same.iter().for_each(|&one| places[one] = place);
    }
    let place =
        |&(subject, direction, peer): &(usize, Direction, usize)| (places[subject], direction, places[peer]);
    let mut sorted: Vec<_> = drafts.into_iter().zip(numbers).collect();
    sorted.sort_by_cached_key(|(_, numbers)| place(numbers));
    let with_ends = |(draft, (subject, _, peer)): (Draft, (usize, Direction, usize))| {
        (draft, (whoms[subject].clone(), whoms[peer].clone()))
    };
    sorted.into_iter().map(with_ends).collect()
}

fn rule(
    census: &Census,
    classes: &Classes,
    evidence: &Evidence<'_>,
    draft: Draft,
    (subject, peer): (Whom, Whom),
    level: Level,
) -> Rule {
    let seen = evidence.seen(&draft);
    let ports = price::allowed(&draft, &seen, level);
    let price = price::price(classes, &draft, &ports, seen.tuples);
    let ends = (&*draft.subjects, &*draft.peers);
    let all = price::whole(census, classes, ends, &peer, width(&ports));
    Rule {
        id: RuleId::mined(&subject, draft.direction, &peer, &ports),
        subject,
        direction: draft.direction,
        peer,
        ports,
        origin: if draft.shared { Origin::Shared } else { Origin::Observed },
        observed: seen.observed,
        confidence: None,
        names: names(census, classes, &seen),
        price,
        all,
        said: None,
        subjects: draft.subjects,
        peers: draft.peers,
    }
}

/// What clients called the servers that were seen.
fn names(census: &Census, classes: &Classes, seen: &Seen) -> BTreeSet<Box<str>> {
    let mut servers = seen.servers.clone();
    servers.sort_unstable();
    servers.dedup();
    let nodes = servers.iter().flat_map(|&class| &classes.class(class).members);
    nodes.flat_map(|&node| census.nodes[node as usize].names.iter().cloned()).collect()
}

pub(super) fn whom(census: &Census, classes: &Classes, selection: &Selection) -> Whom {
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
            Whom::Workloads { namespace, labels: Arc::new(labels.iter().map(label).collect::<Labels>()) }
        }
        Selection::Alone(class) => {
            let node = &census.nodes[classes.class(*class).members[0] as usize];
            match &node.identity {
                Identity::Workload { .. } => Whom::Parties(vec![node.member()]),
                Identity::Address(address) => Whom::Networks(vec![(*address).into()]),
            }
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

    /// The same with what people decided applied.
    ///
    /// # Errors
    /// As [`mine_decided`].
    pub fn decided(census: &Census, decisions: &Decisions) -> Result<Self, Error> {
        let mut points = BTreeMap::new();
        for level in Level::ALL {
            let plan = mine_decided(census, level, decisions)?;
            points.insert(level, (plan.rules.len(), plan.price()));
        }
        Ok(Self { points })
    }
}

//! Classes of workloads that no stable label tells apart, and selections of classes by labels.
//!
//! A selection is what a policy can say: a namespace (or every namespace) and labels. The table keeps each
//! that was used once, with the classes that it matches.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::census::{Census, Node, NodeId};
use super::decided::Pinned;
use super::labels::stable_keys;
use crate::identity::Identity;
use crate::lists::Lists;

/// A number of a class.
pub(crate) type ClassId = u32;

/// Labels of a class that are tried in pairs; further ones (in order of their keys) only all together. Pairs
/// grow with the square.
const PAIRED: usize = 8;

/// No label, in a [`Candidate`].
const NONE: u32 = u32::MAX;

/// Where a selection looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// In one namespace; the first is that of hosts, which have none.
    Namespace(u32),
    /// In every namespace of the cluster.
    Everywhere,
}

/// At most two labels in a scope.
type Candidate = (Scope, u32, u32);

/// A number of a candidate, in their order.
pub(crate) type CandidateId = u32;

/// What members of a class have in common: scope and labels, or that one is alone.
type Likeness = (Option<Scope>, Vec<u32>, Option<NodeId>);

/// Workloads that no stable label tells apart, or one address.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) members: Vec<NodeId>,
    /// `None` for an address, and for a host that only its name tells apart.
    pub(crate) scope: Option<Scope>,
    /// Numbers of its stable labels, in order.
    pub(crate) labels: Vec<u32>,
}

/// All classes, and which of them have which labels.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    pub(crate) list: Vec<Class>,
    /// The class of each node.
    pub(crate) of_node: Vec<ClassId>,
    /// Key and value of each label, in order.
    pub(crate) labels: Vec<(Arc<str>, Arc<str>)>,
    /// How many classes have the key of each label.
    carriers: Vec<usize>,
    /// Names of namespaces; the first is that of hosts.
    pub(crate) namespaces: Vec<Option<String>>,
    /// Every candidate that matches a class, in order.
    candidates: Vec<Candidate>,
    /// For each class the candidates that match it: those of its namespace first.
    tried: Lists,
    /// For each candidate the classes that it matches, in order.
    matched: Lists,
}

/// How hosts, which have no namespace and so no policy that selects them by labels, are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Each by its name.
    ByName,
    /// By labels, as pods are.
    ByLabels,
}

impl Classes {
    pub(crate) fn of(census: &Census, hosts: Hosts, pinned: &Pinned<'_>) -> Self {
        let mut keys = stable_keys(census);
        keys.extend(&pinned.keys);
        let mut classes = Self::default();
        classes.number(census, &keys, pinned);
        let mut groups: BTreeMap<Likeness, Vec<NodeId>> = BTreeMap::new();
        for (id, node) in census.nodes.iter().enumerate() {
            let labels = classes.core(node, &keys);
            let by_name = match &node.identity {
                Identity::Address(_) => true,
                Identity::Workload { namespace: Some(_), .. } => false,
                Identity::Workload { .. } => hosts == Hosts::ByName || labels.is_empty(),
            };
            let scope = (!by_name).then(|| classes.scope_of(node));
            let alone = by_name.then_some(id as NodeId);
            groups.entry((scope, labels, alone)).or_default().push(id as NodeId);
        }
        classes.of_node = vec![0; census.nodes.len()];
        for ((scope, labels, _), members) in groups {
            for &member in &members {
                classes.of_node[member as usize] = classes.list.len() as ClassId;
            }
            classes.list.push(Class { members, scope, labels });
        }
        classes.post();
        classes
    }

    /// Numbers stable labels and namespaces in their order.
    fn number(&mut self, census: &Census, keys: &BTreeSet<&str>, pinned: &Pinned<'_>) {
        let mut labels: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut namespaces: BTreeSet<Option<&str>> = BTreeSet::from([None]);
        namespaces.extend(pinned.namespaces.iter().copied().map(Some));
        for node in &census.nodes {
            namespaces.insert(node.namespace());
            let all = node.variants.iter().flat_map(|variant| variant.iter());
            labels.extend(
                all.map(|(key, value)| (key.as_str(), value.as_str())).filter(|(k, _)| keys.contains(k)),
            );
        }
        self.labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.namespaces = namespaces.into_iter().map(|name| name.map(str::to_owned)).collect();
    }

    /// The stable labels that the node always had.
    fn core(&self, node: &Node, keys: &BTreeSet<&str>) -> Vec<u32> {
        let Some(first) = node.variants.first() else { return Vec::new() };
        let always = |key: &String, value: &String| node.variants.iter().all(|v| v.get(key) == Some(value));
        let stable = first.iter().filter(|(key, value)| keys.contains(key.as_str()) && always(key, value));
        stable.filter_map(|(key, value)| self.label(key, value)).collect()
    }

    pub(crate) fn label(&self, key: &str, value: &str) -> Option<u32> {
        let found = self.labels.binary_search_by(|(k, v)| (&**k, &**v).cmp(&(key, value)));
        found.ok().map(|at| at as u32)
    }

    fn scope_of(&self, node: &Node) -> Scope {
        let name = node.namespace().map(str::to_owned);
        Scope::Namespace(self.namespaces.binary_search(&name).map_or(0, |at| at as u32))
    }

    fn post(&mut self) {
        let mut of_key: HashMap<&str, usize> = HashMap::new();
        for &label in self.list.iter().flat_map(|class| &class.labels) {
            *of_key.entry(&self.labels[label as usize].0).or_default() += 1;
        }
        self.carriers = self.labels.iter().map(|(key, _)| of_key.get(&**key).copied().unwrap_or(0)).collect();
        let all = self.list.iter().flat_map(candidates);
        self.candidates = all.collect();
        self.candidates.sort_unstable();
        self.candidates.dedup();
        let number =
            |candidate: Candidate| self.candidates.binary_search(&candidate).map_or(0, |at| at as u32);
        self.tried = self.list.iter().map(|class| candidates(class).map(number)).collect();
        self.matched = self.tried.inverse(self.candidates.len());
    }

    pub(crate) fn class(&self, id: ClassId) -> &Class {
        &self.list[id as usize]
    }

    /// How many candidates there are.
    pub(crate) const fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// The candidates that match a class, within its namespace and, where asked for, in every namespace.
    pub(crate) fn tried(&self, id: ClassId, everywhere: bool) -> &[CandidateId] {
        let all = self.tried.of(id);
        if everywhere || !self.in_cluster(id) { all } else { &all[..all.len() / 2] }
    }

    /// The classes that a candidate matches, in order.
    pub(crate) fn matched(&self, id: CandidateId) -> &[ClassId] {
        self.matched.of(id)
    }

    /// Whether a candidate looks in every namespace.
    pub(crate) fn is_wide(&self, id: CandidateId) -> bool {
        self.candidates[id as usize].0 == Scope::Everywhere
    }

    /// The labels of a candidate.
    pub(crate) fn labels_of(&self, id: CandidateId) -> impl Iterator<Item = u32> {
        let (_, one, other) = self.candidates[id as usize];
        [one, other].into_iter().filter(|&label| label != NONE)
    }

    /// What a candidate says.
    pub(crate) fn selection(&self, id: CandidateId) -> Selection {
        Selection::Labels { scope: self.candidates[id as usize].0, labels: self.labels_of(id).collect() }
    }

    /// The classes that labels in a scope match, in order; none where no class has both.
    fn with(&self, scope: Scope, one: u32, other: u32) -> &[ClassId] {
        self.candidates.binary_search(&(scope, one, other)).map_or(&[], |at| self.matched(at as CandidateId))
    }

    /// Whether it is selected by labels in a namespace of the cluster.
    pub(crate) fn in_cluster(&self, id: ClassId) -> bool {
        matches!(self.class(id).scope, Some(Scope::Namespace(number)) if number > 0)
    }

    /// The fewest labels that match the class and as few others as any labels can.
    pub(crate) fn exact(&self, id: ClassId) -> Selection {
        let class = self.class(id);
        let Some(scope) = class.scope else { return Selection::Alone(id) };
        let size = |&id: &CandidateId| (self.matched(id).len(), self.labels_of(id).count());
        // A namespace without labels would mean whatever else starts there one day.
        let labelled =
            self.tried(id, false).iter().copied().filter(|&id| self.labels_of(id).next().is_some());
        let best = labelled.min_by_key(|candidate| (size(candidate), self.rank(*candidate)));
        let mut labels: Vec<u32> = best.into_iter().flat_map(|best| self.labels_of(best)).collect();
        let with_all = |labels: &[u32], among: &[ClassId]| {
            among.iter().filter(|&&other| has_all(&self.class(other).labels, labels)).count()
        };
        let whole = self.with(scope, NONE, NONE);
        let among = best.map_or(whole, |best| self.matched(best));
        let fewest = with_all(&class.labels, among);
        if fewest < among.len() {
            labels.clone_from(&class.labels);
            for label in class.labels.iter().rev() {
                let fewer: Vec<u32> = labels.iter().copied().filter(|other| other != label).collect();
                if with_all(&fewer, whole) == fewest {
                    labels = fewer;
                }
            }
        }
        Selection::Labels { scope, labels }
    }

    /// Of labels that do the same, those on the fewest classes of the estate, since the next workload may have any
    /// other; then those whose keys are on the most.
    fn rank(&self, id: CandidateId) -> (usize, Reverse<usize>) {
        let with = |label: u32| self.with(Scope::Everywhere, label, NONE).len();
        let carriers = |label: u32| self.carriers[label as usize];
        (self.labels_of(id).map(with).sum(), Reverse(self.labels_of(id).map(carriers).sum()))
    }

    /// The classes that a selection matches, in order.
    pub(crate) fn select(&self, selection: &Selection) -> Vec<ClassId> {
        match selection {
            Selection::Alone(id) => vec![*id],
            Selection::Labels { scope, labels } => {
                let posted = match labels.as_slice() {
                    [] => self.with(*scope, NONE, NONE),
                    [one] => self.with(*scope, *one, NONE),
                    [one, other, ..] => self.with(*scope, *one, *other),
                };
                // Labels beyond those that are tried in pairs are found the long way.
                let among = if posted.is_empty() { self.with(*scope, NONE, NONE) } else { posted };
                let matches = |id: &&ClassId| has_all(&self.class(**id).labels, labels);
                among.iter().filter(matches).copied().collect()
            }
        }
    }
}

/// What a policy can say about who is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Selection {
    /// Workloads by labels: numbers, in order.
    Labels { scope: Scope, labels: Vec<u32> },
    /// One address, or a host by its name.
    Alone(ClassId),
}

/// The candidates that match a class: within its namespace, and then the same in every namespace.
fn candidates(class: &Class) -> impl Iterator<Item = Candidate> {
    let cluster = matches!(class.scope, Some(Scope::Namespace(number)) if number > 0);
    let scopes = class.scope.into_iter().chain(cluster.then_some(Scope::Everywhere));
    let paired = &class.labels[..class.labels.len().min(PAIRED)];
    scopes.flat_map(move |scope| {
        let pairs = paired
            .iter()
            .enumerate()
            .flat_map(move |(at, &one)| paired[at + 1..].iter().map(move |&other| (scope, one, other)));
        let singles = class.labels.iter().map(move |&one| (scope, one, NONE));
        std::iter::once((scope, NONE, NONE)).chain(singles).chain(pairs)
    })
}

/// Whether `all` (in order) holds each of `some` (in order).
fn has_all(all: &[u32], some: &[u32]) -> bool {
    some.iter().all(|label| all.binary_search(label).is_ok())
}

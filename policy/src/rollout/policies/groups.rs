//! Which workloads are one step: those that no policy can select apart.
//!
//! A workload without stable labels of its own is selected with others, and one whose labels are a part of
//! another's is never selected without it. Enforcing one of them enforces the others, so they are one step.

use std::collections::{BTreeMap, BTreeSet};

use watershed_model::Party;

use super::super::{Inputs, Unit, units};
use super::Mined;
use crate::identity::Identity;
use crate::mine::{ClassId, Each};

/// What one step is for.
pub(super) struct Group<'a> {
    /// A workload's name or a namespace's; of several the first, and how many more there are.
    pub(super) name: String,
    /// Those of it that were seen.
    pub(super) parties: Vec<&'a Party>,
    /// All of it, in order.
    pub(super) classes: Vec<ClassId>,
}

/// The groups of those who can be selected, and those who cannot: they are no pods.
pub(super) fn groups<'a>(
    inputs: &Inputs<'a>,
    unit: Unit,
    mined: &Mined<'_>,
    each: &BTreeMap<ClassId, Each>,
) -> (Vec<Group<'a>>, Vec<&'a Party>) {
    let together = Together::of(each, unit);
    let mut found: BTreeMap<ClassId, (BTreeSet<String>, Vec<&'a Party>)> = BTreeMap::new();
    let mut elsewhere = Vec::new();
    for (name, parties) in units(inputs, unit) {
        for party in parties {
            match class_of(party, mined).filter(|class| each.contains_key(class)) {
                Some(class) => {
                    let (names, all) = found.entry(together.first(class)).or_default();
                    names.insert(name.clone());
                    all.push(party);
                }
                None => elsewhere.push(party),
            }
        }
    }
    let mut members: BTreeMap<ClassId, Vec<ClassId>> = BTreeMap::new();
    each.keys().for_each(|&class| members.entry(together.first(class)).or_default().push(class));
    let group = |(first, (names, parties)): (ClassId, (BTreeSet<String>, Vec<&'a Party>))| {
        let more = names.len() - 1;
        let name = names.into_iter().next().unwrap_or_default();
        Group {
            name: if more == 0 { name } else { format!("{name} and {more} more") },
            parties,
            classes: members.remove(&first).unwrap_or_default(),
        }
    };
    (found.into_iter().map(group).collect(), elsewhere)
}

fn class_of(party: &Party, mined: &Mined<'_>) -> Option<ClassId> {
    let identity = Identity::of(party);
    let found = mined.census.nodes.binary_search_by(|node| node.identity.cmp(&identity));
    found.ok().map(|at| mined.plan.classes.of_node[at])
}

/// Classes that belong together, each by another of its group up to the group's first.
struct Together(BTreeMap<ClassId, ClassId>);

impl Together {
    fn of(each: &BTreeMap<ClassId, Each>, unit: Unit) -> Self {
        let mut together = Self(each.keys().map(|&class| (class, class)).collect());
        let mut first_of: BTreeMap<&str, ClassId> = BTreeMap::new();
        for (&class, one) in each {
            one.means.iter().for_each(|&other| together.join(class, other));
            if let (Unit::Namespace, Some(namespace)) = (unit, one.subject.namespace()) {
                let first = *first_of.entry(namespace).or_insert(class);
                together.join(first, class);
            }
        }
        together
    }

    fn first(&self, mut class: ClassId) -> ClassId {
        while let Some(&up) = self.0.get(&class).filter(|&&up| up != class) {
            class = up;
        }
        class
    }

    fn join(&mut self, one: ClassId, other: ClassId) {
        let (one, other) = (self.first(one), self.first(other));
        self.0.insert(one.max(other), one.min(other));
    }
}

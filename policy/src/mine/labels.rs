//! Which labels can be relied on: those that stay when a workload is rolled out anew.
//!
//! No list of names and no look at the letters of a value decides, but what is known of the key in the whole
//! estate:
//!
//! 1. A key that changed as often as it stayed, over workloads that were seen with several label sets, is out.
//! 2. Of the others a key is in when it stayed while another label of a workload changed, ...
//! 3. ... or when two label sets that are otherwise different share one of its values: then it says something
//!    about more than one generation of one workload, ...
//! 4. ... or when a workload's name begins with its value: then it was given by whoever named the workload.
//! 5. A key whose values are mostly the workload's name with something after it was made up by machinery.
//!
//! What was made up for one generation, as `pod-template-hash` is, fails all of 2, 3 and 4.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Census, Node};
use crate::identity::Identity;

/// What is known of a key.
#[derive(Default)]
struct Record<'a> {
    carriers: usize,
    changed: usize,
    survived: usize,
    named: usize,
    derived: usize,
    /// The first workload with each value, and whether another one shares it.
    holders: BTreeMap<&'a str, (&'a Node, bool)>,
}

impl Record<'_> {
    fn is_stable(&self) -> bool {
        let lasting = self.changed == 0 || self.changed < self.survived;
        let shared = || self.holders.values().any(|&(_, shared)| shared);
        lasting && self.derived * 2 <= self.carriers && (self.survived > 0 || self.named > 0 || shared())
    }
}

/// The keys that selectors may use.
pub(crate) fn stable_keys(census: &Census) -> BTreeSet<&str> {
    let mut records: BTreeMap<&str, Record<'_>> = BTreeMap::new();
    for node in &census.nodes {
        let keys: BTreeSet<&str> =
            node.variants.iter().flat_map(|labels| labels.keys()).map(String::as_str).collect();
        for key in keys {
            look(records.entry(key).or_default(), key, node);
        }
    }
    records.into_iter().filter(|(_, record)| record.is_stable()).map(|(key, _)| key).collect()
}

fn look<'a>(record: &mut Record<'a>, key: &str, node: &'a Node) {
    let values: BTreeSet<Option<&String>> = node.variants.iter().map(|labels| labels.get(key)).collect();
    record.carriers += 1;
    if node.variants.len() > 1 {
        record.changed += usize::from(values.len() > 1);
        record.survived += usize::from(values.len() == 1);
    }
    let Identity::Workload { name, .. } = &node.identity else { return };
    let values: Vec<&String> = values.into_iter().flatten().collect();
    record.named += usize::from(values.iter().any(|value| goes_on(name, value)));
    record.derived += usize::from(values.iter().all(|value| *value != name && goes_on(value, name)));
    for value in values {
        let holder = record.holders.entry(value).or_insert((node, false));
        holder.1 |= are_different(holder.0, node, key);
    }
}

/// Whether a text is `start`, or goes on after it with a separator or a number.
fn goes_on(text: &str, start: &str) -> bool {
    let rest = text.strip_prefix(start).filter(|_| !start.is_empty());
    rest.is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
}

/// Whether two workloads are not replicas of one: another label that both have tells them apart.
fn are_different(one: &Node, other: &Node, key: &str) -> bool {
    let (Some(one), Some(other)) = (one.variants.first(), other.variants.first()) else { return false };
    one.iter().any(|(name, value)| name != key && other.get(name).is_some_and(|theirs| theirs != value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use watershed_model::{Workload, WorkloadKind};

    fn workload(name: &str, labels: &[(&str, &str)]) -> Arc<Workload> {
        Arc::new(Workload {
            kind: WorkloadKind::Host,
            name: name.into(),
            namespace: Some("shop".into()),
            labels: labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        })
    }

    fn stable(workloads: &[Arc<Workload>]) -> Vec<String> {
        let census = Census::of(std::iter::empty::<watershed_model::Edge>(), workloads).unwrap();
        stable_keys(&census).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_hash_of_one_generation_is_never_stable() {
        let once = [
            workload("web", &[("app", "web"), ("pod-template-hash", "5d4f")]),
            workload("db", &[("app", "db"), ("pod-template-hash", "77bc")]),
        ];
        assert_eq!(stable(&once), ["app"]);
        let pods = [
            workload("web-5d4f-x", &[("app", "web"), ("pod-template-hash", "5d4f")]),
            workload("web-5d4f-y", &[("app", "web"), ("pod-template-hash", "5d4f")]),
            workload("db-77bc-z", &[("app", "db"), ("pod-template-hash", "77bc")]),
        ];
        assert_eq!(stable(&pods), ["app"]);
    }

    #[test]
    fn what_survives_a_rollout_is_stable_and_what_it_changes_is_not() {
        let rolled = [
            workload("w1", &[("team", "blue"), ("version", "1"), ("env", "prod")]),
            workload("w1", &[("team", "blue"), ("version", "2"), ("env", "prod")]),
            workload("w2", &[("team", "red"), ("version", "1"), ("env", "prod")]),
        ];
        assert_eq!(stable(&rolled), ["env", "team"]);
    }

    #[test]
    fn what_machinery_makes_of_a_name_is_not_stable() {
        let set = [
            workload("db", &[("app", "db"), ("pod", "db-0"), ("revision", "db-6d5f")]),
            workload("db", &[("app", "db"), ("pod", "db-1"), ("revision", "db-6d5f")]),
        ];
        assert_eq!(stable(&set), ["app"]);
    }
}

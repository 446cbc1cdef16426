//! A policy that isolates pods by itself, both ways, and holds everything that they may do: what a step of a
//! roll-out loads, in each of the dialects of Kubernetes.
//!
//! Policies of these dialects add up, and each binds whom it selects, so one for each workload can be loaded and
//! taken back alone. It is taken back by one of its name that selects nobody, which leaves what was before.

use watershed_model::Labels;

use crate::Rule;

/// A label that no pod has.
const NOBODY: (&str, &str) = ("watershed-rollout", "taken-back");

/// One such policy.
#[derive(Clone, Debug)]
pub(crate) struct Isolating<'a> {
    /// What it does, for people.
    pub(crate) what: String,
    pub(crate) namespace: &'a str,
    pub(crate) name: String,
    /// Whom it selects; without labels every pod of the namespace.
    pub(crate) labels: Labels,
    /// What these may do, and nothing else.
    pub(crate) rules: &'a [Rule],
}

impl Isolating<'_> {
    /// The policy that takes its place where it is taken back.
    pub(crate) fn back(&self) -> Self {
        Self {
            what: "Taken back: it selects nobody, so what it protected is as it was before".to_owned(),
            namespace: self.namespace,
            name: self.name.clone(),
            labels: Labels::from([(NOBODY.0.to_owned(), NOBODY.1.to_owned())]),
            rules: &[],
        }
    }
}

/// Policies as one file.
pub(crate) fn file(policies: &[String]) -> String {
    policies.join("---\n")
}

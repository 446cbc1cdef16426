//! The labels that people segment by, derived from what the sources say of a workload.
//!
//! A label that a source gives itself always stays. Else the first of the other labels that stand for it counts, and
//! then the first pattern that matches the workload's name.

mod pattern;

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::Workload;

use super::Update;

pub use pattern::{NamePattern, NoPattern};

/// The labels that people segment by.
pub const SEGMENTS: [&str; 4] = ["role", "app", "env", "loc"];

/// Workloads remembered with their labels; more of them are worked out again.
const MAX_REMEMBERED: usize = 100_000;

/// Which labels stand for the role, the application, the environment and the location, and how names tell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRules {
    /// For each of [`SEGMENTS`] the labels that stand for it, the first that a workload has counts.
    pub from: [Vec<String>; SEGMENTS.len()],
    /// Patterns of names; the first that matches counts.
    pub names: Vec<NamePattern>,
}

/// Why a workload has one of [`SEGMENTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation<'a> {
    /// Which.
    pub label: &'static str,
    /// Its value; none where nothing tells it.
    pub value: Option<&'a str>,
    /// What tells it.
    pub reason: Reason<'a>,
}

/// What tells a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The source gave it.
    Given,
    /// Another label, by its place among those that stand for it.
    Label(&'a str),
    /// The name matches this pattern.
    Name(&'a NamePattern),
    /// Nothing.
    Nothing,
}

/// `label app.kubernetes.io/part-of`, to go after a value.
impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given by the source"),
            Self::Label(label) => write!(f, "from its label {label}"),
            Self::Name(pattern) => write!(f, "from its name by {pattern}"),
            Self::Nothing => f.write_str("nothing tells it"),
        }
    }
}

impl Default for LabelRules {
    /// Kubernetes' recommended labels and those that were usual before, the topology labels of nodes, and Compose's
    /// project and service; names that say role, number, a usual environment and a place, like `web-01.prod.fra`.
    fn default() -> Self {
        let list = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let patterns = ["{role}-{#}.{env:ENV}.{loc}", "{app}-{role}-{#}.{env:ENV}.{loc}"];
        let environments = "prod|production|stage|staging|test|dev|qa|uat|lab";
        let pattern = |text: &str| text.replace("ENV", environments).parse().ok();
        Self {
            from: [
                list(&[
                    "app.kubernetes.io/component",
                    "com.docker.compose.service",
                    "app.kubernetes.io/name",
                    "tier",
                ]),
                list(&[
                    "app.kubernetes.io/part-of",
                    "com.docker.compose.project",
                    "app.kubernetes.io/instance",
                    "app.kubernetes.io/name",
                    "k8s-app",
                ]),
                list(&["environment", "stage"]),
                list(&["topology.kubernetes.io/zone", "topology.kubernetes.io/region", "location", "site"]),
            ],
            names: patterns.into_iter().filter_map(pattern).collect(),
        }
    }
}

impl LabelRules {
    /// Why `workload` has each of [`SEGMENTS`], or what would give it one that it lacks.
    ///
    /// Of one that was labelled already it tells what comes to the same: whether its source gave the label, too, is no
    /// longer known.
    #[must_use]
    pub fn explain<'a>(&'a self, workload: &'a Workload) -> [Derivation<'a>; SEGMENTS.len()] {
        let mut segments = SEGMENTS.into_iter().zip(&self.from);
        std::array::from_fn(|_| {
            let Some((label, from)) = segments.next() else {
                return Derivation { label: "", value: None, reason: Reason::Nothing };
            };
            let (told, reason) = self.derive(workload, label, from);
            match workload.labels.get(label).map(String::as_str) {
                Some(given) if told != Some(given) => {
                    Derivation { label, value: Some(given), reason: Reason::Given }
                }
                _ => Derivation { label, value: told, reason },
            }
        })
    }

    /// What the rules say of one label, whatever the workload has.
    fn derive<'a>(
        &'a self,
        workload: &'a Workload,
        label: &str,
        from: &'a [String],
    ) -> (Option<&'a str>, Reason<'a>) {
        let other = |other: &'a String| {
            let value = workload.labels.get(other)?;
            (!value.is_empty()).then_some((Some(value.as_str()), Reason::Label(other)))
        };
        let named = |pattern: &'a NamePattern| {
            pattern.value(workload, label).map(|value| (Some(value), Reason::Name(pattern)))
        };
        let mut told = from.iter().filter_map(other).chain(self.names.iter().filter_map(named));
        told.next().unwrap_or((None, Reason::Nothing))
    }

    /// The workload with the labels that it lacks and that the rules tell; `None` where that is none.
    fn label(&self, workload: &Workload) -> Option<Workload> {
        let told =
            SEGMENTS.into_iter().zip(&self.from).filter(|(label, _)| !workload.labels.contains_key(*label));
        let told = told.filter_map(|(label, from)| Some((label, self.derive(workload, label, from).0?)));
        let told: Vec<(String, String)> =
            told.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
        if told.is_empty() {
            return None;
        }
        let mut labelled = workload.clone();
        labelled.labels.extend(told);
        Some(labelled)
    }
}

/// Labels workloads as they enter the inventory, each once.
#[derive(Debug, Default)]
pub(super) struct Labelling {
    rules: LabelRules,
    known: HashMap<Arc<Workload>, Arc<Workload>>,
}

impl Labelling {
    pub(super) fn new(rules: LabelRules) -> Self {
        Self { rules, known: HashMap::new() }
    }

    pub(super) const fn rules(&self) -> &LabelRules {
        &self.rules
    }

    /// What a source says, with labels.
    pub(super) fn update(&mut self, mut update: Update) -> Update {
        let (Update::Changes(changes) | Update::Everything { owned: changes, .. }) = &mut update;
        for workload in changes.iter_mut().filter_map(|change| change.workload.as_mut()) {
            *workload = self.label(workload);
        }
        update
    }

    /// The workload with the labels that the rules tell.
    pub(super) fn label(&mut self, workload: &Arc<Workload>) -> Arc<Workload> {
        if let Some(labelled) = self.known.get(workload) {
            return Arc::clone(labelled);
        }
        let labelled = self.rules.label(workload).map_or_else(|| Arc::clone(workload), Arc::new);
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(Arc::clone(workload), Arc::clone(&labelled));
        labelled
    }
}

#[cfg(test)]
mod tests;

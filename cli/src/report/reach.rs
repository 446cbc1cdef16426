//! Where each workload gets to before the exact rules and after: numbers for each node of the page.

use std::collections::HashMap;

use serde::Serialize;
use watershed_graph::{Graph, Scope};
use watershed_model::{Labels, Party};
use watershed_policy::RuleSet;
use watershed_policy::reach::{Change, DEFAULT_STEPS, Estate, reach};

use super::levels::unlabelled;

/// Workloads among which reach is looked at: each is started from, so that time grows with their square.
/// `watershed rules reach` has no such limit.
const MAX_WORKLOADS: usize = 5_000;

/// Reach of all that have one.
#[derive(Debug, Serialize)]
pub(super) struct ReachJson {
    steps: usize,
    tuples: [u64; 2],
    /// For each node: services of others that it may use, before and after; others that it gets to in these
    /// steps, before and after; null for those outside.
    nodes: Vec<Option<[u64; 4]>>,
}

impl ReachJson {
    /// Reach under these rules; nothing where there are too many to look at.
    pub(super) fn of(graph: &Graph<'_>, rules: &RuleSet, crown_jewels: &Labels) -> Option<Self> {
        let internal = graph.nodes().filter(|node| node.scope == Scope::Internal);
        let internal: std::collections::BTreeSet<&Party> = internal.map(|node| &node.party).collect();
        if internal.len() > MAX_WORKLOADS {
            return None;
        }
        let exposed = graph.exposed().iter().filter(|one| one.services.iter().any(|service| service.used));
        let estate = Estate {
            internal,
            exposed: exposed.map(|one| &one.party).collect(),
            crown_jewels: crown_jewels.clone(),
        };
        let told = reach(graph.accepted(), rules, &estate, DEFAULT_STEPS);
        let of: HashMap<Party, [u64; 4]> = told
            .workloads
            .iter()
            .map(|one| {
                let [tuples, reached] = [one.tuples, one.reached].map(both);
                (unlabelled(&one.party), [tuples[0], tuples[1], reached[0], reached[1]])
            })
            .collect();
        let nodes = graph.nodes().map(|node| of.get(&unlabelled(&node.party)).copied());
        Some(Self { steps: told.steps, tuples: both(told.tuples), nodes: nodes.collect() })
    }
}

fn both(change: Change) -> [u64; 2] {
    [change.before, change.after]
}

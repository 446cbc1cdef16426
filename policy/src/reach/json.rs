//! Reach as JSON. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1, "steps": 3, "tuples": { "before": 90, "after": 12 }, "worst": "shop/web",
//!   "workloads": [{ "name": "shop/web", "exposed": true, "crown_jewel": false,
//!                   "tuples": { "before": 9, "after": 2 }, "reached": { "before": 6, "after": 3 } }],
//!   "rules": [{ "rule": "allow-shop-db-tcp-5432-4f0c2a9be711", "tuples": 3, "alone": 3 }],
//!   "crown_jewels": [{ "name": "shop/db", "reached_by": { "before": 9, "after": 4 },
//!                      "from_internet": [{ "name": "shop/web", "steps": 2 }] }]
//! }
//! ```

use serde::Serialize;

use super::{Change, Reach};
use crate::Error;

#[derive(Serialize)]
struct Mirror<'a> {
    schema_version: u32,
    steps: usize,
    tuples: ChangeMirror,
    /// The workload with the widest reach after.
    worst: Option<String>,
    workloads: Vec<WorkloadMirror>,
    rules: Vec<RuleMirror<'a>>,
    crown_jewels: Vec<JewelMirror>,
}

#[derive(Serialize)]
struct ChangeMirror {
    before: u64,
    after: u64,
}

impl From<Change> for ChangeMirror {
    fn from(Change { before, after }: Change) -> Self {
        Self { before, after }
    }
}

#[derive(Serialize)]
struct WorkloadMirror {
    name: String,
    exposed: bool,
    crown_jewel: bool,
    tuples: ChangeMirror,
    reached: ChangeMirror,
}

#[derive(Serialize)]
struct RuleMirror<'a> {
    rule: &'a str,
    tuples: u64,
    alone: u64,
}

#[derive(Serialize)]
struct JewelMirror {
    name: String,
    reached_by: ChangeMirror,
    from_internet: Vec<Way>,
}

#[derive(Serialize)]
struct Way {
    name: String,
    steps: usize,
}

impl Reach {
    /// Reach as JSON, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Json`] when it cannot be written.
    pub fn to_json(&self) -> Result<String, Error> {
        let workloads = self.workloads.iter().map(|one| WorkloadMirror {
            name: one.party.to_string(),
            exposed: one.exposed,
            crown_jewel: one.crown_jewel,
            tuples: one.tuples.into(),
            reached: one.reached.into(),
        });
        let rules =
            self.rules.iter().map(|one| RuleMirror { rule: &one.rule, tuples: one.tuples, alone: one.alone });
        let jewels = self.crown_jewels.iter().map(|one| JewelMirror {
            name: one.party.to_string(),
            reached_by: one.reached_by.into(),
            from_internet: one
                .from_internet
                .iter()
                .map(|(party, steps)| Way { name: party.to_string(), steps: *steps })
                .collect(),
        });
        let mirror = Mirror {
            schema_version: 1,
            steps: self.steps,
            tuples: self.tuples.into(),
            worst: self.worst().map(|one| one.party.to_string()),
            workloads: workloads.collect(),
            rules: rules.collect(),
            crown_jewels: jewels.collect(),
        };
        Ok(serde_json::to_string_pretty(&mirror)? + "\n")
    }
}

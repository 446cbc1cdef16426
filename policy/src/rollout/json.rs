//! A plan as JSON. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "steps": [{ "name": "01-shop-db", "unit": "shop/db", "members": ["shop/db"], "ready": true,
//!               "coverage": 0.998, "new_at_most": 2, "closed": 40, "fan_in": 3, "undecided": 0, "unsaid": 0 }]
//! }
//! ```
//!
//! `new_at_most` is null where the history is too short for a bound.

use serde::Serialize;

use super::Step;
use crate::Error;

#[derive(Serialize)]
struct Mirror<'a> {
    schema_version: u32,
    steps: Vec<StepMirror<'a>>,
}

#[derive(Serialize)]
struct StepMirror<'a> {
    name: &'a str,
    unit: &'a str,
    members: Vec<String>,
    ready: bool,
    coverage: f64,
    new_at_most: Option<u64>,
    closed: u64,
    fan_in: usize,
    undecided: usize,
    unsaid: u64,
}

/// The plan as JSON, ending in a newline.
///
/// # Errors
/// [`Error::Json`] when it cannot be written.
pub fn to_json(steps: &[Step]) -> Result<String, Error> {
    let steps = steps.iter().map(|step| StepMirror {
        name: &step.name,
        unit: &step.unit,
        members: step.parties.iter().map(ToString::to_string).collect(),
        ready: step.ready,
        coverage: step.coverage,
        new_at_most: step.bound.map(|bound| bound.at_most),
        closed: step.closed,
        fan_in: step.fan_in,
        undecided: step.undecided,
        unsaid: step.unsaid,
    });
    Ok(serde_json::to_string_pretty(&Mirror { schema_version: 1, steps: steps.collect() })? + "\n")
}

//! What can go wrong between edges and a proven export.

use watershed_model::EdgeKey;

use crate::proof::Refutation;

/// Why there is no rule set or no export.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An edge was handed in as accepted that no server ever answered.
    #[error("making rules: edge {edge} was never answered and may not become a rule; pass it as held back")]
    Unanswered {
        /// The edge.
        edge: Box<EdgeKey>,
    },
    /// A ruleset holds something that this reader does not know, so nothing can be said about it.
    #[error("reading {file}:{line}:{column}: found {found}, expected {expected}")]
    Read {
        /// Name of the text, as given by the caller.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
        /// The token at that place.
        found: String,
        /// What would have been understood there.
        expected: String,
    },
    /// The exported text does not do what was observed; it must not be used.
    #[error("proving the export: {0}; do not load it, the exporter is at fault")]
    Refuted(Box<Refutation>),
    /// Kubernetes knows nothing of this name, so no policy can hold it.
    #[error("writing network policies: {value:?} is no {what} of Kubernetes; correct it in the inventory")]
    Name {
        /// What it was to be: `namespace`.
        what: &'static str,
        /// The name.
        value: String,
    },
    /// A person's rule selects by labels that a workload did not keep, so that nobody can say whom it means.
    #[error(
        "applying the decision to allow {rule}: {workload} had the labels of {end} for a while only; select it by labels that it keeps"
    )]
    Unstable {
        /// The rule, as it reads.
        rule: String,
        /// The end of it.
        end: String,
        /// The workload.
        workload: String,
    },
    /// Exported policies cannot be read.
    #[error("reading the exported policies: {0}")]
    Policies(#[from] crate::k8s::Problems),
    /// Exported policies do not do what was observed; they must not be used.
    #[error("proving the exported policies: {0}; do not apply them, the exporter is at fault")]
    RefutedPolicies(Box<crate::proof::kubernetes::Faults>),
    /// The policies of a step of a roll-out do not do what was observed; they must not be used.
    #[error("proving step {step} of the roll-out: {faults}; do not apply it, the exporter is at fault")]
    RefutedStep {
        /// The step.
        step: String,
        /// What speaks against it.
        faults: Box<crate::proof::kubernetes::Faults>,
    },
    /// Reach under policies is asked for among too many workloads.
    #[error(
        "looking at reach: {questions} connections to ask the policies about are more than {most}; look at a shorter period, or at rules with --level, which have no such limit"
    )]
    TooFar {
        /// Connections to ask about.
        questions: u64,
        /// The most that are asked about.
        most: u64,
    },
    /// A value could not be written as JSON.
    #[error("writing rules as json: {0}")]
    Json(#[from] serde_json::Error),
    /// A report could not be written as XML.
    #[error("writing a report as xml: {0}")]
    Xml(#[source] std::io::Error),
    /// A value could not be written as CSV.
    #[error("writing rules as csv: {0}")]
    Csv(#[from] csv::Error),
}

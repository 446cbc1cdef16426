//! The command line of `watershed rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use watershed_aggregator::StoreLocation;

use super::ahead::{
    self, ConfidenceArguments, DecisionsArguments, ReachArguments, RolloutArguments, WhatIfArguments,
};
use super::export::{self, ExportArguments};
use super::{InventoryArguments, PeriodArguments, StoredArguments};

const CHECK_EXAMPLES: &str = "\
Examples:
  watershed rules check policies/ --capture monday.pcap tuesday.pcap --inventory hosts.yaml
      What would these policies have denied, what do they select in vain, what does nobody need?
  watershed rules check policies/ -i hosts.yaml --store sqlite:edges.db --since 7d --against main/policies/
      In a pull request: would the change deny what is observed, or admit what nobody uses?
  watershed rules check policies/ --store sqlite:edges.db --format sarif --certificate checked.json
  watershed rules check policies/ deployments/ --format markdown
      Without traffic: is everything valid, and does every selector match a pod?

Policies are Kubernetes NetworkPolicies (networking.k8s.io/v1), ClusterNetworkPolicies with the two kinds
before them (policy.networking.k8s.io), those of Cilium (cilium.io/v2) and Calico (projectcalico.org/v3), and
Istio's AuthorizationPolicies (security.istio.io/v1), as YAML or JSON; or nftables files (.nft),
loaded in the order given. Directories that `rules export` wrote are taken as they are enforced: with
default deny, without what takes it back. Entries of the inventory that have a namespace stand for pods, with their labels; all others are addresses outside
the cluster. Manifests of pods, workloads and namespaces among the policies add what the inventory
does not know: labels of namespaces, names of ports, pods that were not seen.

Rules of exports say in the comment above them how many tuples of client, server and port they admit.
What admits more was edited since, or selects more workloads than there were.

Exit codes:
  0  nothing observed would be denied, and nothing admits more than it may
  1  something observed would be denied (with --against: that was not denied before); a rule of an
     export admits more than it states; more than --admit-at-most is admitted that was not observed;
     or a capture could not be read to its end
  2  wrong usage, or a policy is not valid: every mistake is told with its file and line";

const DIFF_EXAMPLES: &str = "\
Examples:
  watershed rules diff policies-of-may/ policies-of-june/
  watershed rules diff old/mined.json new/mined.json

What counts is who may connect to whom on which port, not how the rules say it: by the workloads
that selectors meant at the time of each export. An export into a directory that has an earlier one
tells the same.";

#[derive(Debug, Args)]
pub(crate) struct RulesArguments {
    #[command(subcommand)]
    pub(crate) action: Option<RulesAction>,

    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE, as `discover --store` fills it
    #[arg(long, value_name = "STORE", required = true)]
    store: Option<StoreLocation>,

    #[command(flatten)]
    period: PeriodArguments,

    /// Write files to this directory; made if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// What `watershed rules` was asked for.
pub(crate) enum RulesRequest<'a> {
    /// To do something with rules or policies.
    Act(&'a RulesAction),
    /// To propose rules from a store.
    Propose(StoredArguments),
}

impl RulesArguments {
    /// What is asked for; `None` only where the parser let neither through.
    pub(crate) fn request(&self) -> Option<RulesRequest<'_>> {
        if let Some(action) = &self.action {
            return Some(RulesRequest::Act(action));
        }
        let (store, period, out) = (self.store.clone()?, self.period.clone(), self.out.clone());
        Some(RulesRequest::Propose(StoredArguments { store, period, out }))
    }

    /// The inventory, if one may be given.
    pub(crate) const fn inventory(&self) -> Option<&InventoryArguments> {
        match &self.action {
            Some(RulesAction::Check(check)) => Some(&check.inventory),
            Some(RulesAction::Export(export)) => Some(&export.inventory),
            Some(RulesAction::Rollout(rollout)) => Some(&rollout.inventory),
            Some(RulesAction::Reach(reach)) => Some(&reach.inventory),
            _ => None,
        }
    }

    /// The file of decisions, if one was given.
    pub(crate) const fn decisions(&self) -> Option<&String> {
        let decisions = match &self.action {
            Some(RulesAction::Check(check)) => &check.decisions,
            Some(RulesAction::Export(export)) => &export.decisions,
            Some(RulesAction::WhatIf(what_if)) => &what_if.decisions,
            Some(RulesAction::Reach(reach)) => &reach.decisions,
            Some(RulesAction::Rollout(rollout)) => &rollout.decisions,
            _ => return None,
        };
        decisions.decisions.as_ref()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesAction {
    /// Check policies of Kubernetes, Cilium, Calico, Istio and nftables, and what they would do to observed traffic
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),

    /// Tell how sure the rules are: what they would deny that was not seen yet
    #[command(after_help = ahead::CONFIDENCE_EXAMPLES)]
    Confidence(ConfidenceArguments),

    /// Tell what policies would have denied of what a store holds
    #[command(after_help = ahead::WHAT_IF_EXAMPLES)]
    WhatIf(WhatIfArguments),

    /// Tell who can get to whom, before the rules and after
    #[command(after_help = ahead::REACH_EXAMPLES)]
    Reach(ReachArguments),

    /// Plan the order in which to enforce, with files for each step
    #[command(after_help = ahead::ROLLOUT_EXAMPLES)]
    Rollout(RolloutArguments),

    /// Tell what one export of mined rules allows that another does not
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArguments),

    /// Export rules with selectors: policies of Kubernetes, Cilium, Calico and Istio, nftables, JSON or CSV
    #[command(after_help = export::EXAMPLES)]
    Export(ExportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The old rules: a mined.json or rules.json, or a directory that `rules export` or `discover` wrote
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) old: PathBuf,

    /// The new rules
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub(crate) new: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Files, or directories of .yaml, .yml and .json files, or of .nft files
    #[arg(value_name = "POLICY", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) policies: Vec<PathBuf>,

    /// Captures of the traffic to check against
    #[arg(short, long = "capture", value_name = "CAPTURE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub(crate) captures: Vec<PathBuf>,

    /// A store of the traffic to check against: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "STORE", conflicts_with = "captures")]
    pub(crate) store: Option<StoreLocation>,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    /// The policies that these take the place of; may be repeated
    #[arg(long, value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) against: Vec<PathBuf>,

    /// Fail where more than so many tuples of client, server and port are admitted that were not observed, by rules
    /// that state nothing; with --against, newly admitted [default with --against: 0]
    #[arg(long, value_name = "N")]
    pub(crate) admit_at_most: Option<u64>,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArguments,

    /// Write what was checked to this file, as JSON: counts, digests, result, what could not be checked
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) certificate: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,

    /// How to write the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: CheckFormat,
}

/// How to write the report of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For reading
    Text,
    /// For a comment on a change
    Markdown,
    /// One object, for a pipeline
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit's XML, for test reports
    Junit,
}

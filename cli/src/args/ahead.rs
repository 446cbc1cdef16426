//! The command line of what looks ahead of enforcement: how sure, what if, how far, in which order.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint, value_parser};
use watershed_aggregator::StoreLocation;

use super::export::LevelName;
use super::{InventoryArguments, PeriodArguments};
use crate::settings::parse_duration;

pub(crate) const CONFIDENCE_EXAMPLES: &str = "\
Examples:
  watershed rules confidence --store sqlite:edges.db --since 30d
  watershed rules confidence --store sqlite:edges.db --horizon 30d --format json

How many dependencies would rules learned from this period deny in the time to come, that were not
seen yet? The bound comes with its evidence: what the same bound said of the past, and what then
came; which daily, weekly and monthly cycles were seen whole; what was lost meanwhile.

Ready to enforce is what the settings rules.ready_* say.";

pub(crate) const WHAT_IF_EXAMPLES: &str = "\
Examples:
  watershed rules what-if policies/ --store sqlite:edges.db --since 30d
      What would these policies have denied in the last 30 days?
  watershed rules what-if new/ --against old/ --store sqlite:edges.db
      What would change with the new ones?
  watershed rules what-if rules.nft default-deny.nft --store sqlite:edges.db
  watershed rules what-if istio/ --against cilium/ --store sqlite:edges.db
      Does the one dialect deny what the other allows?

Policies are those that `rules check` reads: Kubernetes NetworkPolicies, ClusterNetworkPolicies, and
those of Cilium, Calico and Istio, as YAML or JSON; or nftables files (.nft), loaded in the order
given; or the mined.json of an export, as if default deny were in force for every workload. The old
ones may be of another dialect: both are asked about the same dependencies. A dependency counts as denied if any of its connections would be.

Exit codes:
  0  nothing would have been denied; with --against, nothing that the old ones allow
  1  something would have been
  2  wrong usage, or a policy is not valid";

pub(crate) const REACH_EXAMPLES: &str = "\
Examples:
  watershed rules reach --store sqlite:edges.db --since 30d
  watershed rules reach --store sqlite:edges.db --steps 5 --set rules.crown_jewels=tier=gold
  watershed rules reach --level ring-fence -i hosts.yaml --store sqlite:edges.db
      With the rules that `rules export --level ring-fence` writes
  watershed rules reach policies/ --store sqlite:edges.db
      With these policies, whoever wrote them: those that `rules check` reads, or .nft files

Before rules are enforced everybody may use every service that somebody offers; after, what the
rules permit: exact ones for the observed traffic, those of a level, or policies. Networks in
policies are taken to mean pods too. Workloads that face the internet, and those with a label of
the setting rules.crown_jewels, are named. A rule stands alone where without it the connection
would be refused.";

pub(crate) const ROLLOUT_EXAMPLES: &str = "\
Examples:
  watershed rules rollout --store sqlite:edges.db --since 30d --out rollout/
  watershed rules rollout --store sqlite:edges.db --by namespace --out rollout/
  watershed rules rollout --dialect calico -i hosts.yaml --store sqlite:edges.db --out rollout/
      then: kubectl apply -f rollout/01-shop-db/staged.yaml, and look at the flow logs

Each step is a directory:
  nftables  watch.nft (logs what enforcing would drop), apply.nft and revert.nft
  calico    staged.yaml (shows what enforcing would deny), apply.yaml and revert.yaml
  cilium    audit.txt (how to see what enforcing would deny), apply.yaml and revert.yaml
  istio     dry-run.yaml (shows what enforcing would refuse), apply.yaml and revert.yaml
  k8s, cnp  apply.yaml and revert.yaml; these have no staged form: ask rules what-if
Steps do not depend on one another. The directory default-deny comes last: it holds the rules for
everything, default deny, and what takes it back. Every file was read back and proven: what was
observed passes whichever steps are taken, and a step taken back leaves what was there before.";

/// A store, a period and a format: what all of them ask.
#[derive(Debug, Args)]
pub(crate) struct AskedArguments {
    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE, as `discover --store` fills it
    #[arg(long, value_name = "STORE", required = true)]
    pub(crate) store: StoreLocation,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    /// How to write it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: AheadFormat,
}

/// How to write what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AheadFormat {
    /// For reading
    Text,
    /// One object, for a program
    Json,
}

/// What people decided.
#[derive(Debug, Args)]
pub(crate) struct DecisionsArguments {
    /// What people decided about rules: a YAML file [setting: rules.decisions]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) decisions: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfidenceArguments {
    #[command(flatten)]
    pub(crate) asked: AskedArguments,

    /// The time to come that the bound is about, in whole hours
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    pub(crate) horizon: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct WhatIfArguments {
    /// Files, or directories of .yaml, .yml and .json files; or .nft files; or a mined.json
    #[arg(value_name = "POLICY", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) policies: Vec<PathBuf>,

    /// Compare with these policies, of this dialect or another; may be repeated
    #[arg(long, value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) against: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArguments,

    #[command(flatten)]
    pub(crate) asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReachArguments {
    /// Policies in place of rules for what was observed: files, or directories of .yaml, .yml and .json files; or
    /// .nft files
    #[arg(value_name = "POLICY", value_hint = ValueHint::AnyPath)]
    pub(crate) policies: Vec<PathBuf>,

    /// Mined rules of this level in place of exact ones
    #[arg(long, value_name = "LEVEL", conflicts_with = "policies")]
    pub(crate) level: Option<LevelName>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    #[command(flatten)]
    pub(crate) asked: AskedArguments,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArguments,

    /// Steps from workload to workload that are followed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u8).range(1..=32))]
    pub(crate) steps: u8,
}

#[derive(Debug, Args)]
pub(crate) struct RolloutArguments {
    #[command(flatten)]
    pub(crate) asked: AskedArguments,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArguments,

    /// Who enforces it
    #[arg(long, value_name = "DIALECT", default_value = "nftables")]
    pub(crate) dialect: RolloutDialect,

    /// How general the rules are: service if left out; nftables rules are always exact
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<LevelName>,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    /// What is enforced in one step
    #[arg(long, value_name = "UNIT", default_value = "workload")]
    pub(crate) by: RolloutUnit,

    /// Write a directory for each step into this one; made if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

/// What is enforced in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RolloutUnit {
    /// One workload
    Workload,
    /// One namespace
    Namespace,
}

/// A language of rules that can be enforced step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RolloutDialect {
    /// nftables, for a router or bridge between the parties
    Nftables,
    /// Kubernetes NetworkPolicy
    K8s,
    /// ClusterNetworkPolicy of the Baseline tier
    Cnp,
    /// CiliumNetworkPolicy
    Cilium,
    /// Calico NetworkPolicy
    Calico,
    /// Istio AuthorizationPolicy
    Istio,
}

//! The command line of `watershed rules export`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use watershed_aggregator::StoreLocation;
use watershed_model::Timestamp;
use watershed_policy::mine::Level;

use super::ahead::DecisionsArguments;
use super::{InventoryArguments, PeriodArguments, StoredArguments};
use crate::settings::value::parse_duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  watershed rules export --to k8s --store sqlite:edges.db --out policies/
      NetworkPolicies at level service; then: kubectl apply -k policies/
  watershed rules export --to cilium --store sqlite:edges.db --out policies/
      Addresses outside by the names that clients used for them (toFQDNs), but at level nano
  watershed rules export --to k8s --level nano --store sqlite:edges.db --since 30d --out policies/

  watershed rules export --to k8s --decisions decisions.yaml --store sqlite:edges.db --out policies/
      Without what people rejected or excluded, and with the rules that they made

Every rule tells its evidence and its price: the connections that it admits without their having been
observed. Policies and nftables rules were read back and proven first; certificate.json tells what was
proven. JSON and CSV list the same rules and are not proven.

Files for k8s, cnp, cilium, calico, calico-staged and istio:
  kustomization.yaml       all rules; loaded alone they deny nothing
  allow/NAMESPACE/*.yaml   the rules of each selector
  default-deny/            denies what no rule allows: kubectl apply -k policies/default-deny
  default-deny-revert/     takes that back: kubectl apply -k policies/default-deny-revert
For json and csv: mined.json or mined.csv. For nftables, which names every address: rules.nft,
default-deny.nft and default-deny-revert.nft for a router or bridge between the parties, the same
three in hosts/NAME/ for each host that protects itself (hook input), and the rules in rules.json.";

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// What the rules are for
    #[arg(long, value_name = "DIALECT")]
    pub(crate) to: Dialect,

    /// How general they are: service if left out; nftables rules are always exact
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<LevelName>,

    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE, as `discover --store` fills it
    #[arg(long, value_name = "STORE")]
    store: StoreLocation,

    /// Only what was seen in so long before the newest packet of the store, or before --now: 7d, 12h
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["from", "until"], value_parser = parse_duration)]
    since: Option<Duration>,

    /// Only what was seen from this time on: 2026-01-31 or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,

    /// Only what was seen up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,

    /// Where --since counts back from
    #[arg(long, value_name = "TIME", requires = "since")]
    now: Option<Timestamp>,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArguments,

    /// Write files to this directory; made if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

impl ExportArguments {
    /// What to ask of the store. `--to` is the dialect here, so the end of the period is `--until`.
    pub(crate) fn stored(&self) -> StoredArguments {
        let period = PeriodArguments { since: self.since, from: self.from, to: self.until, now: self.now };
        StoredArguments { store: self.store.clone(), period, out: Some(self.out.clone()) }
    }
}

/// A language of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// Kubernetes NetworkPolicy
    K8s,
    /// ClusterNetworkPolicy of the Baseline tier, policy.networking.k8s.io/v1alpha2
    Cnp,
    /// CiliumNetworkPolicy, with toFQDNs
    Cilium,
    /// Calico NetworkPolicy, projectcalico.org/v3
    Calico,
    /// Calico StagedNetworkPolicy: shows what the same policies would do
    CalicoStaged,
    /// Istio AuthorizationPolicy: TCP at servers, by service account or namespace
    Istio,
    /// nftables, for a router or bridge between the parties, and for each host by itself
    Nftables,
    /// One object, for other tools
    Json,
    /// A line for each rule, for spreadsheets
    Csv,
}

/// A level by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// Exactly what was observed
    Nano,
    /// By role and port
    Service,
    /// By application and environment
    RingFence,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Nano => Self::Nano,
            LevelName::Service => Self::Service,
            LevelName::RingFence => Self::RingFence,
        }
    }
}

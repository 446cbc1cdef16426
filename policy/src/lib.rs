//! Rules from what was observed: mined from accepted edges, exported, read back and proven.
//!
//! [`RuleSet::from_edges`] makes one allow rule per service. [`export`] writes it down. [`nft`] reads the
//! written text again, with nftables' own semantics, and [`proof::prove`] replays every edge against what
//! was read: no export is worth more than its [`proof::Certificate`].
//!
//! Policies that people wrote are read by [`k8s`], of whatever dialect, and [`check`] tells what they would do to what was observed.

mod identity;

mod who;

mod service;

mod rule;

mod text;

mod lists;

pub mod mine;

pub mod decisions;

pub mod export;

pub mod nft;

pub mod k8s;

pub mod layers;

pub mod cluster;

pub mod cilium;

pub mod calico;

pub mod istio;

pub mod check;

pub mod proof;

pub mod confidence;

pub mod whatif;

pub mod reach;

pub mod rollout;

pub mod diff;

mod error;

#[cfg(test)]
#[path = "../tests/cluster/mod.rs"]
mod small_cluster;

pub use error::Error;
pub use rule::{Allowed, HeldBack, Known, Member, Namespace, Observed, Origin, Rule, RuleId, RuleSet, Whom};
pub use service::{Service, Tuple};

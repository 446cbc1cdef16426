//! What if these policies had been in force? Stored history by distinct edges: what would have been denied,
//! since when and how often, whose it is, and which rule is missing.

mod kubernetes;

mod layers;

mod nftables;

mod mined;

mod json;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use watershed_model::{Edge, EdgeKey, Party, Timestamp, Workload};

use crate::diff::Allowances;
use crate::k8s::{Direction, Manifests};
use crate::nft::{Hook, Ruleset};
use crate::{Service, Tuple};

/// Labels that say whose a workload is, the first that is there.
pub const OWNER_LABELS: [&str; 4] = ["owner", "team", "app.kubernetes.io/part-of", "app"];

/// Policies of one dialect.
#[derive(Clone, Copy, Debug)]
pub enum Policies<'a> {
    /// NetworkPolicies and all other policies about pods that can be read, and who is there for them to select.
    Kubernetes(&'a Manifests),
    /// An nftables ruleset, at the hook where it looks at packets.
    Nftables(&'a Ruleset, Hook),
}

/// What would have happened to the edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Edges that would have been allowed, and that policies could have denied.
    pub allowed: usize,
    /// Edges that the policies do not speak of.
    pub not_covered: usize,
    /// Edges that would have been denied, in order of their keys.
    pub denied: Vec<Denied>,
    /// Pairs of addresses that were not asked about, because an edge has too many.
    pub not_asked: u64,
}

/// An edge that would have been denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// The edge.
    pub edge: EdgeKey,
    /// Connections seen on it: those that would have failed.
    pub connections: u64,
    /// First packet seen.
    pub first_seen: Timestamp,
    /// Last packet seen.
    pub last_seen: Timestamp,
    /// Whose client and server are, by [`OWNER_LABELS`]; each once, in order.
    pub owners: BTreeSet<String>,
    /// The policies or rules that stand in the way, in order.
    pub refused_by: Vec<String>,
    /// The rules that would let it pass: all of them are needed.
    pub missing: Vec<MissingRule>,
}

/// A rule that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingRule {
    /// At one end of the edge.
    Side {
        /// Ingress at the server, or egress at the client.
        direction: Direction,
        /// Whom the rule is for.
        subject: Party,
        /// The other end.
        peer: Party,
        /// What for.
        service: Service,
    },
    /// For a connection on its way.
    Path(Tuple),
}

/// `ingress of shop/db: allow tcp/5432 from shop/job`; `allow 10.0.0.1 -> 10.0.0.2:5432 tcp`.
impl fmt::Display for MissingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Side { direction, subject, peer, service } => {
                let way = match direction {
                    Direction::Ingress => "from",
                    Direction::Egress => "to",
                };
                write!(f, "{direction} of {subject}: allow {service} {way} {peer}")
            }
            Self::Path(tuple) => write!(f, "allow {tuple}"),
        }
    }
}

/// What a dialect says of one edge.
enum Verdict {
    Allowed,
    NotCovered,
    Denied { refused_by: Vec<String>, missing: Vec<MissingRule> },
}

/// Replays `edges` against `policies`. `workloads` are those known, whether they were seen or not.
#[must_use]
pub fn what_if(policies: Policies<'_>, edges: &[&Edge], workloads: &[Arc<Workload>]) -> Outcome {
    let mut outcome = Outcome::default();
    match policies {
        Policies::Kubernetes(manifests) if manifests.has_others() => {
            layers::replay(manifests, edges, workloads, &mut outcome);
        }
        Policies::Kubernetes(manifests) => kubernetes::replay(manifests, edges, workloads, &mut outcome),
        Policies::Nftables(ruleset, hook) => nftables::replay(ruleset, hook, edges, &mut outcome),
    }
    outcome.denied.sort_by(|a, b| a.edge.cmp(&b.edge));
    outcome
}

/// Replays `edges` against mined rules, as if default deny were in force for every workload.
///
/// They are told by what workloads were called when they were exported: one that is new has no rules.
#[must_use]
pub fn what_if_mined(rules: &Allowances, edges: &[&Edge]) -> Outcome {
    let mut outcome = Outcome::default();
    mined::replay(rules, edges, &mut outcome);
    outcome.denied.sort_by(|a, b| a.edge.cmp(&b.edge));
    outcome
}

impl Outcome {
    fn count(&mut self, edge: &Edge, verdict: Verdict) {
        match verdict {
            Verdict::Allowed => self.allowed += 1,
            Verdict::NotCovered => self.not_covered += 1,
            Verdict::Denied { refused_by, missing } => self.denied.push(Denied {
                edge: edge.key.clone(),
                connections: edge.connections,
                first_seen: edge.first_seen,
                last_seen: edge.last_seen,
                owners: [&edge.key.client, &edge.key.server].into_iter().filter_map(owner).collect(),
                refused_by,
                missing,
            }),
        }
    }

    /// Connections on all edges that would have been denied.
    #[must_use]
    pub fn connections_denied(&self) -> u64 {
        self.denied.iter().fold(0, |sum, denied| sum.saturating_add(denied.connections))
    }
}

fn owner(party: &Party) -> Option<String> {
    let labels = &party.workload()?.labels;
    OWNER_LABELS.iter().find_map(|&key| labels.get(key)).cloned()
}

/// Two outcomes over the same edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison<'a> {
    /// Allowed before, denied now; in order.
    pub newly_denied: Vec<&'a Denied>,
    /// Denied before, allowed now; in order.
    pub newly_allowed: Vec<&'a Denied>,
    /// Denied both times.
    pub still_denied: usize,
}

/// What changes from `old` to `new`.
#[must_use]
pub fn compare<'a>(old: &'a Outcome, new: &'a Outcome) -> Comparison<'a> {
    let keys = |outcome: &'a Outcome| -> BTreeSet<&'a EdgeKey> {
        outcome.denied.iter().map(|one| &one.edge).collect()
    };
    let (before, now) = (keys(old), keys(new));
    Comparison {
        newly_denied: new.denied.iter().filter(|one| !before.contains(&one.edge)).collect(),
        newly_allowed: old.denied.iter().filter(|one| !now.contains(&one.edge)).collect(),
        still_denied: before.intersection(&now).count(),
    }
}

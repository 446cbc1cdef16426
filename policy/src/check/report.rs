//! What the check found.

use std::fmt;
use std::net::IpAddr;

use watershed_model::{EdgeKey, Timestamp};

use super::selectors::Unmatched;
use super::{ByName, Certificate, Extent};
use crate::k8s::{Direction, Place, Problem};
use crate::nft::Hook;
use crate::whatif::Outcome;

/// What the check found. Everything is in order: of edges, or of place.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Policies read; of nftables the tables.
    pub policies: usize,
    /// Their names, in order.
    pub names: Vec<String>,
    /// Pods and workloads that policies can select; of nftables the parties that were seen.
    pub pods: usize,
    /// Whether the policies are about addresses alone, as nftables' are.
    pub by_address: bool,
    /// Whether there was traffic to check against.
    pub traffic: bool,
    /// Observed edges that the policies allow, and that at least one end is subject to.
    pub allowed: usize,
    /// Observed edges that policies do not speak of: between addresses outside, or of a protocol that the dialect
    /// does not know.
    pub not_covered: usize,
    /// Observed edges that would be denied.
    pub denied: Vec<Denied>,
    /// Selectors, addresses and names of ports that match nothing.
    pub unmatched: Vec<Unmatched>,
    /// Rules that no observed edge needs; none are told where nothing was observed.
    pub idle: Vec<IdleRule>,
    /// Rules that say nothing new.
    pub shadowed: Vec<ShadowedRule>,
    /// What each rule that allows admits, and how much of it was seen.
    pub extents: Vec<Extent>,
    /// What is allowed that the policies before did not allow and that was not observed; `None` where there are none
    /// to compare with, or more than [`super::MAX_PAIRS`] pairs.
    pub newly: Option<Vec<Newly>>,
    /// Who may connect to whom; `None` where there are more than [`super::MAX_PAIRS`] pairs, and of nftables.
    pub reach: Option<Reach>,
    /// What was passed over while reading, although it may matter.
    pub notes: Vec<Problem>,
    /// Connections that may be admitted without having been observed; `None` where nobody set a limit.
    pub admit_at_most: Option<u64>,
    /// What was checked, in numbers.
    pub certificate: Certificate,
}

/// An observed edge that would be denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// The edge.
    pub edge: EdgeKey,
    /// Connections seen on it.
    pub connections: u64,
    /// First packet seen.
    pub first_seen: Timestamp,
    /// Last packet seen.
    pub last_seen: Timestamp,
    /// The first address outside the cluster whose connections are denied; `None` between pods.
    pub address: Option<IpAddr>,
    /// The ends that do not permit it, as of that address.
    pub refusals: Vec<Refusal>,
    /// Whether it passes where the network plugin lets `ipBlock` mean pods too; see [`crate::k8s::Blocks`].
    pub depends_on_plugin: bool,
    /// Whether the policies before denied it too, so that it is no change.
    pub before: bool,
}

/// Where connections are decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// At an end: egress at the client or ingress at the server.
    End(Direction),
    /// On the way, or where they arrive.
    Path(Hook),
}

/// `ingress`, `forward`.
impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End(direction) => direction.fmt(f),
            Self::Path(hook) => f.write_str(hook.as_str()),
        }
    }
}

/// What does not permit a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where.
    pub side: Side,
    /// The policies that isolate the end, none of which allows the connection; or that deny it.
    pub policies: Vec<String>,
    /// Where they stand.
    pub places: Vec<Place>,
}

/// A rule that no observed edge needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdleRule {
    /// Where it stands.
    pub place: Place,
    /// Its policy.
    pub policy: String,
    /// Which way it looks.
    pub side: Side,
}

/// A rule that says nothing new: what it means is decided before, or the same way by others. All of them can be
/// taken out at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShadowedRule {
    /// Where it stands.
    pub place: Place,
    /// Its policy.
    pub policy: String,
    /// Which way it looks.
    pub side: Side,
    /// Some of the rules that decide in its place; none where only isolation does.
    pub by: Vec<Place>,
}

/// What is allowed now, was not before and was not observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newly {
    /// Who may connect.
    pub client: String,
    /// To whom.
    pub server: String,
    /// On which ports.
    pub ports: String,
    /// How many these are.
    pub count: u64,
}

/// Ordered pairs of different workloads, client and server: those of the inventory, or of the manifests where
/// the inventory has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// All of them.
    pub pairs: usize,
    /// Those that may open some connection.
    pub allowed: usize,
    /// Those of them that were not observed to.
    pub unobserved: usize,
}

impl Report {
    /// Marks what policies denied that were there before.
    pub(super) fn denied_before(&mut self, before: &Outcome) {
        let denied = |edge: &EdgeKey| before.denied.binary_search_by(|one| one.edge.cmp(edge)).is_ok();
        self.denied.iter_mut().for_each(|one| one.before = denied(&one.edge));
    }

    /// Rules that admit more than the comment above them says: edited since they were exported, or the workloads
    /// that they select have become more.
    pub fn exceeding(&self) -> impl Iterator<Item = &Extent> {
        let more = |one: &&Extent| one.stated.is_some_and(|stated| one.held() > stated);
        self.extents.iter().filter(more)
    }

    /// Rules whose names stand for more addresses than when they were exported: what is behind a name has changed, or
    /// more of it was seen.
    pub fn grown(&self) -> impl Iterator<Item = (&Extent, ByName)> {
        let names = self.extents.iter().filter_map(|one| Some((one, one.by_name?)));
        names.filter(|(_, names)| names.stated.is_some_and(|stated| names.addresses > stated))
    }

    /// Rules that are used, and admit more than what talks without saying so.
    pub fn wide(&self) -> impl Iterator<Item = &Extent> {
        let wide = |one: &&Extent| one.stated.is_none() && one.tuples.seen > 0 && one.unobserved() > 0;
        self.extents.iter().filter(move |one| self.traffic && wide(one))
    }

    /// Connections that rules which state nothing admit without their having been observed, each rule by itself.
    #[must_use]
    pub fn unobserved(&self) -> u64 {
        let unstated = self.extents.iter().filter(|one| one.stated.is_none());
        unstated.map(Extent::unobserved).fold(0, u64::saturating_add)
    }

    /// Connections that are newly admitted.
    #[must_use]
    pub fn newly_admitted(&self) -> u64 {
        self.newly.iter().flatten().map(|one| one.count).fold(0, u64::saturating_add)
    }

    /// Whether more is newly admitted than may be.
    #[must_use]
    pub fn newly_fails(&self) -> bool {
        self.newly_admitted() > self.admit_at_most.unwrap_or(0)
    }

    /// Why the policies do not pass, a sentence for each reason; none where they do.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let denied = self.denied.iter().filter(|one| !one.before).count();
        if denied > 0 {
            let all = self.allowed + self.denied.len() + self.not_covered;
            failures.push(format!("the policies would deny {denied} of {all} observed dependencies"));
        }
        let mut exceeding = self.exceeding();
        if let Some(first) = exceeding.next() {
            failures.push(format!(
                "{} admit more than the comments above them state, the first at {}",
                counted(1 + exceeding.count() as u64, "rule"),
                first.place
            ));
        }
        let limit = self.admit_at_most;
        match &self.newly {
            Some(_) if self.newly_fails() => failures.push(format!(
                "{} newly admitted without having been observed, and at most {} may be",
                counted(self.newly_admitted(), "connection"),
                limit.unwrap_or(0)
            )),
            None if limit.is_some_and(|limit| self.unobserved() > limit) => failures.push(format!(
                "{} admitted without having been observed, and at most {} may be",
                counted(self.unobserved(), "connection"),
                limit.unwrap_or(0)
            )),
            _ => {}
        }
        failures
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        u64::MAX => format!("more {what}s than can be counted"),
        more => format!("{more} {what}s"),
    }
}

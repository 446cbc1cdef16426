//! Policies against what was observed: what they would deny, what they select in vain, what of them says nothing new,
//! and how much they allow that nobody uses.
//!
//! Workloads of a namespace stand for pods; everybody else is an address outside the cluster. Rules of nftables are
//! about addresses alone.

mod report;

mod extent;

mod stated;

pub(crate) mod cast;

mod pods;

mod figures;

mod newly;

mod packets;

mod selectors;

mod others;

mod certificate;

mod json;

mod sarif;

mod junit;

use std::sync::Arc;

use watershed_model::{Edge, Workload};

pub use certificate::Certificate;
pub use extent::{Extent, Share};
pub use report::{Denied, IdleRule, Newly, Reach, Refusal, Report, ShadowedRule, Side};
pub use selectors::{Unmatched, Vain, Where};

use crate::k8s::Manifests;
use crate::whatif::Policies;

/// Pairs of workloads that are asked whether they may connect: about a second's work. Of more none is asked,
/// and [`Report::reach`] and [`Report::newly`] are `None`.
pub const MAX_PAIRS: usize = 1 << 20;

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The policies.
    pub policies: Policies<'a>,
    /// Name and text of the files that they were read from.
    pub texts: &'a [(&'a str, &'a str)],
    /// Policies that they take the place of.
    pub against: Option<&'a Manifests>,
    /// Connections that may be admitted without having been observed.
    pub admit_at_most: Option<u64>,
    /// What the certificate says checked them.
    pub tool_version: &'a str,
}

impl<'a> From<&'a Manifests> for Given<'a> {
    fn from(manifests: &'a Manifests) -> Self {
        Self {
            policies: Policies::Kubernetes(manifests),
            texts: &[],
            against: None,
            admit_at_most: None,
            tool_version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What was observed.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Accepted edges, in order; `None` where no traffic was looked at.
    pub edges: Option<&'a [&'a Edge]>,
    /// Workloads known, whether they were seen or not.
    pub workloads: &'a [Arc<Workload>],
}

/// Checks policies against `observed`.
#[must_use]
pub fn check<'a>(given: impl Into<Given<'a>>, observed: Observed<'_>) -> Report {
    let given = given.into();
    let mut report = match given.policies {
        Policies::Kubernetes(manifests) => pods::check(manifests, &given, observed),
        Policies::Nftables(ruleset, hook) => packets::check(ruleset, hook, &given, observed),
    };
    report.certificate.conclude(&report.failures(), &report.extents);
    report
}

#[cfg(test)]
mod tests;

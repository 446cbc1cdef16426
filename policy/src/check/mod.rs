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
pub use extent::{ByName, Extent, Share};
pub use report::{Denied, IdleRule, Newly, Reach, Refusal, Report, ShadowedRule, Side};
pub use selectors::{Unmatched, Vain, Where};

use crate::k8s::Manifests;
use crate::whatif::{Policies, what_if};

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
    /// Policies that they take the place of, of whatever dialect.
    pub against: Option<Policies<'a>>,
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
    let about = |policies| matches!(policies, Policies::Kubernetes(_));
    match given.against {
        // Pods and their labels are those that are told beside either.
        Some(old) if about(old) && about(given.policies) => {}
        Some(old) => {
            let edges = observed.edges.unwrap_or_default();
            report.denied_before(&what_if(old, edges, observed.workloads));
            // What each decides about an edge can be compared; what they admit beyond is said in other words.
            let differ = about(old) != about(given.policies);
            report.certificate.not_asked(
                differ,
                "what is newly admitted: that is asked of two sets of policies about pods, or of nftables",
            );
        }
        None => {}
    }
    report.certificate.conclude(&report.failures(), &report.extents);
    report
}

#[cfg(test)]
mod tests;

//! Steps as policies about pods: each workload gets a policy that isolates it and holds all that it may do.
//!
//! 1. The rules of the plan are written for each class of workloads by itself; those that no selector tells apart
//!    are one step.
//! 2. A step loads the policies of its workloads, and nothing else is denied. They add up with those of other
//!    steps and bind nobody else, so steps can be taken in any order.
//! 3. Default deny, at the end, loads all of them once more and isolates what is left in each namespace: pods that
//!    nobody saw.
//! 4. Each file is read back, and proven for every choice and order of steps.

mod groups;

mod written;

mod texts;

mod audit;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use watershed_model::Party;

use self::groups::{Group, groups};
use self::written::Written;
use super::{Draft, FileNames, Files, Inputs, Step, Traffic, Unit, in_order};
use crate::confidence::Estimate;
use crate::mine::{Census, ClassId, Plan};
use crate::who::Who;
use crate::{Error, Service};

/// Whose policies they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Kubernetes NetworkPolicy, which has no staged form.
    Kubernetes,
    /// CiliumNetworkPolicy, watched in audit mode.
    Cilium,
    /// Calico NetworkPolicy, staged first.
    Calico,
}

impl Dialect {
    /// What the files of a step are called.
    #[must_use]
    pub const fn files(self) -> FileNames {
        let watch = match self {
            Self::Kubernetes => None,
            Self::Cilium => Some("audit.txt"),
            Self::Calico => Some("staged.yaml"),
        };
        FileNames { watch, apply: "apply.yaml", revert: "revert.yaml" }
    }

    /// Whether it has rules for a service; what policies do to others is not known.
    const fn says(self, service: Service) -> bool {
        match (self, service) {
            (Self::Calico, _) | (Self::Kubernetes | Self::Cilium, Service::Port { .. }) => true,
            (Self::Cilium, Service::Icmp { .. }) => true,
            (Self::Kubernetes, Service::Icmp { .. }) => false,
            (Self::Kubernetes | Self::Cilium, Service::Protocol(_)) => false,
        }
    }
}

/// The rules that steps are made of.
#[derive(Clone, Copy, Debug)]
pub struct Mined<'a> {
    /// Who was seen with whom.
    pub census: &'a Census,
    /// The rules mined from it.
    pub plan: &'a Plan,
    /// Who enforces them.
    pub dialect: Dialect,
}

/// Steps, and what comes after them.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySteps {
    /// In order.
    pub steps: Vec<Step>,
    /// Denies what has no step; comes last, and apart.
    pub default_deny: Files,
    /// One's own who are no pods: these policies cannot protect them.
    pub elsewhere: Vec<Party>,
}

/// The steps in order, read back and proven for every choice and order of them.
///
/// # Errors
/// [`Error::RefutedStep`] when a step would deny what was observed, bind whom it is not for, admit what no rule
/// declares, or not be taken back by its file; [`Error::Policies`] when the text of a step is not understood;
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn plan_policies(inputs: &Inputs<'_>, unit: Unit, mined: &Mined<'_>) -> Result<PolicySteps, Error> {
    let each = mined.plan.each(mined.census);
    let (groups, elsewhere) = groups(inputs, unit, mined, &each);
    let estimates: BTreeMap<Who<'_>, &Estimate> =
        inputs.confidence.workloads.iter().map(|(party, estimate)| (Who::of(party), estimate)).collect();
    let (whole, traffic, unsaid) = (inputs.confidence.is_ready(), Traffic::of(inputs), unsaid(mined));
    let mut steps: Vec<(Step, Group<'_>)> = groups
        .into_iter()
        .map(|group| {
            let draft = Draft::of(&group.parties, inputs, &traffic);
            let own = |class: &ClassId| group.classes.binary_search(class).is_ok();
            let unsaid = unsaid.iter().filter(|ends| ends.iter().any(own)).count() as u64;
            let whole = whole && unsaid == 0;
            let step = super::step(group.name.clone(), &group.parties, &draft, &estimates, inputs, whole);
            (Step { unsaid, ..step }, group)
        })
        .collect();
    in_order(&mut steps);
    let written = Written::of(mined, each, &steps)?;
    written.prove(mined)?;
    let done = steps.into_iter().zip(written.files).map(|((step, _), files)| Step { files, ..step });
    Ok(PolicySteps {
        steps: done.collect(),
        default_deny: written.default_deny,
        elsewhere: elsewhere.into_iter().cloned().collect(),
    })
}

/// Both ends of each dependency that the dialect cannot say.
fn unsaid(mined: &Mined<'_>) -> Vec<[ClassId; 2]> {
    let unsaid = mined.census.dependencies.iter().filter(|one| !mined.dialect.says(one.service));
    unsaid.map(|one| [one.client, one.server].map(|node| mined.plan.classes.of_node[node as usize])).collect()
}

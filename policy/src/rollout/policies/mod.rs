//! Steps as policies about pods: each workload gets a policy that isolates it and holds all that it may do.
//!
//! 1. The rules of the plan are written for each class of workloads by itself; those that no selector tells apart
//!    are one step.
//! 2. A step loads the policies of its workloads, and nothing else is denied. They add up with those of other
//!    steps and bind nobody else, so steps can be taken in any order.
//! 3. Default deny, at the end, loads all of them once more and isolates what is left in each namespace: pods that
//!    nobody saw.
//! 4. Objects of a file are loaded one after the other, and stand so that between two of them nothing is denied which
//!    was seen.
//! 5. Each file is read back, and proven for every choice and order of steps.

mod groups;

mod written;

mod texts;

mod audit;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use watershed_model::{Edge, Party, Protocol};

use self::groups::{Group, groups};
use self::written::Written;
use super::{Draft, FileNames, Files, Inputs, Step, Traffic, Unit, in_order};
use crate::confidence::Estimate;
use crate::export::calico::{self, Form};
use crate::export::directory::NotExpressed;
use crate::export::istio::Sayable;
use crate::export::{cilium, cluster, kubernetes};
use crate::istio::ROOT_NAMESPACE;
use crate::mine::{Census, ClassId, Plan};
use crate::who::Who;
use crate::{Error, Service};

/// Whose policies they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Kubernetes NetworkPolicy, which has no staged form.
    Kubernetes,
    /// ClusterNetworkPolicy of the Baseline tier, which has none either. It cannot deny what comes from outside.
    Cluster,
    /// CiliumNetworkPolicy, watched in audit mode.
    Cilium,
    /// Calico NetworkPolicy, staged first.
    Calico,
    /// Istio AuthorizationPolicy, a dry run first. It governs TCP to pods of the mesh, and nothing else.
    Istio,
}

impl Dialect {
    /// What the files of a step are called.
    #[must_use]
    pub const fn files(self) -> FileNames {
        let watch = match self {
            Self::Kubernetes | Self::Cluster => None,
            Self::Cilium => Some("audit.txt"),
            Self::Calico => Some("staged.yaml"),
            Self::Istio => Some("dry-run.yaml"),
        };
        FileNames { watch, apply: "apply.yaml", revert: "revert.yaml" }
    }

    /// Whether it is known what its policies do to a service: they have rules for it, or always let it pass.
    const fn knows(self, service: Service) -> bool {
        match (self, service) {
            (Self::Calico | Self::Istio, _) | (_, Service::Port { .. }) => true,
            (Self::Cilium, Service::Icmp { .. }) => true,
            (Self::Kubernetes | Self::Cluster, Service::Icmp { .. }) => false,
            (Self::Kubernetes | Self::Cluster | Self::Cilium, Service::Protocol(_)) => false,
        }
    }

    /// Whether its policies can close a service, as far as is known.
    const fn closes(self, service: Service) -> bool {
        match self {
            Self::Istio => matches!(service, Service::Port { protocol: Protocol::TCP, .. }),
            Self::Kubernetes | Self::Cluster | Self::Cilium | Self::Calico => true,
        }
    }

    /// Whether there can be policies for the pods of a namespace alone.
    fn binds(self, namespace: &str) -> bool {
        self != Self::Istio || namespace != ROOT_NAMESPACE
    }

    /// What of the plan it cannot say, in order.
    fn not_expressed(self, census: &Census, plan: &Plan) -> Result<Vec<NotExpressed>, Error> {
        let export = match self {
            Self::Kubernetes => kubernetes::export(census, plan)?,
            Self::Cluster => cluster::export(census, plan)?,
            Self::Cilium => cilium::export(census, plan)?,
            Self::Calico => calico::export(census, plan, Form::Enforced)?,
            // What AuthorizationPolicy cannot say was told before its rules were made.
            Self::Istio => return Ok(Vec::new()),
        };
        Ok(export.not_expressed)
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
    /// One's own whom these policies cannot protect: they are no pods, or of a namespace whose policies are for all.
    pub elsewhere: Vec<Party>,
    /// What the dialect cannot say, in order.
    pub not_expressed: Vec<NotExpressed>,
}

/// The steps in order, read back and proven for every choice and order of them.
///
/// # Errors
/// [`Error::RefutedStep`] when a step would deny what was observed, bind whom it is not for, admit what no rule
/// declares, or not be taken back by its file; [`Error::Policies`] when the text of a step is not understood;
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn plan_policies(inputs: &Inputs<'_>, unit: Unit, mined: &Mined<'_>) -> Result<PolicySteps, Error> {
    if mined.dialect != Dialect::Istio {
        let not_expressed = mined.dialect.not_expressed(mined.census, mined.plan)?;
        return Ok(PolicySteps { not_expressed, ..planned(inputs, unit, mined)? });
    }
    let Sayable { plan, not_expressed } =
        Sayable::of(mined.census, mined.plan.with(mined.plan.rules.clone()));
    let planned = planned(inputs, unit, &Mined { plan: &plan, ..*mined })?;
    Ok(PolicySteps { not_expressed, ..planned })
}

/// The steps for a plan that the dialect can say.
fn planned(inputs: &Inputs<'_>, unit: Unit, mined: &Mined<'_>) -> Result<PolicySteps, Error> {
    let mut each = mined.plan.each(mined.census);
    each.retain(|_, one| one.subject.namespace().is_none_or(|namespace| mined.dialect.binds(namespace)));
    let (groups, elsewhere) = groups(inputs, unit, mined, &each);
    let estimates: BTreeMap<Who<'_>, &Estimate> =
        inputs.confidence.workloads.iter().map(|(party, estimate)| (Who::of(party), estimate)).collect();
    // What policies do not govern nobody is kept from, and nobody is at risk for.
    let governed = |edge: &&&Edge| Service::of(&edge.key).is_some_and(|one| mined.dialect.closes(one));
    let accepted: Vec<&Edge> = inputs.accepted.iter().filter(governed).copied().collect();
    let undecided: Vec<&Edge> = inputs.undecided.iter().filter(governed).copied().collect();
    let inputs = Inputs { accepted: &accepted, undecided: &undecided, ..*inputs };
    let (whole, traffic, unsaid) = (inputs.confidence.is_ready(), Traffic::of(&inputs), unsaid(mined));
    let mut steps: Vec<(Step, Group<'_>)> = groups
        .into_iter()
        .map(|group| {
            let draft = Draft::of(&group.parties, &inputs, &traffic);
            let own = |class: &ClassId| group.classes.binary_search(class).is_ok();
            let unsaid = unsaid.iter().filter(|ends| ends.iter().any(own)).count() as u64;
            let whole = whole && unsaid == 0;
            let step = super::step(group.name.clone(), &group.parties, &draft, &estimates, &inputs, whole);
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
        not_expressed: Vec::new(),
    })
}

/// Both ends of each dependency that the dialect cannot say.
fn unsaid(mined: &Mined<'_>) -> Vec<[ClassId; 2]> {
    let unsaid = mined.census.dependencies.iter().filter(|one| !mined.dialect.knows(one.service));
    unsaid.map(|one| [one.client, one.server].map(|node| mined.plan.classes.of_node[node as usize])).collect()
}

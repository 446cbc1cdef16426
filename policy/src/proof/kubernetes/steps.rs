//! Proof of a roll-out, step by step on top of the steps before: what was observed passes, whom a step is not for
//! is as free as before, and taking it back leaves what was there before it.
//!
//! After each step the dependencies with an end in it are replayed, since no other can have changed, and the
//! connections around its rules are tried. The last step, default deny, binds everybody: there all is replayed
//! and what the texts list is tried as well.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::rc::Rc;

use super::stage::{NOBODY, Stage};
use super::{Around, Binds, Certificate, Dialect, Enforced as _, Faults, Judge, Replayed, Said, replay};
use crate::Error;
use crate::calico::Staged;
use crate::export::directory::Directory;
use crate::k8s::{End, Manifests};
use crate::mine::{Census, ClassId, Plan, RuleId, Whom};

/// A step as it is written, and whom it is for.
pub(crate) struct StepText<'a> {
    pub(crate) name: &'a str,
    /// What only shows what enforcing would do, where the dialect has that.
    pub(crate) staged: Option<&'a str>,
    pub(crate) apply: &'a str,
    pub(crate) revert: &'a str,
    /// Whom it binds.
    pub(crate) classes: Vec<ClassId>,
    /// Their selectors.
    pub(crate) subjects: Vec<&'a Whom>,
    /// Its rules in the plan, behind those of the steps before it.
    pub(crate) rules: Range<usize>,
    /// Whether it binds everybody from now on.
    pub(crate) everybody: bool,
}

/// What was proven of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proven {
    /// Dependencies with an end in it; all of them pass.
    pub(crate) dependencies: u64,
    /// Dependencies with an end in it that the dialect cannot say.
    pub(crate) unsaid: u64,
    /// Connections that no rule declares; all of them are denied.
    pub(crate) probes_denied: u64,
}

/// Proves steps that are taken in this order, with the rules of `plan`.
pub(crate) fn prove_steps<D: Dialect<Policies = Manifests>>(
    dialect: &D,
    census: &Census,
    plan: &Plan,
    steps: &[StepText<'_>],
) -> Result<Vec<Proven>, Error> {
    let mut stage = Stage::of(census, plan);
    let around: Vec<Around<'_>> =
        steps.iter().map(|step| Around::rules(&mut stage, &plan.rules[step.rules.clone()])).collect();
    let stage = stage;
    let rejected = Rc::new(Replayed::rejected(&stage));
    let own = stage.policies(dialect);
    let mut proof = Proof {
        dialect,
        stage: &stage,
        said: Said::of(dialect, census, plan),
        nothing: Certificate::new::<D>(census, plan, &Directory::default(), ""),
        state: dialect.read([("probes", own.as_str())].into_iter())?,
        classes: HashSet::new(),
        subjects: Vec::new(),
        rejected,
    };
    steps.iter().zip(&around).map(|(step, around)| proof.step(step, around)).collect()
}

struct Proof<'a, D> {
    dialect: &'a D,
    stage: &'a Stage<'a>,
    said: Said<'a>,
    nothing: Certificate,
    /// What is in force so far.
    state: Manifests,
    classes: HashSet<ClassId>,
    subjects: Vec<&'a Whom>,
    rejected: Rc<BTreeSet<usize>>,
}

impl<'a, D: Dialect<Policies = Manifests>> Proof<'a, D> {
    fn step(&mut self, step: &StepText<'a>, around: &Around<'a>) -> Result<Proven, Error> {
        let file = |name: &str| format!("{}/{name}", step.name);
        let (apply, staged, revert) = (file("apply.yaml"), file("staged.yaml"), file("revert.yaml"));
        let before = self.state.clone();
        self.state.apply(&self.dialect.read([(apply.as_str(), step.apply)].into_iter())?);
        self.classes.extend(&step.classes);
        self.subjects.extend(&step.subjects);
        let replayed = self.touched(step);
        let (mut certificate, mut faults) = (self.nothing.clone(), Faults::default());
        self.enforced(step, around, &replayed, (&mut certificate, &mut faults));
        if let Some(text) = step.staged {
            // Reading it as staged refuses what is enforced; as if it were, it must let pass what was observed.
            let read = Staged.read([(staged.as_str(), text)].into_iter())?;
            let would = Manifests { calico: read.calico.as_if_enforced(), ..Manifests::default() };
            let mut state = before.clone();
            state.apply(&would);
            let enforced = self.dialect.enforce(self.stage.world(), &state);
            replay(self.stage, self.dialect, &enforced, &replayed, (&mut certificate.clone(), &mut faults));
        }
        let mut back = self.state.clone();
        back.apply(&Manifests::read([(revert.as_str(), step.revert)], "default")?);
        faults.revert_differs = self.differ(&before, &back.enforced(), &replayed, step);
        if !faults.is_empty() {
            return Err(Error::RefutedStep { step: step.name.to_owned(), faults: Box::new(faults) });
        }
        Ok(Proven {
            dependencies: certificate.dependencies_replayed,
            unsaid: certificate.not_expressed,
            probes_denied: certificate.probes_denied,
        })
    }

    /// The dependencies whose ends the step changes.
    fn touched(&self, step: &StepText<'_>) -> Replayed {
        let class = |node: u32| self.stage.plan.classes.of_node[node as usize];
        let own: HashSet<ClassId> = step.classes.iter().copied().collect();
        let all = self.stage.census.dependencies.iter().enumerate();
        let touched = all.filter(|(_, one)| {
            step.everybody || own.contains(&class(one.client)) || own.contains(&class(one.server))
        });
        Replayed {
            dependencies: touched.map(|(at, _)| at).collect(),
            rejected: Rc::clone(&self.rejected),
            // Before default deny the other end may not be bound yet, so what was rejected at it passes.
            rejected_are_denied: step.everybody,
        }
    }

    /// Replays, and tries what is around the rules.
    fn enforced(
        &self,
        step: &StepText<'_>,
        around: &Around<'_>,
        replayed: &Replayed,
        (certificate, faults): (&mut Certificate, &mut Faults),
    ) {
        let enforced = self.dialect.enforce(self.stage.world(), &self.state);
        replay(self.stage, self.dialect, &enforced, replayed, (certificate, faults));
        for one in self.dialect.by_each_name() {
            let enforced = one.enforce(self.stage.world(), &self.state);
            replay(self.stage, &one, &enforced, replayed, (&mut certificate.clone(), faults));
        }
        let rules = RuleId::try_from(step.rules.end).unwrap_or(RuleId::MAX);
        let binds = match step.everybody {
            true => Binds::Everybody,
            false => Binds::Steps { classes: &self.classes, subjects: &self.subjects, rules },
        };
        let judge = Judge {
            stage: self.stage,
            dialect: self.dialect,
            enforced: &enforced,
            said: &self.said,
            binds: &binds,
        };
        around.each(|probe| judge.probe(probe, certificate, faults));
        if step.everybody {
            enforced.corners(self.stage).iter().for_each(|probe| judge.probe(probe, certificate, faults));
        }
    }

    /// Whether anything about the step is otherwise with one set of policies than with the other.
    fn differ(&self, one: &Manifests, other: &Manifests, replayed: &Replayed, step: &StepText<'_>) -> bool {
        let (one, other) =
            (self.dialect.enforce(self.stage.world(), one), self.dialect.enforce(self.stage.world(), other));
        let differ =
            |client: End, server: End| one.connections(client, server) != other.connections(client, server);
        let outside = NOBODY.map(End::Outside);
        let of_pod = |pod| outside.iter().any(|&address| differ(address, pod) || differ(pod, address));
        // Default deny is for pods that nobody saw, too.
        let of_pods = match step.everybody {
            true => self.stage.pods().any(of_pod),
            false => self.stage.pods_of(&step.classes).any(of_pod),
        };
        let of_dependencies = || {
            replayed.dependencies.iter().any(|&number| {
                let seen = &self.stage.census.dependencies[number];
                self.stage.pairs(seen.client, seen.server).into_iter().any(|(client, server)| {
                    let allows = [&one, &other].map(|policies| policies.allows(client, server, seen.service));
                    allows[0] != allows[1] || differ(client, server)
                })
            })
        };
        of_pods || of_dependencies()
    }
}

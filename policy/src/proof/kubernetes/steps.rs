//! Proof of a roll-out: what holds with all of its steps holds with any of them, in any order.
//!
//! 1. Each pod that was observed is bound by the policies of its own step alone. What one end of a connection permits
//!    then depends on whether its own step is in force, and on no other.
//! 2. With all steps in force every dependency passes, so with fewer of them it passes as well: then an end is bound
//!    as it was, or free. Connections around the rules that none declares are denied. The same policies staged let
//!    pass the same.
//! 3. The files that take a step back replace all of its objects and no others, by such as select nobody: what is left
//!    is what the other steps made of it.
//! 4. Default deny comes on top of all steps and binds everybody: all of it is tried again, with what the texts list.
//!    Taken back, everything is as it was before it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::stage::{NOBODY, Stage};
use super::{Around, Binds, Certificate, Dialect, Enforced, Faults, Judge, Replayed, Said, replay};
use crate::export::directory::Directory;
use crate::k8s::{End, Manifests};
use crate::mine::{Census, ClassId, Plan, RuleNumber};
use crate::{Error, Whom};

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
    /// Its rules in the plan.
    pub(crate) rules: Range<usize>,
}

/// Proves steps, and default deny after them, with the rules of `plan`, which stand in the order of the steps.
pub(crate) fn prove_steps<D: Dialect<Policies = Manifests>>(
    dialect: &D,
    census: &Census,
    plan: &Plan,
    steps: &[StepText<'_>],
    default_deny: &StepText<'_>,
) -> Result<(), Error> {
    let mut stage = Stage::of(census, plan);
    let mut around: Vec<Around<'_>> =
        steps.iter().map(|step| Around::rules(&mut stage, &plan.rules[step.rules.clone()])).collect();
    let everything = Around::of(&mut stage);
    around.push(everything);
    let stage = stage;
    let proof = Proof {
        dialect,
        stage: &stage,
        own: stage.policies(dialect),
        steps,
        default_deny,
        around,
        said: Said::of(dialect, census, plan),
        nothing: Certificate::new::<D>(census, plan, &Directory::default(), ""),
        touched: touched(&stage, steps),
        rejected: Rc::new(Replayed::rejected(&stage)),
    };
    let mut faults = vec![Faults::default(); steps.len() + 1];
    let applied = proof.applied(&mut faults)?;
    proof.staged(&mut faults)?;
    proof.reverts(&mut faults)?;
    proof.default_deny(&applied, faults.last_mut())?;
    let names = steps.iter().chain([default_deny]).map(|step| step.name);
    match names.zip(faults).find(|(_, faults)| !faults.is_empty()) {
        Some((step, faults)) => Err(Error::RefutedStep { step: step.to_owned(), faults: Box::new(faults) }),
        None => Ok(()),
    }
}

/// For each step the dependencies with an end in it, by their places in the census.
fn touched(stage: &Stage<'_>, steps: &[StepText<'_>]) -> Vec<Vec<usize>> {
    let of_class = steps_of(steps);
    let step = |node: u32| of_class.get(&stage.plan.classes.of_node[node as usize]).copied();
    let mut touched = vec![Vec::new(); steps.len()];
    for (at, one) in stage.census.dependencies.iter().enumerate() {
        let ends: BTreeSet<usize> = [step(one.client), step(one.server)].into_iter().flatten().collect();
        ends.into_iter().for_each(|step| touched[step].push(at));
    }
    touched
}

/// The step of each class that has one.
fn steps_of(steps: &[StepText<'_>]) -> HashMap<ClassId, usize> {
    let each = steps.iter().enumerate();
    each.flat_map(|(at, step)| step.classes.iter().map(move |&class| (class, at))).collect()
}

struct Proof<'a, D> {
    dialect: &'a D,
    stage: &'a Stage<'a>,
    /// Policies that free the pods that are to be free.
    own: String,
    steps: &'a [StepText<'a>],
    default_deny: &'a StepText<'a>,
    /// What is tried around the rules of each step; last around all.
    around: Vec<Around<'a>>,
    said: Said<'a>,
    nothing: Certificate,
    touched: Vec<Vec<usize>>,
    rejected: Rc<BTreeSet<usize>>,
}

impl<D: Dialect<Policies = Manifests>> Proof<'_, D> {
    /// All steps in force.
    fn applied(&self, faults: &mut [Faults]) -> Result<Manifests, Error> {
        let files: Vec<(String, &str)> = self.files("apply.yaml", |step| Some(step.apply)).collect();
        // Of two objects with one name the later would replace the earlier: reading refuses them.
        let applied = self.dialect.read(named(&files).chain([("probes", self.own.as_str())]))?;
        let enforced = self.dialect.enforce(self.stage.world(), &applied);
        self.replay_steps(self.dialect, &enforced, faults);
        for one in self.dialect.by_each_name() {
            self.replay_steps(&one, &one.enforce(self.stage.world(), &applied), faults);
        }
        self.bound(&enforced, "apply.yaml", faults);
        let mut subjects: HashMap<&str, Vec<&Whom>> = HashMap::new();
        for &subject in self.steps.iter().flat_map(|step| &step.subjects) {
            if let Some(namespace) = subject.namespace() {
                subjects.entry(namespace).or_default().push(subject);
            }
        }
        let classes: HashSet<ClassId> = self.steps.iter().flat_map(|step| &step.classes).copied().collect();
        let rules = self.steps.last().map_or(0, |step| step.rules.end);
        let rules = RuleNumber::try_from(rules).unwrap_or(RuleNumber::MAX);
        let binds = Binds::Steps { classes: &classes, subjects: &subjects, rules };
        let judge = self.judge(&enforced, &binds);
        for (around, faults) in self.around.iter().zip(&mut faults[..self.steps.len()]) {
            around.each(|probe| judge.probe(probe, &mut self.nothing.clone(), faults));
        }
        drop(enforced);
        Ok(applied)
    }

    /// The same staged: reading refuses what is enforced, and as if it were, it lets pass what was observed.
    fn staged(&self, faults: &mut [Faults]) -> Result<(), Error> {
        let files: Vec<(String, &str)> = self.files("staged.yaml", |step| step.staged).collect();
        if files.is_empty() {
            return Ok(());
        }
        let mut would = self.dialect.read_staged(named(&files))?;
        would.apply(&self.dialect.read([("probes", self.own.as_str())].into_iter())?);
        let enforced = self.dialect.enforce(self.stage.world(), &would);
        self.replay_steps(self.dialect, &enforced, faults);
        self.bound(&enforced, "staged.yaml", faults);
        Ok(())
    }

    /// Taking back replaces all objects of a step by such as select nobody, and touches no others.
    fn reverts(&self, faults: &mut [Faults]) -> Result<(), Error> {
        let mut before = BTreeSet::new();
        let mut back = Manifests::default();
        for (step, faults) in self.steps.iter().chain([self.default_deny]).zip(&mut *faults) {
            let read = |file: &str, text: &str| {
                Manifests::read([(format!("{}/{file}", step.name).as_str(), text)], "default")
            };
            let revert = read("revert.yaml", step.revert)?;
            let staged = step.staged.map(|text| read("staged.yaml", text)).transpose()?.unwrap_or_default();
            let mut made = read("apply.yaml", step.apply)?.names();
            made.extend(staged.names());
            // Default deny holds the policies of the steps before it once more, which stay.
            let own: BTreeSet<String> = made.difference(&before).cloned().collect();
            faults.revert_differs |= own != revert.names();
            before.extend(own);
            back.apply(&revert.enforced());
        }
        let enforced = self.dialect.enforce(self.stage.world(), &back);
        let pods = 0..self.stage.world().pods().len();
        let files: BTreeSet<&str> = pods.flat_map(|pod| enforced.binding(pod)).collect();
        for (step, faults) in self.steps.iter().chain([self.default_deny]).zip(faults) {
            faults.revert_differs |= files.contains(format!("{}/revert.yaml", step.name).as_str());
        }
        Ok(())
    }

    /// Default deny on top of all steps, and taken back.
    fn default_deny(&self, before: &Manifests, faults: Option<&mut Faults>) -> Result<(), Error> {
        let Some(faults) = faults else { return Ok(()) };
        let step = self.default_deny;
        let mut state = before.clone();
        state.apply(&self.dialect.read([("default-deny/apply.yaml", step.apply)].into_iter())?);
        let replayed = Replayed { rejected: Rc::clone(&self.rejected), ..Replayed::all(self.stage) };
        let mut certificate = self.nothing.clone();
        let enforced = self.dialect.enforce(self.stage.world(), &state);
        replay(self.stage, self.dialect, &enforced, &replayed, (&mut certificate, faults));
        let judge = self.judge(&enforced, &Binds::Everybody);
        if let Some(around) = self.around.last() {
            around.each(|probe| judge.probe(probe, &mut certificate, faults));
        }
        let corners = enforced.corners(self.stage);
        corners.iter().for_each(|probe| judge.probe(probe, &mut certificate, faults));
        drop(enforced);
        state.apply(&Manifests::read([("default-deny/revert.yaml", step.revert)], "default")?.enforced());
        faults.revert_differs |= self.differ(before, &state);
        Ok(())
    }

    /// The files of steps that have such a one, with their names.
    fn files<'b>(
        &'b self,
        file: &'b str,
        text: impl Fn(&'b StepText<'b>) -> Option<&'b str> + 'b,
    ) -> impl Iterator<Item = (String, &'b str)> + 'b {
        let each = self.steps.iter().filter_map(move |step| Some((step.name, text(step)?)));
        each.map(move |(name, text)| (format!("{name}/{file}"), text))
    }

    fn judge<'b, E: Enforced>(&'b self, enforced: &'b E, binds: &'b Binds<'b>) -> Judge<'b, D, E> {
        Judge { stage: self.stage, dialect: self.dialect, enforced, said: &self.said, binds }
    }

    /// Every dependency with an end in each step.
    fn replay_steps(&self, dialect: &D, enforced: &impl Enforced, faults: &mut [Faults]) {
        for (touched, faults) in self.touched.iter().zip(faults) {
            let replayed = Replayed {
                dependencies: touched.clone(),
                rejected: Rc::clone(&self.rejected),
                // The other end may be in no step, so what was rejected at it passes.
                rejected_are_denied: false,
            };
            replay(self.stage, dialect, enforced, &replayed, (&mut self.nothing.clone(), faults));
        }
    }

    /// Each pod that was observed is bound by its own step's file, and by no other.
    fn bound(&self, enforced: &impl Enforced, file: &str, faults: &mut [Faults]) {
        let of_class = steps_of(self.steps);
        let expected: Vec<String> = self.steps.iter().map(|step| format!("{}/{file}", step.name)).collect();
        let number: HashMap<&str, usize> =
            expected.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        for (pod, class) in self.stage.bound_pods() {
            let own = of_class.get(&class).copied();
            let binding = enforced.binding(pod);
            let others = binding.iter().filter_map(|name| number.get(name).copied());
            others.filter(|at| Some(*at) != own).for_each(|at| faults[at].binds_others = true);
            if let Some(own) = own.filter(|&own| !binding.contains(expected[own].as_str())) {
                faults[own].binds_others = true;
            }
        }
    }

    /// Whether anything is otherwise with one set of policies than with the other.
    fn differ(&self, one: &Manifests, other: &Manifests) -> bool {
        let world = self.stage.world();
        let (one, other) = (self.dialect.enforce(world, one), self.dialect.enforce(world, other));
        let differ =
            |client: End, server: End| one.connections(client, server) != other.connections(client, server);
        let outside = NOBODY.map(End::Outside);
        let mut pods = self.stage.pods();
        let of_pods =
            pods.any(|pod| outside.iter().any(|&address| differ(address, pod) || differ(pod, address)));
        let of_dependencies = || {
            self.stage.census.dependencies.iter().any(|seen| {
                self.stage.pairs(seen.client, seen.server).any(|(client, server)| {
                    let allows = |policies: &D::Enforced<'_>| policies.allows(client, server, seen.service);
                    allows(&one) != allows(&other) || differ(client, server)
                })
            })
        };
        of_pods || of_dependencies()
    }
}

fn named<'b>(files: &'b [(String, &'b str)]) -> impl Iterator<Item = (&'b str, &'b str)> + Clone {
    files.iter().map(|(name, text)| (name.as_str(), *text))
}

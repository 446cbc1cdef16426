//! The rules of a plan, put in the order of the steps, written and proven.

use std::collections::BTreeMap;
use std::ops::Range;

use watershed_model::Labels;

use super::groups::Group;
use super::texts::Texts;
use super::{Dialect, Files, Mined, Step};
use crate::calico::Enforced;
use crate::cilium::CiliumPolicies;
use crate::cluster::ClusterPolicies;
use crate::export::isolating::Isolating;
use crate::istio::AuthorizationPolicies;
use crate::mine::{ClassId, Each, Plan};
use crate::proof::kubernetes::{NetworkPolicies, StepText, prove_steps};
use crate::rule::subject_name;
use crate::{Error, Namespace, Rule, Whom};

/// The policy that isolates whoever has none, in each namespace.
const DEFAULT: &str = "watershed-rollout-default";

/// The texts of all steps, and what they were made of.
pub(super) struct Written {
    /// The rules, those of each step together, in its order; last those of workloads that are in none.
    plan: Plan,
    names: Vec<String>,
    /// Of each step.
    parts: Vec<Part>,
    /// Of those who are in none.
    left: Part,
    pub(super) files: Vec<Files>,
    pub(super) default_deny: Files,
}

/// A step's part of the rules.
#[derive(Default)]
struct Part {
    classes: Vec<ClassId>,
    subjects: Vec<Whom>,
    /// For each subject its rules in the plan.
    rules: Vec<Range<usize>>,
}

impl Part {
    fn of(classes: &[ClassId], each: &mut BTreeMap<ClassId, Each>, rules: &mut Vec<Rule>) -> Self {
        let mut part = Self { classes: classes.to_vec(), ..Self::default() };
        let mut own: Vec<Each> = classes.iter().filter_map(|class| each.remove(class)).collect();
        // Objects are loaded one after the other. Whose labels are a part of another's has a policy that binds the other
        // as well, so the other's own stands before it, which allows what the other does.
        own.sort_by_key(|one| one.means.len());
        for one in own {
            let start = rules.len();
            rules.extend(one.rules);
            part.subjects.push(one.subject);
            part.rules.push(start..rules.len());
        }
        part
    }

    /// Everything between the first and the last of its rules.
    fn span(&self) -> Range<usize> {
        let start = self.rules.first().map_or(0, |range| range.start);
        start..self.rules.last().map_or(start, |range| range.end)
    }

    fn text<'a>(&'a self, dialect: Dialect, name: &'a str, files: &'a Files) -> StepText<'a> {
        StepText {
            name,
            staged: matches!(dialect, Dialect::Calico | Dialect::Istio).then_some(files.watch.as_str()),
            apply: &files.apply,
            revert: &files.revert,
            classes: self.classes.clone(),
            subjects: self.subjects.iter().collect(),
            rules: self.span(),
        }
    }

    fn policies<'a>(&'a self, plan: &'a Plan) -> Vec<Isolating<'a>> {
        let each = self.subjects.iter().zip(&self.rules);
        let policy = |(subject, rules): (&'a Whom, &Range<usize>)| {
            let Whom::Workloads { labels, .. } = subject else { return None };
            let name = subject_name(subject);
            Some(Isolating {
                what: format!("{subject}: it may do what these rules allow, and nothing else"),
                namespace: subject.namespace()?,
                name: format!("rollout-{}", name.strip_prefix("allow-").unwrap_or(&name)),
                labels: labels.as_ref().clone(),
                rules: &plan.rules[rules.clone()],
            })
        };
        each.filter_map(policy).collect()
    }
}

/// What isolates whoever has no policy, and allows them what `rules` allow everybody.
fn isolate<'a>(namespace: &'a str, rules: &'a [Rule]) -> Isolating<'a> {
    Isolating {
        what: format!("Default deny in {namespace}: pods may do what rules allow, and nothing else"),
        namespace,
        name: DEFAULT.to_owned(),
        labels: Labels::new(),
        rules,
    }
}

/// The rules for all pods of each namespace, appended to `rules`: who comes tomorrow asks for names and is monitored as
/// those are who were seen.
fn of_everybody<'a>(mined: &Mined<'a>, rules: &mut Vec<Rule>) -> Vec<(&'a str, Range<usize>)> {
    let mut of: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &mined.plan.rules {
        if let Whom::Workloads { namespace: Namespace::One(name), labels } = &rule.subject
            && labels.is_empty()
        {
            of.entry(name).or_default().push(rule);
        }
    }
    let bound = mined.plan.namespaces().filter(|&namespace| mined.dialect.binds(namespace));
    let ranges = bound.map(|namespace| {
        let start = rules.len();
        rules.extend(of.get(namespace).into_iter().flatten().map(|&rule| rule.clone()));
        (namespace, start..rules.len())
    });
    ranges.collect()
}

impl Written {
    pub(super) fn of(
        mined: &Mined<'_>,
        mut each: BTreeMap<ClassId, Each>,
        steps: &[(Step, Group<'_>)],
    ) -> Result<Self, Error> {
        let mut rules = Vec::new();
        let parts: Vec<Part> =
            steps.iter().map(|(_, group)| Part::of(&group.classes, &mut each, &mut rules)).collect();
        let left: Vec<ClassId> = each.keys().copied().collect();
        let left = Part::of(&left, &mut each, &mut rules);
        let everybody = of_everybody(mined, &mut rules);
        let plan = mined.plan.with(rules);
        let all = parts.iter().chain([&left]);
        let mut policies: Vec<Vec<Isolating<'_>>> = all.map(|part| part.policies(&plan)).collect();
        if let Some(last) = policies.last_mut() {
            last.extend(
                everybody.into_iter().map(|(namespace, rules)| isolate(namespace, &plan.rules[rules])),
            );
        }
        let texts = Texts::of(mined, &plan, &policies)?;
        let files = steps.iter().enumerate().map(|(at, (step, _))| texts.step(step, at)).collect();
        let default_deny = texts.default_deny();
        let names = steps.iter().map(|(step, _)| step.name.clone()).collect();
        Ok(Self { names, files, default_deny, parts, left, plan })
    }

    pub(super) fn prove(&self, mined: &Mined<'_>) -> Result<(), Error> {
        let steps = self.names.iter().zip(&self.files).zip(&self.parts);
        let texts: Vec<StepText<'_>> =
            steps.map(|((name, files), part)| part.text(mined.dialect, name, files)).collect();
        let last = self.left.text(mined.dialect, "default-deny", &self.default_deny);
        let (census, plan) = (mined.census, &self.plan);
        match mined.dialect {
            Dialect::Kubernetes => prove_steps(&NetworkPolicies, census, plan, &texts, &last),
            Dialect::Cluster => prove_steps(&ClusterPolicies, census, plan, &texts, &last),
            Dialect::Cilium => prove_steps(&CiliumPolicies::of(census), census, plan, &texts, &last),
            Dialect::Calico => prove_steps(&Enforced, census, plan, &texts, &last),
            Dialect::Istio => prove_steps(&AuthorizationPolicies, census, plan, &texts, &last),
        }
    }
}

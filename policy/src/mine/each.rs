//! The rules of a plan, written for each class of workloads by itself: for those who enforce one after the other.
//!
//! A policy that isolates a workload has to hold everything that the workload may do. The rules of a plan are for
//! subjects of all sizes, so a class takes its own rules and its part of those for more than itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::whom;
use super::{Census, ClassId, Plan};
use crate::{Rule, Whom};

/// One class of pods.
#[derive(Debug)]
pub(crate) struct Each {
    /// The narrowest selector that means it.
    pub(crate) subject: Whom,
    /// The classes that this selector means, in order: it may be all the labels that others have, too.
    pub(crate) means: Arc<[ClassId]>,
    /// What it is allowed. Names, evidence and prices are those of the rules in the plan.
    pub(crate) rules: Vec<Rule>,
}

impl Plan {
    /// Every class of pods, whether it has rules or not.
    pub(crate) fn each(&self, census: &Census) -> BTreeMap<ClassId, Each> {
        let classes = &self.classes;
        let pods = (0..classes.list.len() as ClassId).filter(|&class| classes.in_cluster(class));
        let mut each: BTreeMap<ClassId, Each> = pods
            .map(|class| {
                let exact = classes.exact(class);
                let subject = whom(census, classes, &exact);
                (class, Each { subject, means: classes.select(&exact).into(), rules: Vec::new() })
            })
            .collect();
        for rule in &self.rules {
            for class in &*rule.subjects {
                let Some(one) = each.get_mut(class) else { continue };
                let (subject, subjects) = (one.subject.clone(), Arc::clone(&one.means));
                one.rules.push(Rule { subject, subjects, ..rule.clone() });
            }
        }
        each
    }

    /// A plan of other rules for the same workloads.
    pub(crate) fn with(&self, rules: Vec<Rule>) -> Self {
        Self {
            level: self.level,
            rules,
            outside: self.outside,
            rejected: self.rejected.clone(),
            gone: self.gone.clone(),
            pinned: self.pinned.clone(),
            classes: Arc::clone(&self.classes),
        }
    }
}

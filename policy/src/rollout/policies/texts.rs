//! The text of every file.

use super::{Dialect, Files, Mined, Step, audit};
use crate::Error;
use crate::export::calico::Form;
use crate::export::isolating::{Isolating, file};
use crate::export::{calico, cilium, cluster, istio, kubernetes};
use crate::mine::Plan;
use crate::text::printable;

/// Letters of a name in a comment.
const NAME: usize = 400;

/// Every policy as text, by step: the last are those that no step has.
pub(super) struct Texts<'a> {
    dialect: Dialect,
    policies: &'a [Vec<Isolating<'a>>],
    apply: Vec<Vec<String>>,
    staged: Vec<Vec<String>>,
    revert: Vec<Vec<String>>,
}

impl<'a> Texts<'a> {
    pub(super) fn of(
        mined: &Mined<'_>,
        plan: &Plan,
        policies: &'a [Vec<Isolating<'a>>],
    ) -> Result<Self, Error> {
        let (census, dialect) = (mined.census, mined.dialect);
        let isolate = |all: &[Isolating<'_>], form| match dialect {
            Dialect::Kubernetes => kubernetes::isolate(census, plan, all),
            Dialect::Cluster => cluster::isolate(census, plan, all),
            Dialect::Cilium => cilium::isolate(census, plan, all),
            Dialect::Calico => calico::isolate(census, plan, all, form),
            Dialect::Istio => istio::isolate(census, plan, all, form),
        };
        let by_step = |texts: Vec<String>| {
            let mut texts = texts.into_iter();
            policies.iter().map(|step| texts.by_ref().take(step.len()).collect()).collect::<Vec<Vec<_>>>()
        };
        let all: Vec<Isolating<'_>> = policies.iter().flatten().cloned().collect();
        let back: Vec<Isolating<'_>> = all.iter().map(Isolating::back).collect();
        let mut texts = Self {
            dialect,
            policies,
            apply: by_step(isolate(&all, Form::Enforced)?),
            staged: Vec::new(),
            revert: by_step(match dialect {
                Dialect::Cluster => cluster::take_back(census, plan, &all)?,
                _ => isolate(&back, Form::Enforced)?,
            }),
        };
        // The other way round: what binds a pod beside its own policy goes before that does.
        texts.revert.iter_mut().for_each(|texts| texts.reverse());
        if matches!(dialect, Dialect::Calico | Dialect::Istio) {
            texts.staged = by_step(isolate(&all, Form::Staged)?);
        }
        // A dry run of Istio's is an object of the same name, and is taken back with it.
        if dialect == Dialect::Calico {
            let staged = by_step(isolate(&back, Form::Staged)?);
            texts.revert.iter_mut().zip(staged).for_each(|(back, staged)| back.extend(staged));
        }
        Ok(texts)
    }

    pub(super) fn step(&self, step: &Step, at: usize) -> Files {
        let unit = printable(&step.unit, NAME);
        let mut head = format!(
            "# Coverage {:.2} %, clients {}. Evidence and prices are those of rules for all whom they mean.\n",
            step.coverage * 100.0,
            step.fan_in
        );
        head.push_str(self.passes());
        if !step.ready {
            head.push_str("# Not ready by the rule in the settings: watch first.\n");
        }
        head.push_str("# revert.yaml takes it back.\n");
        let apply = file(&self.apply[at]);
        Files {
            watch: self.watch(&unit, at, &head),
            apply: format!(
                "# Protects {unit}: what no rule allows is denied, nothing of anybody else.\n{head}{apply}"
            ),
            revert: format!("# Takes back what protects {unit}.\n{}", file(&self.revert[at])),
        }
    }

    fn watch(&self, unit: &str, at: usize, head: &str) -> String {
        match self.dialect {
            Dialect::Kubernetes | Dialect::Cluster => String::new(),
            Dialect::Cilium => {
                let pods: Vec<_> = self.policies[at].iter().map(|one| (one.namespace, &one.labels)).collect();
                audit::notes(unit, &pods)
            }
            Dialect::Istio => {
                let staged = file(&self.staged[at]);
                format!(
                    "# A dry run: the proxies' debug log and their rbac metrics show what protecting {unit} would\n\
                     # refuse, as shadow_denied; nothing is refused. apply.yaml takes its place.\n\
                     # NOT in ambient mode before Istio 1.26: it takes no notice of the annotation, and enforces this.\n\
                     {head}{staged}"
                )
            }
            Dialect::Calico => {
                let staged = file(&self.staged[at]);
                format!(
                    "# Staged: flow logs show what protecting {unit} would deny; nothing is denied.\n{head}{staged}"
                )
            }
        }
    }

    /// What stays open whatever rules say.
    const fn passes(&self) -> &'static str {
        match self.dialect {
            Dialect::Kubernetes | Dialect::Cilium | Dialect::Calico => "",
            Dialect::Cluster => {
                "# From outside the cluster everything passes, and a NetworkPolicy for these pods comes before it.\n"
            }
            Dialect::Istio => {
                "# It governs TCP to them alone: UDP, ICMP and what they open themselves pass.\n\
                 # Clients without an identity of the mesh (mutual TLS) are refused, but for addresses that rules name.\n"
            }
        }
    }

    /// The policies of every step once more, so that what was left out is not cut off, and the rest.
    pub(super) fn default_deny(&self) -> Files {
        let at = self.policies.len() - 1;
        let all: Vec<String> = self.apply.iter().flatten().cloned().collect();
        let what = "Default deny: the policies of every step, and in each namespace one for all other pods";
        Files {
            watch: self.watch("whoever has no step", at, ""),
            apply: format!("# {what}.\n{}", file(&all)),
            revert: format!("# Takes default deny back; steps stay as they are.\n{}", file(&self.revert[at])),
        }
    }
}

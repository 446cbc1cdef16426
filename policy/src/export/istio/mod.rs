//! Mined rules as Istio AuthorizationPolicies (`security.istio.io/v1`): a directory of the same shape as that
//! of Kubernetes NetworkPolicies.
//!
//! An AuthorizationPolicy allows TCP to a workload, from clients by their service account or namespace, to
//! ports. So rules are first turned into what it can say, [`Sayable`]: clients that labels tell apart become
//! those with the same service accounts, else everybody in the same namespaces; what that admits is part of the
//! rules' price and listed. Rules for egress, and for other protocols, are listed too: nothing denies these.
//! Nor are there policies of the root namespace, which would be for workloads of every namespace.

mod sayable;

mod text;

use std::collections::{BTreeMap, BTreeSet};

pub use sayable::Sayable;

use super::calico::Form;
use super::directory::Directory;
use super::isolating::Isolating;
use super::names;
use crate::istio::ROOT_NAMESPACE;
use crate::mine::{Census, Plan};
use crate::{Error, Namespace, Rule, Whom};

/// Writes the rules of `sayable`, which was made of what was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, sayable: &Sayable) -> Result<Directory, Error> {
    let mut export = Directory { not_expressed: sayable.not_expressed.clone(), ..Directory::default() };
    let plan = &sayable.plan;
    let mut policies: BTreeMap<(&str, &Whom), Vec<(&Rule, text::Client)>> = BTreeMap::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else { continue };
        names::check(rule)?;
        let Some(client) = text::client(census, plan, rule) else {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        };
        policies.entry((namespace, &rule.subject)).or_default().push((rule, client));
    }
    let mut listed = BTreeSet::new();
    for ((namespace, subject), rules) in &policies {
        listed.insert(export.allow(namespace, subject, text::policy(namespace, subject, rules, plan.level)));
    }
    let mut open = BTreeSet::new();
    for namespace in plan.namespaces().filter(|&namespace| namespace != ROOT_NAMESPACE) {
        names::check_namespace(namespace)?;
        let (deny, revert) = (text::default_deny(namespace), text::allow_everything(namespace));
        open.insert(export.default_deny(namespace, deny, revert));
    }
    // First what allows everything: between two steps of loading nothing is denied.
    Ok(export.finish(open.iter().chain(&listed).map(String::as_str)))
}

/// Policies that isolate, for the rules of `plan`, which [`Sayable`] made of what was mined from `census`; staged they
/// are dry runs.
///
/// # Errors
/// As [`export`].
pub(crate) fn isolate(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
    form: Form,
) -> Result<Vec<String>, Error> {
    let text = |one: &Isolating<'_>| {
        names::check_namespace(one.namespace)?;
        let mut said = Vec::new();
        for rule in one.rules {
            names::check(rule)?;
            said.extend(text::client(census, plan, rule).map(|client| (rule, client)));
        }
        Ok(text::isolating(form, one, &said))
    };
    policies.iter().map(text).collect()
}

//! Mined rules as Kubernetes NetworkPolicies (`networking.k8s.io/v1`): a directory for `kubectl apply -k`.
//!
//! ```text
//! kustomization.yaml       the rules, and per namespace a policy that still allows everything
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject
//! default-deny/            turns the policy that allows everything into one that allows nothing
//! default-deny-revert/     and back
//! ```
//!
//! A NetworkPolicy denies to the pods that it selects whatever no policy allows. So that loading the rules
//! denies nothing yet, each namespace gets a policy that allows everything; default deny is another policy of
//! the same name. What another pod listens on is its target port, which is what was observed.

pub(super) mod peers;

mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Directory;
use super::isolating::Isolating;
use super::names;
use crate::mine::{Census, Plan};
use crate::{Allowed, Error, Rule, Whom};

/// A rule, and its peers as a policy says them.
pub(in crate::export) type Said<'a> = (&'a Rule, Vec<peers::Peer<'a>>);

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan) -> Result<Directory, Error> {
    let mut export = Directory::default();
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    for rules in plan.rules.chunk_by(|a, b| a.subject == b.subject) {
        let subject = &rules[0].subject;
        let mut said: Vec<Said<'_>> = Vec::new();
        for rule in rules {
            said.extend(self::said(&mut export, census, plan, rule)?.map(|peers| (rule, peers)));
        }
        if let (Some(namespace), false) = (subject.namespace(), said.is_empty()) {
            policies.entry((namespace, subject)).or_default().extend(said);
        }
    }
    let mut listed = BTreeSet::new();
    for ((namespace, subject), rules) in &policies {
        listed.insert(export.allow(namespace, subject, text::policy(namespace, subject, rules, plan.level)));
    }
    let mut open = BTreeSet::new();
    for namespace in plan.namespaces() {
        names::check_namespace(namespace)?;
        open.insert(export.default_deny(
            namespace,
            text::default_deny(namespace),
            text::allow_everything(namespace),
        ));
    }
    // First what allows everything: between two steps of loading nothing is denied.
    Ok(export.finish(open.iter().chain(&listed).map(String::as_str)))
}

/// The peers of a rule that a policy can say; what it cannot say is noted.
fn said<'a>(
    export: &mut Directory,
    census: &Census,
    plan: &Plan,
    rule: &'a Rule,
) -> Result<Option<Vec<peers::Peer<'a>>>, Error> {
    if rule.subject.namespace().is_none() {
        export.cannot(rule, "its subject is no pod: nothing of it is enforced by the cluster");
        return Ok(None);
    }
    names::check(rule)?;
    if !rule.ports.iter().all(is_sayable) {
        export.cannot(rule, "NetworkPolicy knows TCP, UDP and SCTP alone: the network plugin decides");
    }
    // Without this a rule for pings alone would have no ports, which means all of them.
    if !rule.ports.iter().any(is_sayable) {
        return Ok(None);
    }
    let peers = peers::of(census, plan, rule);
    if peers.is_empty() {
        export.cannot(rule, "no address of its peer is known: it stays denied");
        return Ok(None);
    }
    Ok(Some(peers))
}

pub(in crate::export) const fn is_sayable(allowed: &Allowed) -> bool {
    !matches!(allowed, Allowed::Service(_))
}

/// Policies that isolate, for the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// As [`export`].
pub(crate) fn isolate(
    census: &Census,
    plan: &Plan,
    policies: &[Isolating<'_>],
) -> Result<Vec<String>, Error> {
    let text = |one: &Isolating<'_>| Ok(text::isolating(one, &sayable(census, plan, one, |_, _| true)?));
    policies.iter().map(text).collect()
}

/// The rules of a policy that isolates, as far as they can be said, with those of their peers that are `kept`.
pub(in crate::export) fn sayable<'a>(
    census: &Census,
    plan: &Plan,
    one: &Isolating<'a>,
    kept: impl Fn(&Rule, &peers::Peer<'_>) -> bool,
) -> Result<Vec<Said<'a>>, Error> {
    names::check_namespace(one.namespace)?;
    let mut said: Vec<Said<'_>> = Vec::new();
    for rule in one.rules.iter().filter(|rule| rule.ports.iter().any(is_sayable)) {
        names::check(rule)?;
        let mut peers = peers::of(census, plan, rule);
        peers.retain(|peer| kept(rule, peer));
        // No peers would be everybody.
        said.extend((!peers.is_empty()).then_some((rule, peers)));
    }
    Ok(said)
}

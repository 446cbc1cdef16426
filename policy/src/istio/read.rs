//! From objects to AuthorizationPolicies.

use std::collections::BTreeMap;

use super::Policies;
use super::policy::{Action, AuthorizationPolicy, Rule};
use super::rules::rule;
use crate::k8s::read::selector;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Node, Value};
use crate::k8s::{Place, Problem};

/// The versions that are read; they say the same.
const VERSIONS: [&str; 2] = ["security.istio.io/v1", "security.istio.io/v1beta1"];

/// The annotation that turns a policy into one that only shows what it would do.
pub(crate) const DRY_RUN: &str = "istio.io/dry-run";

impl Policies {
    /// Takes one object of the group.
    pub(crate) fn take(&mut self, sheet: &mut Sheet, version: &str, kind: &str, node: &Node) {
        let spot = |field: &str| node.get(field).map_or(node.spot, |node| node.spot);
        match kind {
            "AuthorizationPolicy" if VERSIONS.contains(&version) => self.policies.extend(policy(sheet, node)),
            "AuthorizationPolicy" => {
                let message = format!("`{version}` is not known; write `apiVersion: {}`", VERSIONS[0]);
                sheet.problem(spot("apiVersion"), message);
            }
            "PeerAuthentication" | "RequestAuthentication" => {
                let name = node.at(&["metadata", "name"]).and_then(Node::scalar).unwrap_or_default();
                sheet.note(
                    node.spot,
                    format!("{kind} `{name}` is not evaluated: clients are taken to be authenticated"),
                );
            }
            kind => {
                let message = format!("`{version}` has no kind `{kind}`; write `kind: AuthorizationPolicy`");
                sheet.problem(spot("kind"), message);
            }
        }
    }

    /// Of two policies with one name the API server would keep the last alone.
    pub(crate) fn repeated(&self) -> Vec<Problem> {
        let mut first: BTreeMap<(&str, &str), &Place> = BTreeMap::new();
        let mut repeated = Vec::new();
        for policy in &self.policies {
            if let Some(earlier) = first.insert((&policy.namespace, &policy.name), &policy.place) {
                let message = format!(
                    "AuthorizationPolicy {policy} is there twice, also at {earlier}; rename one, or take it out"
                );
                repeated.push(Problem { place: policy.place.clone(), message });
            }
        }
        repeated
    }
}

fn policy(sheet: &mut Sheet, node: &Node) -> Option<AuthorizationPolicy> {
    let top =
        sheet.fields(node, "an AuthorizationPolicy", &["apiVersion", "kind", "metadata", "spec", "status"]);
    let Some(name) = node.at(&["metadata", "name"]) else {
        sheet.problem(node.spot, "this AuthorizationPolicy has no name; write it under `metadata`");
        return None;
    };
    let name = sheet.text(name, "name").filter(|name| !name.is_empty())?.to_owned();
    let namespace = match node.at(&["metadata", "namespace"]).filter(|node| node.value != Value::Null) {
        Some(namespace) => sheet.text(namespace, "namespace")?.to_owned(),
        None => sheet.namespace.to_string(),
    };
    let nothing = Node { spot: node.spot, value: Value::Null };
    let known = ["selector", "targetRef", "targetRefs", "rules", "action", "provider"];
    let spec = sheet.fields(top.get("spec").unwrap_or(&nothing), "spec", &known);
    if let Some(target) = spec.get("targetRefs").or_else(|| spec.get("targetRef")) {
        let message = format!("policy `{name}` is attached to a gateway or service and not evaluated");
        sheet.note(target.spot, message);
        return None;
    }
    let subject_place = spec.get("selector").map_or(node.spot, |node| node.spot);
    let subject = spec.get("selector").map(|node| {
        let _ = sheet.fields(node, "selector", &["matchLabels"]);
        selector::read(sheet, node, "selector")
    });
    let action = action(sheet, spec, &name);
    let dry_run = dry_run(sheet, node, &name, action);
    let items = spec.get("rules").map_or(&[][..], |node| sheet.list(node, "rules"));
    let rules: Vec<Rule> = items.iter().map(|item| rule(sheet, item, &namespace)).collect();
    if action == Action::Deny && rules.is_empty() {
        let spot = spec.get("action").map_or(node.spot, |action| action.spot);
        sheet.problem(spot, format!("policy `{name}` denies nothing without rules, and Istio refuses it; write `rules: [{{}}]` to deny everything"));
    }
    Some(AuthorizationPolicy {
        place: sheet.place(node.spot),
        namespace,
        name,
        action,
        dry_run,
        subject: subject.unwrap_or_default(),
        subject_place: sheet.place(subject_place),
        rules,
    })
}

fn action(sheet: &mut Sheet, spec: Fields<'_>, name: &str) -> Action {
    let node = spec.get("action");
    let word = node.and_then(|node| sheet.text(node, "action"));
    if let Some(provider) = spec.get("provider").filter(|_| word != Some("CUSTOM")) {
        sheet.problem(provider.spot, "a `provider` goes with `action: CUSTOM` alone; take it out");
    }
    let Some(node) = node else { return Action::Allow };
    match word {
        None | Some("ALLOW") => Action::Allow,
        Some("DENY") => Action::Deny,
        Some("AUDIT") => Action::Nothing,
        Some("CUSTOM") => {
            sheet.note(node.spot, format!("policy `{name}` asks an authorizer and is not evaluated"));
            Action::Nothing
        }
        Some(other) => {
            sheet.problem(node.spot, format!("unknown action `{other}`; write ALLOW, DENY, AUDIT or CUSTOM"));
            Action::Nothing
        }
    }
}

/// Istio takes these words of Go's, and its admission refuses all others.
fn dry_run(sheet: &mut Sheet, node: &Node, name: &str, action: Action) -> bool {
    let Some(node) = node.at(&["metadata", "annotations", DRY_RUN]) else { return false };
    if action == Action::Nothing {
        sheet.problem(node.spot, format!("{DRY_RUN} goes with ALLOW and DENY alone; take it out"));
    }
    match sheet.text(node, DRY_RUN) {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => {
            let message =
                format!("policy `{name}` is a dry run: what is told of it holds once it is enforced");
            sheet.note(node.spot, message);
            true
        }
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
        Some(other) => {
            let message = format!("`{other}` is no value of {DRY_RUN}; write \"true\" or \"false\"");
            sheet.problem(node.spot, message);
            false
        }
    }
}

//! From objects to policies and network sets.

mod rule;

mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use value::expression;

use super::policy::{NetworkSet, Policy, StagedAction, Subject};
use super::{Expression, Policies};
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Node, Value};
use crate::k8s::{Place, Problem};

/// The versions that are read: that of the API, and that of its stored form.
const VERSIONS: [&str; 2] = ["projectcalico.org/v3", "crd.projectcalico.org/v1"];

/// The tier whose policies are evaluated.
const DEFAULT_TIER: &str = "default";

/// Kinds of the group that say nothing about who may connect to whom.
const SILENT: [&str; 13] = [
    "BGPConfiguration",
    "BGPFilter",
    "BGPPeer",
    "BlockAffinity",
    "CalicoNodeStatus",
    "ClusterInformation",
    "FelixConfiguration",
    "IPAMConfiguration",
    "IPPool",
    "IPReservation",
    "KubeControllersConfiguration",
    "Node",
    "WorkloadEndpoint",
];

impl Policies {
    /// Takes one object of the group.
    pub(crate) fn take(&mut self, sheet: &mut Sheet, version: &str, kind: &str, node: &Node) {
        if !VERSIONS.contains(&version) {
            let spot = node.get("apiVersion").map_or(node.spot, |node| node.spot);
            let message = format!("`{version}` is not known; write `apiVersion: {}`", VERSIONS[0]);
            return sheet.problem(spot, message);
        }
        match kind {
            "NetworkPolicy" | "GlobalNetworkPolicy" | "StagedNetworkPolicy" | "StagedGlobalNetworkPolicy" => {
                let (staged, global) = (kind.starts_with("Staged"), kind.contains("Global"));
                self.policies.extend(policy(sheet, kind, node, staged, global));
            }
            "NetworkSet" | "GlobalNetworkSet" => self.sets.push(set(sheet, kind, node)),
            "StagedKubernetesNetworkPolicy" | "Tier" | "HostEndpoint" | "Profile" => {
                let name = node.at(&["metadata", "name"]).and_then(Node::scalar).unwrap_or_default();
                sheet.note(
                    node.spot,
                    format!("{kind} `{name}` is not evaluated; the default tier for pods is"),
                );
            }
            kind if SILENT.contains(&kind) => {}
            kind => {
                let spot = node.get("kind").map_or(node.spot, |node| node.spot);
                let known =
                    "NetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy or StagedGlobalNetworkPolicy";
                sheet.problem(spot, format!("`{version}` has no kind `{kind}`; write {known}"));
            }
        }
    }

    /// Of two policies with one name the API server would keep the last alone.
    pub(crate) fn repeated(&self) -> Vec<Problem> {
        let mut first: BTreeMap<(bool, Option<&str>, &str), &Place> = BTreeMap::new();
        let mut repeated = Vec::new();
        for policy in &self.policies {
            let key = (policy.staged.is_some(), policy.namespace.as_deref(), policy.name.as_str());
            if let Some(earlier) = first.insert(key, &policy.place) {
                let message =
                    format!("policy {policy} is there twice, also at {earlier}; rename one, or take it out");
                repeated.push(Problem { place: policy.place.clone(), message });
            }
        }
        repeated
    }
}

/// Name, and namespace of what is in one.
fn named(sheet: &mut Sheet, kind: &str, node: &Node, global: bool) -> Option<(Option<String>, String)> {
    let Some(name) = node.at(&["metadata", "name"]) else {
        sheet.problem(node.spot, format!("this {kind} has no name; write it under `metadata`"));
        return None;
    };
    let name = sheet.text(name, "name").filter(|name| !name.is_empty())?;
    let namespace = node.at(&["metadata", "namespace"]).filter(|node| node.value != Value::Null);
    let namespace = match namespace {
        Some(place) if global => {
            let message =
                format!("a {kind} is in no namespace; take `namespace` out, or write a NetworkPolicy");
            sheet.problem(place.spot, message);
            None
        }
        None if global => None,
        Some(namespace) => Some(sheet.text(namespace, "namespace")?.to_owned()),
        None => Some(sheet.namespace.to_string()),
    };
    // The stored form, and that of policies in tiers, has the tier before the name.
    let name = name.strip_prefix("default.").unwrap_or(name);
    Some((namespace, name.to_owned()))
}

fn policy(sheet: &mut Sheet, kind: &str, node: &Node, staged: bool, global: bool) -> Option<Policy> {
    let top =
        sheet.fields(node, format_args!("a {kind}"), &["apiVersion", "kind", "metadata", "spec", "status"]);
    let (namespace, name) = named(sheet, kind, node, global)?;
    let mut known = vec![
        "tier",
        "order",
        "selector",
        "serviceAccountSelector",
        "types",
        "ingress",
        "egress",
        "performanceHints",
    ];
    if global {
        known.extend(["namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"]);
    }
    if staged {
        known.push("stagedAction");
    }
    let nothing = Node { spot: node.spot, value: Value::Null };
    let spec_node = top.get("spec").unwrap_or(&nothing);
    let spec = sheet.fields(spec_node, "spec", &known);
    if !in_evaluated_tier(sheet, spec, &name) || is_for_hosts(sheet, spec, &name) {
        return None;
    }
    let mut select = |name: &str| spec.get(name).and_then(|node| expression(sheet, node, name));
    let (selector, namespaces) = (select("selector"), select("namespaceSelector"));
    let accounts = select("serviceAccountSelector");
    if let Some(node) = spec.get("serviceAccountSelector") {
        sheet.note(node.spot, "labels of service accounts are not known: this selector selects nobody");
    }
    let mut rules = |key: &str| {
        let items = spec.get(key).map_or(&[][..], |node| sheet.list(node, key));
        items.iter().filter_map(|item| rule::read(sheet, item, namespace.as_deref())).collect::<Vec<_>>()
    };
    let (ingress, egress) = (rules("ingress"), rules("egress"));
    let (for_ingress, for_egress) = types(sheet, spec, !ingress.is_empty(), !egress.is_empty());
    if staged {
        sheet.note(
            node.spot,
            format!("{kind} `{name}` is staged: what is told of it holds once it is enforced"),
        );
    }
    let subject_spot = spec.get("selector").map_or(node.spot, |node| node.spot);
    Some(Policy {
        place: sheet.place(node.spot),
        namespace,
        name,
        staged: if staged { Some(staged_action(sheet, spec)) } else { None },
        order: spec.get("order").and_then(|node| value::order(sheet, node)),
        subject: Subject { selector: selector.unwrap_or(Expression::All), namespaces, accounts },
        subject_place: sheet.place(subject_spot),
        ingress: for_ingress.then_some(ingress),
        egress: for_egress.then_some(egress),
    })
}

fn in_evaluated_tier(sheet: &mut Sheet, spec: Fields<'_>, name: &str) -> bool {
    let Some(tier) = spec.get("tier") else { return true };
    match sheet.text(tier, "tier") {
        None | Some("" | DEFAULT_TIER) => true,
        Some(other) => {
            let message = format!("policy `{name}` of tier `{other}` is not evaluated; the default tier is");
            sheet.note(tier.spot, message);
            false
        }
    }
}

/// Such policies act before connections are tracked, on hosts' interfaces, and never on pods.
fn is_for_hosts(sheet: &mut Sheet, spec: Fields<'_>, name: &str) -> bool {
    ["doNotTrack", "preDNAT"].into_iter().any(|field| {
        let found = spec.get(field).filter(|node| node.scalar() == Some("true"));
        if let Some(node) = found {
            sheet.note(
                node.spot,
                format!("policy `{name}` with `{field}` is for hosts alone and not evaluated"),
            );
        }
        found.is_some()
    })
}

/// Whether the policy governs ingress and egress. Left out or empty, `types` is egress where there are only
/// egress rules, both where there are both, and ingress otherwise.
fn types(sheet: &mut Sheet, spec: Fields<'_>, ingress: bool, egress: bool) -> (bool, bool) {
    let items = spec.get("types").map_or(&[][..], |node| sheet.list(node, "types"));
    if items.is_empty() {
        return (ingress || !egress, egress);
    }
    let mut both = (false, false);
    for item in items {
        match sheet.text(item, "types") {
            Some("Ingress") => both.0 = true,
            Some("Egress") => both.1 = true,
            Some(other) => {
                sheet.problem(item.spot, format!("unknown policy type `{other}`; write Ingress or Egress"));
            }
            None => {}
        }
    }
    for (key, governs, rules) in [("ingress", both.0, ingress), ("egress", both.1, egress)] {
        if let (false, true, Some(node)) = (governs, rules, spec.get(key)) {
            sheet.note(node.spot, format!("`{key}` has no effect: `types` does not name it"));
        }
    }
    both
}

fn staged_action(sheet: &mut Sheet, spec: Fields<'_>) -> StagedAction {
    let Some(node) = spec.get("stagedAction") else { return StagedAction::Set };
    match sheet.text(node, "stagedAction") {
        None | Some("Set" | "") => StagedAction::Set,
        Some("Delete") => StagedAction::Delete,
        Some("Learn" | "Ignore") => StagedAction::Nothing,
        Some(other) => {
            let message = format!("unknown staged action `{other}`; write Set, Delete, Learn or Ignore");
            sheet.problem(node.spot, message);
            StagedAction::Nothing
        }
    }
}

fn set(sheet: &mut Sheet, kind: &str, node: &Node) -> NetworkSet {
    let top = sheet.fields(node, format_args!("a {kind}"), &["apiVersion", "kind", "metadata", "spec"]);
    let namespace = named(sheet, kind, node, kind == "GlobalNetworkSet").and_then(|(namespace, _)| namespace);
    let nothing = Node { spot: node.spot, value: Value::Null };
    let spec = sheet.fields(top.get("spec").unwrap_or(&nothing), "spec", &["nets", "allowedEgressDomains"]);
    if let Some(node) = spec.get("allowedEgressDomains") {
        sheet.note(node.spot, "domains of network sets are not evaluated: their addresses are not known");
    }
    let nets = spec.get("nets").map_or_else(Vec::new, |node| value::nets(sheet, node, "nets"));
    NetworkSet {
        namespace,
        labels: crate::k8s::read::selector::labels(node.at(&["metadata", "labels"])),
        nets,
    }
}

//! From objects to AuthorizationPolicies.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::policy::{Action, AuthorizationPolicy, Operation, Pattern, Rule, Source};
use super::{Policies, principal};
use crate::k8s::read::policy::network;
use crate::k8s::read::selector;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Node, Value};
use crate::k8s::{Place, Problem};

/// The versions that are read; they say the same.
const VERSIONS: [&str; 2] = ["security.istio.io/v1", "security.istio.io/v1beta1"];

/// The annotation that turns a policy into one that only shows what it would do.
pub(crate) const DRY_RUN: &str = "istio.io/dry-run";

/// What operations say about requests.
const OF_REQUESTS: [&str; 6] = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];

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
    let dry_run = dry_run(sheet, node, &name);
    let items = spec.get("rules").map_or(&[][..], |node| sheet.list(node, "rules"));
    let rules = items.iter().map(|item| rule(sheet, item, &namespace)).collect();
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
    let Some(node) = spec.get("action") else { return Action::Allow };
    match sheet.text(node, "action") {
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
fn dry_run(sheet: &mut Sheet, node: &Node, name: &str) -> bool {
    let Some(node) = node.at(&["metadata", "annotations", DRY_RUN]) else { return false };
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

fn rule(sheet: &mut Sheet, node: &Node, namespace: &str) -> Rule {
    let fields = sheet.fields(node, "a rule", &["from", "to", "when"]);
    let mut rule =
        Rule { place: sheet.place(node.spot), sources: Vec::new(), operations: Vec::new(), partly: false };
    for item in fields.get("from").map_or(&[][..], |node| sheet.list(node, "from")) {
        let Some(node) = only(sheet, item, "from", "source") else { continue };
        rule.sources.push(source(sheet, node, namespace, &mut rule.partly));
    }
    for item in fields.get("to").map_or(&[][..], |node| sheet.list(node, "to")) {
        let Some(node) = only(sheet, item, "to", "operation") else { continue };
        rule.operations.push(operation(sheet, node, &mut rule.partly));
    }
    for item in fields.get("when").map_or(&[][..], |node| sheet.list(node, "when")) {
        let fields = sheet.fields(item, "a condition", &["key", "values", "notValues"]);
        if fields.get("key").is_none() {
            sheet.problem(item.spot, "this condition has no `key`; write one such as source.namespace");
        }
        rule.partly = true;
    }
    if rule.partly {
        let message = "requests and conditions are not known: this rule is taken to allow all that it could, and to deny nothing";
        sheet.note(node.spot, message);
    }
    rule
}

/// The one field of an item, which must say something.
fn only<'a>(sheet: &mut Sheet, item: &'a Node<'_>, list: &str, field: &str) -> Option<&'a Node<'a>> {
    let fields = sheet.fields(item, format_args!("an item of `{list}`"), &[field]);
    let found = fields.get(field).filter(|node| !node.fields().is_empty());
    if found.is_none() {
        let message = format!(
            "an item of `{list}` needs a `{field}` that says something; leave `{list}` out to mean everything"
        );
        sheet.problem(item.spot, message);
    }
    found
}

fn source(sheet: &mut Sheet, node: &Node, namespace: &str, partly: &mut bool) -> Source {
    let of_requests = ["requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks"];
    let own = [
        "principals",
        "notPrincipals",
        "namespaces",
        "notNamespaces",
        "ipBlocks",
        "notIpBlocks",
        "serviceAccounts",
        "notServiceAccounts",
    ];
    let known: Vec<&str> = own.into_iter().chain(of_requests).collect();
    let fields = sheet.fields(node, "source", &known);
    *partly |= of_requests.iter().any(|field| fields.get(field).is_some());
    let mut patterns =
        |field: &str| texts(sheet, fields, field).iter().map(|(_, text)| Pattern::of(text)).collect();
    let (mut principals, mut not_principals): (Vec<_>, Vec<_>) =
        (patterns("principals"), patterns("notPrincipals"));
    let (namespaces, not_namespaces) = (patterns("namespaces"), patterns("notNamespaces"));
    let mut accounts = |field: &str| -> Vec<Pattern> {
        let of = |text: &str| match text.split_once('/') {
            Some((namespace, account)) => principal(namespace, account),
            None => principal(namespace, text),
        };
        texts(sheet, fields, field).iter().map(|(_, text)| Pattern::Exact(of(text))).collect()
    };
    principals.extend(accounts("serviceAccounts"));
    not_principals.extend(accounts("notServiceAccounts"));
    let mut blocks = |field: &str| -> Vec<IpNet> {
        let items = fields.get(field).map_or(&[][..], |node| sheet.list(node, field));
        let address = |item: &Node| item.scalar()?.parse::<IpAddr>().ok().map(IpNet::from);
        items.iter().filter_map(|item| address(item).or_else(|| network(sheet, item, field))).collect()
    };
    let (blocks, not_blocks) = (blocks("ipBlocks"), blocks("notIpBlocks"));
    Source { principals, not_principals, namespaces, not_namespaces, blocks, not_blocks }
}

fn operation(sheet: &mut Sheet, node: &Node, partly: &mut bool) -> Operation {
    let known: Vec<&str> = ["ports", "notPorts"].into_iter().chain(OF_REQUESTS).collect();
    let fields = sheet.fields(node, "operation", &known);
    *partly |= OF_REQUESTS.iter().any(|field| fields.get(field).is_some());
    let mut ports = |field: &str| -> Vec<u16> {
        let mut ports = Vec::new();
        for (spot, text) in texts(sheet, fields, field) {
            match text.parse::<u16>().ok().filter(|&port| port > 0) {
                Some(port) => ports.push(port),
                None => sheet
                    .problem(spot, format!("`{text}` is no port: write a number from 1 to 65535 in quotes")),
            }
        }
        ports
    };
    let (ports, not_ports) = (ports("ports"), ports("notPorts"));
    Operation { ports, not_ports }
}

/// The texts of a list; a list that is there and empty is a problem, as it is to Istio.
fn texts(sheet: &mut Sheet, fields: Fields<'_>, field: &str) -> Vec<((u32, u32), String)> {
    let Some(node) = fields.get(field) else { return Vec::new() };
    let items = sheet.list(node, field);
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        sheet.problem(
            node.spot,
            format!("`{field}` is empty and would match nothing; take it out, or list something"),
        );
    }
    items.iter().filter_map(|item| Some((item.spot, sheet.text(item, field)?.to_owned()))).collect()
}

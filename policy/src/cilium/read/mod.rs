//! The policies from their documents, as Cilium would validate them.

mod peers;

mod services;

use std::borrow::Cow;

use crate::k8s::read::selector;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Key, Node, Value};
use crate::k8s::{Direction, Operator, Requirement, Selector};

use super::POD_NAMESPACE;
use super::policy::{CiliumPolicy, Rule, Spec};

/// The version that is read.
pub(crate) const VERSION: &str = "cilium.io/v2";

/// The kinds that are read: of one namespace, and of the whole cluster.
pub(crate) const KINDS: [&str; 2] = ["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];

/// What the labels of a pod's namespace begin with.
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

/// Reads a policy; `None` where it has no name, which is a problem like everything wrong in it.
pub(crate) fn read(sheet: &mut Sheet, node: &Node, kind: &str) -> Option<CiliumPolicy> {
    let top = sheet.fields(node, kind, &["apiVersion", "kind", "metadata", "spec", "specs", "status"]);
    let Some(name) = node.at(&["metadata", "name"]) else {
        sheet.problem(node.spot, format!("this {kind} has no name; write it under `metadata`"));
        return None;
    };
    let name = sheet.text(name, "name").filter(|name| !name.is_empty())?.to_owned();
    let namespace = match node.at(&["metadata", "namespace"]).filter(|node| node.value != Value::Null) {
        _ if kind == KINDS[1] => None,
        Some(namespace) => Some(sheet.text(namespace, "namespace")?.to_owned()),
        None => Some(sheet.namespace.to_string()),
    };
    let mut specs = Vec::new();
    if let Some(node) = top.get("spec") {
        specs.extend(spec(sheet, node, namespace.as_deref()));
    }
    if let Some(list) = top.get("specs") {
        let items = sheet.list(list, "specs");
        specs.extend(items.iter().filter_map(|item| spec(sheet, item, namespace.as_deref())));
    }
    if top.get("spec").is_none() && top.get("specs").is_none() {
        sheet.problem(node.spot, format!("{kind} `{name}` has no `spec`; write selector and rules there"));
    }
    Some(CiliumPolicy { place: sheet.place(node.spot), namespace, name, specs })
}

/// The four lists of rules: direction, and whether they deny.
const LISTS: [(&str, Direction, bool); 4] = [
    ("ingress", Direction::Ingress, false),
    ("ingressDeny", Direction::Ingress, true),
    ("egress", Direction::Egress, false),
    ("egressDeny", Direction::Egress, true),
];

fn spec(sheet: &mut Sheet, node: &Node, namespace: Option<&str>) -> Option<Spec> {
    let known = [
        "endpointSelector",
        "nodeSelector",
        "ingress",
        "ingressDeny",
        "egress",
        "egressDeny",
        "enableDefaultDeny",
        "labels",
        "description",
        "log",
    ];
    let fields = sheet.fields(node, "spec", &known);
    if let Some(node) = fields.get("nodeSelector") {
        sheet.note(node.spot, "this policy is about nodes and is not evaluated");
        return None;
    }
    let Some(selector) = fields.get("endpointSelector") else {
        sheet.problem(
            node.spot,
            "this policy has no `endpointSelector`; write `endpointSelector: {}` to mean all",
        );
        return None;
    };
    let subject = match namespace {
        // Whatever namespace it names, it is for its own.
        Some(namespace) => {
            let mut subject = self::selector(sheet, selector, "endpointSelector");
            subject.requirements.retain(|one| one.key != POD_NAMESPACE);
            subject.requirements.push(is(POD_NAMESPACE, namespace));
            subject
        }
        None => endpoints(sheet, selector, "endpointSelector", None),
    };
    let mut rules = Vec::new();
    for (key, direction, denies) in LISTS {
        let Some(list) = fields.get(key) else { continue };
        for item in sheet.list(list, key) {
            rules.extend(rule(sheet, item, (key, direction, denies), namespace));
        }
    }
    if rules.is_empty() {
        let message =
            "this policy has no rule and Cilium refuses it; write `ingress: [{}]` to deny all ingress";
        sheet.problem(node.spot, message);
    }
    let isolates = default_deny(sheet, fields, &rules);
    Some(Spec { place: sheet.place(node.spot), subject, isolates, rules })
}

/// A direction with rules isolates, unless it is said not to.
fn default_deny(sheet: &mut Sheet, fields: Fields<'_>, rules: &[Rule]) -> [bool; 2] {
    let mut isolates = [Direction::Ingress, Direction::Egress]
        .map(|direction| rules.iter().any(|rule| rule.direction == direction));
    let Some(node) = fields.get("enableDefaultDeny") else { return isolates };
    let fields = sheet.fields(node, "enableDefaultDeny", &["ingress", "egress"]);
    for (isolates, key) in isolates.iter_mut().zip(["ingress", "egress"]) {
        let Some(node) = fields.get(key) else { continue };
        match &node.value {
            Value::Word(word) if word == "true" => {}
            Value::Word(word) if word == "false" => *isolates = false,
            _ => sheet.problem(node.spot, format!("`{key}` must be true or false, found {}", node.kind())),
        }
    }
    isolates
}

fn rule(
    sheet: &mut Sheet,
    node: &Node,
    (key, direction, denies): (&str, Direction, bool),
    namespace: Option<&str>,
) -> Option<Rule> {
    let peers = peers::fields(direction, denies);
    let mut known = peers.to_vec();
    known.extend(["toPorts", "icmps"]);
    if !denies {
        known.push("authentication");
    }
    let fields = sheet.fields(node, format_args!("a rule of {key}"), &known);
    let (ports, icmps) = (fields.get("toPorts"), fields.get("icmps"));
    if let (Some(_), Some(icmps)) = (ports, icmps) {
        sheet.problem(icmps.spot, "`icmps` and `toPorts` cannot be in one rule; make a rule of each");
    }
    if let Some(node) = fields.get("authentication") {
        sheet.note(node.spot, "authentication is not evaluated: connections are taken to have it");
    }
    let (mut services, lookups) = match ports {
        Some(node) => services::ports(sheet, node),
        None => Default::default(),
    };
    services.extend(icmps.map(|node| services::icmps(sheet, node)).unwrap_or_default());
    let given = ports.or(icmps).is_some_and(|node| !node.items().is_empty());
    if given && services.is_empty() {
        // What is wrong with them has been told.
        return None;
    }
    Some(Rule {
        place: sheet.place(node.spot),
        direction,
        denies,
        peers: peers::read(sheet, node, fields, peers, namespace),
        services,
        lookups,
    })
}

/// A selector of endpoints other than a policy's subject: in the policy's own namespace unless it names one.
fn endpoints(sheet: &mut Sheet, node: &Node, what: &str, namespace: Option<&str>) -> Selector {
    let mut selector = selector(sheet, node, what);
    let names = |key: &str| key == POD_NAMESPACE || key.starts_with(NAMESPACE_LABELS);
    let reserved = |key: &str| key.starts_with(RESERVED);
    let has = |is: &dyn Fn(&str) -> bool| selector.requirements.iter().any(|one| is(&one.key));
    if !has(&names) && !has(&reserved) {
        selector.requirements.push(match namespace {
            Some(namespace) => is(POD_NAMESPACE, namespace),
            None => Requirement { key: POD_NAMESPACE.to_owned(), operator: Operator::Exists },
        });
    }
    selector
}

fn is(key: &str, value: &str) -> Requirement {
    Requirement { key: key.to_owned(), operator: Operator::In([value.to_owned()].into()) }
}

/// What a reserved label's key begins with here; in Cilium it is `reserved:`.
const RESERVED: &str = "reserved/";

/// Reads a selector whose keys may name their source, such as `k8s:app`.
fn selector(sheet: &mut Sheet, node: &Node, what: &str) -> Selector {
    let mut node = node.clone();
    if let Value::Map(fields) = &mut node.value {
        for (key, value) in fields {
            match (&*key.name, &mut value.value) {
                ("matchLabels", Value::Map(labels)) => {
                    labels.iter_mut().for_each(|(key, _)| without_source(sheet, key));
                }
                ("matchExpressions", Value::List(items)) => items.iter_mut().for_each(|item| {
                    let Value::Map(fields) = &mut item.value else { return };
                    for (key, value) in fields.iter_mut().filter(|(key, _)| key.name == "key") {
                        let Value::Text(text) = &mut value.value else { continue };
                        let mut inner = Key { spot: key.spot, name: std::mem::take(text) };
                        without_source(sheet, &mut inner);
                        *text = inner.name;
                    }
                }),
                _ => {}
            }
        }
    }
    selector::read(sheet, &node, what)
}

/// Takes the source off a key; only labels of Kubernetes are known here.
fn without_source(sheet: &mut Sheet, key: &mut Key) {
    let Some((source, rest)) = key.name.split_once(':') else { return };
    let name = match source {
        "k8s" | "any" => rest.to_owned(),
        "reserved" => {
            let message = format!(
                "no pod has the reserved label `{rest}`; write the entity in fromEntities or toEntities"
            );
            sheet.note(key.spot, message);
            format!("{RESERVED}{rest}")
        }
        _ => {
            sheet.note(
                key.spot,
                format!("labels of `{source}` are not known here: no pod is taken to have one"),
            );
            format!("{source}/{rest}")
        }
    };
    key.name = Cow::Owned(name);
}

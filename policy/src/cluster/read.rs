//! The policies from their documents, as the API server would validate them.

use std::ops::RangeInclusive;

use watershed_model::Protocol;

use super::policy::{Action, ClusterPolicy, Group, Peer, Ports, Rule, Tier};
use crate::k8s::Selector;
use crate::k8s::read::policy::{is_port_name, network, number};
use crate::k8s::read::selector;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Node, Value};

/// The kinds that are read, with their version.
pub(crate) const KINDS: [(&str, &str); 3] = [
    ("ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"),
    ("AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
    ("BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
];

/// The only name that a BaselineAdminNetworkPolicy may have.
const BASELINE_NAME: &str = "default";

/// The highest number of a priority, by the API.
const MAX_PRIORITY: u16 = 1000;

/// What differs between the versions.
#[derive(Clone, Copy)]
struct Version {
    kind: &'static str,
    /// Rules in one direction, peers of a rule, ports of a rule, each at most.
    most: usize,
    /// The word for "may be opened".
    accept: &'static str,
    /// The field of the ports.
    ports: &'static str,
}

impl Version {
    fn of(kind: &'static str) -> Self {
        match kind {
            "ClusterNetworkPolicy" => Self { kind, most: 25, accept: "Accept", ports: "protocols" },
            _ => Self { kind, most: 100, accept: "Allow", ports: "ports" },
        }
    }

    fn is_baseline(self) -> bool {
        self.kind == "BaselineAdminNetworkPolicy"
    }
}

/// Reads a policy; `None` where it has no name, no tier or no subject, which are problems like everything
/// wrong in it.
pub(crate) fn read(sheet: &mut Sheet, node: &Node, kind: &'static str) -> Option<ClusterPolicy> {
    let version = Version::of(kind);
    let top = sheet.fields(node, kind, &["apiVersion", "kind", "metadata", "spec", "status"]);
    let Some(name) = node.at(&["metadata", "name"]) else {
        sheet.problem(node.spot, format!("this {kind} has no name; write it under `metadata`"));
        return None;
    };
    let spot = name.spot;
    let name = sheet.text(name, "name").filter(|name| !name.is_empty())?.to_owned();
    if version.is_baseline() && name != BASELINE_NAME {
        let message =
            format!("a {kind} is called `{BASELINE_NAME}`, not `{name}`: there is one in a cluster");
        sheet.problem(spot, message);
    }
    let Some(spec) = top.get("spec") else {
        sheet.problem(node.spot, format!("{kind} `{name}` has no `spec`; write subject and rules there"));
        return None;
    };
    let known: &[&str] = match version.kind {
        "ClusterNetworkPolicy" => &["tier", "priority", "subject", "ingress", "egress"],
        "AdminNetworkPolicy" => &["priority", "subject", "ingress", "egress"],
        _ => &["subject", "ingress", "egress"],
    };
    let fields = sheet.fields(spec, "spec", known);
    let (tier, priority) = (tier(sheet, version, spec, fields), priority(sheet, version, spec, fields));
    let Some(subject) = fields.get("subject") else {
        sheet.problem(spec.spot, "this policy has no `subject`; write `namespaces` or `pods` below it");
        return None;
    };
    let ingress = rules(sheet, version, fields, "ingress", "from");
    let egress = rules(sheet, version, fields, "egress", "to");
    Some(ClusterPolicy {
        place: sheet.place(node.spot),
        kind,
        name,
        tier: tier?,
        priority: priority?,
        subject_place: sheet.place(subject.spot),
        subject: group(sheet, subject, "subject")?,
        ingress,
        egress,
    })
}

fn tier(sheet: &mut Sheet, version: Version, spec: &Node, fields: Fields<'_>) -> Option<Tier> {
    if version.kind != "ClusterNetworkPolicy" {
        return Some(if version.is_baseline() { Tier::Baseline } else { Tier::Admin });
    }
    let Some(node) = fields.get("tier") else {
        sheet.problem(spec.spot, "this policy has no `tier`; write Admin or Baseline");
        return None;
    };
    match sheet.text(node, "tier")? {
        "Admin" => Some(Tier::Admin),
        "Baseline" => Some(Tier::Baseline),
        other => {
            sheet.problem(node.spot, format!("unknown tier `{other}`; write Admin or Baseline"));
            None
        }
    }
}

fn priority(sheet: &mut Sheet, version: Version, spec: &Node, fields: Fields<'_>) -> Option<u16> {
    if version.is_baseline() {
        return Some(0);
    }
    let Some(node) = fields.get("priority") else {
        let message = format!("this policy has no `priority`; write a number from 0 to {MAX_PRIORITY}");
        sheet.problem(spec.spot, message);
        return None;
    };
    let number = match &node.value {
        Value::Word(word) => word.parse().ok().filter(|&number: &u16| number <= MAX_PRIORITY),
        _ => None,
    };
    if number.is_none() {
        let message = format!("`priority` must be a number from 0 to {MAX_PRIORITY}, found {}", node.kind());
        sheet.problem(node.spot, message);
    }
    number
}

/// Exactly one of `namespaces` and `pods`.
fn group(sheet: &mut Sheet, node: &Node, what: &str) -> Option<Group> {
    let fields = sheet.fields(node, what, &["namespaces", "pods"]);
    match (fields.get("namespaces"), fields.get("pods")) {
        (Some(node), None) => {
            Some(Group { namespaces: selector::read(sheet, node, "namespaces"), pods: Selector::default() })
        }
        (None, Some(node)) => Some(pods(sheet, node)),
        _ => {
            sheet.problem(node.spot, format!("`{what}` needs one of `namespaces` and `pods`; write one"));
            None
        }
    }
}

fn pods(sheet: &mut Sheet, node: &Node) -> Group {
    let fields = sheet.fields(node, "pods", &["namespaceSelector", "podSelector"]);
    let mut select = |name: &str| match fields.get(name) {
        Some(node) => selector::read(sheet, node, name),
        None => {
            // The API server wants it; other readers take it to mean all.
            let message = format!("`pods` has no `{name}` and is taken to mean all; write `{name}: {{}}`");
            sheet.note(node.spot, message);
            Selector::default()
        }
    };
    Group { namespaces: select("namespaceSelector"), pods: select("podSelector") }
}

fn rules(sheet: &mut Sheet, version: Version, fields: Fields<'_>, key: &str, peers: &str) -> Vec<Rule> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let items = sheet.list(node, key);
    at_most(sheet, version, node, items.len(), key);
    items.iter().filter_map(|item| rule(sheet, version, item, key, peers)).collect()
}

fn at_most(sheet: &mut Sheet, version: Version, node: &Node, count: usize, what: &str) {
    if count > version.most {
        let message = format!("`{what}` has {count} items and may have {}; split the policy", version.most);
        sheet.problem(node.spot, message);
    }
}

fn rule(sheet: &mut Sheet, version: Version, node: &Node, direction: &str, peers: &str) -> Option<Rule> {
    let known = ["name", "action", peers, version.ports];
    let fields = sheet.fields(node, format_args!("a rule of {direction}"), &known);
    let place = sheet.place(node.spot);
    let action = action(sheet, version, node, fields);
    let Some(list) = fields.get(peers).filter(|list| !list.items().is_empty()) else {
        let message = format!(
            "a rule of {direction} needs `{peers}` with at least one item; write `namespaces: {{}}` to mean all pods"
        );
        sheet.problem(node.spot, message);
        return None;
    };
    let items = sheet.list(list, peers);
    at_most(sheet, version, list, items.len(), peers);
    let peers = items.iter().filter_map(|item| peer(sheet, item, direction)).collect();
    let ports = match fields.get(version.ports) {
        Some(list) => {
            let items = sheet.list(list, version.ports);
            at_most(sheet, version, list, items.len(), version.ports);
            items.iter().filter_map(|item| port(sheet, version, item)).collect()
        }
        None => Vec::new(),
    };
    Some(Rule { place, action: action?, peers, ports })
}

fn action(sheet: &mut Sheet, version: Version, rule: &Node, fields: Fields<'_>) -> Option<Action> {
    let accept = version.accept;
    let choice =
        if version.is_baseline() { format!("{accept} or Deny") } else { format!("{accept}, Deny or Pass") };
    let Some(node) = fields.get("action") else {
        sheet.problem(rule.spot, format!("this rule has no `action`; write {choice}"));
        return None;
    };
    match sheet.text(node, "action")? {
        word if word == accept => Some(Action::Accept),
        "Deny" => Some(Action::Deny),
        "Pass" if !version.is_baseline() => Some(Action::Pass),
        other => {
            sheet.problem(node.spot, format!("unknown action `{other}`; write {choice}"));
            None
        }
    }
}

fn peer(sheet: &mut Sheet, node: &Node, direction: &str) -> Option<Peer> {
    let known: &[&str] = match direction {
        "ingress" => &["namespaces", "pods"],
        _ => &["namespaces", "pods", "nodes", "networks", "domainNames"],
    };
    let fields = sheet.fields(node, format_args!("a peer of {direction}"), known);
    let given: Vec<&str> = known.iter().copied().filter(|&name| fields.get(name).is_some()).collect();
    let [one] = given[..] else {
        let message = format!("a peer of {direction} needs exactly one of {}; write one", known.join(", "));
        sheet.problem(node.spot, message);
        return None;
    };
    let value = fields.get(one)?;
    match one {
        "namespaces" => {
            let namespaces = selector::read(sheet, value, "namespaces");
            Some(Peer::Pods(Group { namespaces, pods: Selector::default() }))
        }
        "pods" => Some(Peer::Pods(pods(sheet, value))),
        "nodes" => {
            let _ = selector::read(sheet, value, "nodes");
            sheet.note(value.spot, "nodes are not known here: this peer is taken to mean nobody");
            Some(Peer::Nodes)
        }
        "networks" => {
            let items = sheet.list(value, "networks");
            let networks = items.iter().filter_map(|item| network(sheet, item, "networks"));
            Some(Peer::Networks(networks.collect()))
        }
        _ => {
            let items = sheet.list(value, "domainNames");
            let names = items.iter().filter_map(|item| sheet.text(item, "domainNames"));
            Some(Peer::DomainNames(names.map(|name| name.trim_end_matches('.').to_lowercase()).collect()))
        }
    }
}

fn port(sheet: &mut Sheet, version: Version, node: &Node) -> Option<Ports> {
    if version.ports == "ports" {
        return port_of_admin(sheet, node);
    }
    let known = ["tcp", "udp", "sctp", "destinationNamedPort"];
    let fields = sheet.fields(node, "an item of `protocols`", &known);
    let given: Vec<&str> = known.into_iter().filter(|&name| fields.get(name).is_some()).collect();
    let [one] = given[..] else {
        let message = format!("an item of `protocols` needs exactly one of {}; write one", known.join(", "));
        sheet.problem(node.spot, message);
        return None;
    };
    let value = fields.get(one)?;
    let protocol = match one {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "sctp" => Protocol::SCTP,
        _ => return named(sheet, value),
    };
    let inner = sheet.fields(value, one, &["destinationPort"]);
    let Some(port) = inner.get("destinationPort") else {
        let message = format!("`{one}` needs `destinationPort` with a `number` or a `range`; add it");
        sheet.problem(value.spot, message);
        return None;
    };
    let inner = sheet.fields(port, "destinationPort", &["number", "range"]);
    let range = match (inner.get("number"), inner.get("range")) {
        (Some(one), None) => number(sheet, one, "number").map(|number| number..=number),
        (None, Some(range)) => self::range(sheet, range, &["start", "end"]),
        _ => {
            sheet.problem(port.spot, "`destinationPort` needs one of `number` and `range`; write one");
            None
        }
    };
    Some(Ports::Range(protocol, range?))
}

/// A port of `v1alpha1`.
fn port_of_admin(sheet: &mut Sheet, node: &Node) -> Option<Ports> {
    let fields = sheet.fields(node, "a port", &["portNumber", "namedPort", "portRange"]);
    match (fields.get("portNumber"), fields.get("namedPort"), fields.get("portRange")) {
        (Some(node), None, None) => {
            let fields = sheet.fields(node, "portNumber", &["protocol", "port"]);
            let protocol = protocol(sheet, fields)?;
            let Some(port) = fields.get("port") else {
                sheet.problem(node.spot, "`portNumber` needs `port`; add it");
                return None;
            };
            number(sheet, port, "port").map(|port| Ports::Range(protocol, port..=port))
        }
        (None, Some(node), None) => named(sheet, node),
        (None, None, Some(node)) => {
            let protocol = {
                let fields = sheet.fields(node, "portRange", &["protocol", "start", "end"]);
                protocol(sheet, fields)?
            };
            range(sheet, node, &["protocol", "start", "end"]).map(|range| Ports::Range(protocol, range))
        }
        _ => {
            let message = "a port needs exactly one of portNumber, namedPort and portRange; write one";
            sheet.problem(node.spot, message);
            None
        }
    }
}

fn protocol(sheet: &mut Sheet, fields: Fields<'_>) -> Option<Protocol> {
    let Some(node) = fields.get("protocol") else { return Some(Protocol::TCP) };
    match sheet.text(node, "protocol")? {
        "TCP" => Some(Protocol::TCP),
        "UDP" => Some(Protocol::UDP),
        "SCTP" => Some(Protocol::SCTP),
        other => {
            sheet.problem(node.spot, format!("unknown protocol `{other}`; write TCP, UDP or SCTP"));
            None
        }
    }
}

fn named(sheet: &mut Sheet, node: &Node) -> Option<Ports> {
    let name = sheet.text(node, "port name")?;
    if !is_port_name(name) {
        let message = format!("`{name}` is no name of a port; a number stands in `number` or `portNumber`");
        sheet.problem(node.spot, message);
        return None;
    }
    Some(Ports::Named(name.to_owned()))
}

fn range(sheet: &mut Sheet, node: &Node, known: &[&str]) -> Option<RangeInclusive<u16>> {
    // What is unknown in it has been told where the protocol was read.
    let get = |name: &str| node.get(name).filter(|node| node.value != Value::Null);
    if known.len() == 2 {
        sheet.fields(node, "range", known);
    }
    let (Some(start), Some(end)) = (get("start"), get("end")) else {
        sheet.problem(node.spot, "a range needs `start` and `end`; add what is missing");
        return None;
    };
    let (first, last) = (number(sheet, start, "start")?, number(sheet, end, "end")?);
    if last <= first {
        let message = format!("`end` {last} must be above `start` {first}; swap them, or write one number");
        sheet.problem(end.spot, message);
        return None;
    }
    Some(first..=last)
}

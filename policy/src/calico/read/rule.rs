//! Rules and their ends.

use super::super::policy::{Action, Entity, IcmpMatch, Ports, ProtocolMatch, Rule, Scope};
use super::value::{self, expression};
use crate::k8s::read::sheet::Sheet;
use crate::k8s::yaml::{Node, Value};

/// Reads a rule of a policy in `namespace`; `None` where it has no action, which is a problem.
pub(super) fn read(sheet: &mut Sheet, node: &Node, namespace: Option<&str>) -> Option<Rule> {
    let known = [
        "action",
        "ipVersion",
        "protocol",
        "notProtocol",
        "icmp",
        "notICMP",
        "source",
        "destination",
        "http",
        "metadata",
    ];
    let fields = sheet.fields(node, "a rule", &known);
    let action = action(sheet, node, fields.get("action"))?;
    if let Some(http) = fields.get("http") {
        sheet.note(http.spot, "`http` is about requests, which are not known: the rule is taken without it");
    }
    let version = fields.get("ipVersion").and_then(|node| version(sheet, node));
    let mut one = |name: &str, not: bool| {
        let protocol = fields.get(name).and_then(|node| value::protocol(sheet, node, name));
        protocol.map(|protocol| ProtocolMatch { protocol, not })
    };
    let (protocol, other) = (one("protocol", false), one("notProtocol", true));
    if let (Some(_), Some(_), Some(node)) = (protocol, other, fields.get("notProtocol")) {
        sheet.problem(node.spot, "`protocol` and `notProtocol` exclude each other; keep one");
    }
    let protocol = protocol.or(other);
    let mut icmp = |name: &str| fields.get(name).map(|node| icmp_match(sheet, node, name, protocol));
    let (icmp, not_icmp) = (icmp("icmp"), icmp("notICMP"));
    let mut end = |name: &str| entity(sheet, fields.get(name), node, name, namespace, protocol);
    let (source, destination) = (end("source"), end("destination"));
    let mut rule = Rule {
        place: sheet.place(node.spot),
        action,
        version,
        protocol,
        icmp,
        not_icmp,
        source,
        destination,
    };
    if !(rule.source.ports.is_empty() && rule.source.not_ports.is_empty()) {
        let message = "ports of clients are not known: this rule is taken to match no connection";
        sheet.note(node.spot, message);
        rule.source.unknown = true;
    }
    one_version(sheet, node, &rule);
    Some(rule)
}

fn action(sheet: &mut Sheet, rule: &Node, node: Option<&Node>) -> Option<Action> {
    let Some(node) = node else {
        sheet.problem(rule.spot, "this rule has no `action`; write Allow, Deny, Pass or Log");
        return None;
    };
    match sheet.text(node, "action")? {
        "Allow" => Some(Action::Allow),
        "Deny" => Some(Action::Deny),
        "Pass" => Some(Action::Pass),
        "Log" => Some(Action::Log),
        other => {
            sheet.problem(node.spot, format!("unknown action `{other}`; write Allow, Deny, Pass or Log"));
            None
        }
    }
}

fn version(sheet: &mut Sheet, node: &Node) -> Option<u8> {
    match node.scalar() {
        Some("4") => Some(4),
        Some("6") => Some(6),
        _ => {
            sheet.problem(node.spot, format!("`ipVersion` must be 4 or 6, found {}", node.kind()));
            None
        }
    }
}

fn icmp_match(sheet: &mut Sheet, node: &Node, what: &str, protocol: Option<ProtocolMatch>) -> IcmpMatch {
    let fields = sheet.fields(node, what, &["type", "code"]);
    if !protocol.is_some_and(|one| !one.not && one.protocol.is_icmp()) {
        sheet.problem(node.spot, format!("`{what}` needs `protocol: ICMP` or `protocol: ICMPv6`; add it"));
    }
    let mut number = |name: &str| fields.get(name).and_then(|node| value::icmp(sheet, node, name));
    let (message_type, code) = (number("type"), number("code"));
    match (fields.get("code"), message_type) {
        (Some(node), None) => sheet.problem(node.spot, "a `code` of ICMP needs its `type`; add it"),
        (Some(node), Some(_)) => {
            sheet.note(node.spot, "codes of ICMP are not known: the rule is taken for all codes of the type");
        }
        (None, _) => {}
    }
    IcmpMatch { message_type, code }
}

fn entity(
    sheet: &mut Sheet,
    node: Option<&Node>,
    rule: &Node,
    what: &str,
    namespace: Option<&str>,
    protocol: Option<ProtocolMatch>,
) -> Entity {
    let known = [
        "nets",
        "notNets",
        "selector",
        "notSelector",
        "namespaceSelector",
        "serviceAccounts",
        "services",
        "ports",
        "notPorts",
        "domains",
    ];
    let nothing = Node { spot: rule.spot, value: Value::Null };
    let node = node.unwrap_or(&nothing);
    let fields = sheet.fields(node, what, &known);
    let mut select = |name: &str| fields.get(name).and_then(|node| expression(sheet, node, name));
    let (selector, not_selector) = (select("selector"), select("notSelector"));
    let scope = match (select("namespaceSelector"), namespace) {
        (Some(namespaces), _) => Scope::Namespaces(namespaces),
        (None, Some(own)) => Scope::Own(own.to_owned()),
        (None, None) => Scope::Anywhere,
    };
    let mut nets = |name: &str| fields.get(name).map_or_else(Vec::new, |node| value::nets(sheet, node, name));
    let (nets, not_nets) = (nets("nets"), nets("notNets"));
    let mut ports =
        |name: &str| fields.get(name).map_or_else(Vec::new, |node| value::ports(sheet, node, name));
    let (ports, not_ports) = (ports("ports"), ports("notPorts"));
    let with_ports = fields.get("ports").or_else(|| fields.get("notPorts"));
    if let Some(node) = with_ports
        && !protocol.is_some_and(|one| !one.not && one.protocol.has_ports())
    {
        sheet.problem(node.spot, "ports need `protocol: TCP`, UDP or SCTP in the rule; add it");
    }
    for name in
        not_ports.iter().filter_map(|ports| if let Ports::Named(name) = ports { Some(name) } else { None })
    {
        let message =
            format!("`notPorts` must be numbers: which port `{name}` is differs by pod; write the number");
        sheet.problem(node.spot, message);
    }
    let mut unknown = false;
    for name in ["services", "domains"] {
        if let Some(node) = fields.get(name) {
            sheet
                .note(node.spot, format!("`{name}` are not known here: this rule is taken to match nothing"));
            unknown = true;
        }
    }
    let accounts = fields.get("serviceAccounts").and_then(|node| accounts(sheet, node, &mut unknown));
    Entity { scope, selector, not_selector, accounts, nets, not_nets, ports, not_ports, unknown }
}

fn accounts(sheet: &mut Sheet, node: &Node, unknown: &mut bool) -> Option<Vec<String>> {
    let fields = sheet.fields(node, "serviceAccounts", &["names", "selector"]);
    if let Some(selector) = fields.get("selector").filter(|node| node.scalar() != Some("")) {
        let _ = expression(sheet, selector, "selector");
        sheet.note(
            selector.spot,
            "labels of service accounts are not known: this rule is taken to match nothing",
        );
        *unknown = true;
    }
    let items = fields.get("names").map_or(&[][..], |node| sheet.list(node, "names"));
    let names: Vec<String> =
        items.iter().filter_map(|item| sheet.text(item, "names").map(str::to_owned)).collect();
    (!names.is_empty()).then_some(names)
}

/// Calico refuses a rule whose addresses are of both versions, or not of the one that it names.
fn one_version(sheet: &mut Sheet, node: &Node, rule: &Rule) {
    let ends = [&rule.source, &rule.destination];
    let nets = ends.into_iter().flat_map(|end| end.nets.iter().chain(&end.not_nets));
    let versions: Vec<u8> = nets.map(|net| if net.addr().is_ipv4() { 4 } else { 6 }).collect();
    let (four, six) = (versions.contains(&4), versions.contains(&6));
    if four && six {
        sheet.problem(node.spot, "this rule has addresses of IPv4 and of IPv6; write a rule for each");
    } else if rule.version.is_some_and(|version| versions.iter().any(|&one| one != version)) {
        sheet
            .problem(node.spot, "`ipVersion` is not that of the addresses of this rule; correct one of them");
    }
}

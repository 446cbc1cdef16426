//! NetworkPolicy from its document, as the API server would validate it.

use std::ops::RangeInclusive;

use ipnet::IpNet;
use watershed_model::Protocol;

use super::super::policy::{NetworkPolicy, Peer, PeerKind, PolicyRule, PortMatch, Ports};
use super::super::yaml::{Node, Value};
use super::sheet::{Fields, Sheet};
use super::{alike, selector};

/// Reads a policy; `None` where it has no name, which is noted as a problem like everything wrong in it.
pub(crate) fn read(sheet: &mut Sheet, node: &Node) -> Option<NetworkPolicy> {
    let top = sheet.fields(node, "a NetworkPolicy", &["apiVersion", "kind", "metadata", "spec", "status"]);
    let name = node.at(&["metadata", "name"]);
    let name = match name {
        Some(name) => sheet.text(name, "name").filter(|name| !name.is_empty())?.to_owned(),
        None => {
            sheet.problem(node.spot, "this NetworkPolicy has no name; write it under `metadata`");
            return None;
        }
    };
    let namespace = match node.at(&["metadata", "namespace"]).filter(|node| node.value != Value::Null) {
        Some(namespace) => sheet.text(namespace, "namespace")?.to_owned(),
        None => sheet.namespace.to_string(),
    };
    let spec_node = top.get("spec");
    if spec_node.is_none() {
        sheet
            .note(node.spot, format!("NetworkPolicy `{name}` has no `spec`: it denies ingress to every pod"));
    }
    let spec = spec_node
        .map(|node| (node, sheet.fields(node, "spec", &["podSelector", "policyTypes", "ingress", "egress"])));
    let field = |name: &str| spec.and_then(|(_, spec)| spec.get(name));
    let subject = field("podSelector").map(|node| selector::read(sheet, node, "podSelector"));
    let mut rules = |key: &str, peers: &str| {
        field(key).map(|node| {
            let items = sheet.list(node, key);
            items.iter().map(|item| rule(sheet, item, key, peers)).collect::<Vec<_>>()
        })
    };
    let (ingress, egress) = (rules("ingress", "from"), rules("egress", "to"));
    let (isolates_ingress, isolates_egress) = types(sheet, field("policyTypes"), egress.as_deref());
    for (key, isolates, rules) in
        [("ingress", isolates_ingress, &ingress), ("egress", isolates_egress, &egress)]
    {
        if let (false, Some(rules), Some(node)) = (isolates, rules, field(key))
            && !rules.is_empty()
        {
            sheet.note(node.spot, format!("`{key}` has no effect: `policyTypes` does not name it"));
        }
    }
    let subject_spot = field("podSelector").map_or(node.spot, |node| node.spot);
    Some(NetworkPolicy {
        place: sheet.place(node.spot),
        namespace,
        name,
        subject: subject.unwrap_or_default(),
        subject_place: sheet.place(subject_spot),
        ingress: isolates_ingress.then(|| ingress.unwrap_or_default()),
        egress: isolates_egress.then(|| egress.unwrap_or_default()),
    })
}

/// Whether the policy isolates for ingress and for egress. Left out or empty, `policyTypes` is ingress, and
/// egress where there are egress rules.
fn types(sheet: &mut Sheet, node: Option<&Node>, egress: Option<&[PolicyRule]>) -> (bool, bool) {
    let items = node.map_or(&[][..], |node| sheet.list(node, "policyTypes"));
    if items.is_empty() {
        return (true, egress.is_some_and(|rules| !rules.is_empty()));
    }
    let mut both = (false, false);
    for item in items {
        match sheet.text(item, "policyTypes") {
            Some("Ingress") => both.0 = true,
            Some("Egress") => both.1 = true,
            Some(other) => {
                sheet.problem(item.spot, format!("unknown policy type `{other}`; write Ingress or Egress"));
            }
            None => {}
        }
    }
    both
}

fn rule(sheet: &mut Sheet, node: &Node, direction: &str, peers: &str) -> PolicyRule {
    let fields = sheet.fields(node, format_args!("a rule of {direction}"), &[peers, "ports"]);
    let peer_nodes = fields.get(peers).map_or(&[][..], |node| sheet.list(node, peers));
    let port_nodes = fields.get("ports").map_or(&[][..], |node| sheet.list(node, "ports"));
    PolicyRule {
        place: sheet.place(node.spot),
        peers: peer_nodes.iter().filter_map(|node| peer(sheet, node, peers)).collect(),
        ports: port_nodes.iter().filter_map(|node| port(sheet, node)).collect(),
    }
}

fn peer(sheet: &mut Sheet, node: &Node, within: &str) -> Option<Peer> {
    let fields = sheet.fields(
        node,
        format_args!("a peer of `{within}`"),
        &["podSelector", "namespaceSelector", "ipBlock"],
    );
    let mut select = |name: &str| fields.get(name).map(|node| alike::read(sheet, node, name));
    let (namespaces, pods) = (select("namespaceSelector"), select("podSelector"));
    let selects = namespaces.is_some() || pods.is_some();
    let place = sheet.place(node.spot);
    match fields.get("ipBlock") {
        Some(block) if selects => {
            let message = "`ipBlock` stands alone in a peer; make it an item of its own with `- `";
            sheet.problem(block.spot, message);
            None
        }
        Some(block) => Some(Peer { place, kind: self::block(sheet, block)? }),
        None if selects => Some(Peer { place, kind: PeerKind::Pods { namespaces, pods } }),
        None => {
            let message = format!(
                "a peer of `{within}` selects nothing; give it podSelector, namespaceSelector or ipBlock, or leave `{within}` out to mean everybody"
            );
            sheet.problem(node.spot, message);
            None
        }
    }
}

fn block(sheet: &mut Sheet, node: &Node) -> Option<PeerKind> {
    let fields = sheet.fields(node, "ipBlock", &["cidr", "except"]);
    let Some(cidr) = fields.get("cidr") else {
        sheet.problem(node.spot, "this ipBlock has no `cidr`; write one such as 10.0.0.0/8");
        return None;
    };
    let cidr = network(sheet, cidr, "cidr")?;
    let items = fields.get("except").map_or(&[][..], |node| sheet.list(node, "except"));
    let mut except = Vec::with_capacity(items.len());
    for item in items {
        let Some(network) = network(sheet, item, "except") else { continue };
        if cidr.contains(&network) && cidr != network {
            except.push(network);
        } else {
            let message = format!(
                "`except` {network} does not lie inside `cidr` {cidr}; take it out or widen the cidr"
            );
            sheet.problem(item.spot, message);
        }
    }
    Some(PeerKind::Block { cidr, except })
}

pub(crate) fn network(sheet: &mut Sheet, node: &Node, what: &str) -> Option<IpNet> {
    let text = sheet.text(node, what)?;
    let Ok(network) = text.parse::<IpNet>() else {
        let example = if text.contains(':') { "2001:db8::/32" } else { "10.0.0.0/8" };
        sheet.problem(node.spot, format!("`{text}` is no CIDR; write it as {example}"));
        return None;
    };
    if network.trunc() != network {
        let message = format!(
            "{network} has host bits set; write {} for the network, or {}/{} for the one address",
            network.trunc(),
            network.addr(),
            network.max_prefix_len()
        );
        sheet.problem(node.spot, message);
        return None;
    }
    Some(network)
}

fn port(sheet: &mut Sheet, node: &Node) -> Option<PortMatch> {
    let fields = sheet.fields(node, "a port", &["protocol", "port", "endPort"]);
    let protocol = match fields.get("protocol") {
        None => Protocol::TCP,
        Some(node) => match sheet.text(node, "protocol")? {
            "TCP" => Protocol::TCP,
            "UDP" => Protocol::UDP,
            "SCTP" => Protocol::SCTP,
            other => {
                sheet.problem(node.spot, format!("unknown protocol `{other}`; write TCP, UDP or SCTP"));
                return None;
            }
        },
    };
    let ports = ports(sheet, fields)?;
    Some(PortMatch { place: sheet.place(node.spot), protocol, ports })
}

fn ports(sheet: &mut Sheet, fields: Fields<'_>) -> Option<Ports> {
    let end = fields.get("endPort");
    match (fields.get("port"), end) {
        (None, None) => Some(Ports::All),
        (None, Some(end)) => {
            sheet.problem(end.spot, "`endPort` needs a `port` to start from; add it");
            None
        }
        (Some(Node { value: Value::Text(name), spot }), None) => {
            if !is_port_name(name) {
                let message = format!(
                    "`{name}` is no name of a port: at most 15 lower-case letters, digits and single hyphens, with a letter; a number stands without quotes"
                );
                sheet.problem(*spot, message);
                return None;
            }
            Some(Ports::Named(name.to_string()))
        }
        (Some(Node { value: Value::Text(name), .. }), Some(end)) => {
            sheet.problem(
                end.spot,
                format!("`endPort` needs a number in `port`, which is `{name}`; write the number"),
            );
            None
        }
        (Some(start), end) => range(sheet, start, end).map(Ports::Range),
    }
}

pub(crate) fn range(sheet: &mut Sheet, start: &Node, end: Option<&Node>) -> Option<RangeInclusive<u16>> {
    let first = number(sheet, start, "port")?;
    let Some(end) = end else { return Some(first..=first) };
    let last = number(sheet, end, "endPort")?;
    if last < first {
        let message = format!("`endPort` {last} is below `port` {first}; swap them, or take `endPort` out");
        sheet.problem(end.spot, message);
        return None;
    }
    Some(first..=last)
}

pub(crate) fn number(sheet: &mut Sheet, node: &Node, what: &str) -> Option<u16> {
    let number = match &node.value {
        Value::Word(word) => word.parse().ok().filter(|&port| port != 0),
        _ => None,
    };
    if number.is_none() {
        sheet.problem(node.spot, format!("`{what}` must be a number from 1 to 65535, found {}", node.kind()));
    }
    number
}

/// Whether `name` is an IANA service name (RFC 6335, section 5.1) in lower case.
pub(crate) fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

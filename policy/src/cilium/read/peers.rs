//! Whom a rule means.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::pattern::Pattern;
use super::super::policy::{Entity, Peer};
use super::endpoints;
use crate::k8s::Direction;
use crate::k8s::read::policy::network;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::Node;

const INGRESS: [&str; 6] =
    ["fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet", "fromNodes", "fromGroups"];
const EGRESS: [&str; 8] =
    ["toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toNodes", "toGroups", "toServices", "toFQDNs"];

/// The fields that name peers.
pub(super) fn fields(direction: Direction, denies: bool) -> &'static [&'static str] {
    match direction {
        Direction::Ingress => &INGRESS,
        // Nothing is denied by name.
        Direction::Egress if denies => &EGRESS[..EGRESS.len() - 1],
        Direction::Egress => &EGRESS,
    }
}

/// The peers of a rule; `None` where it names no kind of them.
pub(super) fn read(
    sheet: &mut Sheet,
    node: &Node,
    fields: Fields<'_>,
    known: &[&str],
    namespace: Option<&str>,
) -> Option<Vec<Peer>> {
    let given: Vec<&str> = known.iter().copied().filter(|&name| fields.get(name).is_some()).collect();
    let filled = given.iter().filter(|&&name| fields.get(name).is_some_and(|node| !node.items().is_empty()));
    if filled.count() > 1 {
        let message = format!("{} cannot be in one rule; make a rule of each", given.join(" and "));
        sheet.problem(node.spot, message);
    }
    if given.is_empty() {
        return None;
    }
    let mut peers = Vec::new();
    for name in given {
        let Some(list) = fields.get(name) else { continue };
        for item in sheet.list(list, name) {
            peers.extend(peer(sheet, item, name, namespace));
        }
    }
    Some(peers)
}

fn peer(sheet: &mut Sheet, node: &Node, field: &str, namespace: Option<&str>) -> Option<Peer> {
    match field {
        "fromEndpoints" | "toEndpoints" => Some(Peer::Endpoints(endpoints(sheet, node, field, namespace))),
        "fromEntities" | "toEntities" => entity(sheet, node).map(Peer::Entity),
        "fromCIDR" | "toCIDR" => {
            address_or_network(sheet, node).map(|cidr| Peer::Network { cidr, except: Vec::new() })
        }
        "fromCIDRSet" | "toCIDRSet" => network_set(sheet, node),
        "toFQDNs" => name(sheet, node).map(Peer::Name),
        _ => {
            sheet.note(node.spot, format!("`{field}` is not known here: it is taken to mean nobody"));
            Some(Peer::Unknown)
        }
    }
}

fn entity(sheet: &mut Sheet, node: &Node) -> Option<Entity> {
    Some(match sheet.text(node, "an entity")? {
        "all" => Entity::All,
        "world" => Entity::World,
        "cluster" | "cluster-mesh" => Entity::Cluster,
        "host" | "remote-node" => Entity::Nodes,
        word @ ("kube-apiserver" | "ingress" | "unmanaged") => {
            sheet.note(node.spot, format!("who `{word}` is is not known here: it is taken to mean nobody"));
            Entity::Nobody
        }
        "init" | "health" | "none" => Entity::Nobody,
        other => {
            let message = format!("unknown entity `{other}`; write one such as world, cluster, host or all");
            sheet.problem(node.spot, message);
            return None;
        }
    })
}

fn address_or_network(sheet: &mut Sheet, node: &Node) -> Option<IpNet> {
    if let Some(Ok(address)) = node.scalar().map(str::parse::<IpAddr>) {
        return Some(address.into());
    }
    network(sheet, node, "cidr")
}

fn network_set(sheet: &mut Sheet, node: &Node) -> Option<Peer> {
    let known = ["cidr", "except", "cidrGroupRef", "cidrGroupSelector"];
    let fields = sheet.fields(node, "a set of networks", &known);
    if let Some(group) = fields.get("cidrGroupRef").or_else(|| fields.get("cidrGroupSelector")) {
        sheet.note(group.spot, "groups of networks are not known here: this is taken to mean nobody");
        return Some(Peer::Unknown);
    }
    let Some(cidr) = fields.get("cidr") else {
        sheet.problem(node.spot, "this set of networks has no `cidr`; write one such as 10.0.0.0/8");
        return None;
    };
    let cidr = address_or_network(sheet, cidr)?;
    let items = fields.get("except").map_or(&[][..], |node| sheet.list(node, "except"));
    let mut except = Vec::new();
    for item in items {
        let Some(network) = network(sheet, item, "except") else { continue };
        if !cidr.contains(&network) {
            let message = format!(
                "`except` {network} does not lie inside `cidr` {cidr}; take it out or widen the cidr"
            );
            sheet.problem(item.spot, message);
        }
        except.push(network);
    }
    Some(Peer::Network { cidr, except })
}

/// `matchName` or `matchPattern`.
pub(super) fn name(sheet: &mut Sheet, node: &Node) -> Option<Pattern> {
    let fields = sheet.fields(node, "a name", &["matchName", "matchPattern"]);
    let (value, pattern) = match (fields.get("matchName"), fields.get("matchPattern")) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => {
            sheet.problem(node.spot, "a name needs one of `matchName` and `matchPattern`; write one");
            return None;
        }
    };
    let text = sheet.text(value, "a name")?;
    let read = Pattern::new(text, pattern);
    if read.is_none() {
        let message =
            format!("`{text}` is no name of the DNS; write one such as api.example.com, without a port");
        sheet.problem(value.spot, message);
    }
    read
}

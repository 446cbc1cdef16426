//! Single values of Calico's objects: selectors, protocols, ports, addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::Protocol;

use super::super::Expression;
use super::super::policy::Ports;
use crate::k8s::read::policy::network;
use crate::k8s::read::sheet::Sheet;
use crate::k8s::yaml::{Node, Value};

/// Reads a selector; what nothing can ever satisfy is a problem. `None` where it is left empty.
pub(super) fn expression(sheet: &mut Sheet, node: &Node, what: &str) -> Option<Expression> {
    let text = sheet.text(node, what)?;
    if text.is_empty() {
        return None;
    }
    match Expression::parse(text) {
        Ok(expression) => {
            if expression.is_contradiction() {
                let message = format!(
                    "`{what}` contradicts itself ({expression}) and selects nothing, ever; take one of its parts out"
                );
                sheet.problem(node.spot, message);
            }
            Some(expression)
        }
        Err(mistake) => {
            let at = mistake.offset + 1;
            sheet.problem(node.spot, format!("`{what}` at character {at}: {}", mistake.message));
            None
        }
    }
}

/// A number; lower ones come first.
pub(super) fn order(sheet: &mut Sheet, node: &Node) -> Option<f64> {
    let number = match &node.value {
        Value::Word(word) => word.parse::<f64>().ok().filter(|number| number.is_finite()),
        _ => None,
    };
    if number.is_none() {
        sheet.problem(node.spot, format!("`order` must be a number such as 1000, found {}", node.kind()));
    }
    number
}

/// Networks and single addresses, of which each is a network of its own.
pub(super) fn nets(sheet: &mut Sheet, node: &Node, what: &str) -> Vec<IpNet> {
    let items = sheet.list(node, what);
    let mut nets = Vec::with_capacity(items.len());
    for item in items {
        let address = item.scalar().and_then(|text| text.parse::<IpAddr>().ok());
        nets.extend(address.map(IpNet::from).or_else(|| network(sheet, item, what)));
    }
    nets
}

/// A protocol by its name or number.
pub(super) fn protocol(sheet: &mut Sheet, node: &Node, what: &str) -> Option<Protocol> {
    let text = node.scalar().unwrap_or_default();
    let named = match text.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        "icmp" => Some(Protocol::ICMP),
        "icmpv6" => Some(Protocol::ICMPV6),
        "sctp" => Some(Protocol::SCTP),
        "udplite" => Some(Protocol(136)),
        number => number.parse::<u8>().ok().filter(|&number| number > 0).map(Protocol),
    };
    if named.is_none() {
        let message = format!(
            "unknown {what} {}; write TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite or a number from 1 to 255",
            node.kind()
        );
        sheet.problem(node.spot, message);
    }
    named
}

/// A number from 0 to 254, as types and codes of ICMP are here.
pub(super) fn icmp(sheet: &mut Sheet, node: &Node, what: &str) -> Option<u8> {
    let number = node.scalar().and_then(|text| text.parse::<u8>().ok()).filter(|&number| number < 255);
    if number.is_none() {
        let message = format!("ICMP's `{what}` must be a number from 0 to 254, found {}", node.kind());
        sheet.problem(node.spot, message);
    }
    number
}

/// A number, a range such as `8000:8080`, or the name of a port.
pub(super) fn ports(sheet: &mut Sheet, node: &Node, what: &str) -> Vec<Ports> {
    let items = sheet.list(node, what);
    items.iter().filter_map(|item| port(sheet, item, what)).collect()
}

fn port(sheet: &mut Sheet, node: &Node, what: &str) -> Option<Ports> {
    let text = node.scalar().unwrap_or_default();
    let number = |text: &str| text.parse::<u16>().ok();
    let range = match text.split_once(':') {
        Some((first, last)) => number(first).zip(number(last)),
        None => number(text).map(|port| (port, port)),
    };
    match range {
        Some((first, last)) if first <= last => return Some(Ports::Range(first..=last)),
        Some((first, last)) => {
            sheet
                .problem(node.spot, format!("the range {first}:{last} ends before it begins; swap its ends"));
            return None;
        }
        None => {}
    }
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_name {
        return Some(Ports::Named(text.to_owned()));
    }
    let message = format!(
        "`{what}` must be numbers from 0 to 65535, ranges such as \"8000:8080\" or names of ports, found {}",
        node.kind()
    );
    sheet.problem(node.spot, message);
    None
}

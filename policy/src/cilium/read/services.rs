//! What of a server a rule is about: ports, protocols, types of ICMP, and questions to the DNS.

use watershed_model::Protocol;

use super::super::pattern::Pattern;
use super::peers;
use crate::k8s::PROTOCOLS;
use crate::k8s::read::policy::is_port_name;
use crate::k8s::read::sheet::Sheet;
use crate::k8s::yaml::{Node, Value};
use crate::layers::Services;

/// Ports of an item of `toPorts`, and fields of an item of `icmps`, at most.
const MOST: usize = 40;

/// Names of types of ICMP, as Cilium has them (RFC 792, RFC 8335).
const ICMP: [(&str, u8); 14] = [
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

/// Names of types of ICMPv6 that people use (RFC 4443, RFC 4861).
const ICMPV6: [(&str, u8); 11] = [
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
];

/// `toPorts`: the ports, and the names that may be asked for through them.
pub(super) fn ports(sheet: &mut Sheet, node: &Node) -> (Vec<Services>, Vec<Pattern>) {
    let (mut services, mut lookups) = (Vec::new(), Vec::new());
    let known = ["ports", "rules", "serverNames", "listener", "originatingTLS", "terminatingTLS"];
    for item in sheet.list(node, "toPorts") {
        let fields = sheet.fields(item, "an item of `toPorts`", &known);
        let Some(list) = fields.get("ports").filter(|list| !list.items().is_empty()) else {
            sheet.problem(item.spot, "an item of `toPorts` needs `ports` with at least one port; add it");
            continue;
        };
        let items = sheet.list(list, "ports");
        if items.len() > MOST {
            let message = format!(
                "`ports` has {} items and may have {MOST}; make a second item of `toPorts`",
                items.len()
            );
            sheet.problem(list.spot, message);
        }
        items.iter().for_each(|item| services.extend(port(sheet, item)));
        for key in &known[2..] {
            if let Some(node) = fields.get(key) {
                sheet.note(node.spot, format!("`{key}` is not evaluated: the ports are taken to be allowed"));
            }
        }
        if let Some(node) = fields.get("rules") {
            let fields = sheet.fields(node, "rules", &["dns", "http", "kafka", "l7proto", "l7"]);
            if let Some(list) = fields.get("dns") {
                let names = sheet.list(list, "dns");
                lookups.extend(names.iter().filter_map(|item| peers::name(sheet, item)));
            } else {
                sheet.note(
                    node.spot,
                    "what is said over a connection is not evaluated: the ports are taken to be allowed",
                );
            }
        }
    }
    (services, lookups)
}

/// One port of one protocol, or of every one that has ports.
fn port(sheet: &mut Sheet, node: &Node) -> Vec<Services> {
    let fields = sheet.fields(node, "a port", &["port", "endPort", "protocol"]);
    let word = fields.get("protocol").map_or(Some("ANY"), |node| sheet.text(node, "protocol"));
    let Some(word) = word else { return Vec::new() };
    let protocols = match word {
        "" | "ANY" => PROTOCOLS.to_vec(),
        "TCP" => vec![Protocol::TCP],
        "UDP" => vec![Protocol::UDP],
        "SCTP" => vec![Protocol::SCTP],
        "VRRP" => vec![Protocol(112)],
        "IGMP" => vec![Protocol(2)],
        "GRE" => vec![Protocol(47)],
        "IPIP" => vec![Protocol(4)],
        "IPV6" => vec![Protocol(41)],
        "ESP" => vec![Protocol(50)],
        "AH" => vec![Protocol(51)],
        other => {
            let message = format!(
                "unknown protocol `{other}`; write TCP, UDP, SCTP or ANY, and types of ICMP in `icmps`"
            );
            sheet.problem(fields.get("protocol").map_or(node.spot, |node| node.spot), message);
            return Vec::new();
        }
    };
    let Some(port) = fields.get("port") else {
        if protocols.iter().any(|protocol| protocol.has_ports()) {
            sheet.problem(node.spot, "a port needs `port`, a number or a name in quotes; \"0\" means all");
            return Vec::new();
        }
        return protocols.into_iter().map(Services::Whole).collect();
    };
    let Some(text) = sheet.text(port, "port") else { return Vec::new() };
    if text == "0" {
        return protocols.into_iter().map(Services::Whole).collect();
    }
    let Ok(first) = text.parse::<u16>() else {
        if is_port_name(&text.to_lowercase()) {
            let named = |protocol| Services::Named(Some(protocol), text.to_lowercase());
            return protocols.into_iter().map(named).collect();
        }
        sheet.problem(
            port.spot,
            format!("`{text}` is no port: a number from 0 to 65535 in quotes, or a name"),
        );
        return Vec::new();
    };
    let Some(last) = last(sheet, fields.get("endPort"), first) else { return Vec::new() };
    protocols.into_iter().map(|protocol| Services::Ports(protocol, first..=last)).collect()
}

/// The end of a range; 0 and nothing mean that there is none.
fn last(sheet: &mut Sheet, node: Option<&Node>, first: u16) -> Option<u16> {
    let Some(node) = node else { return Some(first) };
    let number = match &node.value {
        Value::Word(word) => word.parse::<u16>().ok(),
        _ => None,
    };
    match number {
        Some(0) => Some(first),
        Some(last) if last >= first => Some(last),
        Some(last) => {
            let message =
                format!("`endPort` {last} is below `port` {first}; swap them, or take `endPort` out");
            sheet.problem(node.spot, message);
            None
        }
        None => {
            sheet
                .problem(node.spot, format!("`endPort` must be a number up to 65535, found {}", node.kind()));
            None
        }
    }
}

/// `icmps`: types of ICMP and ICMPv6.
pub(super) fn icmps(sheet: &mut Sheet, node: &Node) -> Vec<Services> {
    let mut services = Vec::new();
    for item in sheet.list(node, "icmps") {
        let fields = sheet.fields(item, "an item of `icmps`", &["fields"]);
        let Some(list) = fields.get("fields") else { continue };
        let items = sheet.list(list, "fields");
        if items.len() > MOST {
            let message = format!(
                "`fields` has {} items and may have {MOST}; make a second item of `icmps`",
                items.len()
            );
            sheet.problem(list.spot, message);
        }
        services.extend(items.iter().filter_map(|item| icmp(sheet, item)));
    }
    services
}

fn icmp(sheet: &mut Sheet, node: &Node) -> Option<Services> {
    let fields = sheet.fields(node, "a type of ICMP", &["type", "family"]);
    let family = fields.get("family").map_or(Some("IPv4"), |node| sheet.text(node, "family"))?;
    let (protocol, names): (_, &[(&str, u8)]) = match family {
        "IPv4" => (Protocol::ICMP, &ICMP),
        "IPv6" => (Protocol::ICMPV6, &ICMPV6),
        other => {
            sheet.problem(node.spot, format!("unknown family `{other}`; write IPv4 or IPv6"));
            return None;
        }
    };
    let Some(kind) = fields.get("type") else {
        sheet.problem(node.spot, "a type of ICMP needs `type`, a number or a name; add it");
        return None;
    };
    let text = kind.scalar().unwrap_or_default();
    let named = names.iter().find(|(name, _)| *name == text).map(|&(_, number)| number);
    match named.or_else(|| text.parse().ok()) {
        Some(number) => Some(Services::Icmp(protocol, number..=number)),
        None => {
            let message = format!(
                "`type` must be a number from 0 to 255 or a name such as EchoRequest, found {}",
                kind.kind()
            );
            sheet.problem(kind.spot, message);
            None
        }
    }
}

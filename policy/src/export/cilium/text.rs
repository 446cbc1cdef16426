//! The text of each file.

use watershed_model::{Labels, Protocol};

use super::super::isolating::Isolating;
use super::super::kubernetes::peers::Peer;
use super::super::text::{about, about_names, comment, line, match_labels, quoted, title};
use super::Said;
use crate::cilium::POD_NAMESPACE;
use crate::k8s::Direction;
use crate::mine::Level;
use crate::rule::subject_name;
use crate::{Allowed, Rule, Service, Whom};

/// Ports of an item of `toPorts`, and fields of an item of `icmps`, at most, by Cilium's validation.
const MOST: usize = 40;

/// The policy of every namespace that isolates all of its pods, or none.
const DEFAULT: &str = "watershed-default";

/// Whether Cilium has rules for it.
pub(super) const fn is_sayable(allowed: &Allowed) -> bool {
    !matches!(allowed, Allowed::Service(Service::Protocol(_)))
}

/// Whether it is the DNS (RFC 1035) and no other port beside it, so that Cilium's proxy can read the questions.
pub(super) const fn is_dns(allowed: &Allowed) -> bool {
    matches!(allowed, Allowed::Ports(Protocol::UDP | Protocol::TCP, 53, 53))
}

/// The rules of one subject. `asking` is whether questions to the DNS have to be seen.
pub(super) fn policy(
    namespace: &str,
    subject: &Whom,
    rules: &[Said<'_>],
    level: Level,
    asking: bool,
) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|said| said.rule.price), level);
    head(&mut text, namespace, &subject_name(subject));
    match subject {
        Whom::Workloads { labels, .. } => endpoint_selector(&mut text, labels),
        Whom::Parties(_) | Whom::Networks(_) => endpoint_selector(&mut text, &Labels::new()),
    }
    text.push_str("  enableDefaultDeny:\n    ingress: false\n    egress: false\n");
    for direction in [Direction::Ingress, Direction::Egress] {
        let mut rules = rules.iter().filter(|said| said.rule.direction == direction).peekable();
        if rules.peek().is_some() {
            line(&mut text, 2, format_args!("{direction}:"));
            rules.for_each(|said| rule(&mut text, said, asking));
        }
    }
    text
}

/// A policy that isolates whom it selects both ways, whatever rules it has.
pub(super) fn isolating(one: &Isolating<'_>, rules: &[Said<'_>]) -> String {
    let mut text = String::new();
    comment(&mut text, 0, &one.what);
    head(&mut text, one.namespace, &one.name);
    endpoint_selector(&mut text, &one.labels);
    // Without questions to the DNS a name stands for nothing.
    let asking = rules.iter().any(|said| !said.names.is_empty());
    for direction in [Direction::Ingress, Direction::Egress] {
        line(&mut text, 2, format_args!("{direction}:"));
        let mut of = rules.iter().filter(|said| said.rule.direction == direction).peekable();
        if of.peek().is_none() {
            // A rule that means nobody isolates all the same.
            line(&mut text, 2, "- {}");
        }
        of.for_each(|said| rule(&mut text, said, asking));
    }
    text
}

fn endpoint_selector(text: &mut String, labels: &Labels) {
    if labels.is_empty() {
        return text.push_str("  endpointSelector: {}\n");
    }
    text.push_str("  endpointSelector:\n");
    match_labels(text, 4, labels);
}

/// What isolates the pods of a namespace, or what takes that back.
pub(super) fn default(namespace: &str, deny: bool) -> String {
    let mut text = String::new();
    let what = match deny {
        true => format!("Default deny in {namespace}: pods may do what rules allow, and nothing else"),
        false => format!("No default deny in {namespace}: everything is allowed, whatever rules say"),
    };
    comment(&mut text, 0, &what);
    head(&mut text, namespace, DEFAULT);
    text.push_str("  endpointSelector: {}\n");
    if !deny {
        text.push_str("  enableDefaultDeny:\n    ingress: false\n    egress: false\n");
    }
    text.push_str("  ingress:\n  - {}\n  egress:\n  - {}\n");
    text
}

fn head(text: &mut String, namespace: &str, name: &str) {
    text.push_str("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n");
    line(text, 2, format_args!("name: {}", quoted(name)));
    line(text, 2, format_args!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n");
}

/// A rule: an item for each kind of its peers, with ports and with types of ICMP, which cannot be in one item.
fn rule(text: &mut String, said: &Said<'_>, asking: bool) {
    about(text, 2, said.rule);
    if let Some(stated) = &said.stated {
        about_names(text, 2, stated);
    }
    for peers in kinds(said) {
        if said.rule.ports.contains(&Allowed::Anything) {
            item(text, &peers, "");
            continue;
        }
        let ports = ports(said.rule, asking && said.rule.direction == Direction::Egress);
        if !ports.is_empty() {
            item(text, &peers, &ports);
        }
        let types = types(said.rule);
        if !types.is_empty() {
            item(text, &peers, &types);
        }
    }
}

/// The first line of an item begins it.
fn item(text: &mut String, peers: &str, services: &str) {
    text.push_str(&peers.replacen("    ", "  - ", 1));
    text.push_str(services);
}

/// The peers of a rule by kind: endpoints, networks, names.
fn kinds(said: &Said<'_>) -> Vec<String> {
    let side = match said.rule.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let (mut endpoints, mut networks, mut names) = (String::new(), String::new(), String::new());
    for peer in &said.peers {
        match peer {
            Peer::Pods { namespace, labels } => self::endpoints(&mut endpoints, namespace.as_deref(), labels),
            Peer::Block(network) => {
                line(&mut networks, 4, format_args!("- cidr: {}", quoted(&network.to_string())));
            }
        }
    }
    said.names.iter().for_each(|name| line(&mut names, 4, format_args!("- matchName: {}", quoted(name))));
    let kinds = [("Endpoints", endpoints), ("CIDRSet", networks), ("FQDNs", names)];
    let kinds = kinds.into_iter().filter(|(_, items)| !items.is_empty());
    kinds.map(|(kind, items)| format!("    {side}{kind}:\n{items}")).collect()
}

/// Pods with labels, in one namespace or in every one.
fn endpoints(text: &mut String, namespace: Option<&str>, labels: &Labels) {
    let key = format!("k8s:{POD_NAMESPACE}");
    let mut wanted = labels.clone();
    wanted.extend(namespace.map(|name| (key.clone(), name.to_owned())));
    if !wanted.is_empty() {
        let mut inner = String::new();
        match_labels(&mut inner, 6, &wanted);
        text.push_str(&inner.replacen("      ", "    - ", 1));
    }
    if namespace.is_none() {
        line(
            text,
            if wanted.is_empty() { 4 } else { 6 },
            if wanted.is_empty() { "- matchExpressions:" } else { "matchExpressions:" },
        );
        line(text, 6, format_args!("- key: {}", quoted(&key)));
        line(text, 8, "operator: Exists");
    }
}

/// `toPorts`; those of the DNS by themselves where Cilium has to see the questions.
fn ports(rule: &Rule, asking: bool) -> String {
    let ports = rule.ports.iter().filter(|allowed| matches!(allowed, Allowed::Ports(..)));
    let (dns, others): (Vec<&Allowed>, Vec<&Allowed>) = ports.partition(|one| asking && is_dns(one));
    let mut text = String::new();
    for (ports, dns) in
        others.chunks(MOST).map(|some| (some, false)).chain(dns.chunks(MOST).map(|some| (some, true)))
    {
        line(&mut text, 4, "- ports:");
        for allowed in ports {
            let &&Allowed::Ports(protocol, first, last) = allowed else { continue };
            line(&mut text, 6, format_args!("- port: {}", quoted(&first.to_string())));
            if last > first {
                line(&mut text, 8, format_args!("endPort: {last}"));
            }
            line(&mut text, 8, format_args!("protocol: {}", protocol.to_string().to_uppercase()));
        }
        if dns {
            text.push_str("      rules:\n        dns:\n        - matchPattern: \"*\"\n");
        }
    }
    if text.is_empty() { text } else { format!("    toPorts:\n{text}") }
}

/// `icmps`.
fn types(rule: &Rule) -> String {
    let types: Vec<(Protocol, u8)> = rule
        .ports
        .iter()
        .filter_map(|allowed| match *allowed {
            Allowed::Service(Service::Icmp { protocol, message_type }) => Some((protocol, message_type)),
            _ => None,
        })
        .collect();
    if types.is_empty() {
        return String::new();
    }
    let mut text = String::from("    icmps:\n");
    for types in types.chunks(MOST) {
        line(&mut text, 4, "- fields:");
        for &(protocol, message_type) in types {
            line(&mut text, 6, format_args!("- type: {message_type}"));
            line(&mut text, 8, if protocol == Protocol::ICMPV6 { "family: IPv6" } else { "family: IPv4" });
        }
    }
    text
}

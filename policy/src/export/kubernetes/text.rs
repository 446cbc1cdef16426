//! The text of each file.

use ipnet::IpNet;
use watershed_model::Labels;

use super::peers::Peer;
use crate::export::isolating::Isolating;
use crate::export::text::{about, comment, line, match_labels, quoted, title};
use crate::k8s::{Direction, NAMESPACE_NAME};
use crate::mine::Level;
use crate::{Allowed, Rule, Whom};

const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// The policy of every namespace that allows everything, or nothing.
const DEFAULT: &str = "watershed-default";

/// The rules of one subject.
pub(super) fn policy(
    namespace: &str,
    subject: &Whom,
    rules: &[(&Rule, Vec<Peer<'_>>)],
    level: Level,
) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|(rule, _)| rule.price), level);
    head(&mut text, namespace, &crate::rule::subject_name(subject));
    match subject {
        Whom::Workloads { labels, .. } => pod_selector(&mut text, labels),
        Whom::Parties(_) | Whom::Networks(_) => pod_selector(&mut text, &Labels::new()),
    }
    let there = |direction: &Direction| rules.iter().any(|(rule, _)| rule.direction == *direction);
    text.push_str("  policyTypes:\n");
    for direction in DIRECTIONS.into_iter().filter(there) {
        text.push_str(match direction {
            Direction::Ingress => "  - Ingress\n",
            Direction::Egress => "  - Egress\n",
        });
    }
    self::rules(&mut text, rules);
    text
}

/// A policy that isolates whom it selects both ways, whatever rules it has.
pub(super) fn isolating(one: &Isolating<'_>, rules: &[(&Rule, Vec<Peer<'_>>)]) -> String {
    let mut text = String::new();
    comment(&mut text, 0, &one.what);
    head(&mut text, one.namespace, &one.name);
    pod_selector(&mut text, &one.labels);
    text.push_str("  policyTypes:\n  - Ingress\n  - Egress\n");
    self::rules(&mut text, rules);
    text
}

fn pod_selector(text: &mut String, labels: &Labels) {
    if labels.is_empty() {
        return text.push_str("  podSelector: {}\n");
    }
    text.push_str("  podSelector:\n");
    match_labels(text, 4, labels);
}

/// The rules of each direction that has some.
fn rules(text: &mut String, rules: &[(&Rule, Vec<Peer<'_>>)]) {
    for direction in DIRECTIONS {
        let mut of = rules.iter().filter(|(rule, _)| rule.direction == direction).peekable();
        if of.peek().is_some() {
            line(text, 2, format_args!("{direction}:"));
            of.for_each(|(rule, peers)| self::rule(text, rule, peers));
        }
    }
}

/// What turns default deny on in a namespace.
pub(super) fn default_deny(namespace: &str) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        0,
        &format!("Default deny in {namespace}: pods may do what rules allow, and nothing else"),
    );
    head(&mut text, namespace, DEFAULT);
    text.push_str("  podSelector: {}\n  policyTypes:\n  - Ingress\n  - Egress\n");
    text
}

/// What takes it back: policies add up, so one that allows everything leaves nothing denied.
pub(super) fn allow_everything(namespace: &str) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        0,
        &format!("No default deny in {namespace}: everything is allowed, whatever rules say"),
    );
    head(&mut text, namespace, DEFAULT);
    text.push_str("  podSelector: {}\n  policyTypes:\n  - Ingress\n  - Egress\n");
    text.push_str("  ingress:\n  - {}\n  egress:\n  - {}\n");
    text
}

fn head(text: &mut String, namespace: &str, name: &str) {
    text.push_str("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n");
    line(text, 2, format_args!("name: {}", quoted(name)));
    line(text, 2, format_args!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n");
}

fn rule(text: &mut String, rule: &Rule, peers: &[Peer<'_>]) {
    about(text, 2, rule);
    text.push_str(match rule.direction {
        Direction::Ingress => "  - from:\n",
        Direction::Egress => "  - to:\n",
    });
    peers.iter().for_each(|peer| self::peer(text, peer));
    let ports: Vec<_> = rule.ports.iter().filter(|allowed| matches!(allowed, Allowed::Ports(..))).collect();
    if !ports.is_empty() {
        text.push_str("    ports:\n");
    }
    for allowed in ports {
        let &Allowed::Ports(protocol, first, last) = allowed else { continue };
        line(text, 4, format_args!("- protocol: {}", protocol.to_string().to_uppercase()));
        line(text, 6, format_args!("port: {first}"));
        if last > first {
            line(text, 6, format_args!("endPort: {last}"));
        }
    }
}

/// Namespace and pods are one item: both must match.
fn peer(text: &mut String, peer: &Peer<'_>) {
    match peer {
        Peer::Pods { namespace, labels } => {
            match namespace {
                Some(name) => {
                    text.push_str("    - namespaceSelector:\n");
                    line(text, 8, "matchLabels:");
                    line(text, 10, format_args!("{}: {}", quoted(NAMESPACE_NAME), quoted(name)));
                }
                None => text.push_str("    - namespaceSelector: {}\n"),
            }
            if !labels.is_empty() {
                text.push_str("      podSelector:\n");
                match_labels(text, 8, labels);
            }
        }
        Peer::Block(network) => block(text, network),
    }
}

fn block(text: &mut String, network: &IpNet) {
    text.push_str("    - ipBlock:\n");
    line(text, 8, format_args!("cidr: {}", quoted(&network.to_string())));
}

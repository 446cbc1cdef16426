//! The text of each file. Names and labels stand in quotes, so that none is taken for a number or a word of
//! YAML; comments hold nothing that could end them.

use std::fmt::Write as _;

use ipnet::IpNet;
use watershed_model::{Labels, Timestamp};

use super::peers::Peer;
use crate::k8s::{Direction, NAMESPACE_NAME};
use crate::mine::{Allowed, Level, Rule, Whom};
use crate::text::printable;

/// The policy of every namespace that allows everything, or nothing.
const DEFAULT: &str = "watershed-default";

/// Letters of a comment: enough for a few names, short enough to read.
const LINE: usize = 400;

/// Names in a comment: more than a person reads at a glance.
const LISTED: usize = 5;

/// The rules of one subject.
pub(super) fn policy(namespace: &str, subject: &Whom, rules: &[(&Rule, Vec<Peer>)], level: Level) -> String {
    let mut text = String::new();
    let price = rules.iter().fold(0, |sum: u64, (rule, _)| sum.saturating_add(rule.price));
    comment(&mut text, 0, &format!("{subject}, at level {level}: {}", admits(price)));
    head(&mut text, namespace, &crate::mine::subject_name(subject));
    match subject {
        Whom::Workloads { labels, .. } if !labels.is_empty() => {
            text.push_str("  podSelector:\n");
            match_labels(&mut text, 4, labels);
        }
        _ => text.push_str("  podSelector: {}\n"),
    }
    let directions = [Direction::Ingress, Direction::Egress];
    let of = |direction| rules.iter().filter(move |(rule, _)| rule.direction == direction);
    text.push_str("  policyTypes:\n");
    for direction in directions.into_iter().filter(|&direction| of(direction).next().is_some()) {
        text.push_str(match direction {
            Direction::Ingress => "  - Ingress\n",
            Direction::Egress => "  - Egress\n",
        });
    }
    for direction in directions.into_iter().filter(|&direction| of(direction).next().is_some()) {
        line(&mut text, 2, &format!("{direction}:"));
        of(direction).for_each(|(rule, peers)| self::rule(&mut text, rule, peers));
    }
    text
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

/// The list of files that `kubectl apply -k` loads, in this order.
pub(super) fn kustomization<'a>(what: &str, files: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!("# {what}\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
    text.push_str("sortOptions:\n  order: fifo\n");
    let files: Vec<&str> = files.collect();
    text.push_str(if files.is_empty() { "resources: []\n" } else { "resources:\n" });
    for file in files {
        line(&mut text, 0, &format!("- {}", quoted(file)));
    }
    text
}

fn head(text: &mut String, namespace: &str, name: &str) {
    text.push_str("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n");
    line(text, 2, &format!("name: {}", quoted(name)));
    line(text, 2, &format!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n");
}

fn rule(text: &mut String, rule: &Rule, peers: &[Peer]) {
    let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
    let shared = if rule.shared { ", a shared service" } else { "" };
    comment(text, 2, &format!("{}: {}{shared}", rule.peer, ports.join(" ")));
    comment(text, 2, &evidence(rule));
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
        line(text, 4, &format!("- protocol: {}", protocol.to_string().to_uppercase()));
        line(text, 6, &format!("port: {first}"));
        if last > first {
            line(text, 6, &format!("endPort: {last}"));
        }
    }
}

/// Why there is the rule, and what it costs.
fn evidence(rule: &Rule) -> String {
    let mut text = match &rule.observed {
        Some(observed) => format!(
            "{} edges, {} connections, {} to {}",
            observed.edges,
            observed.connections,
            day(observed.first_seen),
            day(observed.last_seen)
        ),
        None => "not seen used from here".to_owned(),
    };
    let _ = write!(text, "; {}", admits(rule.price));
    if !rule.names.is_empty() {
        let names: Vec<&str> = rule.names.iter().take(LISTED).map(AsRef::as_ref).collect();
        let _ = write!(text, "; called {}", names.join(", "));
    }
    text
}

fn admits(price: u64) -> String {
    match price {
        0 => "admits nothing that was not observed".to_owned(),
        1 => "admits 1 connection that was not observed".to_owned(),
        more => format!("admits {more} connections that were not observed"),
    }
}

/// Namespace and pods are one item: both must match.
fn peer(text: &mut String, peer: &Peer) {
    match peer {
        Peer::Pods { namespace, labels } => {
            match namespace {
                Some(name) => {
                    text.push_str("    - namespaceSelector:\n");
                    match_labels(text, 8, &Labels::from([(NAMESPACE_NAME.to_owned(), name.clone())]));
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
    line(text, 8, &format!("cidr: {}", quoted(&network.to_string())));
}

fn match_labels(text: &mut String, indent: usize, labels: &Labels) {
    line(text, indent, "matchLabels:");
    for (key, value) in labels {
        line(text, indent + 2, &format!("{}: {}", quoted(key), quoted(value)));
    }
}

fn line(text: &mut String, indent: usize, content: &str) {
    text.extend(std::iter::repeat_n(' ', indent));
    text.push_str(content);
    text.push('\n');
}

fn comment(text: &mut String, indent: usize, content: &str) {
    line(text, indent, &format!("# {}", printable(content, LINE)));
}

/// In double quotes, as JSON and YAML both have them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `2026-01-02`.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take_while(|&letter| letter != 'T').collect()
}

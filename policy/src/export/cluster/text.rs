//! The text of each file.

use watershed_model::Labels;

use crate::export::kubernetes::peers::Peer;
use crate::export::kubernetes::{Said, is_sayable};
use crate::export::text::{about, comment, line, match_labels, quoted, title};
use crate::k8s::{Direction, NAMESPACE_NAME};
use crate::mine::Level;
use crate::rule::subject_name;
use crate::{Allowed, Rule, Whom};

/// Of the rules: in the middle, so that a person's own come before or after.
const PRIORITY: u16 = 500;

/// Of default deny: after everything.
const LAST: u16 = 1000;

/// Rules of a direction of a policy, peers and protocols of a rule, networks of a peer: each at most, by the
/// API.
const MOST: usize = 25;

/// The rules of one subject.
pub(super) fn policy(namespace: &str, subject: &Whom, rules: &[Said<'_>], level: Level) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|(rule, _)| rule.price), level);
    let everybody = Labels::new();
    let labels = match subject {
        Whom::Workloads { labels, .. } => labels,
        Whom::Parties(_) | Whom::Networks(_) => &everybody,
    };
    let name = format!("{namespace}.{}", subject_name(subject));
    text + &Accepting::of(&name, rules).text(namespace, labels)
}

/// Policies that accept: one, or several where there are more rules than one may have.
pub(super) struct Accepting<'a> {
    name: &'a str,
    ingress: Vec<String>,
    egress: Vec<String>,
}

impl<'a> Accepting<'a> {
    pub(super) fn of(name: &'a str, rules: &[Said<'_>]) -> Self {
        let of = |direction| -> Vec<String> {
            let rules = rules.iter().filter(|(rule, _)| rule.direction == direction);
            rules.flat_map(|(rule, peers)| self::rules(rule, peers)).collect()
        };
        Self { name, ingress: of(Direction::Ingress), egress: of(Direction::Egress) }
    }

    /// What they are called, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let parts = self.ingress.len().max(self.egress.len()).div_ceil(MOST);
        (0..parts).map(|part| match part {
            0 => self.name.to_owned(),
            more => format!("{}.{}", self.name, more + 1),
        })
    }

    pub(super) fn text(&self, namespace: &str, labels: &Labels) -> String {
        let mut text = String::new();
        for (part, name) in self.names().enumerate() {
            if part > 0 {
                text.push_str("---\n");
            }
            head(&mut text, &name, PRIORITY);
            subject(&mut text, namespace, labels);
            for (key, rules) in [("ingress", &self.ingress), ("egress", &self.egress)] {
                let mut rules = rules.iter().skip(part * MOST).take(MOST).peekable();
                if rules.peek().is_some() {
                    line(&mut text, 2, format_args!("{key}:"));
                    rules.for_each(|rule| text.push_str(rule));
                }
            }
        }
        text
    }
}

/// A policy without rules, for whom it selects: it decides nothing.
pub(super) fn empty(name: &str, namespace: &str, labels: &Labels) -> String {
    let mut text = String::new();
    head(&mut text, name, LAST);
    subject(&mut text, namespace, labels);
    text
}

fn head(text: &mut String, name: &str, priority: u16) {
    text.push_str("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata:\n");
    line(text, 2, format_args!("name: {}", quoted(name)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n  tier: Baseline\n");
    line(text, 2, format_args!("priority: {priority}"));
}

fn subject(text: &mut String, namespace: &str, labels: &Labels) {
    line(text, 2, "subject:");
    pods(text, 4, Some(namespace), labels);
}

/// Pods with labels of one namespace or of every one.
fn pods(text: &mut String, indent: usize, namespace: Option<&str>, labels: &Labels) {
    let namespaces = namespace.iter().map(|&name| (NAMESPACE_NAME.to_owned(), name.to_owned())).collect();
    if labels.is_empty() {
        return select(text, indent, "namespaces", &namespaces);
    }
    line(text, indent, "pods:");
    select(text, indent + 2, "namespaceSelector", &namespaces);
    select(text, indent + 2, "podSelector", labels);
}

fn select(text: &mut String, indent: usize, key: &str, labels: &Labels) {
    if labels.is_empty() {
        return line(text, indent, format_args!("{key}: {{}}"));
    }
    line(text, indent, format_args!("{key}:"));
    match_labels(text, indent + 2, labels);
}

/// A rule as one item or as several, where it has more peers or ports than one may have.
fn rules(rule: &Rule, peers: &[Peer]) -> Vec<String> {
    let ports: Vec<&Allowed> = rule.ports.iter().filter(|one| is_sayable(one)).collect();
    // "Anything" is said by naming no ports.
    let anything = ports.contains(&&Allowed::Anything);
    let ports: Vec<&[&Allowed]> = if anything { vec![&[]] } else { ports.chunks(MOST).collect() };
    let mut items = Vec::new();
    for peers in peers.chunks(MOST) {
        for ports in &ports {
            items.push(item(rule, peers, ports));
        }
    }
    items
}

fn item(rule: &Rule, peers: &[Peer], ports: &[&Allowed]) -> String {
    let mut text = String::new();
    about(&mut text, 2, rule);
    line(&mut text, 2, "- action: Accept");
    line(&mut text, 4, format_args!("name: {}", quoted(rule.id.as_str())));
    line(&mut text, 4, if rule.direction == Direction::Ingress { "from:" } else { "to:" });
    let mut networks = Vec::new();
    for peer in peers {
        match peer {
            Peer::Pods { namespace, labels } => {
                let mut inner = String::new();
                pods(&mut inner, 6, namespace.as_deref(), labels);
                text.push_str(&inner.replacen("      ", "    - ", 1));
            }
            Peer::Block(network) => networks.push(network),
        }
    }
    if !networks.is_empty() {
        line(&mut text, 4, "- networks:");
        networks
            .iter()
            .for_each(|network| line(&mut text, 6, format_args!("- {}", quoted(&network.to_string()))));
    }
    if !ports.is_empty() {
        line(&mut text, 4, "protocols:");
    }
    for allowed in ports {
        let &&Allowed::Ports(protocol, first, last) = allowed else { continue };
        line(&mut text, 4, format_args!("- {}:", protocol.to_string().to_lowercase()));
        line(&mut text, 8, "destinationPort:");
        if first == last {
            line(&mut text, 10, format_args!("number: {first}"));
        } else {
            line(&mut text, 10, "range:");
            line(&mut text, 12, format_args!("start: {first}"));
            line(&mut text, 12, format_args!("end: {last}"));
        }
    }
    text
}

/// What decides in a namespace about everything that no rule accepts.
pub(super) fn default(namespace: &str, action: &str) -> String {
    let mut text = String::new();
    let what = match action {
        "Deny" => {
            "pods may do what rules accept, and nothing else; from outside the cluster everything is allowed"
        }
        _ => "no default deny, everything is accepted",
    };
    comment(&mut text, 0, &format!("In {namespace}: {what}"));
    text + &remaining(&format!("{namespace}.watershed-default"), namespace, &Labels::new(), action)
}

/// What decides about everything of pods that no policy before it decides.
pub(super) fn remaining(name: &str, namespace: &str, labels: &Labels, action: &str) -> String {
    let mut text = empty(name, namespace, labels);
    for (key, peers) in [("ingress", "from"), ("egress", "to")] {
        line(&mut text, 2, format_args!("{key}:"));
        line(&mut text, 2, format_args!("- action: {action}"));
        line(&mut text, 4, format_args!("{peers}:"));
        line(&mut text, 4, "- namespaces: {}");
        if key == "egress" {
            line(&mut text, 4, "- networks:");
            line(&mut text, 6, "- \"0.0.0.0/0\"");
            line(&mut text, 6, "- \"::/0\"");
        }
    }
    text
}

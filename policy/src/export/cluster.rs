//! Mined rules as ClusterNetworkPolicies (`policy.networking.k8s.io/v1alpha2`) of the Baseline tier: a
//! directory for `kubectl apply -k`.
//!
//! ```text
//! kustomization.yaml       the rules
//! allow/NAMESPACE/*.yaml   the rules, a file for each subject
//! default-deny/            a policy of the lowest precedence per namespace that denies the rest
//! default-deny-revert/     the same policy, accepting everything
//! ```
//!
//! Baseline and not Admin: what was observed is a default for pods that nobody has written a NetworkPolicy for.
//! In the Admin tier an accepted connection would pass whatever a team's own policies deny. All rules accept,
//! so it does not matter which of two of the same priority comes first.
//!
//! The API can neither accept nor deny connections from outside the cluster, so these stay as they are.

use std::collections::BTreeMap;

use watershed_model::Labels;

use super::directory::Directory;
use super::kubernetes::peers::{self, Peer};
use super::names;
use super::text::{about, comment, line, match_labels, quoted, title};
use crate::Error;
use crate::k8s::{Direction, NAMESPACE_NAME};
use crate::mine::{Allowed, Census, Level, Namespace, Plan, Rule, Whom, subject_name};

/// Of the rules: in the middle, so that a person's own come before or after.
const PRIORITY: u16 = 500;

/// Of default deny: after everything.
const LAST: u16 = 1000;

/// Rules of a direction of a policy, peers and protocols of a rule, networks of a peer: each at most, by the
/// API.
const MOST: usize = 25;

/// A rule, and its peers as a policy says them.
type Said<'a> = (&'a Rule, Vec<Peer>);

/// Writes the rules of `plan`, which was mined from `census`.
///
/// # Errors
/// [`Error::Name`] for a namespace or label that Kubernetes does not know as one.
pub fn export(census: &Census, plan: &Plan) -> Result<Directory, Error> {
    let mut export = Directory::default();
    let mut policies: BTreeMap<(&str, &Whom), Vec<Said<'_>>> = BTreeMap::new();
    for rule in &plan.rules {
        let Whom::Workloads { namespace: Namespace::One(namespace), .. } = &rule.subject else {
            export.cannot(rule, "its subject is no pod: nothing of it is enforced by the cluster");
            continue;
        };
        names::check(rule)?;
        let sayable = |allowed: &Allowed| !matches!(allowed, Allowed::Service(_));
        if !rule.ports.iter().all(sayable) {
            export.cannot(
                rule,
                "ClusterNetworkPolicy knows TCP, UDP and SCTP alone: the network plugin decides about the rest",
            );
        }
        // Without this a rule for pings alone would have no ports, which means all of them.
        if !rule.ports.iter().any(sayable) {
            continue;
        }
        let mut peers = peers::of(census, plan, rule);
        if peers.is_empty() {
            export.cannot(rule, "no address of its peer is known: it stays denied");
            continue;
        }
        if rule.direction == Direction::Ingress {
            peers.retain(|peer| matches!(peer, Peer::Pods { .. }));
            if peers.is_empty() {
                export.cannot(
                    rule,
                    "ClusterNetworkPolicy has no rules for connections from outside the cluster: they all stay \
                     allowed, from every address to every port",
                );
                continue;
            }
        }
        policies.entry((namespace, &rule.subject)).or_default().push((rule, peers));
    }
    let mut listed = Vec::new();
    for ((namespace, subject), rules) in &policies {
        listed.push(export.allow(namespace, subject, policy(namespace, subject, rules, plan.level)));
    }
    for namespace in plan.namespaces() {
        names::check_namespace(namespace)?;
        export.default_deny(namespace, default(namespace, "Deny"), default(namespace, "Accept"));
    }
    Ok(export.finish(listed.iter().map(String::as_str)))
}

/// The rules of one subject: one policy, or several where there are more rules than one may have.
fn policy(namespace: &str, subject: &Whom, rules: &[Said<'_>], level: Level) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|(rule, _)| rule.price), level);
    let of = |direction| -> Vec<String> {
        let rules = rules.iter().filter(|(rule, _)| rule.direction == direction);
        rules.flat_map(|(rule, peers)| self::rules(rule, peers)).collect()
    };
    let (ingress, egress) = (of(Direction::Ingress), of(Direction::Egress));
    let parts = ingress.len().max(egress.len()).div_ceil(MOST);
    for part in 0..parts {
        let name = match part {
            0 => format!("{namespace}.{}", subject_name(subject)),
            more => format!("{namespace}.{}.{}", subject_name(subject), more + 1),
        };
        if part > 0 {
            text.push_str("---\n");
        }
        head(&mut text, &name, PRIORITY);
        match subject {
            Whom::Workloads { labels, .. } => self::subject(&mut text, namespace, labels),
            Whom::Host { .. } | Whom::Networks(_) => {}
        }
        for (key, rules) in [("ingress", &ingress), ("egress", &egress)] {
            let mut rules = rules.iter().skip(part * MOST).take(MOST).peekable();
            if rules.peek().is_some() {
                line(&mut text, 2, &format!("{key}:"));
                rules.for_each(|rule| text.push_str(rule));
            }
        }
    }
    text
}

fn head(text: &mut String, name: &str, priority: u16) {
    text.push_str("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata:\n");
    line(text, 2, &format!("name: {}", quoted(name)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n  tier: Baseline\n");
    line(text, 2, &format!("priority: {priority}"));
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
        return line(text, indent, &format!("{key}: {{}}"));
    }
    line(text, indent, &format!("{key}:"));
    match_labels(text, indent + 2, labels);
}

/// A rule as one item or as several, where it has more peers or ports than one may have.
fn rules(rule: &Rule, peers: &[Peer]) -> Vec<String> {
    let ports: Vec<&Allowed> = rule.ports.iter().filter(|one| !matches!(one, Allowed::Service(_))).collect();
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
    line(&mut text, 4, &format!("name: {}", quoted(&rule.id)));
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
            .for_each(|network| line(&mut text, 6, &format!("- {}", quoted(&network.to_string()))));
    }
    if !ports.is_empty() {
        line(&mut text, 4, "protocols:");
    }
    for allowed in ports {
        let &&Allowed::Ports(protocol, first, last) = allowed else { continue };
        line(&mut text, 4, &format!("- {}:", protocol.to_string().to_lowercase()));
        line(&mut text, 8, "destinationPort:");
        if first == last {
            line(&mut text, 10, &format!("number: {first}"));
        } else {
            line(&mut text, 10, "range:");
            line(&mut text, 12, &format!("start: {first}"));
            line(&mut text, 12, &format!("end: {last}"));
        }
    }
    text
}

/// What decides about everything that no rule accepts.
fn default(namespace: &str, action: &str) -> String {
    let mut text = String::new();
    let what = match action {
        "Deny" => {
            "pods may do what rules accept, and nothing else; from outside the cluster everything is allowed"
        }
        _ => "no default deny, everything is accepted",
    };
    comment(&mut text, 0, &format!("In {namespace}: {what}"));
    head(&mut text, &format!("{namespace}.watershed-default"), LAST);
    subject(&mut text, namespace, &Labels::new());
    for (key, peers) in [("ingress", "from"), ("egress", "to")] {
        line(&mut text, 2, &format!("{key}:"));
        line(&mut text, 2, &format!("- action: {action}"));
        line(&mut text, 4, &format!("{peers}:"));
        line(&mut text, 4, "- namespaces: {}");
        if key == "egress" {
            line(&mut text, 4, "- networks:");
            line(&mut text, 6, "- \"0.0.0.0/0\"");
            line(&mut text, 6, "- \"::/0\"");
        }
    }
    text
}

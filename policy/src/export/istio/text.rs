//! The text of each file.

use std::collections::BTreeSet;
use std::net::IpAddr;

use watershed_model::Protocol;

use crate::export::text::{about, comment, line, match_labels, quoted, title};
use crate::istio::principal;
use crate::mine::{Allowed, Census, Level, Namespace, Plan, Rule, Whom, subject_name};

/// The policy of every namespace that allows everything, or nothing.
const DEFAULT: &str = "watershed-default";

/// A client as a policy tells it: the field, and its values.
pub(super) type Client = (&'static str, Vec<String>);

/// The client of a rule; `None` where nothing of it is known.
pub(super) fn client(census: &Census, plan: &Plan, rule: &Rule) -> Option<Client> {
    let blocks = |addresses: &BTreeSet<IpAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (field, values) = match &rule.peer {
        Whom::Workloads { namespace: Namespace::One(name), labels } => match labels.values().next() {
            Some(account) => ("principals", vec![principal(name, account)]),
            None => ("namespaces", vec![name.clone()]),
        },
        Whom::Workloads { namespace: Namespace::Every, .. } => ("principals", vec!["*".to_owned()]),
        Whom::Workloads { namespace: Namespace::Hosts, .. } => {
            ("ipBlocks", blocks(&plan.addresses(census, &rule.peers)))
        }
        Whom::Host { addresses, .. } => ("ipBlocks", blocks(addresses)),
        Whom::Networks(networks) => ("ipBlocks", networks.iter().map(ToString::to_string).collect()),
    };
    (!values.is_empty()).then_some((field, values))
}

/// The rules of one subject.
pub(super) fn policy(namespace: &str, subject: &Whom, rules: &[(&Rule, Client)], level: Level) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|(rule, _)| rule.price), level);
    head(&mut text, namespace, &subject_name(subject));
    if let Whom::Workloads { labels, .. } = subject
        && !labels.is_empty()
    {
        line(&mut text, 2, "selector:");
        match_labels(&mut text, 4, labels);
    }
    line(&mut text, 2, "action: ALLOW");
    line(&mut text, 2, "rules:");
    for (rule, (field, values)) in rules {
        about(&mut text, 2, rule);
        line(&mut text, 2, "- from:");
        line(&mut text, 4, "- source:");
        list(&mut text, field, values.iter().map(String::as_str));
        let ports = ports(rule);
        if !ports.is_empty() {
            line(&mut text, 4, "to:");
            line(&mut text, 4, "- operation:");
            list(&mut text, "ports", ports.iter().map(String::as_str));
        }
    }
    text
}

/// What turns default deny on in a namespace: a policy that matches nothing.
pub(super) fn default_deny(namespace: &str) -> String {
    let mut text = String::new();
    let what = format!("Default deny in {namespace}: TCP that no rule allows is refused");
    comment(&mut text, 0, &what);
    head(&mut text, namespace, DEFAULT);
    line(&mut text, 2, "action: ALLOW");
    text
}

/// What takes it back: a policy that matches everything.
pub(super) fn allow_everything(namespace: &str) -> String {
    let mut text = String::new();
    let what = format!("No default deny in {namespace}: everything is allowed, whatever rules say");
    comment(&mut text, 0, &what);
    head(&mut text, namespace, DEFAULT);
    text.push_str("  action: ALLOW\n  rules:\n  - {}\n");
    text
}

fn head(text: &mut String, namespace: &str, name: &str) {
    text.push_str("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n");
    line(text, 2, &format!("name: {}", quoted(name)));
    line(text, 2, &format!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n");
}

fn list<'a>(text: &mut String, field: &str, values: impl Iterator<Item = &'a str>) {
    line(text, 8, &format!("{field}:"));
    values.for_each(|value| line(text, 8, &format!("- {}", quoted(value))));
}

/// Each port by itself; none where every port is meant.
fn ports(rule: &Rule) -> Vec<String> {
    let mut ports = BTreeSet::new();
    for allowed in &rule.ports {
        match *allowed {
            Allowed::Ports(Protocol::TCP, 1, u16::MAX) => return Vec::new(),
            Allowed::Ports(_, first, last) => ports.extend(first..=last),
            Allowed::Anything | Allowed::Service(_) => {}
        }
    }
    ports.iter().map(u16::to_string).collect()
}

//! The text of each file.

use std::collections::BTreeSet;
use std::net::IpAddr;

use watershed_model::{Labels, Protocol};

use crate::export::calico::Form;
use crate::export::isolating::Isolating;
use crate::export::text::{about, comment, line, match_labels, quoted, title};
use crate::istio::{DRY_RUN, principal};
use crate::mine::{Census, Level, Plan};
use crate::rule::{addresses, subject_name};
use crate::{Allowed, Namespace, Rule, Whom};

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
        Whom::Parties(members) => ("ipBlocks", blocks(&addresses(members))),
        Whom::Networks(networks) => ("ipBlocks", networks.iter().map(ToString::to_string).collect()),
    };
    (!values.is_empty()).then_some((field, values))
}

/// The rules of one subject.
pub(super) fn policy(namespace: &str, subject: &Whom, rules: &[(&Rule, Client)], level: Level) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|(rule, _)| rule.price), level);
    head(&mut text, namespace, &subject_name(subject), Form::Enforced);
    if let Whom::Workloads { labels, .. } = subject {
        selector(&mut text, labels);
    }
    line(&mut text, 2, "action: ALLOW");
    self::rules(&mut text, rules);
    text
}

/// A policy that isolates whom it selects, whatever rules it has: without any it matches nothing.
pub(super) fn isolating(form: Form, one: &Isolating<'_>, rules: &[(&Rule, Client)]) -> String {
    let mut text = String::new();
    comment(&mut text, 0, &one.what);
    head(&mut text, one.namespace, &one.name, form);
    selector(&mut text, &one.labels);
    line(&mut text, 2, "action: ALLOW");
    if !rules.is_empty() {
        self::rules(&mut text, rules);
    }
    text
}

fn selector(text: &mut String, labels: &Labels) {
    if !labels.is_empty() {
        line(text, 2, "selector:");
        match_labels(text, 4, labels);
    }
}

fn rules(text: &mut String, rules: &[(&Rule, Client)]) {
    line(text, 2, "rules:");
    for (rule, (field, values)) in rules {
        about(text, 2, rule);
        line(text, 2, "- from:");
        line(text, 4, "- source:");
        list(text, field, values.iter().map(String::as_str));
        let ports = ports(rule);
        if !ports.is_empty() {
            line(text, 4, "to:");
            line(text, 4, "- operation:");
            list(text, "ports", ports.iter().map(String::as_str));
        }
    }
}

/// What turns default deny on in a namespace: a policy that matches nothing.
pub(super) fn default_deny(namespace: &str) -> String {
    let mut text = String::new();
    let what = format!("Default deny in {namespace}: TCP that no rule allows is refused");
    comment(&mut text, 0, &what);
    head(&mut text, namespace, DEFAULT, Form::Enforced);
    line(&mut text, 2, "action: ALLOW");
    text
}

/// What takes it back: a policy that matches everything.
pub(super) fn allow_everything(namespace: &str) -> String {
    let mut text = String::new();
    let what = format!("No default deny in {namespace}: everything is allowed, whatever rules say");
    comment(&mut text, 0, &what);
    head(&mut text, namespace, DEFAULT, Form::Enforced);
    text.push_str("  action: ALLOW\n  rules:\n  - {}\n");
    text
}

fn head(text: &mut String, namespace: &str, name: &str, form: Form) {
    text.push_str("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n");
    line(text, 2, format_args!("name: {}", quoted(name)));
    line(text, 2, format_args!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\n");
    if form == Form::Staged {
        text.push_str("  annotations:\n");
        line(text, 4, format_args!("{DRY_RUN}: \"true\""));
    }
    text.push_str("spec:\n");
}

fn list<'a>(text: &mut String, field: &str, values: impl Iterator<Item = &'a str>) {
    line(text, 8, format_args!("{field}:"));
    values.for_each(|value| line(text, 8, format_args!("- {}", quoted(value))));
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

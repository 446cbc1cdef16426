//! The text of each file.

use watershed_model::{Labels, Protocol};

use super::{About, Form, Peer, Said};
use crate::Whom;
use crate::calico::Expression;
use crate::export::isolating::Isolating;
use crate::export::text::{about, comment, line, quoted, title};
use crate::k8s::{Direction, NAMESPACE_NAME};
use crate::mine::Level;
use crate::rule::subject_name;

const DIRECTIONS: [(Direction, &str); 2] = [(Direction::Ingress, "Ingress"), (Direction::Egress, "Egress")];

/// The policy of every namespace that allows everything, or nothing.
const DEFAULT: &str = "watershed-default";

/// The order of Kubernetes' own policies among Calico's.
const ORDER: &str = "1000";

/// The rules of one subject.
pub(super) fn policy(
    form: Form,
    namespace: &str,
    subject: &Whom,
    rules: &[Said<'_>],
    level: Level,
) -> String {
    let mut text = String::new();
    title(&mut text, subject, rules.iter().map(|said| said.rule.price), level);
    head(&mut text, form, namespace, &subject_name(subject));
    line(&mut text, 2, format_args!("order: {ORDER}"));
    let selector = match subject {
        Whom::Workloads { labels, .. } => all(labels),
        Whom::Parties(_) | Whom::Networks(_) => Expression::All,
    };
    line(&mut text, 2, format_args!("selector: {}", quoted(&selector.to_string())));
    let there = |direction| rules.iter().any(|said| said.rule.direction == direction);
    let types = DIRECTIONS.into_iter().filter(|&(direction, _)| there(direction));
    line(&mut text, 2, "types:");
    types.for_each(|(_, name)| line(&mut text, 2, format_args!("- {name}")));
    self::rules(&mut text, rules);
    text
}

/// A policy that isolates whom it selects both ways, whatever rules it has.
pub(super) fn isolating(form: Form, one: &Isolating<'_>, rules: &[Said<'_>]) -> String {
    let mut text = String::new();
    comment(&mut text, 0, &one.what);
    head(&mut text, form, one.namespace, &one.name);
    line(&mut text, 2, format_args!("order: {ORDER}"));
    line(&mut text, 2, format_args!("selector: {}", quoted(&all(&one.labels).to_string())));
    text.push_str("  types:\n  - Ingress\n  - Egress\n");
    self::rules(&mut text, rules);
    text
}

/// The rules of each direction that has some.
fn rules(text: &mut String, rules: &[Said<'_>]) {
    for (direction, _) in DIRECTIONS {
        let mut of = rules.iter().filter(|said| said.rule.direction == direction).peekable();
        if of.peek().is_some() {
            line(text, 2, format_args!("{direction}:"));
            of.for_each(|said| rule(text, said));
        }
    }
}

/// What turns default deny on in a namespace.
pub(super) fn default_deny(form: Form, namespace: &str) -> String {
    let what = format!("Default deny in {namespace}: pods may do what rules allow, and nothing else");
    default(form, namespace, &what)
}

/// What takes it back: it comes last, and allows everything.
pub(super) fn allow_everything(form: Form, namespace: &str) -> String {
    let what = format!("No default deny in {namespace}: everything is allowed, whatever rules say");
    let mut text = default(form, namespace, &what);
    text.push_str("  ingress:\n  - action: Allow\n  egress:\n  - action: Allow\n");
    text
}

fn default(form: Form, namespace: &str, what: &str) -> String {
    let mut text = String::new();
    comment(&mut text, 0, what);
    head(&mut text, form, namespace, DEFAULT);
    text.push_str("  selector: \"all()\"\n  types:\n  - Ingress\n  - Egress\n");
    text
}

fn head(text: &mut String, form: Form, namespace: &str, name: &str) {
    let kind = match form {
        Form::Enforced => "NetworkPolicy",
        Form::Staged => "StagedNetworkPolicy",
    };
    line(text, 0, "apiVersion: projectcalico.org/v3");
    line(text, 0, format_args!("kind: {kind}"));
    line(text, 0, "metadata:");
    line(text, 2, format_args!("name: {}", quoted(name)));
    line(text, 2, format_args!("namespace: {}", quoted(namespace)));
    text.push_str("  labels:\n    app.kubernetes.io/managed-by: \"watershed\"\nspec:\n");
    if form == Form::Staged {
        line(text, 2, "stagedAction: Set");
    }
}

fn rule(text: &mut String, said: &Said<'_>) {
    about(text, 2, said.rule);
    for (peer, services) in &said.each {
        line(text, 2, "- action: Allow");
        protocol(text, services);
        let ports: &[(u16, u16)] = match services {
            About::Ports(_, ranges) => ranges,
            About::Anything | About::Icmp(..) | About::Protocol(_) => &[],
        };
        let client_is_peer = said.rule.direction == Direction::Ingress;
        line(text, 4, if client_is_peer { "source:" } else { "destination:" });
        self::peer(text, peer);
        if !ports.is_empty() {
            if client_is_peer {
                line(text, 4, "destination:");
            }
            line(text, 6, "ports:");
            for &(first, last) in ports {
                let range = if first == last { first.to_string() } else { format!("\"{first}:{last}\"") };
                line(text, 6, format_args!("- {range}"));
            }
        }
    }
}

fn protocol(text: &mut String, services: &About) {
    let of = |protocol: Protocol| match protocol {
        Protocol::TCP => "TCP".to_owned(),
        Protocol::UDP => "UDP".to_owned(),
        Protocol::SCTP => "SCTP".to_owned(),
        Protocol::ICMP => "ICMP".to_owned(),
        Protocol::ICMPV6 => "ICMPv6".to_owned(),
        other => other.0.to_string(),
    };
    match *services {
        About::Anything => {}
        About::Ports(protocol, _) | About::Protocol(protocol) => {
            line(text, 4, format_args!("protocol: {}", of(protocol)));
        }
        About::Icmp(protocol, message_type) => {
            line(text, 4, format_args!("protocol: {}", of(protocol)));
            line(text, 4, "icmp:");
            line(text, 6, format_args!("type: {message_type}"));
        }
    }
}

fn peer(text: &mut String, peer: &Peer) {
    match peer {
        Peer::Pods { namespace, labels } => {
            let namespaces = match namespace {
                Some(name) => Expression::Equal(NAMESPACE_NAME.to_owned(), name.clone()),
                None => Expression::All,
            };
            line(text, 6, format_args!("namespaceSelector: {}", quoted(&namespaces.to_string())));
            if !labels.is_empty() {
                line(text, 6, format_args!("selector: {}", quoted(&all(labels).to_string())));
            }
        }
        Peer::Nets(nets) => {
            line(text, 6, "nets:");
            nets.iter().for_each(|net| line(text, 6, format_args!("- {}", quoted(&net.to_string()))));
        }
    }
}

/// Every label with its value; without labels everything.
fn all(labels: &Labels) -> Expression {
    let equal = |(key, value): (&String, &String)| Expression::Equal(key.clone(), value.clone());
    let mut each: Vec<Expression> = labels.iter().map(equal).collect();
    match each.len() {
        0 => Expression::All,
        1 => each.remove(0),
        _ => Expression::And(each),
    }
}

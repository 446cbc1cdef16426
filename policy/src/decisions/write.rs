//! The file as programs write it: every entry in a fixed form, rules in order of their ids, all text in quotes.

use std::fmt::Write as _;

use watershed_model::Labels;

use super::{Decisions, End};
use crate::export::text::quoted;
use crate::{Allowed, Namespace};

/// What the file begins with.
const HEAD: &str = "\
# What people decided about rules. Programs write this file too: they keep every entry, but not notes like this
# one; whatever is to stay belongs into a `comment`.
version: 1
";

impl Decisions {
    /// The file: reading it gives the same decisions, and the same decisions give the same text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = HEAD.to_owned();
        section(&mut text, "rules", &self.rules, |(id, said)| {
            let mut fields = vec![("id", quoted(id))];
            fields.extend(said.decision.map(|decision| ("decision", decision.to_string())));
            fields.extend(said.by.as_deref().map(|by| ("by", quoted(by))));
            fields.extend(said.at.map(|at| ("at", at.to_string())));
            fields.extend(said.comment.as_deref().map(|comment| ("comment", quoted(comment))));
            fields
        });
        section(&mut text, "exclude", &self.exclude, |one| {
            let mut fields = Vec::new();
            fields.extend(one.client.as_ref().map(|client| ("client", end(client))));
            fields.extend(one.server.as_ref().map(|server| ("server", end(server))));
            fields.extend((!one.ports.is_empty()).then(|| ("ports", ports(&one.ports))));
            fields.extend(one.comment.as_deref().map(|comment| ("comment", quoted(comment))));
            fields
        });
        section(&mut text, "allow", &self.allow, |one| {
            let mut fields = vec![
                ("client", end(&one.client)),
                ("server", end(&one.server)),
                ("ports", ports(&one.ports)),
            ];
            fields.extend(one.comment.as_deref().map(|comment| ("comment", quoted(comment))));
            fields
        });
        text
    }
}

/// A list of mappings, a line for each field; nothing where it is empty.
fn section<T>(
    text: &mut String,
    name: &str,
    entries: impl IntoIterator<Item = T>,
    fields: impl Fn(T) -> Vec<(&'static str, String)>,
) {
    for (number, entry) in entries.into_iter().enumerate() {
        if number == 0 {
            let _ = writeln!(text, "{name}:");
        }
        for (at, (key, value)) in fields(entry).into_iter().enumerate() {
            let start = if at == 0 { "- " } else { "  " };
            let _ = writeln!(text, "{start}{key}: {value}");
        }
    }
}

fn end(end: &End) -> String {
    match end {
        End::Workloads { namespace, labels } => {
            let namespace = match namespace {
                Namespace::Hosts => String::new(),
                Namespace::One(name) => format!("namespace: {}, ", quoted(name)),
                Namespace::Every => "namespace: \"*\", ".to_owned(),
            };
            format!("{{{namespace}labels: {{{}}}}}", pairs(labels))
        }
        End::Named { namespace: Some(namespace), name } => {
            format!("{{namespace: {}, name: {}}}", quoted(namespace), quoted(name))
        }
        End::Named { namespace: None, name } => format!("{{name: {}}}", quoted(name)),
        End::Networks(networks) => {
            let networks: Vec<_> = networks.iter().map(|network| quoted(&network.to_string())).collect();
            format!("{{networks: [{}]}}", networks.join(", "))
        }
    }
}

fn pairs(labels: &Labels) -> String {
    let pair = |(key, value): (&String, &String)| format!("{}: {}", quoted(key), quoted(value));
    labels.iter().map(pair).collect::<Vec<_>>().join(", ")
}

fn ports(ports: &[Allowed]) -> String {
    let ports: Vec<_> = ports.iter().map(|allowed| quoted(&allowed.to_string())).collect();
    format!("[{}]", ports.join(", "))
}

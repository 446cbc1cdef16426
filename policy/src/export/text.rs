//! What the files of all dialects of Kubernetes have in common. Names and labels stand in quotes, so that
//! none is taken for a number or a word of YAML; comments hold nothing that could end them.

use std::fmt::{Display, Write as _};

use watershed_model::{Labels, Timestamp};

use crate::mine::Level;
use crate::text::printable;
use crate::{Rule, Whom};

/// Letters of a comment: enough for a few names, short enough to read.
const LINE: usize = 400;

/// Names in a comment: more than a person reads at a glance.
const LISTED: usize = 5;

/// The list of files that `kubectl apply -k` loads, in this order.
pub(super) fn kustomization<'a>(what: &str, files: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!("# {what}\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
    text.push_str("sortOptions:\n  order: fifo\n");
    let files: Vec<&str> = files.collect();
    text.push_str(if files.is_empty() { "resources: []\n" } else { "resources:\n" });
    for file in files {
        line(&mut text, 0, format_args!("- {}", quoted(file)));
    }
    text
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
    if rule.manual().is_some() {
        text = format!("made by hand; {text}");
    }
    if let Some(confidence) = &rule.confidence {
        let _ = write!(text, "; {confidence}");
    }
    let _ = write!(text, "; {}; {}", admits(rule.price), states(rule.all));
    if !rule.names.is_empty() {
        let names: Vec<&str> = rule.names.iter().take(LISTED).map(AsRef::as_ref).collect();
        let _ = write!(text, "; called {}", names.join(", "));
    }
    text
}

/// Ends what a rule says of itself: how many tuples of client, server and port it admits, observed or not.
const IN_ALL: &str = " in all";

/// How many tuples a comment says that the rule below it admits. Whoever edits the rule leaves the comment.
pub(crate) fn stated(comment: &str) -> Option<u64> {
    let mut parts = comment.trim_start_matches([' ', '\t', '#']).split("; ");
    parts.find_map(|part| part.trim_end().strip_suffix(IN_ALL)?.parse().ok())
}

/// What a rule by name says of its names: what they stood for, and that each counts as one in what it states.
pub(super) fn about_names(text: &mut String, indent: usize, said: &NamesSaid) {
    let NamesSaid { names, addresses, shared, all } = said;
    let seen = format!("{names} for {addresses}{SEEN}, {shared} of them under other names too");
    comment(text, indent, &format!("names: {seen}; each name counts as one; {}", states(*all)));
}

/// Names of a rule, and what was seen of them.
pub(super) struct NamesSaid {
    /// How many names it lists.
    pub(super) names: u64,
    /// Addresses that were seen under them.
    pub(super) addresses: u64,
    /// Those of them that were seen under other names, too.
    pub(super) shared: u64,
    /// Tuples that it admits, each name as one address.
    pub(super) all: u64,
}

/// Ends how many addresses names stood for.
const SEEN: &str = " addresses seen";

/// For how many addresses a comment says that the names of the rule below it stood.
pub(crate) fn stated_names(comment: &str) -> Option<u64> {
    let names = comment.trim_start_matches([' ', '\t', '#']).strip_prefix("names: ")?;
    let (_, addresses) = names.split_once(SEEN)?.0.split_once(" for ")?;
    addresses.parse().ok()
}

/// What [`stated`] reads.
pub(super) fn states(all: u64) -> String {
    format!("{all}{IN_ALL}")
}

pub(super) fn admits(price: u64) -> String {
    match price {
        0 => "admits nothing that was not observed".to_owned(),
        1 => "admits 1 connection that was not observed".to_owned(),
        more => format!("admits {more} connections that were not observed"),
    }
}

/// `matchLabels:` with the labels below it.
pub(super) fn match_labels(text: &mut String, indent: usize, labels: &Labels) {
    line(text, indent, "matchLabels:");
    for (key, value) in labels {
        line(text, indent + 2, format_args!("{}: {}", quoted(key), quoted(value)));
    }
}

/// A line of the file.
pub(super) fn line(text: &mut String, indent: usize, content: impl Display) {
    let _ = writeln!(text, "{:indent$}{content}", "");
}

/// A line for people.
pub(super) fn comment(text: &mut String, indent: usize, content: &str) {
    line(text, indent, format_args!("# {}", printable(content, LINE)));
}

/// In double quotes, as JSON and YAML both have them.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(is_plain) {
        return format!("\"{text}\"");
    }
    serde_json::Value::from(text).to_string()
}

/// `2026-01-02`.
pub(super) fn day(time: Timestamp) -> String {
    let mut day = time.to_string();
    day.truncate(day.find('T').unwrap_or(day.len()));
    day
}

/// What a rule is about and why it is there, for people.
pub(super) fn about(text: &mut String, indent: usize, rule: &Rule) {
    let shared = if rule.is_shared() { ", a shared service" } else { "" };
    comment(text, indent, &format!("{}: {}{shared}", rule.peer, rule.services()));
    comment(text, indent, &evidence(rule));
    if let Some(said) = &rule.said {
        comment(text, indent, &said.to_string());
    }
}

/// What a file of one subject begins with.
pub(super) fn title(text: &mut String, subject: &Whom, rules: impl Iterator<Item = u64>, level: Level) {
    let price = rules.fold(0, u64::saturating_add);
    comment(text, 0, &format!("{subject}, at level {level}: {}", admits(price)));
}

//! The report as SARIF 2.1.0 (OASIS Standard, 27 March 2020), for code scanning: what would be denied is an
//! error, what matches nothing or what nobody needs a warning or a note, each at its place in the policies.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::report::counted;
use super::{Denied, Extent, Newly, Report, ShadowedRule, Share};
use crate::Error;
use crate::k8s::Place;

/// The published schema of the format.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What can be found: name, level and what it means.
const RULES: [(&str, &str, &str); 8] = [
    ("would-be-denied", "error", "A dependency that was observed would be denied"),
    ("matches-nothing", "warning", "A selector, a list of addresses or the name of a port matches nothing"),
    ("idle-rule", "note", "No observed dependency needs this rule"),
    ("passed-over", "note", "Something was passed over while reading, although it may matter"),
    ("admits-more-than-stated", "error", "A rule admits more than the comment above it states"),
    ("newly-admitted", "error", "Something is allowed that was neither allowed before nor observed"),
    ("shadowed-rule", "warning", "A rule says nothing that others do not decide"),
    ("wider-than-seen", "note", "A rule admits more than what was observed, without saying so"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    results: Vec<ResultMirror>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'a str,
    rules: Vec<RuleMirror>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleMirror {
    id: &'static str,
    short_description: Message,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultMirror {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    partial_fingerprints: Fingerprints,
}

/// Says that a finding is the same as in an earlier run, wherever it stands now.
#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "finding/v1")]
    finding: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
}

impl Report {
    /// The report as SARIF, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Json`] when it cannot be written.
    pub fn to_sarif(&self, tool_version: &str) -> Result<String, Error> {
        let denied = self.denied.iter().map(|denied| {
            let places = denied.refusals.iter().flat_map(|refusal| &refusal.places);
            let level = if denied.before { Some("warning") } else { None };
            result(0, level, describe(denied), places)
        });
        let unmatched = self
            .unmatched
            .iter()
            .map(|one| result(1, None, format!("{}, {}: {}", one.policy, one.part, one.why), [&one.place]));
        let idle = self.idle.iter().map(|one| {
            let text = format!("no observed dependency needs this {} rule of {}", one.side, one.policy);
            result(2, None, text, [&one.place])
        });
        let notes = self.notes.iter().map(|note| result(3, None, note.message.clone(), [&note.place]));
        let exceeding = self.exceeding().map(|one| result(4, None, exceeds(one), [&one.place]));
        let newly = self.newly.iter().flatten().map(|one| {
            let Newly { client, server, ports, .. } = one;
            let level = if self.newly_fails() { None } else { Some("note") };
            result(5, level, format!("{client} -> {server} {ports} is newly allowed"), None)
        });
        let shadowed = self.shadowed.iter().map(|one| result(6, None, needless(one), [&one.place]));
        let wide = self.wide().map(|one| result(7, None, wider(one), [&one.place]));
        let rules = RULES.iter().map(|&(id, level, text)| RuleMirror {
            id,
            short_description: Message { text: text.to_owned() },
            default_configuration: Configuration { level },
        });
        let driver = Driver { name: "Watershed", version: tool_version, rules: rules.collect() };
        let found = denied.chain(exceeding).chain(newly).chain(unmatched).chain(shadowed);
        let results = found.chain(wide).chain(idle).chain(notes).collect();
        let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
        let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run] };
        Ok(serde_json::to_string_pretty(&log)? + "\n")
    }
}

/// `shop/job -> shop/db tcp/5432 would be denied by shop/db (ingress); seen 4 times, last 2026-01-02T04:00:00Z`.
pub(super) fn describe(denied: &Denied) -> String {
    let by: Vec<_> = denied
        .refusals
        .iter()
        .map(|refusal| format!("{} ({})", refusal.policies.join(", "), refusal.side))
        .collect();
    let Denied { edge, connections, last_seen, .. } = denied;
    let before = if denied.before { "; it was before, too" } else { "" };
    format!(
        "{edge} would be denied by {}; seen {connections} times, last {last_seen}{before}",
        by.join(" and ")
    )
}

/// `this ingress rule of shop/db admits 9 connections, and the comment above it states 1; 1 of 9 clients ...`.
pub(super) fn exceeds(one: &Extent) -> String {
    let Extent { side, policy, stated, .. } = one;
    let (all, stated) = (counted(one.held(), "connection"), stated.unwrap_or_default());
    format!(
        "this {side} rule of {policy} admits {all}, and the comment above it states {stated}; {}",
        shares(one)
    )
}

/// `this egress rule of shop/web admits 5 connections that were not observed; 1 of 2 clients ...`.
pub(super) fn wider(one: &Extent) -> String {
    let Extent { side, policy, nearest, .. } = one;
    let more = counted(one.unobserved(), "connection");
    let nearest = nearest.as_ref().map_or_else(String::new, |labels| format!("; those seen have {labels}"));
    format!("this {side} rule of {policy} admits {more} not observed; {}{nearest}", shares(one))
}

/// `this ingress rule of shop/db says nothing new; decided at db.yaml:20:5`.
pub(super) fn needless(one: &ShadowedRule) -> String {
    let by: Vec<String> = one.by.iter().map(ToString::to_string).collect();
    let by = if by.is_empty() { "what comes before".to_owned() } else { by.join(", ") };
    format!("this {} rule of {} says nothing new; decided by {by}", one.side, one.policy)
}

/// `1 of 2 clients, 1 of 1 servers and 1 of 65535 ports were seen`.
fn shares(one: &Extent) -> String {
    let share = |share: &Share, what: &str| match share.all {
        u64::MAX => format!("{} of all {what}", share.seen),
        all => format!("{} of {all} {what}", share.seen),
    };
    let (clients, servers) = (share(&one.clients, "clients"), share(&one.servers, "servers"));
    format!("{clients}, {servers} and {} were seen", share(&one.ports, "ports"))
}

/// `level` where it is another than the rule's.
fn result<'a>(
    rule: usize,
    level: Option<&'static str>,
    text: String,
    places: impl IntoIterator<Item = &'a Place>,
) -> ResultMirror {
    let (rule_id, usual, _) = RULES[rule];
    let level = level.unwrap_or(usual);
    let location = |place: &Place| Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(&place.file) },
            region: Region { start_line: place.line, start_column: place.column },
        },
    };
    let identity = format!("{rule_id} {}", text.split(';').next().unwrap_or_default());
    let digest = Sha256::digest(identity).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    ResultMirror {
        rule_id,
        rule_index: rule,
        level,
        message: Message { text },
        locations: places.into_iter().map(location).collect(),
        partial_fingerprints: Fingerprints { finding: digest },
    }
}

/// The path as a relative reference (RFC 3986): what has a meaning there is written as `%` and its number.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("a b/ü:1.yaml"), "a%20b/%C3%BC%3A1.yaml");
    }
}

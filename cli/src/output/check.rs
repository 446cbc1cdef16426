//! The report of `rules check` for a person: as text, or as Markdown for a comment on a change.

use std::io::{self, Write};

use watershed_policy::check::{Denied, MAX_PAIRS, Report};

use super::table::{self, Table};
use super::text::{is_unsafe, plain, seconds};
use crate::terminal::Style;

/// A finding of one kind: what it is, and a table of three columns.
struct Section {
    title: &'static str,
    columns: [&'static str; 3],
    rows: Vec<[String; 3]>,
}

/// Writes the report as text.
pub(crate) fn text(out: &mut impl Write, report: &Report, style: Style) -> io::Result<()> {
    for line in head(report) {
        writeln!(out, "{}", plain(&line))?;
    }
    for section in sections(report) {
        let mut table = Table::new(&section.columns.map(|title| table::text(title, usize::MAX)));
        writeln!(out, "\n{}  {}", style.bold(&section.title.to_uppercase()), section.rows.len())?;
        section.rows.into_iter().for_each(|row| table.row(row));
        // Places must be whole, so that they can be gone to: the lines are as long as they are.
        table.write(out, "  ", usize::MAX, |header| style.dim(header))?;
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n{}", style.bold("NOTES"))?;
        for note in &report.notes {
            writeln!(out, "  {}", plain(&note.to_string()))?;
        }
    }
    writeln!(out, "\n{}", style.bold(&verdict(report)))
}

/// Writes the report as Markdown (GitHub's, with tables).
pub(crate) fn markdown(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "## {}\n", verdict(report))?;
    for line in head(report) {
        writeln!(out, "- {}", escaped(&line))?;
    }
    for section in sections(report) {
        writeln!(out, "\n### {} ({})\n", section.title, section.rows.len())?;
        writeln!(out, "| {} |\n| --- | --- | --- |", section.columns.join(" | "))?;
        for row in section.rows {
            writeln!(out, "| {} |", row.map(|cell| escaped(&cell)).join(" | "))?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n### Notes\n")?;
        for note in &report.notes {
            writeln!(out, "- {}", escaped(&note.to_string()))?;
        }
    }
    Ok(())
}

/// Writes a report that is JSON already. Names come from files of others: within strings, what a terminal could
/// obey is escaped; outside of them JSON has nothing of the kind but line ends.
pub(crate) fn json(out: &mut impl Write, report: &str) -> io::Result<()> {
    let mut safe = String::with_capacity(report.len());
    for character in report.chars() {
        if character != '\n' && is_unsafe(character) {
            let mut units = [0; 2];
            safe.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            safe.push(character);
        }
    }
    out.write_all(safe.as_bytes())
}

/// What was checked, and who may connect to whom.
fn head(report: &Report) -> Vec<String> {
    let mut lines = vec![format!(
        "{} for {}",
        counted(report.policies, "policy", "policies"),
        counted(report.pods, "workload", "workloads")
    )];
    if report.traffic {
        let all = report.allowed + report.denied.len() + report.not_covered;
        lines.push(format!(
            "{} observed: {} allowed, {} denied, {} outside of what policies decide",
            counted(all, "dependency", "dependencies"),
            report.allowed,
            report.denied.len(),
            report.not_covered
        ));
    } else {
        lines.push("no traffic to check against: name captures with --capture".into());
    }
    lines.push(match report.reach {
        Some(reach) if report.traffic => format!(
            "{} of {} of workloads may connect; {} of them never did",
            reach.allowed,
            counted(reach.pairs, "pair", "pairs"),
            reach.unobserved
        ),
        Some(reach) => {
            format!("{} of {} of workloads may connect", reach.allowed, counted(reach.pairs, "pair", "pairs"))
        }
        None => format!("more than {MAX_PAIRS} pairs of workloads: not asked which of them may connect"),
    });
    lines
}

fn sections(report: &Report) -> impl Iterator<Item = Section> {
    let denied = report.denied.iter().map(|denied| {
        let seen = format!(
            "{} times, {} to {}",
            denied.connections,
            seconds(denied.first_seen),
            seconds(denied.last_seen)
        );
        [denied.edge.to_string(), seen, refusal(denied)]
    });
    let unmatched = report.unmatched.iter().map(|unmatched| {
        [
            unmatched.place.to_string(),
            format!("{}, {}", unmatched.policy, unmatched.part),
            unmatched.why.to_string(),
        ]
    });
    let idle = report
        .idle
        .iter()
        .map(|idle| [idle.place.to_string(), idle.policy.clone(), idle.direction.to_string()]);
    let sections = [
        Section {
            title: "Would be denied",
            columns: ["dependency", "seen (UTC)", "refused by"],
            rows: denied.collect(),
        },
        Section { title: "Match nothing", columns: ["place", "in", "because"], rows: unmatched.collect() },
        Section {
            title: "Rules that nothing observed needs",
            columns: ["place", "policy", "direction"],
            rows: idle.collect(),
        },
    ];
    sections.into_iter().filter(|section| !section.rows.is_empty())
}

/// `ingress: shop/db, shop/default-deny, for 192.0.2.1`.
fn refusal(denied: &Denied) -> String {
    let refusals: Vec<_> = denied
        .refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.direction, refusal.policies.join(", ")))
        .collect();
    let plugin =
        if denied.depends_on_plugin { " (unless the network plugin lets ipBlock mean pods)" } else { "" };
    let address = denied.address.map_or(String::new(), |address| format!(", for {address}"));
    format!("{}{address}{plugin}", refusals.join("; "))
}

fn verdict(report: &Report) -> String {
    let verdict = match report.denied.len() {
        0 if report.traffic => "Nothing observed would be denied".into(),
        0 => "The policies are valid".into(),
        denied => {
            format!("{} would be denied", counted(denied, "observed dependency", "observed dependencies"))
        }
    };
    match report.unmatched.len() {
        0 => verdict,
        parts => format!("{verdict}; {} nothing", counted(parts, "selector matches", "selectors match")),
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Text in Markdown as it is: what would be markup or end a cell of a table is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in plain(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' | '~') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_obeys_no_name() {
        let mut out = Vec::new();
        json(&mut out, "{\n  \"a\": \"b\u{202e}\u{e0041}c\"\n}\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\n  \"a\": \"b\\u202e\\udb40\\udc41c\"\n}\n");
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escaped("a -> b|c_*\u{1b}"), "a -\\> b\\|c\\_\\*\\\\u{1b}");
    }
}

//! The report of `rules check` for a person: as text, or as Markdown for a comment on a change.

use std::io::{self, Write};

use watershed_policy::check::{Denied, Extent, MAX_PAIRS, Report, Share};

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
    for (title, lines) in lists(report) {
        writeln!(out, "\n{}", style.bold(&title.to_uppercase()))?;
        for line in lines {
            writeln!(out, "  {}", plain(&line))?;
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
    for (title, lines) in lists(report) {
        writeln!(out, "\n### {title}\n")?;
        for line in lines {
            writeln!(out, "- {}", escaped(&line))?;
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

/// What cannot be said in a table, where there is some of it.
fn lists(report: &Report) -> impl Iterator<Item = (&'static str, Vec<String>)> {
    let notes: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
    let not_checked = &report.certificate.not_checked;
    let others = not_checked.iter().filter(|line| !notes.contains(line)).cloned().collect();
    let lists = [("Not checked", others), ("Notes", notes)];
    lists.into_iter().filter(|(_, lines): &(_, Vec<String>)| !lines.is_empty())
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
        lines.push(
            "no traffic to check against: name captures with --capture, or a store with --store".into(),
        );
    }
    if report.certificate.rules_stated > 0 {
        let all = report.certificate.rules_stated + report.certificate.rules_not_stated;
        lines.push(format!(
            "{} of {} state what they admit; {} of them admit more",
            report.certificate.rules_stated,
            counted(all as usize, "rule", "rules"),
            report.exceeding().count()
        ));
    }
    if report.by_address {
        return lines;
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
    let idle =
        report.idle.iter().map(|idle| [idle.place.to_string(), idle.policy.clone(), idle.side.to_string()]);
    let newly =
        report.newly.iter().flatten().map(|one| {
            [format!("{} -> {}", one.client, one.server), one.ports.clone(), one.count.to_string()]
        });
    let shadowed = report.shadowed.iter().map(|one| {
        let by: Vec<String> = one.by.iter().map(ToString::to_string).collect();
        [one.place.to_string(), format!("{}, {}", one.policy, one.side), by.join(", ")]
    });
    let exceeding = report.exceeding().map(|one| {
        let stated = one.stated.unwrap_or_default();
        [
            one.place.to_string(),
            format!("{}, {}", one.policy, one.side),
            format!("{} and not {stated}", number(one.held())),
        ]
    });
    let grown = report.grown().map(|(one, names)| {
        let stated = names.stated.unwrap_or_default();
        [
            one.place.to_string(),
            format!("{}, {}", one.policy, one.side),
            format!("{}, {stated} when exported; {} under other names too", names.addresses, names.shared),
        ]
    });
    let sections = [
        Section {
            title: "Would be denied",
            columns: ["dependency", "seen (UTC)", "refused by"],
            rows: denied.collect(),
        },
        Section {
            title: "Admit more than they state",
            columns: ["place", "in", "tuples of client, server and port"],
            rows: exceeding.collect(),
        },
        Section {
            title: "Names that stand for more than they did",
            columns: ["place", "in", "addresses seen"],
            rows: grown.collect(),
        },
        Section {
            title: "Newly admitted, and not observed",
            columns: ["from and to", "ports", "tuples"],
            rows: newly.collect(),
        },
        Section { title: "Match nothing", columns: ["place", "in", "because"], rows: unmatched.collect() },
        Section {
            title: "Rules that nothing observed needs",
            columns: ["place", "policy", "direction"],
            rows: idle.collect(),
        },
        Section {
            title: "Rules that say nothing new",
            columns: ["place", "in", "decided by"],
            rows: shadowed.collect(),
        },
        Section { title: "Wider than what talks", columns: ["place", "in", "seen"], rows: wide(report) },
    ];
    sections.into_iter().filter(|section| !section.rows.is_empty())
}

/// Rules that admit more than what was observed without saying so, those that admit most first.
fn wide(report: &Report) -> Vec<[String; 3]> {
    let mut wide: Vec<&Extent> = report.wide().collect();
    wide.sort_by_key(|one| std::cmp::Reverse(one.unobserved()));
    let share = |share: Share, what: &str| format!("{} of {} {what}", share.seen, number(share.all));
    let row = |one: &Extent| {
        let nearest =
            one.nearest.as_ref().map_or_else(String::new, |labels| format!("; those seen have {labels}"));
        let (clients, servers) = (share(one.clients, "clients"), share(one.servers, "servers"));
        let seen = format!("{clients}, {servers}, {}{nearest}", share(one.ports, "ports"));
        [one.place.to_string(), format!("{}, {}", one.policy, one.side), seen]
    };
    wide.into_iter().map(row).collect()
}

fn number(number: u64) -> String {
    if number == u64::MAX { "all".into() } else { number.to_string() }
}

/// `ingress: shop/db, shop/default-deny, for 192.0.2.1`.
fn refusal(denied: &Denied) -> String {
    let refusals: Vec<_> = denied
        .refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.side, refusal.policies.join(", ")))
        .collect();
    let plugin =
        if denied.depends_on_plugin { " (unless the network plugin lets ipBlock mean pods)" } else { "" };
    let address = denied.address.map_or(String::new(), |address| format!(", for {address}"));
    format!("{}{address}{plugin}", refusals.join("; "))
}

fn verdict(report: &Report) -> String {
    let verdict = match report.denied.len() {
        0 if report.traffic => "Nothing observed would be denied".to_owned(),
        0 => "The policies are valid".into(),
        denied => {
            format!("{} would be denied", counted(denied, "observed dependency", "observed dependencies"))
        }
    };
    let verdict = match report.failures().len() - usize::from(report.denied.iter().any(|one| !one.before)) {
        0 => verdict,
        _ => format!("{verdict}; more is admitted than may be"),
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

//! What policies would have denied.

use std::io::{self, Write};

use watershed_policy::whatif::{Comparison, Denied, Outcome};

use super::{counted, length};
use crate::output::table::{Table, text as column};
use crate::output::text::seconds;
use crate::terminal::Style;

/// Writes the outcome; with a comparison, what changes.
pub(crate) fn text(
    out: &mut impl Write,
    outcome: &Outcome,
    change: Option<&Comparison<'_>>,
    style: Style,
) -> io::Result<()> {
    let denied = length(outcome.denied.len());
    let all = length(outcome.allowed + outcome.not_covered) + denied;
    writeln!(
        out,
        "{}: {} allowed, {denied} denied with {}, {} outside of what policies decide",
        counted(all, "dependency", "dependencies"),
        outcome.allowed,
        counted(outcome.connections_denied(), "connection", "connections"),
        outcome.not_covered
    )?;
    if outcome.not_asked > 0 {
        writeln!(
            out,
            "{} not asked about: more than the limit",
            counted(outcome.not_asked, "address pair", "address pairs")
        )?;
    }
    match change {
        None => table(out, "WOULD HAVE BEEN DENIED", outcome.denied.iter(), style),
        Some(change) => {
            writeln!(out, "{} denied by both", change.still_denied)?;
            table(out, "NEWLY DENIED", change.newly_denied.iter().copied(), style)?;
            table(out, "NO LONGER DENIED", change.newly_allowed.iter().copied(), style)
        }
    }
}

fn table<'a>(
    out: &mut impl Write,
    title: &str,
    denied: impl ExactSizeIterator<Item = &'a Denied>,
    style: Style,
) -> io::Result<()> {
    if denied.len() == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}  {}", style.bold(title), denied.len())?;
    let titles = ["dependency", "seen (UTC)", "owners", "refused by", "missing"];
    let mut table = Table::new(&titles.map(|title| column(title, usize::MAX)));
    for one in denied {
        let missing: Vec<_> = one.missing.iter().map(ToString::to_string).collect();
        let owners: Vec<_> = one.owners.iter().cloned().collect();
        table.row([
            one.edge.to_string(),
            format!("{} times, {} to {}", one.connections, seconds(one.first_seen), seconds(one.last_seen)),
            owners.join(", "),
            one.refused_by.join(", "),
            missing.join("; "),
        ]);
    }
    // Rules must be whole, so that they can be written: the lines are as long as they are.
    table.write(out, "  ", usize::MAX, |header| style.dim(header))
}

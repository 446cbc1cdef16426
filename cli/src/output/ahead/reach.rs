//! Who can get to whom.

use std::io::{self, Write};

use watershed_policy::reach::{Change, Reach, WorkloadReach};

use super::{WIDTH, counted, length, percent};
use crate::output::table::{Table, number, text as column};
use crate::terminal::Style;

/// Writes it, with at most `rows` lines in a table.
pub(crate) fn text(out: &mut impl Write, told: &Reach, rows: usize, style: Style) -> io::Result<()> {
    let Change { before, after } = told.tuples;
    let share = if before == 0 { 0.0 } else { after as f64 / before as f64 };
    writeln!(
        out,
        "{}: {after} of {before} connections between workloads stay permitted, {}",
        counted(length(told.workloads.len()), "workload", "workloads"),
        percent(share)
    )?;
    if let Some(worst) = told.worst() {
        let Change { before, after } = worst.reached;
        let (steps, marks) = (counted(length(told.steps), "step", "steps"), marks(worst));
        let marks = if marks.is_empty() { marks } else { format!(" ({marks})") };
        writeln!(
            out,
            "Widest reach: {}{marks} gets to {after} others in {steps}, {before} before",
            worst.party
        )?;
    }
    workloads(out, told, rows, style)?;
    exposed(out, told, style)?;
    crown_jewels(out, told, style)?;
    rules(out, told, rows, style)
}

fn workloads(out: &mut impl Write, told: &Reach, rows: usize, style: Style) -> io::Result<()> {
    let steps = counted(length(told.steps), "step", "steps");
    writeln!(out, "\n{}  who gets to most others in {steps}", style.bold("WORKLOADS"))?;
    let mut table = Table::new(&[
        column("workload", usize::MAX),
        number("reach before"),
        number("after"),
        number("connections before"),
        number("after"),
        column("", usize::MAX),
    ]);
    for one in told.workloads.iter().take(rows) {
        table.row([
            one.party.to_string(),
            one.reached.before.to_string(),
            one.reached.after.to_string(),
            one.tuples.before.to_string(),
            one.tuples.after.to_string(),
            marks(one),
        ]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))?;
    more(out, told.workloads.len(), rows)
}

fn marks(one: &WorkloadReach) -> String {
    let marks = [(one.exposed, "faces the internet"), (one.crown_jewel, "crown jewel")];
    marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect::<Vec<_>>().join(", ")
}

/// All of them, however far down the list they stand.
fn exposed(out: &mut impl Write, told: &Reach, style: Style) -> io::Result<()> {
    let mut exposed = told.exposed().peekable();
    if exposed.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("FACING THE INTERNET"))?;
    let mut table = Table::new(&[column("workload", usize::MAX), number("reach before"), number("after")]);
    for one in exposed {
        let Change { before, after } = one.reached;
        table.row([one.party.to_string(), before.to_string(), after.to_string()]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))
}

fn crown_jewels(out: &mut impl Write, told: &Reach, style: Style) -> io::Result<()> {
    if told.crown_jewels.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("CROWN JEWELS"))?;
    let mut table = Table::new(&[
        column("workload", usize::MAX),
        number("reached by, before"),
        number("after"),
        column("from the internet, after", usize::MAX),
    ]);
    for one in &told.crown_jewels {
        let ways = one.from_internet.iter();
        let ways: Vec<_> = ways
            .map(|(party, steps)| format!("{party} in {}", counted(length(*steps), "step", "steps")))
            .collect();
        let ways = if ways.is_empty() { "no way".into() } else { ways.join(", ") };
        table.row([
            one.party.to_string(),
            one.reached_by.before.to_string(),
            one.reached_by.after.to_string(),
            ways,
        ]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))
}

fn rules(out: &mut impl Write, told: &Reach, rows: usize, style: Style) -> io::Result<()> {
    if told.rules.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}  by the connections that nothing else permits", style.bold("RULES"))?;
    let mut table =
        Table::new(&[column("rule", usize::MAX), number("permits"), number("alone"), number("share")]);
    for one in told.rules.iter().take(rows) {
        let share = if told.tuples.after == 0 { 0.0 } else { one.alone as f64 / told.tuples.after as f64 };
        table.row([one.rule.clone(), one.tuples.to_string(), one.alone.to_string(), percent(share)]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))?;
    more(out, told.rules.len(), rows)
}

fn more(out: &mut impl Write, all: usize, rows: usize) -> io::Result<()> {
    match all.saturating_sub(rows) {
        0 => Ok(()),
        more => writeln!(out, "  … {more} more with --format json"),
    }
}

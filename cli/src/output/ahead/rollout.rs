//! The order in which to enforce.

use std::io::{self, Write};

use watershed_policy::rollout::Step;

use super::{WIDTH, counted, length, percent};
use crate::output::table::{Table, number, text as column};
use crate::terminal::Style;

/// Writes the steps, all of them.
pub(crate) fn text(out: &mut impl Write, steps: &[Step], style: Style) -> io::Result<()> {
    let ready = steps.iter().filter(|step| step.ready).count();
    writeln!(
        out,
        "{}, {ready} of them ready by the rule in the settings; default deny comes last and apart",
        counted(length(steps.len()), "step", "steps")
    )?;
    writeln!(out, "Each: load watch.nft and look at the log, then apply.nft; revert.nft takes it back.\n")?;
    let mut table = Table::new(&[
        column("step", usize::MAX),
        column("protects", usize::MAX),
        column("ready", 8),
        number("coverage"),
        number("closes"),
        number("clients at risk"),
        number("new, at most"),
        number("undecided"),
    ]);
    for step in steps {
        table.row([
            step.name.clone(),
            step.unit.clone(),
            if step.ready { "yes" } else { "no" }.into(),
            percent(step.coverage),
            step.closed.to_string(),
            step.fan_in.to_string(),
            step.bound.map_or("-".into(), |bound| bound.at_most.to_string()),
            step.undecided.to_string(),
        ]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))
}

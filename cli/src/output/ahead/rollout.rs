//! The order in which to enforce.

use std::io::{self, Write};

use watershed_policy::rollout::{FileNames, Step};

use super::{WIDTH, counted, length, percent};
use crate::output::table::{Table, number, text as column};
use crate::terminal::Style;

/// Writes the steps, all of them.
pub(crate) fn text(out: &mut impl Write, steps: &[Step], files: FileNames, style: Style) -> io::Result<()> {
    let ready = steps.iter().filter(|step| step.ready).count();
    writeln!(
        out,
        "{}, {ready} of them ready by the rule in the settings; default deny comes last and apart",
        counted(length(steps.len()), "step", "steps")
    )?;
    let FileNames { watch, apply, revert } = files;
    match watch {
        Some(watch) => {
            writeln!(out, "Each: {watch} shows what it would deny, then {apply}; {revert} takes it back.\n")?;
        }
        None => writeln!(
            out,
            "Each: rules what-if STEP/{apply} shows what it would have denied, then apply it; {revert} takes it back.\n"
        )?,
    }
    let mut table = Table::new(&[
        column("step", usize::MAX),
        column("protects", usize::MAX),
        column("ready", 8),
        number("coverage"),
        number("closes"),
        number("clients at risk"),
        number("new, at most"),
        number("undecided"),
        number("unsaid"),
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
            step.unsaid.to_string(),
        ]);
    }
    table.write(out, "  ", WIDTH, |header| style.dim(header))
}

//! `watershed rules`: the rules that allow what a store holds.

use std::io::Write;

use super::discover;
use super::map::Stored;
use crate::args::StoredArguments;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output::summary;
use crate::settings::Settings;
use crate::terminal::Style;

/// Prints the rules in short, and writes them with their proof to the directory if there is one.
pub(crate) fn run(
    arguments: &StoredArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stored = Stored::read(arguments, settings)?;
    let found = discover::discover(&stored.snapshot, settings)?;
    stored.summary(&found, arguments, settings).write_rules(out, style)?;
    stored.note(out)?;
    if let Some(path) = &arguments.out {
        let mut directory = Directory::open(path)?;
        discover::write_rules(&mut directory, &found)?;
        writeln!(out, "\n{}", summary::written(&directory, style))?;
    }
    Ok(())
}

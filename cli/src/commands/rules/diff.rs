//! `watershed rules diff`: what one export allows that another does not.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use watershed_policy::diff::{Allowances, Diff, Tuples, diff};

use crate::args::rules::DiffArguments;
use crate::failure::Failure;
use crate::input;
use crate::output::text::{count, plain};

/// Where an export lists its rules.
pub(crate) const MINED: &str = "mined.json";

/// Tells what changed.
pub(crate) fn run(arguments: &DiffArguments, out: &mut impl Write) -> Result<(), Failure> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let found = diff(&old, &new)?;
    write(out, &found, "the old rules")?;
    Ok(())
}

/// A file, or the one of a directory.
fn read(path: &Path) -> Result<Allowances, Failure> {
    let path: PathBuf = if path.is_dir() { path.join(MINED) } else { path.to_owned() };
    let (name, text) = input::text("mined rules", &path).map_err(Failure::usage)?;
    Allowances::read(&name, &text).map_err(Failure::usage)
}

/// What an earlier export into a directory allowed; `None` where there is none that can be read.
pub(crate) fn earlier(directory: &Path) -> Option<Allowances> {
    let text = fs::read_to_string(directory.join(MINED)).ok()?;
    Allowances::read(MINED, &text).ok()
}

/// What is allowed now and was not before, and the other way round; `since` says before what.
pub(crate) fn write(out: &mut impl Write, diff: &Diff, since: &str) -> io::Result<()> {
    if diff.is_empty() {
        return writeln!(out, "\nNothing else is allowed than by {since}");
    }
    let (newly, gone) = (count(diff.newly.len() as u64), count(diff.gone.len() as u64));
    writeln!(out, "\nAgainst {since}: {newly} newly allowed, {gone} no longer allowed")?;
    for (mark, list) in [("+", &diff.newly), ("-", &diff.gone)] {
        for Tuples { client, server, ports } in list {
            writeln!(out, "  {mark} {} -> {}: {ports}", plain(client), plain(server))?;
        }
    }
    Ok(())
}

//! `watershed rules diff`: what one export allows that another does not.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use watershed_policy::diff::{Allowances, Diff, diff};

use crate::args::rules::DiffArguments;
use crate::failure::Failure;
use crate::input;
use crate::output::text::{count, plain};

/// Where an export lists rules that were mined.
pub(crate) const MINED: &str = "mined.json";

/// Where it lists exact rules.
pub(crate) const EXACT: &str = "rules.json";

/// Tells what changed.
pub(crate) fn run(arguments: &DiffArguments, out: &mut impl Write) -> Result<(), Failure> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let found = diff(&old, &new)?;
    write(out, &found, "the old rules")?;
    Ok(())
}

/// A file, or the one of a directory.
fn read(path: &Path) -> Result<Allowances, Failure> {
    let (mined, exact) = (path.join(MINED), path.join(EXACT));
    let path: PathBuf = match (path.is_dir(), mined.exists(), exact.exists()) {
        (false, ..) => path.to_owned(),
        (true, true, true) => {
            return Err(Failure::usage(anyhow!(
                "{} has both {MINED} and {EXACT}, of exports in different dialects; name one of them",
                path.display()
            )));
        }
        (true, false, true) => exact,
        (true, _, false) => mined,
    };
    let (name, text) = input::text("rules", &path).map_err(Failure::usage)?;
    Allowances::read(&name, &text).map_err(Failure::usage)
}

/// What an earlier export into a directory allowed, by its list of that `name`; `None` where there is none that can be
/// read.
pub(crate) fn earlier(directory: &Path, name: &str) -> Option<Allowances> {
    let text = fs::read_to_string(directory.join(name)).ok()?;
    Allowances::read(name, &text).ok()
}

/// What is allowed now and was not before, and the other way round; `since` says before what.
pub(crate) fn write(out: &mut impl Write, diff: &Diff, since: &str) -> io::Result<()> {
    if diff.is_empty() {
        return writeln!(out, "\nNothing else is allowed than by {since}");
    }
    let (newly, gone) = (count(diff.newly.len() as u64), count(diff.gone.len() as u64));
    writeln!(out, "\nAgainst {since}: {newly} newly allowed, {gone} no longer allowed")?;
    for (mark, list) in [("+", &diff.newly), ("-", &diff.gone)] {
        for tuples in list {
            writeln!(out, "  {mark} {}", plain(&tuples.to_string()))?;
        }
    }
    Ok(())
}

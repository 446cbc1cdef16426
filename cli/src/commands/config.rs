//! `watershed config`: what is in force, and is it valid?

use std::io::{self, Write};

use crate::args::ConfigAction;
use crate::output::text::plain;
use crate::settings::{self, Effective, PLACES};

/// Prints the settings, or says that they are right: loading them has checked them.
pub(crate) fn run(action: ConfigAction, effective: &Effective, out: &mut impl Write) -> io::Result<()> {
    match action {
        ConfigAction::Print { defaults: true } => write!(out, "{}", settings::example()),
        ConfigAction::Print { defaults: false } => write!(out, "{}", settings::print(effective)),
        ConfigAction::Check => check(effective, out),
    }
}

fn check(effective: &Effective, out: &mut impl Write) -> io::Result<()> {
    match &effective.file {
        Some(path) => writeln!(out, "{}: valid", plain(&path.display().to_string()))?,
        None => writeln!(out, "no settings file (looked for {}): defaults are in force", PLACES.join(", "))?,
    }
    for (key, origin) in &effective.origins {
        writeln!(out, "{key}: {}", plain(&origin.to_string()))?;
    }
    for name in &effective.strangers {
        writeln!(out, "note: environment variable {} names no setting and is ignored", plain(name))?;
    }
    Ok(())
}

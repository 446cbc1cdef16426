//! `watershed config`: what is in force, and is it valid?

use std::io::Write;

use watershed_aggregator::FileInventory;
use watershed_aggregator::inventory::Ranges;

use crate::args::ConfigAction;
use crate::failure::Failure;
use crate::output::text::plain;
use crate::settings::{self, Effective, InventoryPlace, PLACES, Settings};

/// Prints the settings, or says that they are right: loading them has checked them.
pub(crate) fn run(action: &ConfigAction, effective: &Effective, out: &mut impl Write) -> Result<(), Failure> {
    match action {
        ConfigAction::Print { defaults: true } => write!(out, "{}", settings::example())?,
        ConfigAction::Print { defaults: false } => write!(out, "{}", settings::print(effective))?,
        ConfigAction::Check { .. } => check(effective, out)?,
    }
    Ok(())
}

fn check(effective: &Effective, out: &mut impl Write) -> Result<(), Failure> {
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
    let Settings { inventory, ranges, .. } = &effective.settings;
    if let Some(InventoryPlace::File(path)) = inventory {
        let read = FileInventory::load(path).map_err(Failure::usage)?;
        let file = path.display().to_string();
        writeln!(out, "{}: valid", plain(&file))?;
        for overlap in read.overlaps() {
            writeln!(out, "note: {}", plain(&format!("{file}, {overlap}")))?;
        }
    }
    for path in ranges {
        Ranges::load(&[path]).map_err(Failure::usage)?;
        writeln!(out, "{}: valid", plain(&path.display().to_string()))?;
    }
    Ok(())
}

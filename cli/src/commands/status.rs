//! `watershed status`: what a store holds.

use std::io::Write;

use watershed_model::Hour;

use super::map;
use crate::args::StoredArguments;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output::{json, status, summary};
use crate::settings::Settings;
use crate::terminal::Style;

/// Prints it, and writes it to the directory if there is one.
pub(crate) fn run(
    arguments: &StoredArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (store, period) = map::open(arguments, settings)?;
    let mut held = store.status()?;
    if let Some(period) = period {
        held.loss.retain(|entry| (Hour::of(period.start)..=Hour::of(period.end)).contains(&entry.hour));
    }
    let place = arguments.store.to_string();
    let page =
        status::Page { place: &place, held: &held, retention: settings.retention, rows: settings.rows };
    page.write(out, style)?;
    if let Some(path) = &arguments.out {
        let mut directory = Directory::open(path)?;
        let whole = status::Page { rows: usize::MAX, ..page };
        directory.write("status.txt", |file| whole.write(file, Style::PLAIN))?;
        directory.write("status.json", |file| json::line(file, &status::Mirror::of(&whole)))?;
        writeln!(out, "\n{}", summary::written(&directory, style))?;
    }
    Ok(())
}

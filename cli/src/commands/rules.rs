//! `watershed rules`: the rules that allow what a store holds.

pub(crate) mod confidence;
pub(crate) mod diff;
pub(crate) mod reach;
pub(crate) mod rollout;
pub(crate) mod whatif;

use std::io::Write;

use super::discover;
use super::map::{self, Stored};
use crate::args::ahead::AskedArguments;
use crate::args::{PeriodArguments, StoredArguments};
use crate::decisions;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output::summary;
use crate::settings::Settings;
use crate::terminal::Style;
use watershed_aggregator::{FlowStore as _, StoreLocation};
use watershed_model::Snapshot;

/// Prints the rules in short, and writes them with their proof to the directory if there is one.
pub(crate) fn run(
    arguments: &StoredArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stored = Stored::read(arguments, settings)?;
    let found = discover::decided(&stored.snapshot, settings, &decisions::read(settings)?)?;
    stored.summary(&found, arguments, settings).write_rules(out, style)?;
    stored.note(out)?;
    if let Some(path) = &arguments.out {
        let mut directory = Directory::open(path)?;
        discover::write_rules(&mut directory, &found)?;
        writeln!(out, "\n{}", summary::written(&directory, style))?;
    }
    Ok(())
}

/// What the store holds of the period asked for.
fn asked(arguments: &AskedArguments, settings: &Settings) -> Result<Snapshot, Failure> {
    stored(&arguments.store, &arguments.period, settings)
}

/// What a store holds of a period.
pub(super) fn stored(
    store: &StoreLocation,
    period: &PeriodArguments,
    settings: &Settings,
) -> Result<Snapshot, Failure> {
    let arguments = StoredArguments { store: store.clone(), period: period.clone(), out: None };
    let (store, period) = map::open(&arguments, settings)?;
    Ok(store.snapshot(period)?)
}

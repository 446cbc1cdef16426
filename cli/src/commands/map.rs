//! `watershed map`: the dependencies that a store holds.

use std::io::{self, Write};

use watershed_aggregator::{FlowStore as _, OpenStore, StoreConfig, store};
use watershed_model::{Snapshot, TimeRange};

use super::discover::{self, Discovery};
use crate::args::StoredArguments;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output::summary::{self, Summary};
use crate::output::text::plain;
use crate::period;
use crate::settings::Settings;
use crate::terminal::Style;

/// Prints the summary, and writes graph and edges to the directory if there is one.
pub(crate) fn run(
    arguments: &StoredArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let stored = Stored::read(arguments, settings)?;
    let found = discover::discover(&stored.snapshot, settings)?;
    let summary = stored.summary(&found, arguments, settings);
    let write = |out: &mut dyn Write, style| {
        let mut out = out;
        summary.write(&mut out, style)?;
        stored.note(&mut out)
    };
    write(out, style)?;
    if let Some(path) = &arguments.out {
        let mut directory = Directory::open(path)?;
        directory.write("summary.txt", |file| write(file, Style::PLAIN))?;
        discover::write_map(&mut directory, summary.source, (&stored.snapshot, settings), &found)?;
        writeln!(out, "\n{}", summary::written(&directory, style))?;
    }
    Ok(())
}

/// What a store says of a period.
pub(super) struct Stored {
    place: String,
    period: Option<TimeRange>,
    pub(super) snapshot: Snapshot,
}

impl Stored {
    /// Asks the store that the arguments name.
    pub(super) fn read(arguments: &StoredArguments, settings: &Settings) -> Result<Self, Failure> {
        let (store, period) = open(arguments, settings)?;
        let place = plain(&arguments.store.to_string()).into_owned();
        Ok(Self { place, period, snapshot: store.snapshot(period)? })
    }

    /// The summary of what was found in it.
    pub(super) fn summary<'a>(
        &'a self,
        found: &'a Discovery<'_>,
        arguments: &StoredArguments,
        settings: &Settings,
    ) -> Summary<'a> {
        Summary {
            source: &self.place,
            graph: &found.graph,
            rules: &found.rules,
            certificate: &found.certificate,
            problems: &[],
            rows: settings.rows,
            files: arguments.out.is_some(),
        }
    }

    /// What the head counts beyond the period.
    pub(super) fn note(&self, out: &mut impl Write) -> io::Result<()> {
        match self.period {
            Some(TimeRange { start, end }) => writeln!(
                out,
                "\nEdges, rules and losses: {start} to {end}.\nPackets are counted over the whole store."
            ),
            None => Ok(()),
        }
    }
}

/// Opens the store and works out the period.
pub(super) fn open(
    arguments: &StoredArguments,
    settings: &Settings,
) -> Result<(OpenStore, Option<TimeRange>), Failure> {
    let config = StoreConfig { location: arguments.store.clone(), ..settings.store.clone() };
    let store = store::open_existing(&config)?;
    let period = period::of(&arguments.period, &store)?;
    Ok((store, period))
}

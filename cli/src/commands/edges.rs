//! `watershed edges`: dependencies, one a line.

use std::io::Write;

use watershed_aggregator::OpenStore;

use crate::args::EdgesArguments;
use crate::failure::Failure;
use crate::input;
use crate::output::edges;
use crate::pipeline;
use crate::settings::Settings;

/// Writes every edge once the captures are read.
pub(crate) fn run(
    arguments: &EdgesArguments,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let inventory = super::inventory(settings)?;
    let source = input::open(&arguments.capture)?;
    let (OpenStore::Memory(store), report) = pipeline::aggregate(source, &inventory, settings, |_| Ok(()))?;
    // One edge at a time: all of them in full would take many times the room that the store takes.
    edges::write(out, store.edges(None), arguments.format)?;
    out.flush()?;
    pipeline::complete(&report)
}

//! `watershed edges`: dependencies, one a line.

use std::io::Write;

use watershed_aggregator::MemoryStore;
use watershed_graph::FanIn;

use crate::args::EdgesArguments;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output::edges;
use crate::pipeline::{self, Origin};
use crate::settings::Settings;
use crate::user;

/// Writes every edge once the captures are read.
pub(crate) fn run(
    arguments: &EdgesArguments,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    user::become_configured(&arguments.capture.live, settings)?;
    let (inventory, store) = (inventory::open(settings)?, MemoryStore::new(&settings.store));
    let source = input::open(&arguments.capture, settings)?;
    let (store, report) =
        pipeline::aggregate(source, &Origin::default(), &inventory, store, settings, |_| Ok(()))?;
    // One edge at a time: all of them in full would take many times the room that the store takes.
    let fan_in = FanIn::of(store.edges(None));
    edges::write(out, store.edges(None), &fan_in, arguments.format)?;
    out.flush()?;
    pipeline::complete(&report)
}

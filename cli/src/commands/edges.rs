//! `watershed edges`: dependencies, one a line.

use std::io::Write;

use crate::args::EdgesArguments;
use crate::failure::Failure;
use crate::output::edges;
use crate::pipeline;
use crate::settings::Settings;

/// Writes every edge once the captures are read.
pub(crate) fn run(arguments: &EdgesArguments, settings: &Settings, out: &mut impl Write) -> Result<(), Failure> {
    let (snapshot, report) = pipeline::aggregate(&arguments.capture.captures, settings, |_| Ok(()))?;
    edges::write(out, &snapshot.edges, arguments.format)?;
    out.flush()?;
    pipeline::complete(&report)
}

//! `watershed flows`: connections, one a line.

use std::io::Write;

use crate::args::FlowsArguments;
use crate::failure::Failure;
use crate::input;
use crate::output::flows::Writer;
use crate::pipeline;
use crate::settings::Settings;
use crate::user;

/// Writes each connection when it is over.
pub(crate) fn run(
    arguments: &FlowsArguments,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    user::become_configured(&arguments.capture.live, settings)?;
    let mut writer = Writer::new(out, arguments.format, &settings.graph.internal);
    let mut source = input::open(&arguments.capture, settings)?;
    let report = pipeline::collect(&mut source, settings, None, |batch| Ok(writer.write(&batch)?))?;
    writer.finish()?;
    pipeline::complete(&report)
}

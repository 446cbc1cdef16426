//! `watershed rules confidence`: how sure the rules are.

use std::io::Write;

use watershed_graph::Graph;
use watershed_policy::confidence::{Confidence, ConfidenceConfig, assess};

use crate::args::ahead::{AheadFormat, ConfidenceArguments};
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::terminal::Style;

/// Seconds of an hour.
const HOUR: u64 = 3600;

/// Tells how much has not been seen yet.
pub(crate) fn run(
    arguments: &ConfidenceArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let snapshot = super::asked(&arguments.asked, settings)?;
    let graph = Graph::of(&snapshot, &settings.graph);
    let horizon = arguments.horizon.as_secs().div_ceil(HOUR).max(1);
    let config = ConfidenceConfig { horizon, ..config(settings) };
    let told: Confidence = assess(&snapshot, graph.accepted(), &config);
    match arguments.asked.format {
        AheadFormat::Text => {
            output::ahead::confidence::text(out, &told, &config, settings.rows, style)?;
        }
        AheadFormat::Json => output::check::json(out, &told.to_json()?)?,
    }
    Ok(())
}

/// What the settings say.
pub(super) fn config(settings: &Settings) -> ConfidenceConfig {
    ConfidenceConfig { ready: settings.ready, ..ConfidenceConfig::default() }
}

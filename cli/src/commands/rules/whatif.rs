//! `watershed rules what-if`: what policies would have denied.

use std::io::Write;

use anyhow::anyhow;
use watershed_graph::Graph;
use watershed_model::Edge;
use watershed_policy::whatif::compare;

use crate::args::ahead::{AheadFormat, WhatIfArguments};
use crate::commands::policies::Read;
use crate::decisions;
use crate::failure::Failure;
use crate::inventory;
use crate::output;
use crate::output::text::count;
use crate::settings::Settings;
use crate::terminal::Style;

/// Replays what was observed; fails where something would have been denied that the old policies allow.
pub(crate) fn run(
    arguments: &WhatIfArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let new = Read::of(&arguments.policies, &arguments.namespace)?;
    let old = match arguments.against.as_slice() {
        [] => None,
        paths => Some(Read::of(paths, &arguments.namespace)?),
    };
    let inventory = inventory::open(settings)?;
    let workloads: Vec<_> = inventory.workloads().cloned().collect();
    let snapshot = super::asked(&arguments.asked, settings)?;
    let graph = Graph::of(&snapshot, &settings.graph);
    // What was excluded is denied on purpose.
    let sifted = decisions::read(settings)?.sift(graph.accepted());
    let edges: Vec<&Edge> = sifted.kept;
    let outcome = new.what_if(&edges, &workloads)?;
    let before = old.as_ref().map(|old| old.what_if(&edges, &workloads)).transpose()?;
    let change = before.as_ref().map(|before| compare(before, &outcome));
    match arguments.asked.format {
        AheadFormat::Text => output::ahead::whatif::text(out, &outcome, change.as_ref(), style)?,
        AheadFormat::Json => output::check::json(out, &outcome.to_json(change.as_ref())?)?,
    }
    if arguments.asked.format == AheadFormat::Text && !sifted.excluded.is_empty() {
        let number = sifted.excluded.len() as u64;
        writeln!(out, "\nNot counted, since excluded by decision: {} of the dependencies", count(number))?;
    }
    out.flush()?;
    let denied = change.as_ref().map_or(outcome.denied.len(), |change| change.newly_denied.len());
    if denied > 0 {
        let newly = if change.is_some() { " that the old ones allow" } else { "" };
        let all = edges.len();
        return Err(Failure::Work(anyhow!(
            "the policies would have denied {denied} of {all} dependencies{newly}"
        )));
    }
    Ok(())
}

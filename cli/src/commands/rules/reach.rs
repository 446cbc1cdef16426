//! `watershed rules reach`: who can get to whom, before the rules and after.

use std::collections::BTreeSet;
use std::io::Write;

use watershed_graph::{Graph, Scope};
use watershed_model::Party;
use watershed_policy::reach::{Estate, reach};

use crate::args::ahead::{AheadFormat, ReachArguments};
use crate::commands::discover;
use crate::decisions;
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::terminal::Style;

/// Tells what the rules for the observed traffic take away.
pub(crate) fn run(
    arguments: &ReachArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let snapshot = super::asked(&arguments.asked, settings)?;
    let found = discover::decided(&snapshot, settings, &decisions::read(settings)?)?;
    let exposed = found.graph.exposed().iter().filter(|one| one.services.iter().any(|service| service.used));
    let estate = Estate {
        internal: internal(&found.graph),
        exposed: exposed.map(|one| &one.party).collect(),
        crown_jewels: settings.crown_jewels.clone(),
    };
    let told = reach(found.graph.accepted(), &found.rules, &estate, arguments.steps.into());
    match arguments.asked.format {
        AheadFormat::Text => output::ahead::reach::text(out, &told, settings.rows, style)?,
        AheadFormat::Json => output::check::json(out, &told.to_json()?)?,
    }
    Ok(())
}

/// One's own workloads and addresses.
pub(super) fn internal<'a>(graph: &'a Graph<'_>) -> BTreeSet<&'a Party> {
    graph.nodes().filter(|node| node.scope == Scope::Internal).map(|node| &node.party).collect()
}

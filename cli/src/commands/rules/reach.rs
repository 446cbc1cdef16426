//! `watershed rules reach`: who can get to whom, before the rules and after.

use std::collections::BTreeSet;
use std::io::Write;

use watershed_graph::{Graph, Scope};
use watershed_model::Party;
use watershed_policy::mine::{Census, mine_decided};
use watershed_policy::reach::{By, Estate, reach, reach_by};

use crate::args::ahead::{AheadFormat, ReachArguments};
use crate::commands::policies::Read;
use crate::commands::{discover, export};
use crate::decisions;
use crate::failure::Failure;
use crate::inventory;
use crate::output;
use crate::settings::Settings;
use crate::terminal::Style;

/// Tells what rules take away: exact ones for the observed traffic, those of a level, or policies.
pub(crate) fn run(
    arguments: &ReachArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let snapshot = super::asked(&arguments.asked, settings)?;
    let decisions = decisions::read(settings)?;
    let steps = arguments.steps.into();
    let told = if let Some(level) = arguments.level {
        let graph = Graph::of(&snapshot, &settings.graph);
        let sifted = decisions.sift(graph.accepted());
        let census = Census::of(sifted.kept.iter().copied(), &export::known(settings, &sifted)?)?;
        let plan = mine_decided(&census, level.into(), &decisions)?;
        reach_by(graph.accepted(), By::Mined(&census, &plan), &estate(&graph, settings), steps)?
    } else if arguments.policies.is_empty() {
        let found = discover::decided(&snapshot, settings, &decisions)?;
        reach(found.graph.accepted(), &found.rules, &estate(&found.graph, settings), steps)
    } else {
        let read = Read::of(&arguments.policies, &arguments.namespace)?;
        let workloads: Vec<_> = inventory::open(settings)?.workloads().cloned().collect();
        let graph = Graph::of(&snapshot, &settings.graph);
        let by = By::Policies(read.policies()?, &workloads);
        reach_by(graph.accepted(), by, &estate(&graph, settings), steps)?
    };
    match arguments.asked.format {
        AheadFormat::Text => output::ahead::reach::text(out, &told, settings.rows, style)?,
        AheadFormat::Json => output::check::json(out, &told.to_json()?)?,
    }
    Ok(())
}

/// Who is there, and who matters.
fn estate<'a>(graph: &'a Graph<'_>, settings: &Settings) -> Estate<'a> {
    let exposed = graph.exposed().iter().filter(|one| one.services.iter().any(|service| service.used));
    Estate {
        internal: internal(graph),
        exposed: exposed.map(|one| &one.party).collect(),
        crown_jewels: settings.crown_jewels.clone(),
    }
}

/// One's own workloads and addresses.
pub(super) fn internal<'a>(graph: &'a Graph<'_>) -> BTreeSet<&'a Party> {
    graph.nodes().filter(|node| node.scope == Scope::Internal).map(|node| &node.party).collect()
}

//! `watershed rules rollout`: the order in which to enforce, with the files of each step.

use std::io::Write;
use std::path::Path;

use watershed_graph::{Doubt, Verdict};
use watershed_model::Edge;
use watershed_policy::confidence::assess;
use watershed_policy::nft::Hook;
use watershed_policy::rollout::{self, Inputs, Step, Unit, plan};

use super::{confidence, reach};
use crate::args::ahead::{AheadFormat, RolloutArguments, RolloutUnit};
use crate::commands::discover::{self, Discovery};
use crate::decisions;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::terminal::Style;

/// Prints the plan, and writes it to the directory if there is one.
pub(crate) fn run(
    arguments: &RolloutArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let snapshot = super::asked(&arguments.asked, settings)?;
    let found = discover::decided(&snapshot, settings, &decisions::read(settings)?)?;
    let accepted: Vec<&Edge> =
        found.graph.accepted().filter(|edge| !found.dropped.contains(&edge.key)).collect();
    // What a scanner tried is denied on purpose.
    let waits =
        |verdict: &Verdict| matches!(verdict, Verdict::NeedsPerson(doubt) if *doubt != Doubt::Scanner);
    let undecided: Vec<&Edge> =
        found.graph.edges().filter(|(_, verdict)| waits(verdict)).map(|(edge, _)| edge).collect();
    let told = assess(&snapshot, accepted.iter().copied(), &confidence::config(settings));
    let inputs = Inputs {
        accepted: &accepted,
        undecided: &undecided,
        internal: &reach::internal(&found.graph),
        confidence: &told,
        coverage: settings.ready.coverage,
        hook: Hook::Forward,
    };
    let unit = match arguments.by {
        RolloutUnit::Workload => Unit::Workload,
        RolloutUnit::Namespace => Unit::Namespace,
    };
    let steps = plan(&inputs, unit)?;
    match arguments.asked.format {
        AheadFormat::Text => output::ahead::rollout::text(out, &steps, style)?,
        AheadFormat::Json => output::check::json(out, &rollout::to_json(&steps)?)?,
    }
    if let Some(path) = &arguments.out {
        write(path, &steps, &found)?;
        if arguments.asked.format == AheadFormat::Text {
            writeln!(
                out,
                "\nWritten to {}: plan.txt plan.json, a directory for each step, and default-deny",
                path.display()
            )?;
        }
    }
    Ok(())
}

fn write(path: &Path, steps: &[Step], found: &Discovery<'_>) -> Result<(), Failure> {
    let mut top = Directory::open(path)?;
    for step in steps {
        let mut directory = Directory::open(&path.join(&step.name))?;
        directory.text("watch.nft", &step.files.watch)?;
        directory.text("apply.nft", &step.files.apply)?;
        directory.text("revert.nft", &step.files.revert)?;
    }
    discover::write_rules(&mut Directory::open(&path.join("default-deny"))?, found)?;
    top.write("plan.txt", |file| output::ahead::rollout::text(file, steps, Style::PLAIN))?;
    top.text("plan.json", &rollout::to_json(steps)?)?;
    Ok(())
}

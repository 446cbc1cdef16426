//! `watershed rules rollout`: the order in which to enforce, with the files of each step.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Component, Path};

use anyhow::anyhow;
use serde::Deserialize;
use watershed_graph::{Doubt, Graph, Verdict};
use watershed_model::{Edge, Snapshot};
use watershed_policy::Rule;
use watershed_policy::confidence::{assess, assess_rules};
use watershed_policy::mine::{Census, Level, mine_decided};
use watershed_policy::nft::Hook;
use watershed_policy::rollout::{
    self, Dialect, FileNames, Files, Inputs, Mined, NFTABLES_FILES, PolicySteps, Step, Unit, plan,
    plan_policies,
};

use super::{confidence, reach};
use crate::args::ahead::{AheadFormat, RolloutArguments, RolloutDialect, RolloutUnit};
use crate::args::export::LevelName;
use crate::commands::discover::{self, Discovery};
use crate::commands::export;
use crate::decisions;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output;
use crate::output::text::count;
use crate::settings::Settings;
use crate::terminal::Style;

/// Where the plan lists its steps.
const PLAN: &str = "plan.json";

/// What files of steps are called, whoever enforces them.
const ALL_FILES: [FileNames; 6] = [
    NFTABLES_FILES,
    Dialect::Kubernetes.files(),
    Dialect::Cluster.files(),
    Dialect::Cilium.files(),
    Dialect::Calico.files(),
    Dialect::Istio.files(),
];

/// A plan that was written before.
#[derive(Deserialize)]
struct Earlier {
    steps: Vec<EarlierStep>,
}

#[derive(Deserialize)]
struct EarlierStep {
    name: String,
}

/// Prints the plan, and writes it to the directory if there is one.
pub(crate) fn run(
    arguments: &RolloutArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let snapshot = super::asked(&arguments.asked, settings)?;
    match dialect(arguments.dialect) {
        Some(dialect) => of_policies(arguments, dialect, &snapshot, settings, style, out),
        None => of_nftables(arguments, &snapshot, settings, style, out),
    }
}

/// Whose policies about pods are asked for; `None` for nftables.
const fn dialect(name: RolloutDialect) -> Option<Dialect> {
    match name {
        RolloutDialect::Nftables => None,
        RolloutDialect::K8s => Some(Dialect::Kubernetes),
        RolloutDialect::Cnp => Some(Dialect::Cluster),
        RolloutDialect::Cilium => Some(Dialect::Cilium),
        RolloutDialect::Calico => Some(Dialect::Calico),
        RolloutDialect::Istio => Some(Dialect::Istio),
    }
}

const fn unit(arguments: &RolloutArguments) -> Unit {
    match arguments.by {
        RolloutUnit::Workload => Unit::Workload,
        RolloutUnit::Namespace => Unit::Namespace,
    }
}

fn of_nftables(
    arguments: &RolloutArguments,
    snapshot: &Snapshot,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if !matches!(arguments.level, None | Some(LevelName::Nano)) {
        return Err(Failure::usage(anyhow!(
            "nftables rules name every address and are always exact; leave --level out, or choose another --dialect"
        )));
    }
    let found = discover::decided(snapshot, settings, &decisions::read(settings)?)?;
    let accepted: Vec<&Edge> =
        found.graph.accepted().filter(|edge| !found.dropped.contains(&edge.key)).collect();
    let steps =
        with_inputs(snapshot, settings, &found.graph, (&accepted, found.rules.by_hand()), |inputs| {
            plan(inputs, unit(arguments))
        })?;
    let told = Told { steps: &steps, names: NFTABLES_FILES };
    told.show(arguments, style, out)?;
    if let Some(path) = &arguments.out {
        told.write(path)?;
        default_deny(path, &found)?;
        told.written(arguments, path, out)?;
    }
    Ok(())
}

fn of_policies(
    arguments: &RolloutArguments,
    dialect: Dialect,
    snapshot: &Snapshot,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let decisions = decisions::read(settings)?;
    let graph = Graph::of(snapshot, &settings.graph);
    let sifted = decisions.sift(graph.accepted());
    let census = Census::of(sifted.kept.iter().copied(), &export::known(settings, &sifted)?)?;
    let level = arguments.level.map_or(Level::Service, Level::from);
    let mut mined = mine_decided(&census, level, &decisions)?;
    assess_rules(&mut mined, &census, snapshot, sifted.kept.iter().copied());
    let mined = Mined { census: &census, plan: &mined, dialect };
    let planned = with_inputs(snapshot, settings, &graph, (&sifted.kept, &[]), |inputs| {
        plan_policies(inputs, unit(arguments), &mined)
    })?;
    let told = Told { steps: &planned.steps, names: dialect.files() };
    told.show(arguments, style, out)?;
    if arguments.asked.format == AheadFormat::Text {
        left_out(&planned, dialect, out)?;
    }
    if let Some(path) = &arguments.out {
        told.write(path)?;
        files(&path.join("default-deny"), &planned.default_deny, told.names)?;
        export::not_expressed(&mut Directory::open(path)?, &planned.not_expressed)?;
        told.written(arguments, path, out)?;
    }
    Ok(())
}

/// Whom no step protects, and how much cannot be said.
fn left_out(planned: &PolicySteps, dialect: Dialect, out: &mut impl Write) -> Result<(), Failure> {
    if !planned.elsewhere.is_empty() {
        let number = count(planned.elsewhere.len() as u64);
        let who = match dialect {
            Dialect::Istio => "that are no pods, or of istio-system, whose policies are for the whole mesh",
            _ => "that are no pods, which these policies cannot protect",
        };
        writeln!(out, "\nNot among them: {number} {who}")?;
    }
    if !planned.not_expressed.is_empty() {
        let number = count(planned.not_expressed.len() as u64);
        writeln!(
            out,
            "\nNot said as they are: {number} rules; --out lists them in {}",
            export::NOT_EXPRESSED
        )?;
    }
    Ok(())
}

/// What the order is made of, whoever enforces it.
fn with_inputs<T>(
    snapshot: &Snapshot,
    settings: &Settings,
    graph: &Graph<'_>,
    (accepted, by_hand): (&[&Edge], &[Rule]),
    plan: impl FnOnce(&Inputs<'_>) -> Result<T, watershed_policy::Error>,
) -> Result<T, Failure> {
    // What a scanner tried is denied on purpose.
    let waits =
        |verdict: &Verdict| matches!(verdict, Verdict::NeedsPerson(doubt) if *doubt != Doubt::Scanner);
    let undecided: Vec<&Edge> =
        graph.edges().filter(|(_, verdict)| waits(verdict)).map(|(edge, _)| edge).collect();
    let told = assess(snapshot, accepted.iter().copied(), &confidence::config(settings));
    let inputs = Inputs {
        accepted,
        undecided: &undecided,
        by_hand,
        internal: &reach::internal(graph),
        confidence: &told,
        coverage: settings.ready.coverage,
        hook: Hook::Forward,
    };
    Ok(plan(&inputs)?)
}

/// The steps, and what their files are called.
struct Told<'a> {
    steps: &'a [Step],
    names: FileNames,
}

impl Told<'_> {
    fn show(&self, arguments: &RolloutArguments, style: Style, out: &mut impl Write) -> Result<(), Failure> {
        match arguments.asked.format {
            AheadFormat::Text => output::ahead::rollout::text(out, self.steps, self.names, style)?,
            AheadFormat::Json => output::check::json(out, &rollout::to_json(self.steps)?)?,
        }
        Ok(())
    }

    /// A directory for each step, and the plan, in place of an earlier one.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        self.clear(path);
        for step in self.steps {
            files(&path.join(&step.name), &step.files, self.names)?;
        }
        let mut top = Directory::open(path)?;
        top.write("plan.txt", |file| {
            output::ahead::rollout::text(file, self.steps, self.names, Style::PLAIN)
        })?;
        top.text(PLAN, &rollout::to_json(self.steps)?)?;
        Ok(())
    }

    /// Takes away the steps of an earlier plan that this one has not: they would be taken for steps of this one. What
    /// cannot be removed, or has files of others in it, stays.
    fn clear(&self, path: &Path) {
        let text = fs::read_to_string(path.join(PLAN)).unwrap_or_default();
        let Ok(earlier) = serde_json::from_str::<Earlier>(&text) else { return };
        let kept: BTreeSet<&str> = self.steps.iter().map(|step| step.name.as_str()).collect();
        for EarlierStep { name } in earlier.steps {
            // A plan is a file like any other: it may name nothing outside of its folder.
            let mut parts = Path::new(&name).components();
            let inside = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !inside || kept.contains(name.as_str()) {
                continue;
            }
            let step = path.join(&name);
            let own =
                ALL_FILES.into_iter().flat_map(|names| [names.watch, Some(names.apply), Some(names.revert)]);
            own.flatten().for_each(|file| drop(fs::remove_file(step.join(file))));
            drop(fs::remove_dir(&step));
        }
    }

    fn written(
        &self,
        arguments: &RolloutArguments,
        path: &Path,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        if arguments.asked.format == AheadFormat::Text {
            let path = path.display();
            writeln!(
                out,
                "\nWritten to {path}: plan.txt plan.json, a directory for each step, and default-deny"
            )?;
        }
        Ok(())
    }
}

fn files(path: &Path, files: &Files, names: FileNames) -> Result<(), Failure> {
    let mut directory = Directory::open(path)?;
    if let Some(watch) = names.watch {
        directory.text(watch, &files.watch)?;
    }
    directory.text(names.apply, &files.apply)?;
    directory.text(names.revert, &files.revert)?;
    Ok(())
}

/// The rules for everything, with their proof.
fn default_deny(path: &Path, found: &Discovery<'_>) -> Result<(), Failure> {
    discover::write_rules(&mut Directory::open(&path.join("default-deny"))?, found)
}

//! `watershed discover`: from captures to a map and rules, in one command.

use std::io::Write;

use watershed_aggregator::{FlowStore as _, MemoryStore, OpenInventory};
use watershed_collector::Report;
use watershed_graph::{FanIn, Format, Graph, Verdict};
use watershed_model::{Batch, Snapshot};
use watershed_policy::export::{self, nftables};
use watershed_policy::nft::Hook;
use watershed_policy::proof::{self, Certificate};
use watershed_policy::{HeldBack, RuleSet};

use super::kept::{self, Kept};
use crate::args::{DiscoverArguments, EdgeFormat, FlowFormat};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output::flows::Writer;
use crate::output::view::View;
use crate::output::{edges, summary};
use crate::pipeline::{self, Origin};
use crate::progress::Watched;
use crate::report::{self, Document, Subject};
use crate::settings::Settings;
use crate::terminal::Style;
use crate::user;

/// What was found in a period.
pub(super) struct Discovery<'a> {
    pub(super) graph: Graph<'a>,
    pub(super) rules: RuleSet,
    nftables: nftables::Nftables,
    pub(super) certificate: Certificate,
}

/// Prints the summary, and writes everything to the directory if there is one.
pub(crate) fn run(
    arguments: &DiscoverArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    user::become_configured(&arguments.capture.live, settings)?;
    let inventory = inventory::open(settings)?;
    let (origin, kept) = kept::open(arguments, settings)?;
    let mut directory = arguments.out.as_deref().map(Directory::open).transpose()?;
    let store = Kept { memory: MemoryStore::new(&settings.store), disk: kept };
    let source = input::open(&arguments.capture)?;
    let (store, report) = read(source, &origin, &inventory, store, settings, directory.as_mut())?;
    let snapshot = store.memory.snapshot(None)?;
    let found = discover(&snapshot, settings)?;
    let summary = summary::Summary {
        source: &input::name(&arguments.capture),
        graph: &found.graph,
        rules: &found.rules,
        certificate: &found.certificate,
        problems: &report.problems,
        rows: settings.rows,
        files: directory.is_some(),
    };
    summary.write(out, style)?;
    if let Some(directory) = &mut directory {
        directory.write("summary.txt", |file| summary.write(file, Style::PLAIN))?;
        write_map(directory, summary.source, (&snapshot, settings), &found)?;
        write_rules(directory, &found)?;
        writeln!(out, "\n{}", summary::written(directory, style))?;
    }
    store.finish(arguments, &origin, settings, out)?;
    out.flush()?;
    pipeline::complete(&report)
}

/// Reads the source into edges; flows go to the directory as they end, so that they are never all in memory.
fn read(
    source: Watched,
    origin: &Origin,
    inventory: &OpenInventory,
    store: Kept,
    settings: &Settings,
    directory: Option<&mut Directory>,
) -> Result<(Kept, Report), Failure> {
    let mut settings = settings.clone();
    let mut view = source.screen().map(|screen| View::new(screen, inventory, &mut settings));
    let mut show = |batch: &Batch| view.iter_mut().for_each(|view| view.show(batch));
    let Some(directory) = directory else {
        return pipeline::aggregate(source, origin, inventory, store, &settings, |batch| {
            show(batch);
            Ok(())
        });
    };
    let mut file = directory.start("flows.jsonl")?;
    let mut writer = Writer::new(&mut file, FlowFormat::Json, &settings.graph.internal);
    let read = pipeline::aggregate(source, origin, inventory, store, &settings, |batch| {
        show(batch);
        Ok(writer.write(batch)?)
    })?;
    writer.finish()?;
    directory.finish(file)?;
    Ok(read)
}

/// Graph, rules and proof. Nothing is written of rules that the proof refutes.
pub(super) fn discover<'a>(snapshot: &'a Snapshot, settings: &Settings) -> Result<Discovery<'a>, Failure> {
    let graph = Graph::of(snapshot, &settings.graph);
    let doubtful = graph.edges().filter_map(|(edge, verdict)| match verdict {
        Verdict::NeedsPerson(doubt) => Some(HeldBack::new(edge, doubt.describe())),
        _ => None,
    });
    let rules = RuleSet::from_edges(graph.accepted(), &doubtful.collect::<Vec<_>>())?;
    let nftables = nftables::export(&rules, Hook::Forward);
    let certificate = proof::prove(graph.accepted(), &nftables, env!("CARGO_PKG_VERSION"))?;
    Ok(Discovery { graph, rules, nftables, certificate })
}

/// The graph, the edges, the groups that are proposed, and the page that shows it all; `source` is where they come
/// from, for its title.
pub(super) fn write_map(
    directory: &mut Directory,
    source: &str,
    (snapshot, settings): (&Snapshot, &Settings),
    found: &Discovery<'_>,
) -> Result<(), Failure> {
    let Discovery { graph, rules, certificate, .. } = found;
    let document = Document::of(Subject { source, snapshot, graph, rules, certificate, settings })?;
    directory.write("report.html", |file| report::write(file, &document))?;
    for (name, format) in [
        ("graph.json", Format::Json),
        ("graph.dot", Format::Dot),
        ("graph.graphml", Format::GraphMl),
        ("graph.mmd", Format::Mermaid),
    ] {
        directory.text(name, &format.render(&found.graph))?;
    }
    let fan_in = FanIn::of(&snapshot.edges);
    directory.write("edges.jsonl", |file| edges::write(file, &snapshot.edges, &fan_in, EdgeFormat::Json))?;
    directory.write("edges.csv", |file| edges::write(file, &snapshot.edges, &fan_in, EdgeFormat::Csv))?;
    directory.text("groups.yaml", &found.graph.proposals().to_yaml(&found.graph))?;
    Ok(())
}

/// The rules and their proof.
pub(super) fn write_rules(directory: &mut Directory, found: &Discovery<'_>) -> Result<(), Failure> {
    directory.text("rules.json", &export::json::export(&found.rules)?)?;
    directory.text("rules.csv", &export::csv::export(&found.rules)?)?;
    write_nftables(directory, found)
}

/// The rules for nftables and their proof.
pub(super) fn write_nftables(directory: &mut Directory, found: &Discovery<'_>) -> Result<(), Failure> {
    directory.text(nftables::ALLOW, &found.nftables.allow)?;
    directory.text(nftables::DEFAULT_DENY, &found.nftables.default_deny)?;
    directory.text(nftables::REVERT, &found.nftables.revert)?;
    directory.text("certificate.json", &found.certificate.to_json()?)?;
    Ok(())
}

//! `watershed discover`: from captures to a map and rules, in one command.

use std::collections::BTreeSet;
use std::io::Write;

use watershed_aggregator::{FlowStore as _, MemoryStore, OpenInventory};
use watershed_collector::Report;
use watershed_graph::{FanIn, Format, Graph, Scope, Verdict};
use watershed_model::{Batch, EdgeKey, Snapshot};
use watershed_policy::confidence::assess_exact;
use watershed_policy::decisions::Decisions;
use watershed_policy::export::hosts::{self, Host};
use watershed_policy::export::{self, nftables};
use watershed_policy::nft::Hook;
use watershed_policy::proof::{self, Certificate};
use watershed_policy::{HeldBack, RuleSet};

use super::kept::{self, Kept};
use super::rules::diff::EXACT;
use crate::args::{DiscoverArguments, EdgeFormat, FlowFormat};
use crate::decisions;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::listening;
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
    /// What was accepted, and is denied because people excluded or rejected it.
    pub(super) dropped: BTreeSet<EdgeKey>,
}

impl Discovery<'_> {
    /// The rules of each of one's own hosts by itself, proven; the certificate tells of them from now on.
    pub(super) fn prove_hosts(&mut self) -> Result<Vec<Host>, watershed_policy::Error> {
        let internal = self.graph.nodes().filter(|node| node.scope == Scope::Internal);
        let hosts = hosts::hosts(&self.rules, internal.map(|node| (&node.party, &node.addresses)));
        let kept = self.graph.accepted().filter(|edge| !self.dropped.contains(&edge.key));
        self.certificate.add_hosts(kept, &hosts)?;
        Ok(hosts)
    }
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
    let source = input::open(&arguments.capture, settings)?;
    if source.is_live() {
        listening::watch(&settings.flow.listening, None)?;
    }
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

/// Graph, rules and proof, whatever people decided about the rules. Nothing is written of rules that the proof refutes.
pub(super) fn discover<'a>(snapshot: &'a Snapshot, settings: &Settings) -> Result<Discovery<'a>, Failure> {
    decided(snapshot, settings, &Decisions::default())
}

/// The same without what people excluded or rejected, and with the rules that they made.
pub(super) fn decided<'a>(
    snapshot: &'a Snapshot,
    settings: &Settings,
    decisions: &Decisions,
) -> Result<Discovery<'a>, Failure> {
    let graph = Graph::of(snapshot, &settings.graph);
    let doubtful = graph.edges().filter_map(|(edge, verdict)| match verdict {
        Verdict::NeedsPerson(doubt) => Some(HeldBack::new(edge, doubt.describe())),
        _ => None,
    });
    let doubtful: Vec<HeldBack> = doubtful.collect();
    let (mut rules, kept) = RuleSet::decided(graph.accepted(), &doubtful, decisions)?;
    assess_exact(&mut rules, snapshot, kept.iter().copied());
    let rules = rules.with(decisions::by_hand(decisions, &graph, settings)?);
    let nftables = nftables::export(&rules, Hook::Forward);
    let (kept_edges, version) = (kept.iter().copied(), env!("CARGO_PKG_VERSION"));
    let certificate = proof::prove_decided(kept_edges, rules.by_hand(), &nftables, version)?;
    let kept: BTreeSet<&EdgeKey> =
        if decisions.is_empty() { BTreeSet::new() } else { kept.iter().map(|edge| &edge.key).collect() };
    let dropped = graph.accepted().filter(|edge| !decisions.is_empty() && !kept.contains(&edge.key));
    let dropped = dropped.map(|edge| edge.key.clone()).collect();
    Ok(Discovery { graph, rules, nftables, certificate, dropped })
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
    directory.text(EXACT, &export::json::export(&found.rules)?)?;
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

//! `watershed rules check`: policies that people wrote, against what was observed.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use watershed_aggregator::{FlowStore as _, MemoryStore};
use watershed_graph::Graph;
use watershed_model::Edge;
use watershed_policy::check::{self, Observed, Report};
use watershed_policy::k8s::Manifests;

use crate::args::rules::{CheckArguments, CheckFormat};
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output;
use crate::pipeline::{self, Origin};
use crate::settings::Settings;
use crate::terminal::Style;

/// Larger files are refused: no policies are that long, and the wrong file is soon noticed.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Directories within directories that are followed: deeper ones are a loop of links.
const MAX_DEPTH: usize = 32;

/// Checks policies; fails where something observed would be denied.
pub(crate) fn run(
    arguments: &CheckArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let manifests = manifests(&arguments.policies, &arguments.namespace)?;
    let inventory = inventory::open(settings)?;
    let workloads: Vec<_> = inventory.workloads().cloned().collect();
    if manifests.world.pods().is_empty() && workloads.iter().all(|workload| workload.namespace.is_none()) {
        return Err(Failure::usage(anyhow!(
            "no workload has a namespace, so there is nothing that policies could select; give the entries of the inventory a `namespace`, or pass the workloads' manifests beside the policies"
        )));
    }
    if arguments.captures.is_empty() {
        let report = check::check(&manifests, Observed { edges: None, workloads: &workloads });
        return write(arguments.format, &report, style, out);
    }
    let source = input::open_captures(&arguments.captures)?;
    let store = MemoryStore::new(&settings.store);
    let (store, read) =
        pipeline::aggregate(source, &Origin::default(), &inventory, store, settings, |_| Ok(()))?;
    let snapshot = store.snapshot(None)?;
    let graph = Graph::of(&snapshot, &settings.graph);
    let edges: Vec<&Edge> = graph.accepted().collect();
    let report = check::check(&manifests, Observed { edges: Some(&edges), workloads: &workloads });
    write(arguments.format, &report, style, out)?;
    pipeline::complete(&read)?;
    let (denied, all) = (report.denied.len(), edges.len());
    if denied > 0 {
        return Err(Failure::Work(anyhow!(
            "the policies would deny {denied} of {all} observed dependencies"
        )));
    }
    Ok(())
}

fn write(format: CheckFormat, report: &Report, style: Style, out: &mut impl Write) -> Result<(), Failure> {
    match format {
        CheckFormat::Text => output::check::text(out, report, style)?,
        CheckFormat::Markdown => output::check::markdown(out, report)?,
        CheckFormat::Json => output::check::json(out, &report.to_json()?)?,
        CheckFormat::Sarif => output::check::json(out, &report.to_sarif(env!("CARGO_PKG_VERSION"))?)?,
        CheckFormat::Junit => out.write_all(report.to_junit()?.as_bytes())?,
    }
    out.flush()?;
    Ok(())
}

/// Reads all policies; nothing is checked unless all of them are valid.
pub(super) fn manifests(policies: &[PathBuf], namespace: &str) -> Result<Manifests, Failure> {
    let mut paths = Vec::new();
    for path in policies {
        files(path, 0, &mut paths).map_err(Failure::usage)?;
    }
    paths.sort();
    paths.dedup();
    let texts: Result<Vec<(String, String)>, _> = paths.iter().map(|path| text("policy", path)).collect();
    let texts = texts.map_err(Failure::usage)?;
    let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let manifests = Manifests::read(files, namespace).map_err(Failure::usage)?;
    if manifests.count() == 0 {
        let places: Vec<_> = policies.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::usage(anyhow!(
            "there is no policy in {}, neither NetworkPolicy nor ClusterNetworkPolicy nor one of Cilium, Calico or Istio; name the files or directories that hold them",
            places.join(", ")
        )));
    }
    Ok(manifests)
}

/// A file that is named is taken whatever it is called; of a directory, what is called like a manifest.
fn files(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        bail!(
            "cannot read {}: directories lie more than {MAX_DEPTH} deep; look for a loop of links",
            path.display()
        );
    }
    let unreadable = || format!("cannot read directory {}", path.display());
    for entry in path.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?.path();
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let manifest = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if !hidden && (manifest || entry.is_dir()) {
            files(&entry, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Name and text of a file, of which a message says that it is a `what`.
pub(crate) fn text(what: &str, path: &Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {what} {name}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        bail!(
            "cannot use {what} {name}: it has more than {MAX_FILE_BYTES} bytes; check that it is the right file"
        );
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| anyhow!("cannot use {what} {name}: it is not UTF-8; save it as UTF-8"))?;
    Ok((name, text))
}

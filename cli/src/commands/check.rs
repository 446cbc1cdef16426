//! `watershed rules check`: policies against what was observed.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use watershed_aggregator::{FlowStore as _, MemoryStore, OpenInventory};
use watershed_collector as collector;
use watershed_graph::Graph;
use watershed_model::{Edge, Snapshot};
use watershed_policy::check::{self, Certificate, Given, Observed, Report};
use watershed_policy::whatif::Policies;

use super::policies::Read;
use super::rules;
use crate::args::rules::{CheckArguments, CheckFormat};
use crate::decisions;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output;
use crate::output::text::count;
use crate::pipeline::{self, Origin};
use crate::settings::Settings;
use crate::terminal::Style;

/// Checks policies; fails where something observed would be denied, or more is admitted than may be.
pub(crate) fn run(
    arguments: &CheckArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let asks_nobody = arguments.captures.is_empty() && arguments.store.is_none();
    if asks_nobody && arguments.admit_at_most.is_some() && arguments.against.is_empty() {
        return Err(Failure::usage(anyhow!(
            "--admit-at-most counts what was not observed, and there is no traffic to tell; name captures with --capture, or a store with --store"
        )));
    }
    let new = Read::of(&arguments.policies, &arguments.namespace)?;
    let old = match arguments.against.as_slice() {
        [] => None,
        paths => Some(Read::of(paths, &arguments.namespace)?),
    };
    let inventory = inventory::open(settings)?;
    let workloads: Vec<_> = inventory.workloads().cloned().collect();
    if let Policies::Kubernetes(manifests) = new.policies()?
        && manifests.world.pods().is_empty()
        && workloads.iter().all(|workload| workload.namespace.is_none())
        && arguments.store.is_none()
    {
        return Err(Failure::usage(anyhow!(
            "no workload has a namespace, so there is nothing that policies could select; give the entries of the inventory a `namespace`, or pass the workloads' manifests beside the policies"
        )));
    }
    let texts = new.texts();
    let given = Given {
        policies: new.policies()?,
        texts: &texts,
        against: old.as_ref().map(Read::policies).transpose()?,
        admit_at_most: arguments.admit_at_most,
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    let Some(traffic) = Traffic::of(arguments, settings, &inventory)? else {
        let report = check::check(given, Observed { edges: None, workloads: &workloads });
        return finish(arguments, &report, style, out);
    };
    let graph = Graph::of(&traffic.snapshot, &settings.graph);
    // What was excluded is denied on purpose.
    let sifted = decisions::read(settings)?.sift(graph.accepted());
    let edges: Vec<&Edge> = sifted.kept;
    let mut report = check::check(given, Observed { edges: Some(&edges), workloads: &workloads });
    if !sifted.excluded.is_empty() {
        let excluded = count(sifted.excluded.len() as u64);
        report.certificate.not_checked.push(format!("dependencies excluded by decision: {excluded}"));
    }
    let checked = finish(arguments, &report, style, out);
    if let Some(read) = &traffic.read {
        pipeline::complete(read)?;
    }
    checked
}

/// What was observed.
struct Traffic {
    snapshot: Snapshot,
    /// How the captures were read; `None` of a store.
    read: Option<collector::Report>,
}

impl Traffic {
    fn of(
        arguments: &CheckArguments,
        settings: &Settings,
        inventory: &OpenInventory,
    ) -> Result<Option<Self>, Failure> {
        if let Some(store) = &arguments.store {
            let snapshot = rules::stored(store, &arguments.period, settings)?;
            return Ok(Some(Self { snapshot, read: None }));
        }
        if !arguments.period.is_whole() {
            return Err(Failure::usage(anyhow!(
                "--since, --from and --to choose from a store, and captures are read whole; name a store with --store"
            )));
        }
        if arguments.captures.is_empty() {
            return Ok(None);
        }
        let source = input::open_captures(&arguments.captures)?;
        let store = MemoryStore::new(&settings.store);
        let (store, read) =
            pipeline::aggregate(source, &Origin::default(), inventory, store, settings, |_| Ok(()))?;
        Ok(Some(Self { snapshot: store.snapshot(None)?, read: Some(read) }))
    }
}

/// Writes the report and the certificate; fails where the policies do not pass.
fn finish(
    arguments: &CheckArguments,
    report: &Report,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match arguments.format {
        CheckFormat::Text => output::check::text(out, report, style)?,
        CheckFormat::Markdown => output::check::markdown(out, report)?,
        CheckFormat::Json => output::check::json(out, &report.to_json()?)?,
        CheckFormat::Sarif => output::check::json(out, &report.to_sarif(env!("CARGO_PKG_VERSION"))?)?,
        CheckFormat::Junit => out.write_all(report.to_junit()?.as_bytes())?,
    }
    out.flush()?;
    if let Some(path) = &arguments.certificate {
        certify(path, &report.certificate)?;
    }
    match report.failures().as_slice() {
        [] => Ok(()),
        failures => Err(Failure::Work(anyhow!(failures.join("; ")))),
    }
}

fn certify(path: &Path, certificate: &Certificate) -> Result<(), Failure> {
    let text = certificate.to_json()?;
    fs::write(path, text).with_context(|| format!("cannot write the certificate {}", path.display()))?;
    Ok(())
}

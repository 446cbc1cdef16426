//! `watershed rules what-if`: what policies would have denied.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use watershed_graph::Graph;
use watershed_model::Edge;
use watershed_policy::k8s::Manifests;
use watershed_policy::nft::{Hook, Ruleset};
use watershed_policy::whatif::{Outcome, Policies, compare, what_if};

use crate::args::ahead::{AheadFormat, WhatIfArguments};
use crate::commands::check;
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
    let outcome = what_if(new.policies(), &edges, &workloads);
    let before: Option<Outcome> = old.as_ref().map(|old| what_if(old.policies(), &edges, &workloads));
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

/// Policies of one dialect, as read.
pub(super) enum Read {
    Kubernetes(Manifests),
    Nftables(Ruleset),
}

impl Read {
    pub(super) fn of(paths: &[PathBuf], namespace: &str) -> Result<Self, Failure> {
        let is_nftables = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "nft");
        match paths.iter().filter(is_nftables).count() {
            0 => check::manifests(paths, namespace).map(Self::Kubernetes),
            all if all == paths.len() => Self::nftables(paths.iter().map(PathBuf::as_path)),
            _ => Err(Failure::usage(anyhow!(
                "nftables files and manifests cannot be one set of policies; ask for each alone"
            ))),
        }
    }

    fn nftables<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<Self, Failure> {
        let texts: Result<Vec<_>, _> = paths.map(|path| check::text("policy", path)).collect();
        let texts = texts.map_err(Failure::usage)?;
        let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Ruleset::read(files).map(Self::Nftables).map_err(Failure::usage)
    }

    /// Rules for hosts that pass traffic on, as `rules` writes them.
    pub(super) const fn policies(&self) -> Policies<'_> {
        match self {
            Self::Kubernetes(manifests) => Policies::Kubernetes(manifests),
            Self::Nftables(ruleset) => Policies::Nftables(ruleset, Hook::Forward),
        }
    }
}

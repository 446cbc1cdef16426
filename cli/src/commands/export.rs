//! `watershed rules export`: mined rules in the language of the place where they are enforced.

use std::io::Write;

use anyhow::anyhow;
use watershed_graph::Graph;
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::export::{cilium, cluster, directory, kubernetes, mined};
use watershed_policy::mine::{Census, Frontier, Level, Plan, mine};
use watershed_policy::proof;
use watershed_policy::proof::kubernetes::{Certificate, prove, prove_cilium, prove_cluster};

use super::discover;
use super::earlier::{Earlier, Removed};
use super::map::Stored;
use crate::args::export::{Dialect, ExportArguments, LevelName};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::output::text::{count, plain};
use crate::settings::Settings;
use crate::terminal::Style;

/// Rules that cannot be said, told on the screen: few enough to see what comes after. All are in the file.
const TOLD: usize = 5;

/// What the certificate says proved it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where what a dialect cannot say is listed.
const NOT_EXPRESSED: &str = "not-expressed.txt";

/// Mines, proves and writes the rules, and shows what the other levels would have cost.
pub(crate) fn run(
    arguments: &ExportArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let level = arguments.level.map_or(Level::Service, Level::from);
    if arguments.to == Dialect::Nftables && !matches!(arguments.level, None | Some(LevelName::Nano)) {
        return Err(Failure::usage(anyhow!(
            "nftables rules name every address and are always exact, so there is no level {level} of them; leave --level out"
        )));
    }
    let stored = Stored::read(&arguments.stored(), settings)?;
    if arguments.to == Dialect::Nftables {
        let found = discover::discover(&stored.snapshot, settings)?;
        let earlier = Earlier::of(&arguments.out);
        let mut directory = Directory::open(&arguments.out)?;
        discover::write_nftables(&mut directory, &found)?;
        written(&directory, style, out)?;
        return removed(&earlier.remove(&directory)?, out);
    }
    let graph = Graph::of(&stored.snapshot, &settings.graph);
    let census = Census::of(graph.accepted(), &[])?;
    let plan = mine(&census, level);
    frontier(&census, level, style, out)?;
    let list = match arguments.to {
        Dialect::Json => Some(("mined.json", mined::json(&plan)?)),
        Dialect::Csv => Some(("mined.csv", mined::csv(&plan)?)),
        _ => None,
    };
    let Some((name, text)) = list else {
        let (export, certificate) = proven(arguments.to, &census, plan)?;
        return policies(arguments, &export, &certificate, style, out);
    };
    let mut directory = Directory::open(&arguments.out)?;
    directory.text(name, &text)?;
    written(&directory, style, out)
}

/// The rules as policies of a dialect, which JSON, CSV and nftables are not, and the proof of them.
fn proven(
    dialect: Dialect,
    census: &Census,
    plan: Plan,
) -> Result<(directory::Directory, Certificate), watershed_policy::Error> {
    let export = match dialect {
        Dialect::Cnp => cluster::export(census, &plan)?,
        Dialect::Cilium => cilium::export(census, &plan)?,
        Dialect::Calico => calico::export(census, &plan, Form::Enforced)?,
        Dialect::CalicoStaged => calico::export(census, &plan, Form::Staged)?,
        Dialect::Istio => {
            let sayable = Sayable::of(census, plan);
            let export = istio::export(census, &sayable)?;
            let certificate = proof::istio::prove(census, &sayable, &export, VERSION)?;
            return Ok((export, certificate));
        }
        Dialect::K8s | Dialect::Json | Dialect::Csv | Dialect::Nftables => kubernetes::export(census, &plan)?,
    };
    let certificate = match dialect {
        Dialect::Cnp => prove_cluster(census, &plan, &export, VERSION)?,
        Dialect::Cilium => prove_cilium(census, &plan, &export, VERSION)?,
        Dialect::Calico => proof::calico::prove(Form::Enforced, census, &plan, &export, VERSION)?,
        Dialect::CalicoStaged => proof::calico::prove(Form::Staged, census, &plan, &export, VERSION)?,
        _ => prove(census, &plan, &export, VERSION)?,
    };
    Ok((export, certificate))
}

/// The levels side by side: rules against what they admit.
fn frontier(census: &Census, chosen: Level, style: Style, out: &mut impl Write) -> Result<(), Failure> {
    let (dependencies, parties) = (census.dependencies() as u64, census.parties() as u64);
    let (dependencies, parties) = (count(dependencies), count(parties));
    writeln!(out, "{}", style.bold(&format!("{dependencies} dependencies between {parties} parties")))?;
    writeln!(out, "  {:<11} {:>9} {:>14}", "level", "rules", "unobserved")?;
    for (level, (rules, price)) in Frontier::of(census).points {
        let mark = if level == chosen { "  <- exported" } else { "" };
        let (rules, price) = (count(rules as u64), count(price));
        writeln!(out, "  {:<11} {rules:>9} {price:>14}{mark}", level.as_str())?;
    }
    writeln!(out, "Unobserved: connections (client, server, port) that the rules admit beyond those seen.")?;
    Ok(())
}

/// Writes policies that were proven, with what they cannot say.
fn policies(
    arguments: &ExportArguments,
    export: &directory::Directory,
    certificate: &Certificate,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let earlier = Earlier::of(&arguments.out);
    let mut directory = Directory::open(&arguments.out)?;
    for (path, text) in &export.files {
        directory.text(path, text)?;
    }
    let mut list = String::new();
    for one in &export.not_expressed {
        list.push_str(&format!("{}: {}\n", plain(&one.rule), one.reason));
    }
    directory.text(NOT_EXPRESSED, &list)?;
    directory.text("certificate.json", &certificate.to_json()?)?;
    writeln!(
        out,
        "\nProven on the written text: {} dependencies allowed, {} probes denied",
        count(certificate.dependencies_replayed),
        count(certificate.probes_denied)
    )?;
    if !export.not_expressed.is_empty() {
        let number = count(export.not_expressed.len() as u64);
        let dialect = certificate.dialect;
        writeln!(out, "{dialect} cannot say {number} rules as they are, listed in {NOT_EXPRESSED}:")?;
        list.lines().take(TOLD).try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    written(&directory, style, out)?;
    removed(&earlier.remove(&directory)?, out)
}

/// What of an earlier export was cleared away.
fn removed(removed: &Removed, out: &mut impl Write) -> Result<(), Failure> {
    if removed.files > 0 {
        writeln!(out, "Removed {} files of an earlier export whose rules are gone", count(removed.files))?;
    }
    for path in &removed.changed {
        writeln!(out, "{} is of an earlier export but was changed since, and is left alone", plain(path))?;
    }
    Ok(())
}

fn written(directory: &Directory, style: Style, out: &mut impl Write) -> Result<(), Failure> {
    let path = plain(&directory.path().display().to_string()).into_owned();
    let files = count(directory.written().len() as u64);
    writeln!(out, "\n{}: {files} files", style.bold(&format!("Written to {path}")))?;
    Ok(())
}

//! `watershed rules export`: mined rules in the language of the place where they are enforced.

use std::io::Write;

use watershed_graph::Graph;
use watershed_policy::export::{cilium, cluster, directory, kubernetes, mined};
use watershed_policy::mine::{Census, Frontier, Level, Plan, mine};
use watershed_policy::proof::kubernetes::{Certificate, prove, prove_cilium, prove_cluster};

use super::discover;
use super::map::Stored;
use crate::args::export::{Dialect, ExportArguments};
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
    let stored = Stored::read(&arguments.stored(), settings)?;
    if arguments.to == Dialect::Nftables {
        let found = discover::discover(&stored.snapshot, settings)?;
        let mut directory = Directory::open(&arguments.out)?;
        discover::write_nftables(&mut directory, &found)?;
        return written(&directory, style, out);
    }
    let graph = Graph::of(&stored.snapshot, &settings.graph);
    let census = Census::of(graph.accepted(), &[])?;
    let level = Level::from(arguments.level);
    let plan = mine(&census, level);
    frontier(&census, level, style, out)?;
    match arguments.to {
        Dialect::K8s => {
            let export = kubernetes::export(&census, &plan)?;
            let certificate = prove(&census, &plan, &export, VERSION)?;
            policies(arguments, &export, &certificate, style, out)?;
        }
        Dialect::Cnp => {
            let export = cluster::export(&census, &plan)?;
            let certificate = prove_cluster(&census, &plan, &export, VERSION)?;
            policies(arguments, &export, &certificate, style, out)?;
        }
        Dialect::Cilium => {
            let export = cilium::export(&census, &plan)?;
            let certificate = prove_cilium(&census, &plan, &export, VERSION)?;
            policies(arguments, &export, &certificate, style, out)?;
        }
        Dialect::Json | Dialect::Csv | Dialect::Nftables => {
            let mut directory = Directory::open(&arguments.out)?;
            match arguments.to {
                Dialect::Csv => directory.text("mined.csv", &mined::csv(&plan)?)?,
                _ => directory.text("mined.json", &mined::json(&plan)?)?,
            }
            written(&directory, style, out)?;
        }
    }
    Ok(())
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
    written(&directory, style, out)
}

fn written(directory: &Directory, style: Style, out: &mut impl Write) -> Result<(), Failure> {
    let path = plain(&directory.path().display().to_string()).into_owned();
    let files = count(directory.written().len() as u64);
    writeln!(out, "\n{}: {files} files", style.bold(&format!("Written to {path}")))?;
    Ok(())
}

//! `watershed rules export`: mined rules in the language of the place where they are enforced.

use std::io::Write;
use std::sync::Arc;

use anyhow::anyhow;
use watershed_graph::Graph;
use watershed_model::{Party, Workload};
use watershed_policy::Whom;
use watershed_policy::confidence::assess_rules;
use watershed_policy::decisions::{Decisions, Sifted};
use watershed_policy::diff::Allowances;
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::directory::NotExpressed;
use watershed_policy::export::hosts::Host;
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::export::{cilium, cluster, directory, kubernetes, mined};
use watershed_policy::mine::{Census, Frontier, Level, Plan, mine_decided};
use watershed_policy::proof;
use watershed_policy::proof::kubernetes::{Certificate, prove, prove_cilium, prove_cluster};

use super::discover::{self, Discovery};
use super::earlier::{Earlier, Removed};
use super::map::Stored;
use super::rules::diff::{self, EXACT, MINED};
use crate::args::export::{Dialect, ExportArguments, LevelName};
use crate::decisions::{self, Consequences};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::inventory;
use crate::output::text::{count, plain};
use crate::settings::Settings;
use crate::terminal::Style;

/// Rules that cannot be said, told on the screen: few enough to see what comes after. All are in the file.
const TOLD: usize = 5;

/// What the certificate says proved it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where what a dialect cannot say is listed.
pub(super) const NOT_EXPRESSED: &str = "not-expressed.txt";

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
    let decisions = decisions::read(settings)?;
    let stored = Stored::read(&arguments.stored(), settings)?;
    if arguments.to == Dialect::Nftables {
        return nftables(arguments, settings, &stored, &decisions, style, out);
    }
    let graph = Graph::of(&stored.snapshot, &settings.graph);
    let sifted = decisions.sift(graph.accepted());
    let census = Census::of(sifted.kept.iter().copied(), &known(settings, &sifted)?)?;
    let mut plan = mine_decided(&census, level, &decisions)?;
    assess_rules(&mut plan, &census, &stored.snapshot, sifted.kept.iter().copied());
    frontier(&census, &decisions, level, style, out)?;
    let consequences = Consequences::of(&decisions, &sifted, &plan, &census);
    let earlier = diff::earlier(&arguments.out, MINED);
    let list = match arguments.to {
        Dialect::Json => Some((MINED, mined::json(&census, &plan)?)),
        Dialect::Csv => Some(("mined.csv", mined::csv(&plan)?)),
        _ => None,
    };
    let Some((name, text)) = list else {
        let proven = Proven::of(arguments.to, &census, plan)?;
        let rules = mined::json(&census, &proven.plan)?;
        policies(arguments, &proven, &rules, &consequences, style, out)?;
        return changes(earlier.as_ref(), MINED, &rules, out);
    };
    let mut directory = Directory::open(&arguments.out)?;
    directory.text(name, &text)?;
    consequences.write(out)?;
    if name == MINED {
        changes(earlier.as_ref(), MINED, &text, out)?;
    }
    written(&directory, style, out)
}

/// Exact rules, for a router or bridge and for each host by itself.
fn nftables(
    arguments: &ExportArguments,
    settings: &Settings,
    stored: &Stored,
    decisions: &Decisions,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut found = discover::decided(&stored.snapshot, settings, decisions)?;
    let hosts = found.prove_hosts()?;
    let (before, earlier) = (diff::earlier(&arguments.out, EXACT), Earlier::of(&arguments.out));
    let mut directory = Directory::open(&arguments.out)?;
    for (path, text) in hosts.iter().flat_map(Host::paths) {
        directory.text(&path, text)?;
    }
    let rules = watershed_policy::export::json::export(&found.rules)?;
    directory.text(EXACT, &rules)?;
    discover::write_nftables(&mut directory, &found)?;
    nftables_decided(&found, out)?;
    let number = count(hosts.len() as u64);
    writeln!(out, "For a router or bridge: rules.nft; for {number} hosts that protect themselves: hosts/")?;
    written(&directory, style, out)?;
    removed(&earlier.remove(&directory)?, out)?;
    changes(before.as_ref(), EXACT, &rules, out)
}

/// Tells what is allowed now and was not by the rules that were there before, and the other way round.
fn changes(
    earlier: Option<&Allowances>,
    name: &str,
    rules: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Some(earlier) = earlier else { return Ok(()) };
    let difference = watershed_policy::diff::diff(earlier, &Allowances::read(name, rules)?)?;
    diff::write(out, &difference, "the earlier export")?;
    Ok(())
}

/// Policies with their proof.
struct Proven {
    export: directory::Directory,
    certificate: Certificate,
    /// The rules that they say.
    plan: Plan,
}

impl Proven {
    /// The rules as policies of a dialect, which JSON, CSV and nftables are not, and the proof of them.
    fn of(dialect: Dialect, census: &Census, plan: Plan) -> Result<Self, watershed_policy::Error> {
        let export = match dialect {
            Dialect::Cnp => cluster::export(census, &plan)?,
            Dialect::Cilium => cilium::export(census, &plan)?,
            Dialect::Calico => calico::export(census, &plan, Form::Enforced)?,
            Dialect::CalicoStaged => calico::export(census, &plan, Form::Staged)?,
            Dialect::Istio => {
                let sayable = Sayable::of(census, plan);
                let export = istio::export(census, &sayable)?;
                let certificate = proof::istio::prove(census, &sayable, &export, VERSION)?;
                return Ok(Self { export, certificate, plan: sayable.plan });
            }
            Dialect::K8s | Dialect::Json | Dialect::Csv | Dialect::Nftables => {
                kubernetes::export(census, &plan)?
            }
        };
        let certificate = match dialect {
            Dialect::Cnp => prove_cluster(census, &plan, &export, VERSION)?,
            Dialect::Cilium => prove_cilium(census, &plan, &export, VERSION)?,
            Dialect::Calico => proof::calico::prove(Form::Enforced, census, &plan, &export, VERSION)?,
            Dialect::CalicoStaged => proof::calico::prove(Form::Staged, census, &plan, &export, VERSION)?,
            _ => prove(census, &plan, &export, VERSION)?,
        };
        Ok(Self { export, certificate, plan })
    }
}

/// Every workload that selectors must tell apart: those of the inventory, silent or not, and those whose dependencies
/// were excluded.
pub(super) fn known(settings: &Settings, sifted: &Sifted<'_>) -> Result<Vec<Arc<Workload>>, Failure> {
    let inventory = inventory::open(settings)?;
    let ends = sifted.excluded.iter().flat_map(|(edge, _)| [&edge.key.client, &edge.key.server]);
    let excluded = ends.filter_map(|party| match party {
        Party::Workload(workload) => Some(workload),
        Party::Address(_) => None,
    });
    Ok(inventory.workloads().chain(excluded).cloned().collect())
}

/// What decisions deny of what was seen, and what of the rules that people made means nobody.
fn nftables_decided(found: &Discovery<'_>, out: &mut impl Write) -> Result<(), Failure> {
    if !found.dropped.is_empty() {
        let number = count(found.dropped.len() as u64);
        writeln!(out, "{number} observed dependencies are denied by decision")?;
    }
    let by_hand = found.rules.by_hand();
    if !by_hand.is_empty() {
        let (rules, are) = if by_hand.len() == 1 { ("rule", "is") } else { ("rules", "are") };
        writeln!(out, "{} {rules} made by hand {are} among these", count(by_hand.len() as u64))?;
    }
    for (rule, manual) in by_hand.iter().filter_map(|rule| rule.manual().map(|manual| (rule, manual))) {
        let is_nobody = |whom: &Whom| whom.networks().is_empty();
        let nobody = match (is_nobody(rule.client()), is_nobody(rule.server())) {
            (false, false) => continue,
            (true, _) => &manual.client,
            (false, true) => &manual.server,
        };
        let (rule, nobody) = (manual.to_string(), nobody.to_string());
        let (rule, nobody) = (plain(&rule), plain(&nobody));
        writeln!(
            out,
            "  but {rule} allows nothing: no address is known of {nobody}; is it named as in the inventory (-i)?"
        )?;
    }
    Ok(())
}

/// The levels side by side: rules against what they admit.
fn frontier(
    census: &Census,
    decisions: &Decisions,
    chosen: Level,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (dependencies, parties) = (census.dependencies() as u64, census.parties() as u64);
    let (dependencies, parties) = (count(dependencies), count(parties));
    writeln!(out, "{}", style.bold(&format!("{dependencies} dependencies between {parties} parties")))?;
    writeln!(out, "  {:<11} {:>9} {:>14}", "level", "rules", "unobserved")?;
    for (level, (rules, price)) in Frontier::decided(census, decisions)?.points {
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
    Proven { export, certificate, .. }: &Proven,
    rules: &str,
    consequences: &Consequences,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let earlier = Earlier::of(&arguments.out);
    let mut directory = Directory::open(&arguments.out)?;
    for (path, text) in &export.files {
        directory.text(path, text)?;
    }
    let list = list(&export.not_expressed);
    let denied: String = consequences.lines().map(|line| line + "\n").collect();
    directory.text(NOT_EXPRESSED, &format!("{list}{denied}"))?;
    directory.text("certificate.json", &certificate.to_json()?)?;
    directory.text(MINED, rules)?;
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
    consequences.write(out)?;
    written(&directory, style, out)?;
    removed(&earlier.remove(&directory)?, out)
}

/// A line for each rule that a dialect cannot say.
fn list(not_expressed: &[NotExpressed]) -> String {
    not_expressed.iter().map(|one| format!("{}: {}\n", plain(&one.rule), one.reason)).collect()
}

/// Writes what a dialect cannot say.
pub(super) fn not_expressed(
    directory: &mut Directory,
    not_expressed: &[NotExpressed],
) -> Result<(), Failure> {
    Ok(directory.text(NOT_EXPRESSED, &list(not_expressed))?)
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

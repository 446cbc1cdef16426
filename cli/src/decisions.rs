//! What people decided about rules, from the file that the settings name, and what it means for what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use ipnet::IpNet;
use watershed_graph::Graph;
use watershed_model::{Edge, Party, Workload, WorkloadKind};
use watershed_policy::decisions::{Decisions, Sifted};
use watershed_policy::mine::{Census, Plan};
use watershed_policy::{Known, Rule};

use crate::commands::complain;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output::text::{count, plain};
use crate::settings::Settings;

/// Lines of each kind on the screen: few enough to see what comes after. All are in the file.
const TOLD: usize = 5;

/// Reads the file, if there is to be one. It is made with the first decision over HTTP, so it may not be there yet.
pub(crate) fn read(settings: &Settings) -> Result<Decisions, Failure> {
    let Some(path) = &settings.decisions else { return Ok(Decisions::default()) };
    if is_missing(path) {
        complain(&plain(&format!("watershed: nothing is decided yet: there is no {}", path.display())));
        return Ok(Decisions::default());
    }
    let (name, text) = input::text("decisions", path).map_err(Failure::usage)?;
    Decisions::read(&name, &text).map_err(Failure::usage)
}

/// The rules that people made, by the addresses that the inventory gives to whom they mean, and for whom it does not
/// know by those that were seen.
pub(crate) fn by_hand(
    decisions: &Decisions,
    graph: &Graph<'_>,
    settings: &Settings,
) -> Result<Vec<Rule>, Failure> {
    if decisions.allow.is_empty() {
        return Ok(Vec::new());
    }
    let inventory = inventory::open(settings)?;
    let mut known: BTreeMap<_, Known> = BTreeMap::new();
    let owned = inventory.owned();
    for (&prefix, &workload) in &owned {
        let new = || Known { party: Party::Workload(Arc::clone(workload)), networks: BTreeSet::new() };
        known.entry(who(workload)).or_insert_with(new).networks.insert(prefix);
    }
    let told: BTreeSet<_> = known.keys().cloned().collect();
    for node in graph.nodes() {
        let Some(workload) = node.party.workload().filter(|one| !told.contains(&who(one))) else { continue };
        // An address that is somebody else's now was handed on.
        let addresses = node.addresses.iter().map(|&address| IpNet::from(address));
        let new = || Known { party: node.party.clone(), networks: BTreeSet::new() };
        let own = known.entry(who(workload)).or_insert_with(new);
        own.networks.extend(addresses.filter(|address| !owned.contains_key(address)));
    }
    Ok(Rule::by_hand(decisions, &known.into_values().collect::<Vec<_>>()))
}

/// What stays of a workload whatever becomes of its labels.
fn who(workload: &Workload) -> (WorkloadKind, Option<String>, String) {
    (workload.kind, workload.namespace.clone(), workload.name.clone())
}

/// Fails where a file that was named on the command line is not there: that is a slip of the pen.
pub(crate) fn named(path: &Path) -> Result<(), Failure> {
    if !is_missing(path) {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "there are no decisions in {}; name the file that has them, or leave --decisions out",
        path.display()
    )))
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What decisions deny of what was seen, a line for each dependency, and which of them are about nothing any more.
pub(crate) struct Consequences {
    denied: Vec<String>,
    gone: Vec<String>,
}

impl Consequences {
    /// Of a plan, and of what was taken out before it was mined.
    pub(crate) fn of(decisions: &Decisions, sifted: &Sifted<'_>, plan: &Plan, census: &Census) -> Self {
        let mut denied: Vec<String> =
            sifted.excluded.iter().map(|&(edge, number)| excluded(decisions, edge, number)).collect();
        denied.extend(plan.denied(census).into_iter().map(|one| {
            let said = decisions.rules.get(&one.rule).map_or_else(String::new, ToString::to_string);
            format!("{} -> {} {}: rule {} was {said}", one.client, one.server, one.service, one.rule)
        }));
        let gone = plan.gone.iter().map(|(id, said)| format!("{id}: {said}")).collect();
        Self { denied, gone }
    }

    /// Every line for a file, each of one line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.denied.iter().map(|line| format!("denied by decision: {}", plain(line)))
    }

    /// In short, for the screen.
    pub(crate) fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        let mut told = |what: &str, lines: &[String]| -> Result<(), Failure> {
            if lines.is_empty() {
                return Ok(());
            }
            writeln!(out, "\n{} {what}:", count(lines.len() as u64))?;
            for line in lines.iter().take(TOLD) {
                writeln!(out, "  {}", plain(line))?;
            }
            if lines.len() > TOLD {
                writeln!(out, "  and {} more", count((lines.len() - TOLD) as u64))?;
            }
            Ok(())
        };
        told("observed dependencies are denied by decision", &self.denied)?;
        told("decisions are about rules that are no longer proposed", &self.gone)
    }
}

/// A dependency that was excluded, with why.
fn excluded(decisions: &Decisions, edge: &Edge, number: usize) -> String {
    let exclusion = &decisions.exclude[number];
    let why = exclusion.comment.as_deref().unwrap_or("no comment");
    format!("{}: excluded ({exclusion}): {why}", edge.key)
}

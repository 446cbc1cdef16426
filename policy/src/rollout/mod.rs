//! The order in which to enforce: one workload or namespace at a time, the surest and most worthwhile first,
//! each step with the file that applies it and the file that takes it back.
//!
//! A step protects a unit: connections to it that nobody was seen to make are dropped, all other traffic passes
//! as before. Steps do not depend on one another, so any of them can be left out or taken back alone. Default
//! deny for everything else comes last, and apart.
//!
//! [`plan`] writes the steps for nftables, by address; [`plan_policies`] for those who enforce policies about pods.

mod nftables;

mod policies;

mod proof;

mod json;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::{Edge, Party};

pub use json::to_json;
pub use policies::{Dialect, Mined, PolicySteps, plan_policies};

use crate::confidence::{Bound, Confidence, Estimate};
use crate::nft::Hook;
use crate::who::Who;
use crate::{Error, Rule, Service, text};

/// What is enforced in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A workload, or an address without one.
    Workload,
    /// A namespace; what has none is a unit of its own.
    Namespace,
}

/// What the order is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Edges that may become rules.
    pub accepted: &'a [&'a Edge],
    /// Edges that need a person: until somebody decides, enforcing would deny them.
    pub undecided: &'a [&'a Edge],
    /// Rules that people made, by address; policies about pods have them from the plan that was mined.
    pub by_hand: &'a [Rule],
    /// One's own workloads and addresses: only these can be protected.
    pub internal: &'a BTreeSet<&'a Party>,
    /// How sure the edges are.
    pub confidence: &'a Confidence,
    /// The least coverage of a unit that is ready, from 0 to 1.
    pub coverage: f64,
    /// Where the rules look at packets.
    pub hook: Hook,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name: `01-shop-db`. Lower-case letters, digits and hyphens.
    pub name: String,
    /// What it protects: a workload's name or a namespace's.
    pub unit: String,
    /// Who is in it, in order.
    pub parties: Vec<Party>,
    /// Whether it is sure enough: coverage reached, nothing undecided, the whole ready.
    pub ready: bool,
    /// Coverage of the edges with an end in the unit, from 0 to 1; the lowest of its members.
    pub coverage: f64,
    /// New edges to come with an end in the unit; `None` where nothing can be said.
    pub bound: Option<Bound>,
    /// Connections to services of the unit that others could open and no longer can.
    pub closed: u64,
    /// Clients that depend on it, which a mistake would hit.
    pub fan_in: usize,
    /// Connections to it that need a person.
    pub undecided: usize,
    /// Dependencies of it that the dialect cannot say: what enforcing does to them is not known.
    pub unsaid: u64,
    /// The rules that allow what was seen.
    pub files: Files,
}

/// Files of a step; those of nftables load in one transaction each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Denies nothing, and shows what enforcing would deny; empty where the dialect has no such form.
    pub watch: String,
    /// Enforces; loaded again it replaces itself.
    pub apply: String,
    /// Takes the step back, whether it watches or enforces.
    pub revert: String,
}

/// What the files of a step are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileNames {
    /// That which watches; `None` where the dialect has no such form.
    pub watch: Option<&'static str>,
    /// That which enforces.
    pub apply: &'static str,
    /// That which takes it back.
    pub revert: &'static str,
}

/// The files of steps for nftables.
pub const NFTABLES_FILES: FileNames =
    FileNames { watch: Some("watch.nft"), apply: "apply.nft", revert: "revert.nft" };

/// The steps for nftables in order; each is read back and proven on its own.
///
/// Ready units come before those that are not. Among them the one comes first that closes most for each client
/// that a mistake would hit, then the surest.
///
/// # Errors
/// [`Error::Refuted`] when a step would deny what was observed, or admit what nobody was seen to do;
/// [`Error::Read`] when the text of a step is not understood.
pub fn plan(inputs: &Inputs<'_>, unit: Unit) -> Result<Vec<Step>, Error> {
    let units = units(inputs, unit);
    let estimates: BTreeMap<Who<'_>, &Estimate> =
        inputs.confidence.workloads.iter().map(|(party, estimate)| (Who::of(party), estimate)).collect();
    let whole = inputs.confidence.is_ready();
    let traffic = Traffic::of(inputs);
    let mut steps: Vec<(Step, Draft<'_>)> = Vec::with_capacity(units.len());
    for (name, parties) in units {
        let draft = Draft::of(&parties, inputs, &traffic);
        if draft.addresses.is_empty() {
            continue;
        }
        steps.push((step(name, &parties, &draft, &estimates, inputs, whole), draft));
    }
    in_order(&mut steps);
    let mut done = Vec::with_capacity(steps.len());
    for (mut step, draft) in steps {
        step.files = nftables::files(&step, &draft, inputs.hook);
        proof::prove(&step, &draft, &traffic, inputs.hook)?;
        done.push(step);
    }
    Ok(done)
}

/// Puts steps in their order, and gives them their names.
fn in_order<T>(steps: &mut [(Step, T)]) {
    /// Names of directories stay short enough to read.
    const SLUG: usize = 40;
    // More closed for each client at risk; a fraction in whole thousandths, so that the order is total.
    let worth = |step: &Step| (step.closed * 1000) / (step.fan_in as u64 + 1);
    steps.sort_by(|(a, _), (b, _)| {
        let key =
            |step: &Step| (Reverse(step.ready), Reverse(worth(step)), Reverse((step.coverage * 1e9) as u64));
        key(a).cmp(&key(b)).then_with(|| a.unit.cmp(&b.unit))
    });
    let digits = steps.len().to_string().len().max(2);
    for (number, (step, _)) in (1..).zip(steps) {
        step.name = format!("{number:0digits$}-{}", text::slug(&step.unit, SLUG));
    }
}

/// Units by name, with their members.
fn units<'a>(inputs: &Inputs<'a>, unit: Unit) -> BTreeMap<String, Vec<&'a Party>> {
    let mut members: BTreeMap<Who<'a>, &'a Party> = BTreeMap::new();
    for edge in inputs.accepted {
        for party in [&edge.key.client, &edge.key.server] {
            if inputs.internal.contains(party) {
                members.entry(Who::of(party)).or_insert(party);
            }
        }
    }
    let mut units: BTreeMap<String, Vec<&'a Party>> = BTreeMap::new();
    for (who, party) in members {
        let name = match (unit, who.namespace()) {
            (Unit::Namespace, Some(namespace)) => namespace.to_owned(),
            _ => party.to_string(),
        };
        units.entry(name).or_default().push(party);
    }
    units
}

/// All accepted edges, found by the addresses of their ends.
struct Traffic<'a> {
    to: BTreeMap<IpAddr, Vec<&'a Edge>>,
    addresses: BTreeMap<Who<'a>, BTreeSet<IpAddr>>,
    undecided_to: BTreeMap<Who<'a>, usize>,
}

impl<'a> Traffic<'a> {
    fn of(inputs: &Inputs<'a>) -> Self {
        let mut traffic =
            Self { to: BTreeMap::new(), addresses: BTreeMap::new(), undecided_to: BTreeMap::new() };
        for edge in inputs.accepted {
            for &address in &edge.server_addresses {
                traffic.to.entry(address).or_default().push(edge);
            }
            let ends =
                [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)];
            for (party, addresses) in ends {
                traffic.addresses.entry(Who::of(party)).or_default().extend(addresses);
            }
        }
        for edge in inputs.undecided {
            *traffic.undecided_to.entry(Who::of(&edge.key.server)).or_default() += 1;
        }
        traffic
    }
}

/// What a step is made of.
struct Draft<'a> {
    /// Addresses that the unit was seen with.
    addresses: BTreeSet<IpAddr>,
    /// Who was seen to use which service of them. An address may have been another party's at another time:
    /// its clients are among them, since a rule by address cannot tell.
    allowed: BTreeMap<(Service, IpAddr), BTreeSet<IpAddr>>,
    clients: BTreeSet<Who<'a>>,
    services: BTreeSet<(Who<'a>, Service)>,
    /// Which of one's own others use which of the services.
    used: BTreeSet<(Who<'a>, Who<'a>, Service)>,
    /// What people allowed to the unit.
    by_hand: Vec<Rule>,
    undecided: usize,
}

impl<'a> Draft<'a> {
    fn of(parties: &[&'a Party], inputs: &Inputs<'a>, traffic: &Traffic<'a>) -> Self {
        let members: BTreeSet<Who<'a>> = parties.iter().map(|party| Who::of(party)).collect();
        let addresses: BTreeSet<IpAddr> =
            members.iter().filter_map(|who| traffic.addresses.get(who)).flatten().copied().collect();
        let mut draft = Self {
            allowed: BTreeMap::new(),
            clients: BTreeSet::new(),
            services: BTreeSet::new(),
            used: BTreeSet::new(),
            by_hand: inputs.by_hand.iter().filter_map(|rule| rule.to(&addresses)).collect(),
            undecided: members.iter().filter_map(|who| traffic.undecided_to.get(who)).sum(),
            addresses,
        };
        for &address in &draft.addresses {
            for edge in traffic.to.get(&address).into_iter().flatten() {
                let Some(service) = Service::of(&edge.key) else { continue };
                let (client, server) = (Who::of(&edge.key.client), Who::of(&edge.key.server));
                draft.services.insert((server, service));
                if !members.contains(&client) {
                    draft.clients.insert(client);
                    if inputs.internal.contains(&edge.key.client) {
                        draft.used.insert((client, server, service));
                    }
                }
                let from = edge.client_addresses.iter().filter(|&&from| service.connects(from, address));
                draft.allowed.entry((service, address)).or_default().extend(from);
            }
        }
        draft.allowed.retain(|_, clients| !clients.is_empty());
        draft
    }
}

fn step(
    unit: String,
    parties: &[&Party],
    draft: &Draft<'_>,
    estimates: &BTreeMap<Who<'_>, &Estimate>,
    inputs: &Inputs<'_>,
    whole: bool,
) -> Step {
    let of = || parties.iter().filter_map(|party| estimates.get(&Who::of(party)));
    let coverage = of().map(|estimate| estimate.incidence.coverage()).fold(1.0, f64::min);
    let namespace = inputs.confidence.namespaces.iter().find(|(name, _)| parties.len() > 1 && *name == unit);
    let bound = match namespace {
        Some((_, estimate)) => estimate.bound,
        None => of().next().and_then(|estimate| estimate.bound),
    };
    let others = inputs.internal.len().saturating_sub(parties.len()) as u64;
    Step {
        name: String::new(),
        parties: parties.iter().map(|&party| party.clone()).collect(),
        ready: whole && coverage >= inputs.coverage && draft.undecided == 0,
        coverage,
        bound,
        closed: (draft.services.len() as u64 * others).saturating_sub(draft.used.len() as u64),
        fan_in: draft.clients.len(),
        undecided: draft.undecided,
        unsaid: 0,
        files: Files::default(),
        unit,
    }
}

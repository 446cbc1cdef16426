//! The error bar: how much has not been seen yet, and whether it is enough to enforce.
//!
//! [`assess`] looks at the hours in which each accepted edge was seen. It tells the estimates of the literature
//! ([`Incidence`]), a bound on the edges that rules learned now would deny in the time to come ([`Bound`]), the
//! same bound tried on the past ([`Backtest`]), and which cycles of work were seen whole ([`Cycles`]). What the
//! loss ledger holds widens the bound. [`assess_rules`] tells of each mined rule how sure it
//! is by its own evidence.

mod incidence;

mod observation;

mod bound;

mod cycles;

mod ready;

mod rules;

mod json;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use watershed_model::{Edge, Hour, Loss, Party, Snapshot};

pub use bound::Bound;
use bound::Firsts;
pub use cycles::Cycles;
pub use incidence::Incidence;
use observation::Observation;
pub use ready::{Missing, ReadyRule};
pub use rules::{RuleConfidence, assess_exact, assess_rules};

use crate::who::{Dependency, Who};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceConfig {
    /// Hours to come that the bound is about. Default: a week.
    pub horizon: u64,
    /// How surely the bound holds, between 0 and 1. Default 0.95.
    pub level: f64,
    /// When it is enough.
    pub ready: ReadyRule,
}

impl Default for ConfidenceConfig {
    fn default() -> Self {
        Self { horizon: 7 * 24, level: 0.95, ready: ReadyRule::default() }
    }
}

/// What can be said about a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Confidence {
    /// First and last hour with traffic, or whose traffic was lost; `None` where nothing was seen.
    pub span: Option<(Hour, Hour)>,
    /// Hours between them in which nothing was seen, or loss hid everything.
    pub unwatched: u64,
    /// The share of the hours with traffic that loss has hidden, from 0 to 1.
    pub hidden: f64,
    /// What was lost, in order of kind.
    pub loss: Vec<(Loss, u64)>,
    /// Cycles seen whole.
    pub cycles: Cycles,
    /// Over all accepted edges.
    pub whole: Estimate,
    /// Edges with an end in the namespace, in order of its name.
    pub namespaces: Vec<(String, Estimate)>,
    /// Edges with this end, in order of party.
    pub workloads: Vec<(Party, Estimate)>,
    /// The bound, tried on the past; `None` where the history is too short.
    pub backtest: Option<Backtest>,
    /// How surely bounds hold.
    pub level: f64,
    /// What is missing before it is enough to enforce; nothing where it is ready.
    pub missing: Vec<Missing>,
}

impl Confidence {
    /// Whether it is enough to enforce, by the user's rule.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What can be said about some of the edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How often they were seen, with the estimators of the literature.
    pub incidence: Incidence,
    /// New ones to come; `None` where the history is too short.
    pub bound: Option<Bound>,
}

/// Rules of the first part of the history, held against the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backtest {
    /// The first hour of the rest.
    pub from: Hour,
    /// What the bound was then, for the hours of the rest.
    pub predicted: Bound,
    /// Edges first seen in the rest: what the rules of the first part would have denied.
    pub actual: u64,
}

impl Backtest {
    /// Whether the bound held.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.actual <= self.predicted.at_most
    }
}

/// Assesses `accepted` edges of `snapshot`: those that may become rules.
#[must_use]
pub fn assess<'a>(
    snapshot: &'a Snapshot,
    accepted: impl IntoIterator<Item = &'a Edge>,
    config: &ConfidenceConfig,
) -> Confidence {
    let observation = Observation::of(&snapshot.edges, &snapshot.loss);
    let seen = sightings(accepted);
    let scopes = Scopes::of(&seen);
    let blocks = observation.with_traffic;
    let estimate = |scope: &Scope| Estimate {
        incidence: Incidence { blocks, ..scope.incidence },
        bound: bound::bound(&scope.firsts, &observation, config.horizon, config.level),
    };
    let whole = estimate(&scopes.whole);
    let span = observation.span();
    let length = span.as_ref().map_or(0, |span| (span.end().0 - span.start().0 + 1).unsigned_abs());
    let hidden = observation.hidden();
    let cycles = Cycles::of(&observation.hours());
    Confidence {
        unwatched: length.saturating_sub(observation.hours().len() as u64),
        hidden,
        loss: losses(snapshot),
        cycles,
        namespaces: scopes
            .namespaces
            .iter()
            .map(|(&name, scope)| (name.to_owned(), estimate(scope)))
            .collect(),
        workloads: scopes
            .workloads
            .into_values()
            .map(|(party, scope)| (party.clone(), estimate(&scope)))
            .collect(),
        backtest: backtest(&scopes.whole.firsts, &observation, config.level),
        level: config.level,
        missing: config.ready.missing(whole.incidence.coverage(), cycles, hidden),
        whole,
        span: span.map(|span| (*span.start(), *span.end())),
    }
}

/// The same dependency may come as several edges whose ends had other labels at the time.
struct Sighting<'a> {
    edge: &'a Edge,
    first: Hour,
    blocks: u64,
}

fn sightings<'a>(accepted: impl IntoIterator<Item = &'a Edge>) -> Vec<Sighting<'a>> {
    let mut by_dependency: HashMap<Dependency<'a>, usize> = HashMap::new();
    let mut groups: Vec<Vec<&'a Edge>> = Vec::new();
    for edge in accepted {
        let at = *by_dependency.entry(Dependency::of(edge)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(edge),
            None => groups.push(vec![edge]),
        }
    }
    groups.into_iter().filter_map(|group| sighting(&group)).collect()
}

fn sighting<'a>(group: &[&'a Edge]) -> Option<Sighting<'a>> {
    let &edge = group.first()?;
    let (first, blocks) = match group {
        [only] => (only.hours.first().copied(), only.hours.len()),
        several => {
            let hours: BTreeSet<Hour> = several.iter().flat_map(|edge| edge.hours.iter().copied()).collect();
            (hours.first().copied(), hours.len())
        }
    };
    Some(Sighting { edge, first: first?, blocks: blocks as u64 })
}

/// Some of the edges.
#[derive(Default)]
struct Scope {
    incidence: Incidence,
    firsts: Firsts,
}

impl Scope {
    fn add(&mut self, sighting: &Sighting<'_>) {
        self.incidence.add(sighting.blocks);
        *self.firsts.entry(sighting.first).or_default() += 1;
    }
}

#[derive(Default)]
struct Scopes<'a> {
    whole: Scope,
    namespaces: BTreeMap<&'a str, Scope>,
    workloads: BTreeMap<Who<'a>, (&'a Party, Scope)>,
}

impl<'a> Scopes<'a> {
    fn of(seen: &[Sighting<'a>]) -> Self {
        let mut scopes = Self::default();
        for sighting in seen {
            scopes.whole.add(sighting);
            let key = &sighting.edge.key;
            // An edge within a namespace, or from a workload to itself, counts there once.
            let ends: BTreeMap<Who<'_>, &Party> =
                [&key.client, &key.server].into_iter().map(|party| (Who::of(party), party)).collect();
            let namespaces: BTreeSet<&str> = ends.keys().filter_map(|who| who.namespace()).collect();
            for namespace in namespaces {
                scopes.namespaces.entry(namespace).or_default().add(sighting);
            }
            for (who, party) in ends {
                scopes.workloads.entry(who).or_insert_with(|| (party, Scope::default())).1.add(sighting);
            }
        }
        scopes
    }
}

/// Learns on all but the last part, and scores on that part.
fn backtest(firsts: &Firsts, observation: &Observation, level: f64) -> Option<Backtest> {
    let span = observation.span()?;
    let window = bound::window(&span)?;
    let from = Hour(span.end().0 - window + 1);
    let past = observation.before(from);
    // The time between the last hour watched of the first part and the rest is part of what was to come.
    let horizon = span.end().0 - past.span()?.end().0;
    let known: Firsts = firsts.range(..from).map(|(&hour, &count)| (hour, count)).collect();
    Some(Backtest {
        from,
        predicted: bound::bound(&known, &past, horizon.unsigned_abs(), level)?,
        actual: firsts.range(from..).map(|(_, count)| count).sum(),
    })
}

fn losses(snapshot: &Snapshot) -> Vec<(Loss, u64)> {
    let mut sums: BTreeMap<Loss, u64> = BTreeMap::new();
    for entry in &snapshot.loss {
        let sum = sums.entry(entry.loss).or_default();
        *sum = sum.saturating_add(entry.count);
    }
    sums.into_iter().collect()
}

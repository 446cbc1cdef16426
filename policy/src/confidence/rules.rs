//! How sure each rule is, from the edges that it lets pass and the hours in which these were seen.
//!
//! A rule whose edges are seen again and again will be used as it was; one whose edges were each seen once stands
//! for others like them that were not seen. That is what coverage says of any set of edges. Of few sightings it
//! says too much: an edge seen in two hours covers all, by the formula. Laplace's rule of succession sets its limit:
//! what happened in `n` of `n` cases happens in the next with `(n + 1) / (n + 2)`, of which the cautious
//! `n / (n + 1)` is taken.

use std::collections::HashMap;
use std::fmt;

use watershed_model::{Edge, Snapshot};

use super::observation::Observation;
use super::{Incidence, sightings};
use crate::mine::{Allowing, Census, Plan};
use crate::who::Who;
use crate::{Allowed, Rule, RuleSet, Service};

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleConfidence {
    /// How often the edges that it lets pass were seen.
    pub incidence: Incidence,
    /// The share of the time watched that loss has hidden, from 0 to 1.
    pub hidden: f64,
}

impl RuleConfidence {
    /// How much of the use that the rule is for is by edges seen before, from 0 to 1: coverage, but never more than
    /// `n / (n + 1)` for `n` sightings, and what loss has hidden off it.
    #[must_use]
    pub fn share(&self) -> f64 {
        let seen = self.incidence.incidences as f64;
        self.incidence.coverage().min(seen / (seen + 1.0)) * (1.0 - self.hidden)
    }

    /// The share in ten thousandths, rounded down: no more is promised than there is.
    pub(crate) fn shown(&self) -> f64 {
        (self.share() * 10_000.0).floor() / 10_000.0
    }
}

/// `confidence 99.40 %, from 168 sightings in 168 hours`.
impl fmt::Display for RuleConfidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incidence { incidences, blocks, .. } = self.incidence;
        let plural = |number: u64| if number == 1 { "" } else { "s" };
        let (percent, sightings, hours) = (self.shown() * 100.0, plural(incidences), plural(blocks));
        write!(f, "confidence {percent:.2} %, from {incidences} sighting{sightings} in {blocks} hour{hours}")
    }
}

/// Gives the rules of `plan`, which was mined from `census`, the confidence that they have by the `accepted` edges of
/// `snapshot`. A rule that lets none of them pass has none.
pub fn assess_rules<'a>(
    plan: &mut Plan,
    census: &Census,
    snapshot: &'a Snapshot,
    accepted: impl IntoIterator<Item = &'a Edge>,
) {
    let observation = Observation::of(&snapshot.edges, &snapshot.loss);
    let nothing = Incidence { blocks: observation.with_traffic, ..Incidence::default() };
    let mut incidences = vec![nothing; plan.rules.len()];
    let allowing = Allowing::of(census, plan);
    for sighting in sightings(accepted) {
        for rule in allowing.edge(sighting.edge).rules {
            incidences[rule as usize].add(sighting.blocks);
        }
    }
    drop(allowing);
    give(&mut plan.rules, incidences, observation.hidden());
}

/// The same for exact rules, each of which is for one service of one server.
pub fn assess_exact<'a>(
    rules: &mut RuleSet,
    snapshot: &'a Snapshot,
    accepted: impl IntoIterator<Item = &'a Edge>,
) {
    let observation = Observation::of(&snapshot.edges, &snapshot.loss);
    let nothing = Incidence { blocks: observation.with_traffic, ..Incidence::default() };
    let mut incidences = vec![nothing; rules.rules.len()];
    let mut of: HashMap<(Who<'_>, Service), Vec<usize>> = HashMap::new();
    for (at, rule) in rules.rules.iter().enumerate() {
        for server in rule.server().parties() {
            for service in rule.ports.iter().filter_map(Allowed::service) {
                of.entry((Who::of(&server.party), service)).or_default().push(at);
            }
        }
    }
    for sighting in sightings(accepted) {
        let key = &sighting.edge.key;
        let Some(service) = Service::of(key) else { continue };
        for &at in of.get(&(Who::of(&key.server), service)).into_iter().flatten() {
            incidences[at].add(sighting.blocks);
        }
    }
    drop(of);
    give(&mut rules.rules, incidences, observation.hidden());
}

fn give(rules: &mut [Rule], incidences: Vec<Incidence>, hidden: f64) {
    for (rule, incidence) in rules.iter_mut().zip(incidences) {
        rule.confidence = (incidence.edges > 0).then_some(RuleConfidence { incidence, hidden });
    }
}

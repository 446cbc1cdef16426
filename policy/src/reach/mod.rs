//! Reach: what each workload may connect to before rules are enforced and after, where that leads in a few
//! steps, and which rules it hangs on.
//!
//! Before, every workload may use every service that any other offers; what nobody offers cannot be reached,
//! whether it is permitted or not. After, what the rules permit. Only one's own workloads are looked at: the
//! internet is neither subject to the rules nor a place to protect.

mod json;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use watershed_graph::Links;
use watershed_model::{Edge, Labels, Party};

use crate::who::Who;
use crate::{RuleSet, Service};

/// Steps that are looked at where nothing else is asked: whoever takes over a front end gets to what is behind
/// it, and to what is behind that.
pub const DEFAULT_STEPS: usize = 3;

/// Who is there, and who matters.
#[derive(Clone, Debug, Default)]
pub struct Estate<'a> {
    /// One's own workloads and addresses.
    pub internal: BTreeSet<&'a Party>,
    /// Those of them that answered the internet.
    pub exposed: BTreeSet<&'a Party>,
    /// Labels of what is most worth protecting: one of these pairs is enough.
    pub crown_jewels: Labels,
}

/// Reach before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// Steps that were looked at.
    pub steps: usize,
    /// Each workload, the one with the widest reach after first.
    pub workloads: Vec<WorkloadReach>,
    /// Connections that one workload may open to a service of another, before and after.
    pub tuples: Change,
    /// Each rule's part of what is permitted after, the largest first.
    pub rules: Vec<RuleShare>,
    /// What is most worth protecting, in order.
    pub crown_jewels: Vec<CrownJewel>,
}

/// A number before rules are enforced, and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Nothing is enforced.
    pub before: u64,
    /// The rules are.
    pub after: u64,
}

/// What one workload may get to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadReach {
    /// Who.
    pub party: Party,
    /// It answered the internet.
    pub exposed: bool,
    /// It is marked as most worth protecting.
    pub crown_jewel: bool,
    /// Services of others that it may connect to.
    pub tuples: Change,
    /// Other workloads that it gets to in the steps looked at.
    pub reached: Change,
}

/// What one rule adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleShare {
    /// The rule.
    pub rule: String,
    /// Connections between one's own workloads that it permits.
    pub tuples: u64,
    /// Those of them that no other rule permits: what would be gone without it.
    pub alone: u64,
}

/// Who gets to what is most worth protecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrownJewel {
    /// Who.
    pub party: Party,
    /// Workloads that get to it in the steps looked at.
    pub reached_by: Change,
    /// Those of them that face the internet, with the fewest steps, after; in order of steps.
    pub from_internet: Vec<(Party, usize)>,
}

/// Reach before and after `rules`, among the internal parties of `accepted`.
#[must_use]
pub fn reach<'a>(
    accepted: impl IntoIterator<Item = &'a Edge>,
    rules: &RuleSet,
    estate: &Estate<'_>,
    steps: usize,
) -> Reach {
    let cast = Cast::new(accepted, estate);
    let permitted = permitted(&cast, rules);
    let links = Links::new(cast.parties.len(), permitted.keys().map(|&(client, server, _)| (client, server)));
    let workloads = workloads(&cast, estate, &permitted, &links, steps);
    Reach {
        steps,
        tuples: workloads.iter().fold(Change::default(), |sum, one| Change {
            before: sum.before + one.tuples.before,
            after: sum.after + one.tuples.after,
        }),
        crown_jewels: crown_jewels(&cast, estate, &links, steps),
        rules: shares(rules, &permitted),
        workloads,
    }
}

/// One's own parties, in order, with the services they offer.
struct Cast<'a> {
    parties: Vec<&'a Party>,
    index: BTreeMap<Who<'a>, usize>,
    offered: Vec<BTreeSet<Service>>,
}

impl<'a> Cast<'a> {
    fn new(accepted: impl IntoIterator<Item = &'a Edge>, estate: &Estate<'_>) -> Self {
        let mut offered: BTreeMap<Who<'a>, (&'a Party, BTreeSet<Service>)> = BTreeMap::new();
        for edge in accepted {
            for party in [&edge.key.client, &edge.key.server] {
                if estate.internal.contains(party) {
                    let (_, services) =
                        offered.entry(Who::of(party)).or_insert_with(|| (party, BTreeSet::new()));
                    services.extend(Service::of(&edge.key).filter(|_| *party == edge.key.server));
                }
            }
        }
        Self {
            index: offered.keys().enumerate().map(|(at, &who)| (who, at)).collect(),
            parties: offered.values().map(|&(party, _)| party).collect(),
            offered: offered.into_values().map(|(_, services)| services).collect(),
        }
    }

    fn at(&self, party: &Party) -> Option<usize> {
        self.index.get(&Who::of(party)).copied()
    }
}

/// Client, server and service, with the rules that permit it.
type Permitted = BTreeMap<(usize, usize, Service), Vec<usize>>;

fn permitted(cast: &Cast<'_>, rules: &RuleSet) -> Permitted {
    let mut permitted = Permitted::new();
    for (number, rule) in rules.rules.iter().enumerate() {
        let Some(server) = cast.at(&rule.subject.party) else { continue };
        let clients = rule.peers.iter().filter_map(|peer| cast.at(&peer.party));
        for client in clients.filter(|&client| client != server) {
            permitted.entry((client, server, rule.service)).or_default().push(number);
        }
    }
    permitted
}

fn shares(rules: &RuleSet, permitted: &Permitted) -> Vec<RuleShare> {
    let name = |rule: &crate::Rule| RuleShare { rule: rule.id.to_string(), tuples: 0, alone: 0 };
    let mut shares: Vec<RuleShare> = rules.rules.iter().map(name).collect();
    for by in permitted.values() {
        for &rule in by {
            shares[rule].tuples += 1;
            shares[rule].alone += u64::from(by.len() == 1);
        }
    }
    shares.sort_by(|a, b| (b.alone, b.tuples, &a.rule).cmp(&(a.alone, a.tuples, &b.rule)));
    shares
}

fn workloads(
    cast: &Cast<'_>,
    estate: &Estate<'_>,
    permitted: &Permitted,
    links: &Links,
    steps: usize,
) -> Vec<WorkloadReach> {
    let all: u64 = cast.offered.iter().map(|services| services.len() as u64).sum();
    let servers = cast.offered.iter().filter(|services| !services.is_empty()).count() as u64;
    let mut tuples = vec![0_u64; cast.parties.len()];
    permitted.keys().for_each(|&(client, ..)| tuples[client] += 1);
    let reached = links.reach(steps);
    let each = cast.parties.iter().zip(&cast.offered).zip(tuples.into_iter().zip(reached));
    let mut workloads: Vec<WorkloadReach> = each
        .map(|((&party, own), (tuples, reached))| WorkloadReach {
            party: party.clone(),
            exposed: estate.exposed.contains(party),
            crown_jewel: is_crown_jewel(party, estate),
            tuples: Change { before: all - own.len() as u64, after: tuples },
            // One step is enough before: everybody gets to every server.
            reached: Change {
                before: if steps == 0 { 0 } else { servers - u64::from(!own.is_empty()) },
                after: reached as u64,
            },
        })
        .collect();
    workloads.sort_by(|a, b| {
        let width = |one: &WorkloadReach| (one.reached.after, one.tuples.after);
        width(b).cmp(&width(a)).then_with(|| a.party.cmp(&b.party))
    });
    workloads
}

fn crown_jewels(cast: &Cast<'_>, estate: &Estate<'_>, links: &Links, steps: usize) -> Vec<CrownJewel> {
    let back = links.reversed();
    let each = cast.parties.iter().enumerate().filter(|(_, party)| is_crown_jewel(party, estate));
    each.map(|(at, &party)| {
        let by = back.distances(at, steps);
        let offers = !cast.offered[at].is_empty() && steps > 0;
        let exposed = by.iter().map(|&(from, steps)| (cast.parties[from], steps));
        CrownJewel {
            party: party.clone(),
            reached_by: Change {
                before: if offers { cast.parties.len() as u64 - 1 } else { 0 },
                after: by.len() as u64,
            },
            from_internet: exposed
                .filter(|(party, _)| estate.exposed.contains(party))
                .map(|(party, steps)| (party.clone(), steps))
                .collect(),
        }
    })
    .collect()
}

fn is_crown_jewel(party: &Party, estate: &Estate<'_>) -> bool {
    let labels = party.workload().map(|workload| &workload.labels);
    labels.is_some_and(|labels| estate.crown_jewels.iter().any(|(key, value)| labels.get(key) == Some(value)))
}

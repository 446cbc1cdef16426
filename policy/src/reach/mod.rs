//! Reach: what each workload may connect to before rules are enforced and after, where that leads in a few
//! steps, and which rules it hangs on.
//!
//! Before, every workload may use every service that any other offers; what nobody offers cannot be reached,
//! whether it is permitted or not. After, what the rules permit. Only one's own workloads are looked at: the
//! internet is neither subject to the rules nor a place to protect.

mod permits;

mod json;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_graph::Links;
use watershed_model::{Edge, Labels, Party};

pub use self::permits::By;
use self::permits::Permits;
use crate::who::Who;
use crate::{Error, RuleSet, Service, Whom};

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

impl Reach {
    /// The workload that gets to most others after; `None` where nobody gets anywhere.
    #[must_use]
    pub fn worst(&self) -> Option<&WorkloadReach> {
        self.workloads.first().filter(|one| one.reached.after > 0)
    }

    /// Those that face the internet, the one with the widest reach after first.
    pub fn exposed(&self) -> impl Iterator<Item = &WorkloadReach> {
        self.workloads.iter().filter(|one| one.exposed)
    }
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
    /// Those of them that no other rule lets out of the client, or into the server: what would be gone without it.
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

/// Reach before and after exact `rules`, among the internal parties of `accepted`.
#[must_use]
pub fn reach<'a>(
    accepted: impl IntoIterator<Item = &'a Edge>,
    rules: &RuleSet,
    estate: &Estate<'_>,
    steps: usize,
) -> Reach {
    let cast = Cast::new(accepted, estate);
    let permits = permits::exact(&cast, rules);
    told(&cast, &permits, estate, steps)
}

/// Reach before and after rules or policies of any kind, among the internal parties of `accepted`.
///
/// # Errors
/// [`Error::TooFar`] for policies and too many workloads to ask them about.
pub fn reach_by<'a>(
    accepted: impl IntoIterator<Item = &'a Edge>,
    by: By<'_>,
    estate: &Estate<'_>,
    steps: usize,
) -> Result<Reach, Error> {
    let cast = Cast::new(accepted, estate);
    let permits = Permits::of(&cast, by)?;
    Ok(told(&cast, &permits, estate, steps))
}

fn told(cast: &Cast<'_>, permits: &Permits, estate: &Estate<'_>, steps: usize) -> Reach {
    let pairs = permits.tuples.keys().map(|&(client, server, _)| (client, server));
    let links = Links::new(cast.parties.len(), pairs);
    let workloads = workloads(cast, estate, permits, &links, steps);
    Reach {
        steps,
        tuples: workloads.iter().fold(Change::default(), |sum, one| Change {
            before: sum.before + one.tuples.before,
            after: sum.after + one.tuples.after,
        }),
        crown_jewels: crown_jewels(cast, estate, &links, steps),
        rules: shares(permits),
        workloads,
    }
}

/// One's own parties, in order, with the services they offer.
struct Cast<'a> {
    parties: Vec<&'a Party>,
    index: BTreeMap<Who<'a>, usize>,
    offered: Vec<BTreeSet<Service>>,
    /// The addresses that each was seen with.
    addresses: Vec<BTreeSet<IpAddr>>,
    edges: Vec<&'a Edge>,
}

impl<'a> Cast<'a> {
    fn new(accepted: impl IntoIterator<Item = &'a Edge>, estate: &Estate<'_>) -> Self {
        let edges: Vec<&'a Edge> = accepted.into_iter().collect();
        let mut index = BTreeMap::new();
        let mut cast =
            Self { parties: Vec::new(), index: BTreeMap::new(), offered: vec![], addresses: vec![], edges };
        let ends = |edge: &'a Edge| {
            [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)]
        };
        let all = cast.edges.iter().flat_map(|edge| ends(edge)).map(|(party, _)| party);
        for party in all.filter(|party| estate.internal.contains(party)) {
            index.entry(Who::of(party)).or_insert(party);
        }
        cast.index = index.keys().enumerate().map(|(at, &who)| (who, at)).collect();
        cast.parties = index.into_values().collect();
        cast.offered = vec![BTreeSet::new(); cast.parties.len()];
        cast.addresses = vec![BTreeSet::new(); cast.parties.len()];
        for edge in cast.edges.clone() {
            for (party, seen) in ends(edge) {
                if let Some(at) = cast.at(party) {
                    cast.addresses[at].extend(seen);
                    let own = Service::of(&edge.key).filter(|_| *party == edge.key.server);
                    cast.offered[at].extend(own);
                }
            }
        }
        cast
    }

    fn at(&self, party: &Party) -> Option<usize> {
        self.index.get(&Who::of(party)).copied()
    }

    /// Those whom a rule by address means: the parties that it names, or whoever has one of its addresses.
    fn meant(&self, whom: &Whom) -> Vec<usize> {
        match whom {
            Whom::Parties(members) => members.iter().filter_map(|member| self.at(&member.party)).collect(),
            Whom::Networks(_) | Whom::Workloads { .. } => {
                let has = |at: &usize| self.addresses[*at].iter().any(|&address| whom.has(address));
                (0..self.parties.len()).filter(has).collect()
            }
        }
    }
}

/// What each rule permits, and what would be gone without it: where it alone lets it out, or in.
fn shares(permits: &Permits) -> Vec<RuleShare> {
    let name = |rule: &String| RuleShare { rule: rule.clone(), tuples: 0, alone: 0 };
    let mut shares: Vec<RuleShare> = permits.rules.iter().map(name).collect();
    for sides in permits.tuples.values() {
        let rules: BTreeSet<u32> = sides.iter().flatten().copied().collect();
        for rule in rules {
            let share = &mut shares[rule as usize];
            share.tuples += 1;
            share.alone += u64::from(sides.iter().any(|side| side[..] == [rule]));
        }
    }
    shares.sort_by(|a, b| (b.alone, b.tuples, &a.rule).cmp(&(a.alone, a.tuples, &b.rule)));
    shares
}

fn workloads(
    cast: &Cast<'_>,
    estate: &Estate<'_>,
    permits: &Permits,
    links: &Links,
    steps: usize,
) -> Vec<WorkloadReach> {
    let all: u64 = cast.offered.iter().map(|services| services.len() as u64).sum();
    let servers = cast.offered.iter().filter(|services| !services.is_empty()).count() as u64;
    let mut tuples = vec![0_u64; cast.parties.len()];
    permits.tuples.keys().for_each(|&(client, ..)| tuples[client] += 1);
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

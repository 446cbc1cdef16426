//! Rules of nftables: by address, on the way or where packets arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use watershed_model::Edge;

use super::extent::Seen;
use super::selectors::{Unmatched, Vain, Where};
use super::stated::Stated;
use super::{
    Certificate, Denied, Extent, Given, IdleRule, Observed, Refusal, Report, ShadowedRule, Share, Side, newly,
};
use crate::k8s::Place;
use crate::nft::{Action, Hook, Rule, Ruleset};
use crate::proof::Pairs;
use crate::whatif::Policies;
use crate::{Service, Tuple};

/// Checks a ruleset where it looks at packets at `hook`.
pub(super) fn check(ruleset: &Ruleset, hook: Hook, given: &Given<'_>, observed: Observed<'_>) -> Report {
    let edges = observed.edges.unwrap_or_default();
    let mut replay = Replay {
        ruleset,
        hook,
        allowed: 0,
        not_covered: 0,
        not_asked: 0,
        denied: Vec::new(),
        seen: BTreeMap::new(),
    };
    edges.iter().for_each(|edge| replay.edge(edge));
    let mut certificate = Certificate::of(given, observed);
    certificate.rules = ruleset.deciding().count() as u64;
    certificate.count(edges.len(), replay.allowed, replay.denied.len(), replay.not_covered);
    certificate.not_asked(
        replay.not_asked > 0,
        &format!("{} pairs of addresses of edges that have too many", replay.not_asked),
    );
    let newly = match given.against {
        Some(Policies::Nftables(old, before)) => {
            let newly = newly::between_addresses((ruleset, hook), (old, before), edges);
            certificate.not_asked(newly.is_none(), "what is newly admitted: there are too many connections");
            newly
        }
        Some(Policies::Kubernetes(_)) | None => None,
    };
    let unmatched = if observed.edges.is_some() { unmatched(ruleset, edges) } else { Vec::new() };
    let shadow = ruleset.shadow(hook);
    certificate.not_asked(
        shadow.not_asked > 0,
        "whether every rule says something new: there are too many connections",
    );
    let tables: BTreeMap<Place, String> =
        ruleset.deciding().map(|(table, rule)| (rule.spot(), name(table))).collect();
    let shadowed = shadow.rules.into_iter().map(|(place, by)| ShadowedRule {
        policy: tables.get(&place).cloned().unwrap_or_default(),
        place,
        side: Side::Path(hook),
        by: by.into_iter().collect(),
    });
    let parties: BTreeSet<_> = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]).collect();
    let names: Vec<String> = ruleset.tables().map(name).collect();
    Report {
        policies: names.len(),
        names,
        pods: parties.len(),
        by_address: true,
        traffic: observed.edges.is_some(),
        allowed: replay.allowed,
        not_covered: replay.not_covered,
        idle: if observed.edges.is_some() { replay.idle(&unmatched) } else { Vec::new() },
        unmatched,
        shadowed: shadowed.collect(),
        extents: replay.extents(given.texts),
        newly,
        reach: None,
        denied: replay.denied,
        notes: Vec::new(),
        admit_at_most: given.admit_at_most,
        certificate,
    }
}

fn name(table: &str) -> String {
    format!("table inet {table}")
}

/// Edges so far.
struct Replay<'a> {
    ruleset: &'a Ruleset,
    hook: Hook,
    allowed: usize,
    not_covered: usize,
    not_asked: u64,
    denied: Vec<Denied>,
    /// Of each rule that decided about something.
    seen: BTreeMap<Place, Seen<IpAddr>>,
}

impl<'a> Replay<'a> {
    fn edge(&mut self, edge: &Edge) {
        let pairs = Service::of(&edge.key)
            .map(|service| (service, Pairs::of(&edge.client_addresses, &edge.server_addresses, service)));
        let pairs = pairs.map(|(service, mut pairs)| {
            pairs.list.retain(|&(_, server)| self.ruleset.is_about(self.hook, server));
            (service, pairs)
        });
        let Some((service, pairs)) = pairs.filter(|(_, pairs)| !pairs.list.is_empty()) else {
            self.not_covered += 1;
            return;
        };
        self.not_asked = self.not_asked.saturating_add(pairs.skipped);
        let mut refused = None;
        for (client, server) in pairs.list {
            let tuple = Tuple { client, server, service };
            let steps = self.ruleset.trace(self.hook, &tuple, |_| false);
            for rule in steps.iter().filter_map(|step| step.rule) {
                self.seen.entry(rule.spot()).or_insert_with(Seen::new).add(client, server, service);
            }
            if let Some(step) = steps.last().filter(|step| step.action == Action::Drop) {
                let refusal = Refusal {
                    side: Side::Path(self.hook),
                    policies: vec![name(step.table)],
                    places: step.rule.map(Rule::spot).into_iter().collect(),
                };
                refused.get_or_insert((client, refusal));
            }
        }
        let Some((client, refusal)) = refused else {
            self.allowed += 1;
            return;
        };
        self.denied.push(Denied {
            edge: edge.key.clone(),
            connections: edge.connections,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            address: Some(client),
            refusals: vec![refusal],
            depends_on_plugin: false,
            before: false,
        });
    }

    /// Rules that accept and were not needed, without those whose addresses were not seen anyway.
    fn idle(&self, unmatched: &[Unmatched]) -> Vec<IdleRule> {
        let vain: BTreeSet<&Place> = unmatched.iter().map(|one| &one.place).collect();
        let needed = |place: &Place| self.seen.contains_key(place) || vain.contains(place);
        let idle = self.ruleset.accepting().filter(|(_, rule)| !needed(&rule.spot()));
        idle.map(|(table, rule)| IdleRule {
            place: rule.spot(),
            policy: name(table),
            side: Side::Path(self.hook),
        })
        .collect()
    }

    fn extents(&self, texts: &[(&str, &str)]) -> Vec<Extent> {
        let side = Side::Path(self.hook);
        let spots: Vec<(Place, &str)> =
            self.ruleset.accepting().map(|(table, rule)| (rule.spot(), table)).collect();
        let stated = Stated::of(texts, spots.iter().map(|(place, table)| (place, *table, side)));
        let mut extents: BTreeMap<Place, Extent> = BTreeMap::new();
        for (table, rule) in self.ruleset.accepting() {
            let (place, said) = stated.at(&rule.spot());
            let of_one = extent(rule, self.seen.get(&rule.spot()));
            let new = || Extent {
                place: place.clone(),
                policy: name(table),
                side,
                clients: Share::default(),
                servers: Share::default(),
                ports: of_one.2,
                tuples: Share::default(),
                nearest: None,
                stated: said,
                by_name: None,
            };
            let all = extents.entry(place.clone()).or_insert_with(new);
            all.clients.add(of_one.0);
            all.servers.add(of_one.1);
            all.tuples.add(of_one.3);
        }
        extents.into_values().collect()
    }
}

impl Share {
    const fn add(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.all = self.all.saturating_add(other.all);
    }
}

/// Clients, servers, ports and tuples of a rule.
fn extent(rule: &Rule, seen: Option<&Seen<IpAddr>>) -> (Share, Share, Share, Share) {
    let (clients, servers) = (addresses(rule.clients()), addresses(rule.servers()));
    let all = clients.saturating_mul(servers).saturating_mul(rule.width());
    let share =
        |number: fn(&Seen<IpAddr>) -> usize, all: u64| Share { seen: seen.map_or(0, number) as u64, all };
    (
        share(|seen| seen.clients.len(), clients),
        share(|seen| seen.servers.len(), servers),
        share(|seen| seen.services.len(), rule.width()),
        share(|seen| seen.tuples.len(), all),
    )
}

/// How many addresses are meant; more than can be counted where the rule does not ask.
fn addresses(ranges: Option<&[RangeInclusive<IpAddr>]>) -> u64 {
    let Some(ranges) = ranges else { return u64::MAX };
    let size = |range: &RangeInclusive<IpAddr>| match (range.start(), range.end()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(last.to_bits() - first.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => last.to_bits() - first.to_bits(),
        _ => 0,
    };
    let sum = ranges.iter().map(|range| size(range).saturating_add(1)).fold(0_u128, u128::saturating_add);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Lists of clients or servers of which nobody was seen, neither as the one nor as the other.
fn unmatched(ruleset: &Ruleset, edges: &[&Edge]) -> Vec<Unmatched> {
    let seen: BTreeSet<IpAddr> = edges
        .iter()
        .flat_map(|edge| edge.client_addresses.iter().chain(&edge.server_addresses))
        .copied()
        .collect();
    let mut found = Vec::new();
    for (table, rule) in ruleset.deciding() {
        for (part, ranges) in [(Where::Clients, rule.clients()), (Where::Servers, rule.servers())] {
            let Some(ranges) = ranges else { continue };
            if ranges.iter().all(|range| seen.range(range.clone()).next().is_none()) {
                let why = Vain::NoAddress { addresses: listing(ranges) };
                found.push(Unmatched { place: rule.spot(), policy: name(table), part, why });
            }
        }
    }
    found.sort();
    found
}

/// The first ranges, and how many more there are.
fn listing(ranges: &[RangeInclusive<IpAddr>]) -> String {
    const SHOWN: usize = 3;
    let text = |range: &RangeInclusive<IpAddr>| match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    };
    let shown: Vec<String> = ranges.iter().take(SHOWN).map(text).collect();
    match ranges.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

//! Policies about pods, of whatever dialect.

use std::collections::BTreeSet;

use watershed_model::Edge;

use super::cast::Cast;
use super::figures::Figures;
use super::{
    Certificate, Denied, Given, IdleRule, MAX_PAIRS, Observed, Reach, Refusal, Report, ShadowedRule, Side,
    Unmatched, newly, others, selectors,
};
use crate::Service;
use crate::k8s::{Blocks, End, Evaluator, Manifests, Place};
use crate::layers::{Action, Layers, Names};
use crate::whatif::Policies;

/// Checks the policies of `manifests`.
pub(super) fn check(manifests: &Manifests, given: &Given<'_>, observed: Observed<'_>) -> Report {
    let cast = Cast::new(&manifests.world, observed);
    let edges = observed.edges.unwrap_or_default();
    let names = Names::of_edges(edges);
    let layers = Layers::of(manifests, &cast.world, &names, Blocks::OutsideOnly);
    let lenient = Layers::of(manifests, &cast.world, &names, Blocks::PodsToo);
    let before = given.against.and_then(|old| match old {
        Policies::Kubernetes(old) => {
            Some(Before { manifests: old, layers: Layers::of(old, &cast.world, &names, Blocks::OutsideOnly) })
        }
        Policies::Nftables(..) => None,
    });
    let mut replay = Replay::new(manifests, &cast, &layers, &lenient, before.as_ref(), given.texts);
    edges.iter().for_each(|edge| replay.edge(edge));

    let evaluator = Evaluator::new(&cast.world, &manifests.policies, Blocks::OutsideOnly);
    let mut unmatched = selectors::unmatched(&cast.world, &manifests.policies, &evaluator);
    unmatched.extend(others::unmatched(&cast.world, manifests));
    unmatched.sort();
    let idle = observed.edges.map_or_else(Vec::new, |_| replay.idle(&unmatched));
    let mut certificate = Certificate::of(given, observed);
    certificate.rules = layers.rules().map(|(_, _, rule)| &rule.place).collect::<BTreeSet<_>>().len() as u64;
    certificate.count(edges.len(), replay.allowed, replay.denied.len(), replay.not_covered);
    let newly = before.as_ref().and_then(|before| {
        let newly = newly::find(&cast, &layers, &before.layers, edges);
        certificate.not_asked(newly.is_none(), "what is newly admitted: there are too many pairs");
        newly
    });
    let reach = reach(&cast, &layers, &replay.seen);
    certificate.not_asked(reach.is_none(), "who may connect to whom: there are too many workloads");
    let shadowed = shadowed(&layers, &mut certificate);
    certificate.passed_over(&manifests.notes);
    Report {
        policies: manifests.count(),
        names: policy_names(&layers),
        pods: cast.world.pods().len(),
        by_address: false,
        traffic: observed.edges.is_some(),
        allowed: replay.allowed,
        not_covered: replay.not_covered,
        idle,
        shadowed,
        extents: replay.figures.extents(&cast, &mut certificate),
        newly,
        reach,
        denied: replay.denied,
        unmatched,
        notes: manifests.notes.clone(),
        admit_at_most: given.admit_at_most,
        certificate,
    }
}

fn policy_names(layers: &Layers<'_>) -> Vec<String> {
    let mut names: Vec<String> = layers.policies.iter().map(|policy| policy.name.clone()).collect();
    names.sort();
    names
}

/// Policies that were in force before.
struct Before<'a> {
    manifests: &'a Manifests,
    layers: Layers<'a>,
}

/// Edges so far.
struct Replay<'a> {
    manifests: &'a Manifests,
    cast: &'a Cast,
    layers: &'a Layers<'a>,
    lenient: &'a Layers<'a>,
    before: Option<&'a Before<'a>>,
    figures: Figures<'a>,
    allowed: usize,
    not_covered: usize,
    denied: Vec<Denied>,
    /// Where the rules stand that some edge needs.
    hit: BTreeSet<&'a Place>,
    /// Pairs of pods with an edge.
    seen: BTreeSet<(usize, usize)>,
}

impl<'a> Replay<'a> {
    fn new(
        manifests: &'a Manifests,
        cast: &'a Cast,
        layers: &'a Layers<'a>,
        lenient: &'a Layers<'a>,
        before: Option<&'a Before<'a>>,
        texts: &[(&str, &str)],
    ) -> Self {
        Self {
            manifests,
            cast,
            layers,
            lenient,
            before,
            figures: Figures::of(layers, texts),
            allowed: 0,
            not_covered: 0,
            denied: Vec::new(),
            hit: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Replays one edge between all the ends that it was seen with.
    fn edge(&mut self, edge: &Edge) {
        let pairs = pairs(self.cast, edge);
        self.seen.extend(pairs.iter().filter_map(|pair| match *pair {
            (End::Pod(client), End::Pod(server)) => Some((client, server)),
            _ => None,
        }));
        let service = Service::of(&edge.key).filter(|&service| self.manifests.speak_of(service));
        let Some(service) = service.filter(|_| !pairs.is_empty()) else {
            self.not_covered += 1;
            return;
        };
        for &(client, server) in &pairs {
            self.hit.extend(self.layers.permitting(client, server, service));
            self.figures.add(client, server, service);
        }
        let denied = pairs.iter().find(|&&(client, server)| !self.layers.allows(client, server, service));
        let Some(&(client, server)) = denied else {
            self.allowed += 1;
            return;
        };
        let before = self.before.is_some_and(|before| {
            before.manifests.speak_of(service)
                && !pairs.iter().all(|&(client, server)| before.layers.allows(client, server, service))
        });
        self.denied.push(Denied {
            edge: edge.key.clone(),
            connections: edge.connections,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            address: [client, server].into_iter().find_map(|end| match end {
                End::Outside(address) => Some(address),
                End::Pod(_) => None,
            }),
            refusals: self.refusals(client, server, service),
            depends_on_plugin: pairs
                .iter()
                .all(|&(client, server)| self.lenient.allows(client, server, service)),
            before,
        });
    }

    fn refusals(&self, client: End, server: End, service: Service) -> Vec<Refusal> {
        let name = |&at: &usize| self.layers.policies[at].name.clone();
        let place = |&at: &usize| self.layers.policies[at].place.clone();
        let refused = self.layers.refused(client, server, service);
        let refusal = |refused: &crate::layers::Refused| Refusal {
            side: Side::End(refused.direction),
            places: refused.policies.iter().map(place).collect(),
            policies: refused.policies.iter().map(name).collect(),
        };
        refused.iter().map(refusal).collect()
    }

    /// The rules that allow and were not needed, without those whose subject or peer matches nothing anyway.
    fn idle(&self, unmatched: &[Unmatched]) -> Vec<IdleRule> {
        let vain: BTreeSet<&Place> = unmatched.iter().map(|unmatched| &unmatched.place).collect();
        let explained = others::explained(self.manifests, &vain);
        let mut idle = BTreeSet::new();
        for part in self.layers.parts() {
            for rule in part.rules.iter().filter(|rule| rule.action == Action::Allow) {
                if !explained.contains(&rule.place) && !self.hit.contains(&rule.place) {
                    let policy = self.layers.policies[part.policy].name.clone();
                    let side = Side::End(part.direction);
                    idle.insert(IdleRule { place: rule.place.clone(), policy, side });
                }
            }
        }
        idle.into_iter().collect()
    }
}

/// The ends that an edge was seen between; those between addresses outside are nothing to policies about pods.
pub(super) fn pairs(cast: &Cast, edge: &Edge) -> Vec<(End, End)> {
    let clients = cast.ends(&edge.key.client, &edge.client_addresses);
    let servers = cast.ends(&edge.key.server, &edge.server_addresses);
    clients
        .iter()
        .flat_map(|&client| servers.iter().map(move |&server| (client, server)))
        .filter(|pair| !matches!(pair, (End::Outside(_), End::Outside(_))))
        .collect()
}

fn shadowed(layers: &Layers<'_>, certificate: &mut Certificate) -> Vec<ShadowedRule> {
    let shadow = layers.shadow();
    let not_asked = shadow.not_asked > 0;
    certificate.not_asked(not_asked, "whether every rule says something new: there are too many connections");
    let policies: std::collections::BTreeMap<_, usize> =
        layers.rules().map(|(at, part, _)| (at, part.policy)).collect();
    let rule = |((place, direction), needless): (_, crate::layers::Needless)| ShadowedRule {
        place,
        policy: needless
            .at
            .first()
            .and_then(|at| policies.get(at))
            .map_or_else(String::new, |&policy| layers.policies[policy].name.clone()),
        side: Side::End(direction),
        by: needless.by.into_iter().collect(),
    };
    shadow.rules.into_iter().map(rule).collect()
}

/// Who of the inventory may connect to whom.
fn reach(cast: &Cast, layers: &Layers<'_>, seen: &BTreeSet<(usize, usize)>) -> Option<Reach> {
    let pods = cast.inventory();
    let pairs = pods.len().checked_mul(pods.len().saturating_sub(1)).filter(|&pairs| pairs <= MAX_PAIRS)?;
    let mut reach = Reach { pairs, ..Reach::default() };
    for client in pods.clone() {
        for server in pods.clone().filter(|&server| server != client) {
            if !layers.connections(End::Pod(client), End::Pod(server)).is_empty() {
                reach.allowed += 1;
                reach.unobserved += usize::from(!seen.contains(&(client, server)));
            }
        }
    }
    Some(reach)
}

//! Policies against what was observed: what they would deny, what they select in vain, what they allow that
//! nobody uses.
//!
//! Workloads of a namespace stand for pods; everybody else is an address outside the cluster.

pub(crate) mod cast;

mod selectors;

mod others;

mod json;

mod sarif;

mod junit;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{Edge, EdgeKey, Timestamp, Workload};

use crate::Service;
use crate::k8s::{Blocks, Direction, End, Evaluator, Manifests, Place, Problem};
use crate::layers::{Action, Layers, Names};
use cast::Cast;
pub use selectors::{Unmatched, Vain, Where};

/// Pairs of workloads that are asked whether they may connect: about a second's work. Of more none is asked,
/// and [`Report::reach`] is `None`.
pub const MAX_PAIRS: usize = 1 << 20;

/// What the check found. Everything is in order: of edges, or of place.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Policies read.
    pub policies: usize,
    /// Their names, in order.
    pub names: Vec<String>,
    /// Pods and workloads that policies can select.
    pub pods: usize,
    /// Whether there was traffic to check against.
    pub traffic: bool,
    /// Observed edges that the policies allow, and that at least one end is subject to.
    pub allowed: usize,
    /// Observed edges that policies do not speak of: between addresses outside, or of a protocol other than
    /// TCP, UDP and SCTP.
    pub not_covered: usize,
    /// Observed edges that would be denied.
    pub denied: Vec<Denied>,
    /// Selectors and names of ports that match nothing.
    pub unmatched: Vec<Unmatched>,
    /// Rules that no observed edge needs; none are told where nothing was observed.
    pub idle: Vec<IdleRule>,
    /// Who may connect to whom; `None` where there are more than [`MAX_PAIRS`] pairs.
    pub reach: Option<Reach>,
    /// What was passed over while reading, although it may matter.
    pub notes: Vec<Problem>,
}

/// An observed edge that would be denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// The edge.
    pub edge: EdgeKey,
    /// Connections seen on it.
    pub connections: u64,
    /// First packet seen.
    pub first_seen: Timestamp,
    /// Last packet seen.
    pub last_seen: Timestamp,
    /// The first address outside the cluster whose connections are denied; `None` between pods.
    pub address: Option<IpAddr>,
    /// The ends that do not permit it, as of that address.
    pub refusals: Vec<Refusal>,
    /// Whether it passes where the network plugin lets `ipBlock` mean pods too; see [`Blocks`].
    pub depends_on_plugin: bool,
}

/// An end that does not permit a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Egress at the client or ingress at the server.
    pub direction: Direction,
    /// The policies that isolate it, none of which allows the connection.
    pub policies: Vec<String>,
    /// Where they stand.
    pub places: Vec<Place>,
}

/// A rule that no observed edge needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdleRule {
    /// Where it stands.
    pub place: Place,
    /// Its policy.
    pub policy: String,
    /// Which way it looks.
    pub direction: Direction,
}

/// Ordered pairs of different workloads, client and server: those of the inventory, or of the manifests where
/// the inventory has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// All of them.
    pub pairs: usize,
    /// Those that may open some connection.
    pub allowed: usize,
    /// Those of them that were not observed to.
    pub unobserved: usize,
}

/// What was observed.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Accepted edges, in order; `None` where no traffic was looked at.
    pub edges: Option<&'a [&'a Edge]>,
    /// Workloads known, whether they were seen or not.
    pub workloads: &'a [Arc<Workload>],
}

/// Checks the policies of `manifests` against `observed`.
#[must_use]
pub fn check(manifests: &Manifests, observed: Observed<'_>) -> Report {
    let cast = Cast::new(&manifests.world, observed);
    let edges = observed.edges.unwrap_or_default();
    let names = Names::of_edges(edges);
    let layers = Layers::of(manifests, &cast.world, &names, Blocks::OutsideOnly);
    let lenient = Layers::of(manifests, &cast.world, &names, Blocks::PodsToo);
    let mut replay = Replay::new(manifests, &cast, &layers, &lenient);
    edges.iter().for_each(|edge| replay.edge(edge));
    let evaluator = Evaluator::new(&cast.world, &manifests.policies, Blocks::OutsideOnly);
    let mut unmatched = selectors::unmatched(&cast.world, &manifests.policies, &evaluator);
    unmatched.extend(others::unmatched(&cast.world, manifests));
    unmatched.sort();
    let idle = observed.edges.map_or_else(Vec::new, |_| replay.idle(&unmatched));
    Report {
        policies: manifests.count(),
        names: policy_names(&layers),
        pods: cast.world.pods().len(),
        traffic: observed.edges.is_some(),
        allowed: replay.allowed,
        not_covered: replay.not_covered,
        idle,
        reach: reach(&cast, &layers, &replay.seen),
        denied: replay.denied,
        unmatched,
        notes: manifests.notes.clone(),
    }
}

fn policy_names(layers: &Layers<'_>) -> Vec<String> {
    let mut names: Vec<String> = layers.policies.iter().map(|policy| policy.name.clone()).collect();
    names.sort();
    names
}

/// Edges so far.
struct Replay<'a> {
    manifests: &'a Manifests,
    cast: &'a Cast,
    layers: &'a Layers<'a>,
    lenient: &'a Layers<'a>,
    allowed: usize,
    not_covered: usize,
    denied: Vec<Denied>,
    /// Where the rules stand that some edge needs.
    hit: BTreeSet<&'a Place>,
    /// Pairs of pods with an edge.
    seen: BTreeSet<(usize, usize)>,
}

impl<'a> Replay<'a> {
    const fn new(
        manifests: &'a Manifests,
        cast: &'a Cast,
        layers: &'a Layers<'a>,
        lenient: &'a Layers<'a>,
    ) -> Self {
        Self {
            manifests,
            cast,
            layers,
            lenient,
            allowed: 0,
            not_covered: 0,
            denied: Vec::new(),
            hit: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Replays one edge between all the ends that it was seen with.
    fn edge(&mut self, edge: &Edge) {
        let clients = self.cast.ends(&edge.key.client, &edge.client_addresses);
        let servers = self.cast.ends(&edge.key.server, &edge.server_addresses);
        let pairs: Vec<(End, End)> = clients
            .iter()
            .flat_map(|&client| servers.iter().map(move |&server| (client, server)))
            .filter(|pair| !matches!(pair, (End::Outside(_), End::Outside(_))))
            .collect();
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
        }
        let denied = pairs.iter().find(|&&(client, server)| !self.layers.allows(client, server, service));
        let Some(&(client, server)) = denied else {
            self.allowed += 1;
            return;
        };
        let name = |&at: &usize| self.layers.policies[at].name.clone();
        let place = |&at: &usize| self.layers.policies[at].place.clone();
        let refusals = self.layers.refused(client, server, service);
        self.denied.push(Denied {
            edge: edge.key.clone(),
            connections: edge.connections,
            first_seen: edge.first_seen,
            last_seen: edge.last_seen,
            address: [client, server].into_iter().find_map(|end| match end {
                End::Outside(address) => Some(address),
                End::Pod(_) => None,
            }),
            refusals: refusals
                .iter()
                .map(|refusal| Refusal {
                    direction: refusal.direction,
                    places: refusal.policies.iter().map(place).collect(),
                    policies: refusal.policies.iter().map(name).collect(),
                })
                .collect(),
            depends_on_plugin: pairs
                .iter()
                .all(|&(client, server)| self.lenient.allows(client, server, service)),
        });
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
                    idle.insert(IdleRule { place: rule.place.clone(), policy, direction: part.direction });
                }
            }
        }
        idle.into_iter().collect()
    }
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

#[cfg(test)]
mod tests;

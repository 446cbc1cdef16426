//! What one export of rules allows that another does not: by workloads and ports, whatever the rules that say
//! it are called and however their selectors read.
//!
//! Both come as `mined.json`, which lists the workloads that each selector meant, or as `rules.json`, where parties
//! without a workload go by their addresses. A connection between two workloads
//! is allowed where rules of both ends allow it, one with an address outside where those of the workload do. Networks
//! are compared address by address, in as few networks as say it.

mod read;

mod spans;

mod permits;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use ipnet::IpNet;

use crate::k8s::Direction;
pub(crate) use permits::{Peer, Permits};
pub use read::{Allowances, Unreadable};
use read::{End, Flat};
use spans::Spans;

/// Pairs of ends that are compared: beyond these two exports have little in common.
const MAX_PAIRS: usize = 4_000_000;

/// Connections of one client to one server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuples {
    /// A workload, or a network outside.
    pub client: String,
    /// A workload, or a network outside.
    pub server: String,
    /// Ports, as rules show them: `tcp/80 udp/5000-5010`.
    pub ports: String,
}

/// `shop/web -> shop/db: tcp/5432`.
impl fmt::Display for Tuples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.client, self.server, self.ports)
    }
}

/// The difference between two exports; each list is in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Allowed by the new one alone.
    pub newly: Vec<Tuples>,
    /// Allowed by the old one alone.
    pub gone: Vec<Tuples>,
}

/// Two exports differ in more pairs of ends than can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the two exports differ for more than {MAX_PAIRS} pairs of workloads; compare exports of one period, or of one level"
)]
pub struct TooDifferent;

impl Diff {
    /// Whether both allow the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newly.is_empty() && self.gone.is_empty()
    }
}

/// A client and a server.
type Pair<'a> = (&'a End, &'a End);

/// What is allowed between pairs at the client's end and at the server's.
type Sides<'a> = HashMap<Pair<'a>, [Spans; 2]>;

/// Compares what two exports allow.
///
/// # Errors
/// [`TooDifferent`] where the rules that differ are about more than four million pairs.
pub fn diff(old: &Allowances, new: &Allowances) -> Result<Diff, TooDifferent> {
    let (before, after): (HashSet<&Flat>, HashSet<&Flat>) =
        (old.rules.iter().collect(), new.rules.iter().collect());
    let mut asked: HashSet<Pair<'_>> = HashSet::new();
    // Workloads and the direction in which addresses outside are the other end.
    let mut outward: BTreeSet<(&End, Direction)> = BTreeSet::new();
    for rule in before.symmetric_difference(&after) {
        for subject in &rule.subjects {
            for peer in &rule.peers {
                match peer {
                    End::Workload(_) => {
                        asked.insert(pair(rule.direction, subject, peer));
                    }
                    End::Network(_) => {
                        outward.insert((subject, rule.direction));
                    }
                }
            }
            if asked.len() > MAX_PAIRS {
                return Err(TooDifferent);
            }
        }
    }
    let mut diff = Diff::default();
    between_workloads(&asked, old, new, &mut diff);
    let (before, after) = (networks(&outward, old), networks(&outward, new));
    for one in &outward {
        let old = before.get(one).map_or(&[][..], Vec::as_slice);
        let new = after.get(one).map_or(&[][..], Vec::as_slice);
        with_networks(*one, old, new, &mut diff);
    }
    diff.newly.sort();
    diff.gone.sort();
    Ok(diff)
}

const fn pair<'a>(direction: Direction, subject: &'a End, peer: &'a End) -> Pair<'a> {
    match direction {
        Direction::Ingress => (peer, subject),
        Direction::Egress => (subject, peer),
    }
}

impl Diff {
    fn add(&mut self, client: &str, server: &str, old: &Spans, new: &Spans) {
        let tuples = |spans: &Spans| Tuples {
            client: client.to_owned(),
            server: server.to_owned(),
            ports: spans.to_string(),
        };
        let (newly, gone) = (new.without(old), old.without(new));
        self.newly.extend((!newly.is_empty()).then(|| tuples(&newly)));
        self.gone.extend((!gone.is_empty()).then(|| tuples(&gone)));
    }
}

fn between_workloads(asked: &HashSet<Pair<'_>>, old: &Allowances, new: &Allowances, diff: &mut Diff) {
    let (before, after) = (sides(asked, old), sides(asked, new));
    let both = |sides: &Sides<'_>, pair: &Pair<'_>| {
        sides.get(pair).map_or_else(Spans::default, |[egress, ingress]| egress.and(ingress))
    };
    for pair in asked {
        let (old, new) = (both(&before, pair), both(&after, pair));
        diff.add(&pair.0.to_string(), &pair.1.to_string(), &old, &new);
    }
}

/// What an export allows the pairs that are asked about, at each end.
fn sides<'a>(asked: &HashSet<Pair<'a>>, export: &'a Allowances) -> Sides<'a> {
    let mut sides = Sides::new();
    for rule in &export.rules {
        for subject in &rule.subjects {
            for peer in &rule.peers {
                let pair = pair(rule.direction, subject, peer);
                if asked.contains(&pair) {
                    let [egress, ingress] = sides.entry(pair).or_default();
                    let side = if rule.direction == Direction::Egress { egress } else { ingress };
                    side.add(&rule.ports);
                }
            }
        }
    }
    sides
}

/// Networks that workloads may use or be used from, with the ports.
type Networks<'a> = HashMap<(&'a End, Direction), Vec<(IpNet, &'a Spans)>>;

/// What an export says of the networks of some workloads.
fn networks<'a>(asked: &BTreeSet<(&'a End, Direction)>, export: &'a Allowances) -> Networks<'a> {
    let mut networks = Networks::new();
    for rule in &export.rules {
        for subject in &rule.subjects {
            let key = (subject, rule.direction);
            for peer in rule.peers.iter().filter(|_| asked.contains(&key)) {
                if let End::Network(network) = peer {
                    networks.entry(key).or_default().push((*network, &rule.ports));
                }
            }
        }
    }
    networks
}

fn with_networks(
    (subject, direction): (&End, Direction),
    old: &[(IpNet, &Spans)],
    new: &[(IpNet, &Spans)],
    diff: &mut Diff,
) {
    let all: BTreeSet<IpNet> = old.iter().chain(new).map(|(network, _)| *network).collect();
    let mut alike: BTreeMap<(Spans, Spans), Vec<IpNet>> = BTreeMap::new();
    for atom in atoms(&all) {
        let there = |list: &[(IpNet, &Spans)]| {
            let mut sum = Spans::default();
            list.iter().filter(|(network, _)| network.contains(&atom)).for_each(|(_, ports)| sum.add(ports));
            sum
        };
        let (old, new) = (there(old), there(new));
        if old != new {
            alike.entry((old, new)).or_default().push(atom);
        }
    }
    for ((old, new), networks) in alike {
        for network in IpNet::aggregate(&networks) {
            let (network, subject) = (network.to_string(), subject.to_string());
            match direction {
                Direction::Ingress => diff.add(&network, &subject, &old, &new),
                Direction::Egress => diff.add(&subject, &network, &old, &new),
            }
        }
    }
}

/// The networks cut so that each piece lies in every network whole or not at all.
fn atoms(networks: &BTreeSet<IpNet>) -> Vec<IpNet> {
    let mut atoms = Vec::new();
    let inside = |outer: &IpNet, inner: &IpNet| outer != inner && outer.contains(inner);
    let outermost = networks.iter().filter(|one| !networks.iter().any(|other| inside(other, one)));
    let mut left: Vec<IpNet> = outermost.copied().collect();
    while let Some(piece) = left.pop() {
        let halves = networks
            .iter()
            .any(|network| inside(&piece, network))
            .then(|| piece.subnets(piece.prefix_len() + 1).ok())
            .flatten();
        match halves {
            Some(halves) => left.extend(halves),
            None => atoms.push(piece),
        }
    }
    atoms
}

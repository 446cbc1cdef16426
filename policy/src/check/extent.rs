//! How much a rule admits, and how much of that was seen.

use std::collections::{BTreeMap, BTreeSet};

use watershed_model::Labels;

use super::Side;
use crate::Service;
use crate::k8s::Place;

/// A rule that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it stands.
    pub place: Place,
    /// Its policy.
    pub policy: String,
    /// Which way it looks.
    pub side: Side,
    /// Clients, each address outside by itself.
    pub clients: Share,
    /// Servers, likewise.
    pub servers: Share,
    /// Ports; types of ICMP and protocols without ports count as one each.
    pub ports: Share,
    /// Tuples of client, server and port.
    pub tuples: Share,
    /// Who of its pods was seen to connect, by fewer of them than it means.
    pub nearest: Option<String>,
    /// How many tuples the comment above it says that it admits, with the rules below that have none.
    pub stated: Option<u64>,
    /// Where it means addresses by their names, which change: what is held against what it states.
    pub by_name: Option<ByName>,
}

/// What a rule that means addresses by their names admits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByName {
    /// Tuples of client, server and port, each name as one address; more than can be counted for a pattern.
    pub tuples: u64,
    /// Addresses that were seen under the names.
    pub addresses: u64,
    /// Those of them that were seen under other names, too: whoever asks for these gets them as well.
    pub shared: u64,
    /// For how many addresses the comment above it says that they stood.
    pub stated: Option<u64>,
}

/// How many were seen of how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Seen to talk.
    pub seen: u64,
    /// All; the largest number where there are more.
    pub all: u64,
}

impl Extent {
    /// Tuples that it admits without their having been observed.
    #[must_use]
    pub const fn unobserved(&self) -> u64 {
        self.tuples.all.saturating_sub(self.tuples.seen)
    }

    /// Tuples that are held against what it states: addresses of names come and go, and a name is written once.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.by_name.map_or(self.tuples.all, |names| names.tuples)
    }
}

/// What was seen of a rule.
#[derive(Debug)]
pub(super) struct Seen<End> {
    pub(super) clients: BTreeSet<End>,
    pub(super) servers: BTreeSet<End>,
    pub(super) services: BTreeSet<Service>,
    pub(super) tuples: BTreeSet<(End, End, Service)>,
}

impl<End: Copy + Ord> Seen<End> {
    pub(super) const fn new() -> Self {
        Self {
            clients: BTreeSet::new(),
            servers: BTreeSet::new(),
            services: BTreeSet::new(),
            tuples: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, client: End, server: End, service: Service) {
        self.clients.insert(client);
        self.servers.insert(server);
        self.services.insert(service);
        self.tuples.insert((client, server, service));
    }
}

/// The fewest labels that all of `wanted` have and fewest of `others`: `app=web (2 of 12)`; `None` where that is no
/// narrower, or where the wanted have nothing in common.
pub(super) fn nearest(wanted: &[&Labels], others: &[&Labels]) -> Option<String> {
    /// Labels of the selector that is proposed, at most: more are no selector that a person would write.
    const MOST: usize = 3;
    let (first, rest) = wanted.split_first()?;
    let mut common: BTreeMap<&String, &String> = first.iter().collect();
    common.retain(|key, value| rest.iter().all(|labels| labels.get(*key) == Some(*value)));
    let mut left: Vec<&Labels> = others.to_vec();
    let mut chosen = BTreeMap::new();
    while !left.is_empty() && chosen.len() < MOST {
        let still = |key: &str, value: &str| {
            left.iter().filter(|labels| labels.get(key).is_some_and(|own| own == value)).count()
        };
        // Of labels that are as good, the one with the shortest name, which is seldom one that a machine made.
        let ranked = common.iter().map(|(&key, &value)| (still(key, value), key.len(), key, value));
        let (still, _, key, value) = ranked.min()?;
        if still == left.len() {
            break;
        }
        left.retain(|labels| labels.get(key) == Some(value));
        chosen.insert(key, value);
    }
    if chosen.is_empty() {
        return None;
    }
    let labels: Vec<String> = chosen.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let all = wanted.len() + others.len();
    Some(format!("{} ({} of {all})", labels.join(","), wanted.len() + left.len()))
}

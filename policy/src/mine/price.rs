//! The evidence for a draft, and what it admits beyond that.

use std::collections::{BTreeMap, BTreeSet};

use super::census::Census;
use super::classes::{ClassId, Classes};
use super::sides::{Draft, Target};
use super::{ClassDependency, Level, ports};
use crate::k8s::Direction;
use crate::rule::{addresses, sizes, width};
use crate::{Allowed, Observed, Service, Whom};

/// Service and peer of a dependency, and its place in the list.
type Entry = (Service, ClassId, u32);

/// Dependencies in order of subject, service and peer, for each direction.
pub(crate) struct Evidence<'a> {
    dependencies: &'a [ClassDependency],
    ingress: Order,
    egress: Order,
}

/// Dependencies by subject.
struct Order {
    /// Where the entries of each subject end.
    ends: Vec<usize>,
    /// In order.
    entries: Vec<Entry>,
}

impl Order {
    fn of(dependencies: &[ClassDependency], direction: Direction, classes: usize) -> Self {
        let keyed = (0..).zip(dependencies).map(|(at, one)| {
            let (subject, peer) = match direction {
                Direction::Ingress => (one.server, one.client),
                Direction::Egress => (one.client, one.server),
            };
            (subject, one.service, peer, at)
        });
        let mut keyed: Vec<(ClassId, Service, ClassId, u32)> = keyed.collect();
        keyed.sort_unstable();
        let mut ends = vec![0; classes];
        keyed.iter().for_each(|&(subject, ..)| ends[subject as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        Self { ends, entries: keyed.into_iter().map(|(_, service, peer, at)| (service, peer, at)).collect() }
    }

    /// The entries of a subject.
    fn of_subject(&self, subject: ClassId) -> &[Entry] {
        let start = subject.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.entries[start..self.ends[subject as usize]]
    }
}

/// What was observed of what a draft allows.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) observed: Option<Observed>,
    /// Distinct client, server and service, of workloads.
    pub(crate) tuples: u64,
    /// Connections of services, which may be there several times.
    services: Vec<(Service, u64)>,
    /// The servers, which may be there several times.
    pub(crate) servers: Vec<ClassId>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn of(dependencies: &'a [ClassDependency], classes: usize) -> Self {
        let order = |direction| Order::of(dependencies, direction, classes);
        Self { dependencies, ingress: order(Direction::Ingress), egress: order(Direction::Egress) }
    }

    pub(crate) fn seen(&self, draft: &Draft) -> Seen {
        let order = match draft.direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let mut seen = Seen::default();
        for &subject in &*draft.subjects {
            let of_subject = order.of_subject(subject);
            if draft.services.is_empty() {
                self.among(of_subject, &draft.peers, &mut seen);
            }
            for service in &draft.services {
                let start = of_subject.partition_point(|(other, ..)| other < service);
                let rest = &of_subject[start..];
                let end = rest.partition_point(|(other, ..)| other == service);
                self.among(&rest[..end], &draft.peers, &mut seen);
            }
        }
        seen
    }

    /// Adds the entries with these peers. Where there are few peers they are looked up, and not every entry.
    fn among(&self, entries: &[Entry], peers: &[ClassId], seen: &mut Seen) {
        let one_service = entries.first().map(|entry| entry.0) == entries.last().map(|entry| entry.0);
        if one_service && peers.len() < entries.len() / 8 {
            for peer in peers {
                if let Ok(at) = entries.binary_search_by_key(peer, |entry| entry.1) {
                    seen.add(&self.dependencies[entries[at].2 as usize]);
                }
            }
        } else {
            for (.., at) in entries.iter().filter(|entry| peers.binary_search(&entry.1).is_ok()) {
                seen.add(&self.dependencies[*at as usize]);
            }
        }
    }
}

impl Seen {
    fn add(&mut self, one: &ClassDependency) {
        match &mut self.observed {
            Some(observed) => observed.merge(&one.observed),
            None => self.observed = Some(one.observed),
        }
        self.tuples += one.pairs;
        match self.services.last_mut() {
            Some((service, connections)) if *service == one.service => {
                *connections += one.observed.connections;
            }
            _ => self.services.push((one.service, one.observed.connections)),
        }
        if self.servers.last() != Some(&one.server) {
            self.servers.push(one.server);
        }
    }
}

/// What a draft allows, as lists and ranges.
pub(crate) fn allowed(draft: &Draft, seen: &Seen, level: Level) -> Vec<Allowed> {
    if draft.services.is_empty() {
        return vec![Allowed::Anything];
    }
    let mut allowed = BTreeSet::new();
    let mut seen_of: BTreeMap<Service, u64> = BTreeMap::new();
    for &(service, connections) in &seen.services {
        *seen_of.entry(service).or_default() += connections;
    }
    let mut by_protocol: BTreeMap<_, BTreeMap<u16, u64>> = BTreeMap::new();
    for &service in &draft.services {
        match service {
            Service::Port { protocol, port } => {
                let connections = seen_of.get(&service).copied().unwrap_or(1).max(1);
                by_protocol.entry(protocol).or_default().insert(port, connections);
            }
            Service::Icmp { .. } | Service::Protocol(_) => {
                allowed.insert(Allowed::Service(service));
            }
        }
    }
    for (protocol, list) in by_protocol {
        let ranges = ports::ranges(&list, level != Level::Nano);
        allowed.extend(ranges.iter().map(|range| Allowed::ports(protocol, range)));
    }
    allowed.into_iter().collect()
}

/// Tuples of client, server and port that are allowed without having been observed.
pub(crate) fn price(classes: &Classes, draft: &Draft, allowed: &[Allowed], tuples: u64) -> u64 {
    let members =
        |list: &[ClassId]| list.iter().map(|&id| classes.class(id).members.len() as u64).sum::<u64>();
    let peers = match &draft.peer {
        Target::Selection(_) => members(&draft.peers),
        Target::Networks(networks) => sizes(networks),
    };
    let wide = width(allowed);
    members(&draft.subjects).saturating_mul(peers).saturating_mul(wide).saturating_sub(tuples)
}

/// Tuples of client, server and port that a rule allows, observed or not, each address of a host by itself: what
/// whoever reads the text of a policy can count again.
pub(crate) fn whole(
    census: &Census,
    classes: &Classes,
    (subjects, peers): (&[ClassId], &[ClassId]),
    peer: &Whom,
    wide: u64,
) -> u64 {
    let ends = |list: &[ClassId]| -> u64 {
        let members = list.iter().flat_map(|&id| &classes.class(id).members);
        let nodes = members.map(|&node| &census.nodes[node as usize]);
        nodes.map(|node| if node.namespace().is_some() { 1 } else { node.addresses.len() as u64 }).sum()
    };
    let others = match peer {
        Whom::Networks(networks) => sizes(networks),
        Whom::Parties(members) => addresses(members).len() as u64,
        Whom::Workloads { .. } => ends(peers),
    };
    ends(subjects).saturating_mul(others).saturating_mul(wide)
}

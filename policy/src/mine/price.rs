//! The evidence for a draft, and what it admits beyond that.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::size;
use super::classes::{ClassId, Classes};
use super::sides::{Draft, Target};
use super::{Allowed, ClassDependency, Level, ports};
use crate::k8s::Direction;
use crate::{Observed, Service};

/// Ports of TCP, UDP and SCTP: what "anything" is at least.
const EVERY_PORT: u64 = 3 * 65_535;

/// Dependencies in order of subject, service and peer, for each direction.
pub(crate) struct Evidence<'a> {
    dependencies: &'a [ClassDependency],
    ingress: Vec<u32>,
    egress: Vec<u32>,
}

/// What was observed of what a draft allows.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) observed: Option<Observed>,
    /// Distinct client, server and service, of workloads.
    pub(crate) tuples: u64,
    /// Connections of each service.
    pub(crate) services: BTreeMap<Service, u64>,
    /// The servers.
    pub(crate) servers: BTreeSet<ClassId>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn of(dependencies: &'a [ClassDependency]) -> Self {
        let ingress: Vec<u32> = (0..dependencies.len() as u32).collect();
        let mut egress = ingress.clone();
        egress.sort_by_key(|&at| key(Direction::Egress, &dependencies[at as usize]));
        Self { dependencies, ingress, egress }
    }

    fn order(&self, direction: Direction) -> &[u32] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The dependencies of `subject`, or those of one service of it.
    fn range(&self, direction: Direction, subject: ClassId, service: Option<Service>) -> &[u32] {
        let order = self.order(direction);
        let of = |at: &u32| {
            let (subject, service, _) = key(direction, &self.dependencies[*at as usize]);
            (subject, service)
        };
        let wanted = |at: &u32| match service {
            Some(service) => of(at).cmp(&(subject, service)),
            None => of(at).0.cmp(&subject),
        };
        let start = order.partition_point(|at| wanted(at).is_lt());
        let rest = &order[start..];
        &rest[..rest.partition_point(|at| wanted(at).is_eq())]
    }

    pub(crate) fn seen(&self, draft: &Draft) -> Seen {
        let mut seen = Seen::default();
        let services: Vec<Option<Service>> = if draft.services.is_empty() {
            vec![None]
        } else {
            draft.services.iter().copied().map(Some).collect()
        };
        for &subject in &*draft.subjects {
            for &service in &services {
                for &at in self.range(draft.direction, subject, service) {
                    let one = &self.dependencies[at as usize];
                    if draft.peers.binary_search(&key(draft.direction, one).2).is_ok() {
                        seen.add(one);
                    }
                }
            }
        }
        seen
    }
}

impl Seen {
    fn add(&mut self, one: &ClassDependency) {
        match &mut self.observed {
            Some(observed) => observed.merge(&one.observed),
            None => self.observed = Some(one.observed),
        }
        self.tuples += one.pairs;
        *self.services.entry(one.service).or_default() += one.observed.connections;
        self.servers.insert(one.server);
    }
}

/// Subject, service and peer.
fn key(direction: Direction, one: &ClassDependency) -> (ClassId, Service, ClassId) {
    match direction {
        Direction::Ingress => (one.server, one.service, one.client),
        Direction::Egress => (one.client, one.service, one.server),
    }
}

/// What a draft allows, as lists and ranges.
pub(crate) fn allowed(draft: &Draft, seen: &Seen, level: Level) -> Vec<Allowed> {
    if draft.services.is_empty() {
        return vec![Allowed::Anything];
    }
    let mut allowed = BTreeSet::new();
    let mut by_protocol: BTreeMap<_, BTreeMap<u16, u64>> = BTreeMap::new();
    for &service in &draft.services {
        match service {
            Service::Port { protocol, port } => {
                let connections = seen.services.get(&service).copied().unwrap_or(1).max(1);
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
        Target::Networks(networks) => networks
            .iter()
            .fold(0, |sum: u64, network| sum.saturating_add(size(network).try_into().unwrap_or(u64::MAX))),
    };
    let wide: u64 = allowed
        .iter()
        .map(|allowed| match allowed {
            Allowed::Anything => EVERY_PORT,
            Allowed::Service(_) => 1,
            Allowed::Ports(_, first, last) => u64::from(last - first) + 1,
        })
        .sum();
    members(&draft.subjects).saturating_mul(peers).saturating_mul(wide).saturating_sub(tuples)
}

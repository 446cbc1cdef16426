//! Steps by address: what they are to do to a connection, told from edges and from what people allowed alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use watershed_model::{Party, Protocol};
use watershed_policy::rollout::{Step, Unit, plan};
use watershed_policy::{Allowed, Rule, Service, Tuple, Whom};

use crate::estate::{Estate, name};

/// An estate with its steps, and connections to try.
pub(crate) struct Planned {
    pub(crate) estate: Estate,
    pub(crate) steps: Vec<Step>,
    pub(crate) tuples: Vec<Tuple>,
    seen: BTreeSet<Tuple>,
}

impl Planned {
    pub(crate) fn random(seed: u64, unit: Unit, others: usize) -> Self {
        let estate = Estate::random(seed);
        let steps =
            estate.with(|inputs| plan(inputs, unit)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let seen: BTreeSet<Tuple> = estate.accepted.iter().flat_map(tuples).collect();
        let mut tried: Vec<Tuple> = seen.iter().copied().collect();
        let by_hand: BTreeSet<Tuple> = estate.by_hand.iter().flat_map(allowed).collect();
        tried.extend(by_hand.into_iter().filter(|tuple| !seen.contains(tuple)));
        let mut random = fastrand::Rng::with_seed(seed);
        tried.extend(unseen(&estate, &seen, &mut random, others));
        Self { estate, steps, tuples: tried, seen }
    }

    /// The addresses that these steps protect.
    pub(crate) fn protected<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> BTreeSet<IpAddr> {
        let names: BTreeSet<String> = steps.into_iter().flat_map(|step| &step.parties).map(name).collect();
        let own = self.estate.ends().filter(|(party, _)| names.contains(&name(party)));
        own.flat_map(|(_, addresses)| addresses).copied().collect()
    }

    /// Whether somebody was seen to do it, or a person allowed it.
    pub(crate) fn may(&self, tuple: &Tuple) -> bool {
        self.seen.contains(tuple) || self.estate.by_hand.iter().any(|rule| rule.allows(tuple))
    }

    pub(crate) fn was_seen(&self, tuple: &Tuple) -> bool {
        self.seen.contains(tuple)
    }

    /// Everybody who is one's own and was seen has one step.
    pub(crate) fn everybody_has_a_step(&self) -> bool {
        let seen = self.estate.ends().map(|(party, _)| party);
        let own: BTreeSet<String> =
            seen.filter(|party| self.estate.internal.contains(*party)).map(name).collect();
        let mut stepped: Vec<String> = self.steps.iter().flat_map(|step| &step.parties).map(name).collect();
        stepped.sort();
        stepped == Vec::from_iter(own)
    }
}

/// Every connection that an edge stands for.
fn tuples(edge: &watershed_model::Edge) -> Vec<Tuple> {
    let service = Service::of(&edge.key).expect("a service");
    let pairs = edge.client_addresses.iter().flat_map(|&client| {
        edge.server_addresses.iter().map(move |&server| Tuple { client, server, service })
    });
    pairs.filter(can_be_sent).collect()
}

/// Of what a person allowed: from and to an address of each network, at each service, and beside its ports.
fn allowed(rule: &Rule) -> Vec<Tuple> {
    let service = |allowed: &Allowed| match *allowed {
        Allowed::Anything => vec![Service::Port { protocol: Protocol::TCP, port: 12_345 }],
        Allowed::Service(service) => vec![service],
        Allowed::Ports(protocol, first, last) => {
            [first - 1, first, last, last + 1].map(|port| Service::Port { protocol, port }).into()
        }
    };
    let services: Vec<Service> = rule.ports.iter().flat_map(service).collect();
    let mut tuples = Vec::new();
    let one_of_each = |whom: &Whom| -> Vec<IpAddr> {
        whom.networks().iter().map(|network| network.hosts().next().unwrap_or(network.addr())).collect()
    };
    for client in one_of_each(rule.client()) {
        for server in one_of_each(rule.server()) {
            tuples.extend(services.iter().map(|&service| Tuple { client, server, service }));
        }
    }
    tuples.retain(can_be_sent);
    tuples
}

fn can_be_sent(tuple: &Tuple) -> bool {
    // What has no ports is one connection to a kernel, whoever opened it: it is only ever sent one way.
    let one_way = !matches!(tuple.service, Service::Protocol(_)) || tuple.client < tuple.server;
    tuple.client != tuple.server && one_way && tuple.service.connects(tuple.client, tuple.server)
}

/// Connections that nobody was seen to open: of those who are there and of strangers, at what is offered, beside it,
/// and by other transports.
fn unseen(estate: &Estate, seen: &BTreeSet<Tuple>, random: &mut fastrand::Rng, count: usize) -> Vec<Tuple> {
    let mut all: Vec<IpAddr> = estate.ends().flat_map(|(_, addresses)| addresses).copied().collect();
    all.extend(["192.0.2.9", "2001:db8:9::9"].map(|one| one.parse::<IpAddr>().expect("an address")));
    all.sort_unstable();
    all.dedup();
    let mut services: Vec<Service> = seen.iter().map(|tuple| tuple.service).collect();
    services.extend([80, 81, 8200, 8202].map(|port| Service::Port { protocol: Protocol::TCP, port }));
    services.extend([53, 80].map(|port| Service::Port { protocol: Protocol::UDP, port }));
    services.push(Service::Icmp { protocol: Protocol::ICMP, message_type: 13 });
    services.push(Service::Protocol(Protocol(50)));
    services.sort_unstable();
    services.dedup();
    let mut tried = BTreeSet::new();
    // Half of them with an end of somebody who was seen there, so that the other end decides.
    let known: Vec<Tuple> = seen.iter().copied().collect();
    for turn in 0..count * 8 {
        let one = |random: &mut fastrand::Rng| all[random.usize(..all.len())];
        let service = services[random.usize(..services.len())];
        let near = known[random.usize(..known.len())];
        let tuple = match turn % 4 {
            0 => Tuple { client: one(random), ..near },
            1 => Tuple { service, ..near },
            2 => Tuple { server: one(random), ..near },
            _ => Tuple { client: one(random), server: one(random), service },
        };
        if can_be_sent(&tuple) && !seen.contains(&tuple) && tried.len() < count {
            tried.insert(tuple);
        }
    }
    tried.into_iter().collect()
}

/// For messages: who is in a step.
pub(crate) fn told(step: &Step) -> String {
    let members: Vec<String> = step.parties.iter().map(Party::to_string).collect();
    format!("{} ({})", step.name, members.join(", "))
}

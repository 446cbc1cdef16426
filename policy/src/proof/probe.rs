//! Connections that were not seen, chosen where a wrong rule would let them through.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watershed_model::Protocol;

use super::Pairs;
use super::expectation::{Expectation, Group};
use crate::{Allowed, Rule, Service, Tuple, Whom};

/// Clients of another rule that are tried; they are real machines, which neighbours need not be.
const STRANGERS: usize = 16;

/// Probes around every group; some may be explained by other edges.
pub(super) fn probes<'a>(expectation: &'a Expectation<'_>) -> impl Iterator<Item = Tuple> + 'a {
    let others = expectation.groups.iter().cycle().skip(1);
    let groups = expectation.groups.iter().zip(others).flat_map(|(group, other)| around(group, other));
    groups.chain(expectation.by_hand.iter().flat_map(around_by_hand))
}

/// Both ends of everything that a rule which a person made says.
pub(crate) struct Outermost {
    clients: BTreeSet<IpAddr>,
    servers: BTreeSet<IpAddr>,
    services: BTreeSet<Service>,
}

impl Outermost {
    /// Those that can connect, each with each, and how many were left out: see [`Pairs`].
    pub(crate) fn tuples(&self) -> (Vec<Tuple>, u64) {
        let (mut tuples, mut skipped) = (Vec::new(), 0_u64);
        for &service in &self.services {
            let pairs = Pairs::of(&self.clients, &self.servers, service);
            skipped = skipped.saturating_add(pairs.skipped);
            let tuple = |(client, server)| Tuple { client, server, service };
            tuples.extend(pairs.list.into_iter().map(tuple));
        }
        (tuples, skipped)
    }

    pub(crate) fn of(rule: &Rule) -> Self {
        let ends = |whom: &Whom| -> BTreeSet<IpAddr> {
            whom.networks().iter().flat_map(|one| [one.network(), one.broadcast()]).collect()
        };
        let services = rule.ports.iter().flat_map(|allowed| match *allowed {
            Allowed::Service(service) => vec![service],
            Allowed::Ports(protocol, first, last) => {
                [first, last].map(|port| Service::Port { protocol, port }).into()
            }
            Allowed::Anything => {
                let transports = [(Protocol::TCP, 1), (Protocol::UDP, u16::MAX), (Protocol::ICMP, 8)];
                transports.into_iter().filter_map(|(of, number)| Service::new(of, number)).collect()
            }
        });
        Self { clients: ends(rule.client()), servers: ends(rule.server()), services: services.collect() }
    }
}

/// Beside each end of what a person wrote.
fn around_by_hand(rule: &Rule) -> Vec<Tuple> {
    let mut probes = Vec::new();
    let Outermost { clients, servers, services } = Outermost::of(rule);
    for v4 in [true, false] {
        let (clients, servers) = (of_version(&clients, v4), of_version(&servers, v4));
        let (Some(&client), Some(&server)) = (clients.first(), servers.first()) else { continue };
        for &service in &services {
            let wrong_clients = clients.iter().flat_map(|&client| neighbours(client));
            probes.extend(wrong_clients.map(|client| Tuple { client, server, service }));
            let wrong_servers = servers.iter().flat_map(|&server| neighbours(server));
            probes.extend(wrong_servers.map(|server| Tuple { client, server, service }));
            probes.extend(wrong_services(service).map(|service| Tuple { client, server, service }));
            probes.push(Tuple { client: server, server: client, service });
        }
    }
    probes.retain(|tuple| tuple.service.connects(tuple.client, tuple.server));
    probes
}

fn around(group: &Group<'_>, other: &Group<'_>) -> Vec<Tuple> {
    let mut probes = Vec::new();
    for v4 in [true, false] {
        let (clients, servers) = (of_version(&group.clients, v4), of_version(&group.servers, v4));
        let strangers = of_version(&other.clients, v4);
        let (Some(&client), Some(&server)) = (clients.first(), servers.first()) else { continue };

        let service = group.service;
        let wrong_clients = clients.iter().flat_map(|&client| neighbours(client));
        let wrong_clients = wrong_clients.chain(strangers.into_iter().take(STRANGERS));
        probes.extend(wrong_clients.map(|client| Tuple { client, server, service }));
        let wrong_servers = servers.iter().flat_map(|&server| neighbours(server));
        probes.extend(wrong_servers.map(|server| Tuple { client, server, service }));
        probes.extend(wrong_services(service).map(|service| Tuple { client, server, service }));
        // The server as the client: what a rule with its sides exchanged would allow.
        probes.extend(clients.iter().map(|&client| Tuple { client: server, server: client, service }));
        probes.extend(servers.iter().map(|&server| Tuple { client: server, server: client, service }));
    }
    probes.retain(|tuple| tuple.service.connects(tuple.client, tuple.server));
    probes
}

fn of_version(addresses: &BTreeSet<IpAddr>, v4: bool) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|address| address.is_ipv4() == v4).collect()
}

/// The addresses before and after it. Any prefix or range that is wider than what it stands for takes in the
/// neighbour of one of its members.
fn neighbours(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let [before, after]: [Option<IpAddr>; 2] = match address {
        IpAddr::V4(v4) => [v4.to_bits().checked_sub(1), v4.to_bits().checked_add(1)]
            .map(|bits| bits.map(|bits| Ipv4Addr::from_bits(bits).into())),
        IpAddr::V6(v6) => [v6.to_bits().checked_sub(1), v6.to_bits().checked_add(1)]
            .map(|bits| bits.map(|bits| Ipv6Addr::from_bits(bits).into())),
    };
    before.into_iter().chain(after)
}

/// The ports beside it, the other transports, and an echo request.
fn wrong_services(service: Service) -> impl Iterator<Item = Service> {
    let (protocol, number) = match service {
        Service::Port { protocol, port } => (protocol, port),
        Service::Icmp { protocol, message_type } => (protocol, u16::from(message_type)),
        Service::Protocol(protocol) => (protocol, 0),
    };
    let beside = [number.checked_sub(1), number.checked_add(1)].into_iter().flatten();
    let beside = beside.map(move |number| (protocol, number));
    let transports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP].map(|transport| (transport, number));
    let protocols = [protocol.0.checked_sub(1), protocol.0.checked_add(1)].into_iter().flatten();
    let protocols = protocols.map(|protocol| (Protocol(protocol), 0));
    let pings = [(Protocol::ICMP, 8), (Protocol::ICMPV6, 128)];
    beside
        .chain(transports)
        .chain(protocols)
        .chain(pings)
        .filter_map(|(protocol, number)| Service::new(protocol, number))
        .filter(move |wrong| *wrong != service)
}

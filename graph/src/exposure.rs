//! What faces the internet: internal nodes reached from public addresses, and what they reach there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use petgraph::visit::EdgeRef as _;
use watershed_model::{Party, WorkloadKind};

use crate::GraphConfig;
use crate::graph::{Inner, Node};
use crate::ports::Service;
use crate::verdict::{Doubt, Verdict, is_group};

/// Where a node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In one's own networks, or a host of the inventory.
    Internal,
    /// Anywhere else.
    Public,
    /// Nowhere: a multicast or broadcast address.
    Group,
}

impl Scope {
    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Public => "public",
            Self::Group => "group",
        }
    }

    /// Where a party lies that had these addresses.
    ///
    /// An inventory may name foreign networks, so a network is internal only if all addresses seen are;
    /// a host that somebody took the trouble to list is one's own.
    pub(crate) fn of<'a>(
        party: &Party,
        mut addresses: impl Iterator<Item = &'a IpAddr>,
        config: &GraphConfig,
    ) -> Self {
        match party {
            Party::Workload(workload) if workload.kind != WorkloadKind::Network => Self::Internal,
            Party::Workload(_) if addresses.all(|&a| is_internal(a, config)) => Self::Internal,
            Party::Workload(_) => Self::Public,
            Party::Address(address) if is_group(*address) => Self::Group,
            Party::Address(address) if is_internal(*address, config) => Self::Internal,
            Party::Address(_) => Self::Public,
        }
    }
}

/// The unspecified address is that of a host which has none yet, so it is near.
fn is_internal(address: IpAddr, config: &GraphConfig) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || config.internal.iter().any(|network| network.contains(&address))
}

/// Services between one internal party and the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The internal party.
    pub party: Party,
    /// The services, in order.
    pub services: Vec<ExposedService>,
}

/// One service across the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposedService {
    /// The service.
    pub service: Service,
    /// How many public parties are at the other end.
    pub peers: u64,
    /// Answered connections.
    pub connections: u64,
    /// Whether it was used; else only scanners found it open.
    pub used: bool,
}

type ByService<'a> = BTreeMap<&'a Party, BTreeMap<Service, ExposedService>>;

/// Internal parties that answered public ones, in order. A service that answered a probe is exposed too.
pub(crate) fn exposed(graph: &Inner<'_>) -> Vec<Exposure> {
    collect(graph, |client, server, _| {
        (client.scope == Scope::Public && server.scope == Scope::Internal).then_some(&server.party)
    })
}

/// Internal parties that use public ones, in order.
pub(crate) fn egress(graph: &Inner<'_>) -> Vec<Exposure> {
    collect(graph, |client, server, verdict| {
        let used = *verdict == Verdict::Accepted;
        (client.scope == Scope::Internal && server.scope == Scope::Public && used).then_some(&client.party)
    })
}

/// Gathers the edges that showed an open service, by what `internal_party` says of client and server.
fn collect<'a>(
    graph: &'a Inner<'_>,
    internal_party: impl Fn(&'a Node, &'a Node, &Verdict) -> Option<&'a Party>,
) -> Vec<Exposure> {
    let mut found = ByService::new();
    for reference in graph.edge_references() {
        let link = reference.weight();
        if matches!(link.verdict, Verdict::Group | Verdict::Control)
            || (link.edge.answered == 0 && link.verdict != Verdict::Probe)
        {
            continue;
        }
        let (client, server) = (&graph[reference.source()], &graph[reference.target()]);
        let Some(party) = internal_party(client, server, &link.verdict) else { continue };
        let service = Service { protocol: link.edge.key.protocol, port: link.edge.key.port };
        let new = ExposedService { service, peers: 0, connections: 0, used: false };
        let entry = found.entry(party).or_default().entry(service).or_insert(new);
        entry.peers += 1;
        entry.connections += link.edge.answered;
        entry.used |= !matches!(link.verdict, Verdict::Probe | Verdict::NeedsPerson(Doubt::Scanner));
    }
    let services = |by_service: BTreeMap<_, _>| by_service.into_values().collect();
    found
        .into_iter()
        .map(|(party, found)| Exposure { party: party.clone(), services: services(found) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use crate::testing::{snapshot, tcp};

    #[test]
    fn public_clients_expose_and_public_servers_are_egress() {
        let edges = [
            tcp("203.0.113.9", "10.0.0.1", 443).build(),
            tcp("203.0.113.10", "10.0.0.1", 443).build(),
            tcp("203.0.113.10", "10.0.0.1", 22).refused().build(),
            tcp("203.0.113.10", "10.0.0.1", 8443).half_open().build(),
            tcp("10.0.0.1", "198.51.100.7", 443).build(),
            tcp("10.0.0.1", "10.0.0.2", 5432).build(),
        ];
        let snapshot = snapshot(edges);
        let graph = Graph::of(&snapshot, &GraphConfig::default());

        let [exposed] = graph.exposed() else { panic!("one exposed party: {:?}", graph.exposed()) };
        assert_eq!(exposed.party.to_string(), "10.0.0.1");
        let seen: Vec<_> = exposed.services.iter().map(|s| (s.service.port, s.peers, s.used)).collect();
        assert_eq!(seen, [(443, 2, true), (8443, 1, false)]);

        let [egress] = graph.egress() else { panic!("one party with egress: {:?}", graph.egress()) };
        assert_eq!((egress.party.to_string().as_str(), egress.services[0].service.port), ("10.0.0.1", 443));
    }

    #[test]
    fn private_ranges_are_internal_and_documentation_ranges_are_not() {
        let config = GraphConfig::default();
        let scope = |text: &str| {
            let address: IpAddr = text.parse().unwrap();
            Scope::of(&Party::Address(address), [address].iter(), &config)
        };
        for near in
            ["10.1.2.3", "172.31.0.1", "192.168.9.9", "100.64.1.1", "169.254.1.1", "127.0.0.1", "0.0.0.0"]
        {
            assert_eq!(scope(near), Scope::Internal, "{near}");
        }
        for near in ["::1", "fe80::1", "fd00:20::5", "::ffff:10.0.0.1", "::"] {
            assert_eq!(scope(near), Scope::Internal, "{near}");
        }
        for far in ["172.32.0.1", "203.0.113.1", "2001:db8::1", "2a00::1", "100.128.0.1"] {
            assert_eq!(scope(far), Scope::Public, "{far}");
        }
        for group in ["224.0.0.251", "255.255.255.255", "ff02::1"] {
            assert_eq!(scope(group), Scope::Group, "{group}");
        }
    }
}

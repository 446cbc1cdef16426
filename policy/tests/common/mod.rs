//! A small shop as edges: two IP versions, every transport, several addresses to a workload.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Party, Protocol, StateCounts, Timestamp, Workload,
};

/// A host of the inventory in namespace `shop`.
pub(crate) fn host(name: &str) -> Party {
    let workload = Workload { name: name.into(), namespace: Some("shop".into()), ..Workload::default() };
    Party::Workload(Arc::new(workload))
}

/// An answered edge between parties with these addresses.
pub(crate) fn edge(
    (client, clients): (Party, &[IpAddr]),
    (server, servers): (Party, &[IpAddr]),
    protocol: Protocol,
    port: u16,
) -> Edge {
    Edge {
        key: EdgeKey { client, server, protocol, port },
        connections: 12,
        answered: 11,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Timestamp::from_parts(1_767_323_045, 0),
        last_seen: Timestamp::from_parts(1_767_326_645, 500_000_000),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours: BTreeSet::new(),
        client_addresses: clients.iter().copied().collect(),
        server_addresses: servers.iter().copied().collect(),
        observers: BTreeSet::new(),
    }
}

/// Seven edges; the application's two addresses reach the database, which has both IP versions.
pub(crate) fn shop() -> Vec<Edge> {
    let ips = |addresses: &[&str]| -> Vec<IpAddr> {
        addresses.iter().map(|address| address.parse().expect("address")).collect()
    };
    let app = ips(&["10.0.1.1", "10.0.1.2", "2001:db8:1::1"]);
    let db = ips(&["10.0.2.1", "2001:db8:2::1"]);
    let dns = ips(&["10.0.3.53"]);
    let monitor = ips(&["10.0.4.7", "2001:db8:4::7"]);
    let stranger = ips(&["198.51.100.7"]);
    let by_address = |address: &[IpAddr]| Party::Address(address[0]);

    let mut edges = vec![
        edge((host("app"), &app), (host("db"), &db), Protocol::TCP, 5432),
        edge((host("monitor"), &monitor), (host("db"), &db), Protocol::TCP, 5432),
        edge((host("app"), &app), (host("dns"), &dns), Protocol::UDP, 53),
        edge((by_address(&stranger), &stranger), (host("app"), &app), Protocol::TCP, 443),
        edge((host("monitor"), &monitor[..1]), (host("app"), &app), Protocol::ICMP, 8),
        edge((host("monitor"), &monitor[1..]), (host("app"), &app), Protocol::ICMPV6, 128),
        edge((host("app"), &app), (host("db"), &db), Protocol::SCTP, 9),
    ];
    edges[3].names.insert("shop.example\"; }\n\tdrop # \\".into());
    edges
}

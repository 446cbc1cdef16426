//! A small cluster as edges: two applications, DNS, monitoring, a host without namespace, addresses outside.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Party, Protocol, StateCounts, Timestamp, Workload,
};

/// A workload of a namespace with labels as `key=value`, among them the hash of its generation.
pub(crate) fn pod(namespace: &str, name: &str, labels: &str) -> Party {
    let hash = format!("pod-template-hash={:x}", name.len() * 7919 + namespace.len() * 104_729);
    let labels = labels.split_whitespace().chain([hash.as_str()]);
    let pair = |label: &str| label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    Party::Workload(Arc::new(Workload {
        name: name.into(),
        namespace: Some(namespace.into()),
        labels: labels.filter_map(pair).collect(),
        ..Workload::default()
    }))
}

/// A host of the inventory, outside the cluster.
pub(crate) fn host(name: &str) -> Party {
    Party::Workload(Arc::new(Workload { name: name.into(), ..Workload::default() }))
}

/// An address that nobody knows.
pub(crate) fn outside(address: &str) -> Party {
    Party::Address(address.parse().expect("an address"))
}

/// An answered edge; workloads get addresses of their own.
pub(crate) fn edge(client: &Party, server: &Party, protocol: Protocol, port: u16) -> Edge {
    Edge {
        key: EdgeKey { client: client.clone(), server: server.clone(), protocol, port },
        connections: 12,
        answered: 11,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Timestamp::from_parts(1_767_323_045, 0),
        last_seen: Timestamp::from_parts(1_767_826_645, 500_000_000),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours: BTreeSet::new(),
        client_addresses: BTreeSet::from([address(client)]),
        server_addresses: BTreeSet::from([address(server)]),
        observers: BTreeSet::new(),
    }
}

/// Workloads with names of different text have different addresses, in this small world.
fn address(party: &Party) -> IpAddr {
    match party {
        Party::Address(address) => *address,
        Party::Workload(workload) => {
            let sum =
                workload.to_string().bytes().fold(7_u32, |sum, byte| sum * 31 % 65_521 + u32::from(byte));
            IpAddr::from([10, 1, (sum >> 8) as u8, sum as u8])
        }
    }
}

/// Who is there, beside hosts and addresses.
pub(crate) struct Cluster {
    pub(crate) front: Party,
    pub(crate) api: Party,
    pub(crate) db: Party,
    pub(crate) pay: Party,
    pub(crate) pay_db: Party,
    pub(crate) dns: Party,
    pub(crate) monitor: Party,
}

pub(crate) fn cluster() -> Cluster {
    Cluster {
        front: pod("shop", "front", "app=shop tier=front env=prod"),
        api: pod("shop", "api", "app=shop tier=api env=prod"),
        db: pod("shop", "db", "app=shop tier=db env=prod"),
        pay: pod("pay", "pay-api", "app=pay tier=api env=prod"),
        pay_db: pod("pay", "pay-db", "app=pay tier=db env=prod"),
        dns: pod("kube-system", "coredns", "k8s-app=coredns"),
        monitor: pod("ops", "prometheus", "app=prometheus env=prod"),
    }
}

/// The cluster's edges: every workload but `shop/db` asks for names.
pub(crate) fn edges() -> Vec<Edge> {
    let Cluster { front, api, db, pay, pay_db, dns, monitor } = cluster();
    let tcp = |client: &Party, server: &Party, port| edge(client, server, Protocol::TCP, port);
    let mut edges = vec![
        tcp(&outside("203.0.113.9"), &front, 8443),
        tcp(&outside("2001:db8:9::9"), &front, 8443),
        tcp(&front, &api, 8080),
        tcp(&api, &db, 5432),
        tcp(&api, &pay, 9000),
        tcp(&pay, &pay_db, 5432),
        tcp(&pay, &outside("198.51.100.20"), 443),
        tcp(&pay, &outside("2001:db8::20"), 443),
        tcp(&host("backup"), &db, 5432),
        tcp(&host("backup"), &host("archive"), 22),
        edge(&api, &pay, Protocol::UDP, 40_000),
        edge(&api, &pay, Protocol::SCTP, 9_900),
        edge(&monitor, &pay, Protocol::ICMP, 8),
    ];
    edges.extend([&front, &api, &db, &pay, &pay_db].map(|server| tcp(&monitor, server, 9100)));
    edges.extend([&front, &api, &pay, &pay_db, &monitor].map(|client| edge(client, &dns, Protocol::UDP, 53)));
    edges
}

//! The right observation: the small cluster, with what the defects are about.

use std::net::{IpAddr, Ipv6Addr};

use watershed_model::{Edge, Party, Protocol};

use crate::cluster::{Cluster, cluster, edge, edges as small, pod};

/// Its place in the edges: `shop/front` uses port 8080 of `shop/api`.
pub(crate) const FRONT_TO_API: usize = 2;

/// Who got the address that a pod of `shop/front` had.
pub(crate) fn heir() -> Party {
    pod("ops", "batch", "app=batch env=prod")
}

/// Both IP versions, DNS over both transports, names outside.
pub(crate) fn edges() -> Vec<Edge> {
    let Cluster { front, api, db, pay, dns, .. } = cluster();
    let mut edges = small();
    edges[6].names.extend(["api.partner.example".into(), "www.partner.example".into()]);
    edges[7].names.insert("six.partner.example".into());
    edges.extend([&front, &api, &pay].map(|client| edge(client, &dns, Protocol::TCP, 53)));
    edges.push(edge(&heir(), &db, Protocol::TCP, 5432));
    edges.into_iter().map(with_ipv6).collect()
}

/// Workloads have an IPv6 address beside the other.
pub(crate) fn with_ipv6(mut edge: Edge) -> Edge {
    let six = |address: &IpAddr| match address {
        IpAddr::V4(four) => {
            let [.., high, low] = four.octets();
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, high.into(), low.into()))
        }
        IpAddr::V6(_) => *address,
    };
    for (party, addresses) in
        [(&edge.key.client, &mut edge.client_addresses), (&edge.key.server, &mut edge.server_addresses)]
    {
        if matches!(party, Party::Workload(_)) {
            let more: Vec<_> = addresses.iter().map(six).collect();
            addresses.extend(more);
        }
    }
    edge
}

//! The mesh that edges were seen in: its workloads, hosts and addresses, and strangers beside each of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watershed_model::{Edge, Labels, Party, Protocol};
use watershed_policy::k8s::Pod;
use watershed_policy::{Namespace, Rule, Service, Whom};

use super::{Asked, Mesh, Who};

/// The account of those of whom none is known.
const ACCOUNT: &str = "default";

impl Mesh {
    /// Without policies yet.
    pub(crate) fn seen(edges: &[Edge]) -> Self {
        let sides = edges.iter().flat_map(|edge| {
            [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)]
        });
        let (mut pods, mut outside) = (Vec::new(), BTreeSet::new());
        for (party, addresses) in sides {
            match pod(party, addresses) {
                Some(pod) => pods.extend((!pods.contains(&pod)).then_some(pod)),
                None => outside.extend(addresses),
            }
        }
        let strangers = strangers(&pods);
        pods.extend(strangers);
        let beside: Vec<IpAddr> = outside.iter().copied().flat_map(beside).collect();
        outside.extend(beside);
        let ends = pods.into_iter().map(Who::Pod).chain(outside.into_iter().map(Who::Outside)).collect();
        let seen = edges.iter().filter(|edge| edge.key.protocol == Protocol::TCP).map(|edge| edge.key.port);
        let ports: BTreeSet<u16> = seen.flat_map(|port| [port - 1, port, port + 1]).collect();
        Self { ends, ports: ports.into_iter().collect(), policies: Vec::new() }
    }

    /// With the policies of files.
    pub(crate) fn with<'a>(&self, files: impl IntoIterator<Item = &'a str>) -> Self {
        let policies = files.into_iter().flat_map(|text| text.split("---\n")).map(str::to_owned);
        Self { policies: policies.filter(|text| !text.is_empty()).collect(), ..self.clone() }
    }

    /// Whether an edge is this connection.
    pub(crate) fn is_seen(&self, edges: &[Edge], asked: Asked) -> bool {
        let is = |party: &Party, addresses: &BTreeSet<IpAddr>, end: usize| match &self.ends[end] {
            Who::Outside(address) => addresses.contains(address),
            Who::Pod(of) => pod(party, addresses).as_ref() == Some(of),
        };
        edges.iter().any(|edge| {
            edge.key.protocol == Protocol::TCP
                && edge.key.port == asked.port
                && is(&edge.key.client, &edge.client_addresses, asked.client)
                && is(&edge.key.server, &edge.server_addresses, asked.server)
        })
    }

    /// Whether a rule says it.
    pub(crate) fn is_declared(&self, rules: &[Rule], edges: &[Edge], asked: Asked) -> bool {
        let service = Service::Port { protocol: Protocol::TCP, port: asked.port };
        rules.iter().any(|rule| {
            rule.ports.iter().any(|allowed| allowed.includes(service))
                && means(&rule.subject, &self.ends[asked.server], edges)
                && means(&rule.peer, &self.ends[asked.client], edges)
        })
    }

    /// Whether no policy is for the server: nobody was seen in its namespace, or its policies would be for all.
    pub(crate) fn is_free(&self, edges: &[Edge], asked: Asked) -> bool {
        let Who::Pod(server) = &self.ends[asked.server] else { return true };
        let parties = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]);
        let mut namespaces = parties.filter_map(|party| match party {
            Party::Workload(workload) => workload.namespace.as_ref(),
            Party::Address(_) => None,
        });
        server.namespace == "istio-system" || namespaces.all(|one| *one != server.namespace)
    }
}

/// A workload of a namespace as a pod.
fn pod(party: &Party, addresses: &BTreeSet<IpAddr>) -> Option<Pod> {
    let Party::Workload(workload) = party else { return None };
    let account = workload.labels.get("projectcalico.org/serviceaccount");
    Some(Pod {
        namespace: workload.namespace.clone()?,
        name: workload.name.clone(),
        labels: workload.labels.clone(),
        service_account: Some(account.map_or(ACCOUNT, String::as_str).to_owned()),
        addresses: addresses.iter().copied().collect(),
        ..Pod::default()
    })
}

/// One without labels in each namespace and in one that begins like it, and one like each pod in a namespace that nobody was
/// seen in.
fn strangers(pods: &[Pod]) -> Vec<Pod> {
    let there: BTreeSet<&str> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
    let names = there.into_iter().flat_map(|name| [name.to_owned(), format!("{name}-too")]);
    let plain = names.map(|namespace| Pod {
        namespace,
        service_account: Some("stranger".to_owned()),
        labels: Labels::new(),
        ..Pod::default()
    });
    let alike = pods.iter().map(|pod| Pod { namespace: "elsewhere".to_owned(), ..pod.clone() });
    let strangers = plain.chain(alike).zip(1_u8..);
    strangers.map(|(pod, at)| Pod { addresses: vec![IpAddr::from([10, 9, 0, at])], ..pod }).collect()
}

/// The addresses before and after it.
fn beside(address: IpAddr) -> [IpAddr; 2] {
    match address {
        IpAddr::V4(v4) => [v4.to_bits() - 1, v4.to_bits() + 1].map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => [v6.to_bits() - 1, v6.to_bits() + 1].map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

fn means(whom: &Whom, who: &Who, edges: &[Edge]) -> bool {
    match (whom, who) {
        (Whom::Workloads { namespace, labels }, Who::Pod(pod)) => {
            let there = match namespace {
                Namespace::One(name) => pod.namespace == *name,
                Namespace::Every => true,
                Namespace::Hosts => false,
            };
            there && labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        }
        (Whom::Workloads { namespace: Namespace::Hosts, labels }, Who::Outside(address)) => {
            let sides = edges.iter().flat_map(|edge| {
                [(&edge.key.client, &edge.client_addresses), (&edge.key.server, &edge.server_addresses)]
            });
            sides.filter(|(_, addresses)| addresses.contains(address)).any(|(party, _)| match party {
                Party::Workload(host) => {
                    labels.iter().all(|(key, value)| host.labels.get(key) == Some(value))
                }
                Party::Address(_) => false,
            })
        }
        (whom, Who::Outside(address)) => whom.has(*address),
        (_, Who::Pod(_)) => false,
    }
}

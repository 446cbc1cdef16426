//! The small cluster with its neighbours: everybody beside whom an export draws a line, and every service beside one
//! that was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};
use watershed_model::{Edge, Labels, Party, Protocol};
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, End, Manifests, Pod, World};
use watershed_policy::layers::{Layers, Names};

use crate::cluster::edges;

/// Pods that nobody has seen: their namespace and labels. Most of them are somebody else's by half.
const STRANGERS: [(&str, &str); 5] = [
    ("shop", "app=shop tier=other env=prod"),
    ("pay", "app=shop tier=front env=prod"),
    ("ops", ""),
    ("kube-system", "k8s-app=proxy"),
    ("elsewhere", "app=shop tier=api env=prod"),
];

/// Places of service, client and server.
pub(crate) type Tuple = (usize, usize, usize);

/// Who is there, pods first, and what they might use.
pub(crate) struct Neighbours {
    pods: Vec<Pod>,
    outside: Vec<IpAddr>,
    services: Vec<(Protocol, u16)>,
    /// What was seen, of those services.
    pub(crate) observed: BTreeSet<Tuple>,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        let mut edges = edges();
        edges.retain(|edge| edge.key.protocol.has_ports());
        let mut members: BTreeMap<Party, Vec<usize>> = BTreeMap::new();
        let (mut pods, mut outside) = (Vec::new(), Vec::new());
        for (party, address) in edges.iter().flat_map(parties) {
            if let Party::Workload(workload) = &party
                && let Some(namespace) = &workload.namespace
                && !members.contains_key(&party)
            {
                // One pod as it was, one of the next roll-out.
                let next = [("pod-template-hash".to_owned(), "next".to_owned())];
                let after = workload.labels.clone().into_iter().chain(next).collect();
                members.insert(party.clone(), vec![pods.len(), pods.len() + 1]);
                pods.extend([workload.labels.clone(), after].map(|labels| (namespace.clone(), labels)));
            } else if !members.contains_key(&party) {
                members.insert(party.clone(), Vec::new());
                outside.push((party, address));
            }
        }
        let labels = |text: &str| -> Labels {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        pods.extend(STRANGERS.map(|(namespace, text)| (namespace.to_owned(), labels(text))));
        for (at, (party, _)) in outside.iter().enumerate() {
            members.insert(party.clone(), vec![pods.len() + at]);
        }
        let mut outside: Vec<IpAddr> = outside.into_iter().map(|(_, address)| address).collect();
        outside.extend(outside.clone().into_iter().map(next));
        let services = services(&edges);
        let observed = edges.iter().flat_map(|edge| {
            let service = services.binary_search(&(edge.key.protocol, edge.key.port)).expect("it is one");
            let servers = &members[&edge.key.server];
            let pairs = members[&edge.key.client]
                .iter()
                .flat_map(|&client| servers.iter().map(move |&one| (client, one)));
            pairs.map(move |(client, server)| (service, client, server)).collect::<Vec<_>>()
        });
        let observed = observed.collect();
        let pods = pods.into_iter().enumerate().map(|(at, (namespace, labels))| Pod {
            namespace,
            name: format!("p{at}"),
            labels,
            addresses: vec![IpAddr::from([10, 9, 0, at as u8])],
            ..Pod::default()
        });
        Self { pods: pods.collect(), outside, services, observed }
    }

    fn len(&self) -> usize {
        self.pods.len() + self.outside.len()
    }

    /// All of them, in the order of answers.
    pub(crate) fn tuples(&self) -> impl Iterator<Item = Tuple> + '_ {
        let ends = self.len();
        (0..self.services.len() * ends * ends).map(move |at| (at / ends / ends, at / ends % ends, at % ends))
    }

    /// Whether nobody who has rules takes part, or can do anything about it: of clients outside the API knows nothing.
    pub(crate) fn is_free(&self, (_, client, server): Tuple) -> bool {
        let has_rules = |at: usize| self.pods.get(at).is_some_and(|pod| pod.namespace != "elsewhere");
        client == server || !has_rules(client) && (!has_rules(server) || client >= self.pods.len())
    }

    /// Whether somebody takes part whom nobody has seen: a selector may mean them as well, at a price.
    pub(crate) fn has_stranger(&self, (_, client, server): Tuple) -> bool {
        let strangers = self.pods.len() - STRANGERS.len()..self.pods.len();
        strangers.contains(&client) || strangers.contains(&server)
    }

    /// Whether somebody asks for names, over UDP or TCP: every pod may, seen or not.
    pub(crate) fn asks_for_names(&self, (service, client, server): Tuple) -> bool {
        let is_dns = |at: usize| {
            self.pods.get(at).is_some_and(|pod| pod.labels.get("k8s-app").is_some_and(|app| app == "coredns"))
        };
        let (protocol, port) = self.services[service];
        port == 53 && protocol != Protocol::SCTP && client < self.pods.len() && is_dns(server)
    }

    pub(crate) fn question(&self, policies: &[String]) -> Value {
        let pods = self.pods.iter().map(|pod| {
            json!({"address": pod.addresses[0], "pod": {
                "namespace": pod.namespace,
                "namespace_labels": {"kubernetes.io/metadata.name": pod.namespace},
                "labels": pod.labels,
            }})
        });
        let outside = self.outside.iter().map(|address| json!({"address": address}));
        let services = self
            .services
            .iter()
            .map(|(protocol, port)| json!({"protocol": protocol.to_string().to_uppercase(), "port": port}));
        json!({
            "policies": policies,
            "ends": pods.chain(outside).collect::<Vec<_>>(),
            "services": services.collect::<Vec<_>>(),
        })
    }

    /// For each tuple. Whether networks mean pods too is nothing that an export depends on.
    pub(crate) fn ours(&self, policies: &[String]) -> Vec<bool> {
        let mut world = World::default();
        self.pods.iter().for_each(|pod| world.add_pod(pod.clone()));
        let files = policies.iter().map(|text| ("exported.yaml", text.as_str()));
        let manifests = Manifests::read(files, "default").expect("policies");
        let [all, outside] = [Blocks::PodsToo, Blocks::OutsideOnly]
            .map(|blocks| Layers::of(&manifests, &world, &Names::default(), blocks));
        let said = |layers: &Layers<'_>, (service, client, server): Tuple| {
            let (protocol, port) = self.services[service];
            layers.allows(self.end(client), self.end(server), Service::Port { protocol, port })
        };
        let both = |tuple| {
            let allowed = said(&all, tuple);
            assert_eq!(allowed, said(&outside, tuple), "{}", self.tell(tuple));
            allowed
        };
        self.tuples().map(both).collect()
    }

    fn end(&self, at: usize) -> End {
        match at.checked_sub(self.pods.len()) {
            Some(outside) => End::Outside(self.outside[outside]),
            None => End::Pod(at),
        }
    }

    pub(crate) fn tell(&self, (service, client, server): Tuple) -> String {
        let end = |at: usize| match at.checked_sub(self.pods.len()) {
            Some(outside) => self.outside[outside].to_string(),
            None => format!("{} {:?}", self.pods[at].namespace, self.pods[at].labels),
        };
        format!("{} -> {} {:?}", end(client), end(server), self.services[service])
    }
}

fn parties(edge: &Edge) -> [(Party, IpAddr); 2] {
    let first = |addresses: &BTreeSet<IpAddr>| *addresses.first().expect("an address");
    [
        (edge.key.client.clone(), first(&edge.client_addresses)),
        (edge.key.server.clone(), first(&edge.server_addresses)),
    ]
}

/// What was used, the ports beside it, and the same port of the other transports; in order.
fn services(edges: &[Edge]) -> Vec<(Protocol, u16)> {
    let around = |edge: &Edge| {
        let (protocol, port) = (edge.key.protocol, edge.key.port);
        let transports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP].map(|one| (one, port));
        transports.into_iter().chain([(protocol, port - 1), (protocol, port + 1)])
    };
    let services: BTreeSet<_> = edges.iter().flat_map(around).collect();
    services.into_iter().collect()
}

/// The address after it.
fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(one) => std::net::Ipv4Addr::from_bits(one.to_bits() + 1).into(),
        IpAddr::V6(one) => std::net::Ipv6Addr::from_bits(one.to_bits() + 1).into(),
    }
}

//! What nodes do, judged by behaviour: clients, servers, and services that many share.

use std::collections::{BTreeMap, HashMap};

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use watershed_model::Party;

use crate::graph::Inner;
use crate::verdict::Verdict;
use crate::{GraphConfig, Scope, Service};

/// What a node does with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Uses services and offers none.
    Client,
    /// Offers services and uses none.
    Server,
    /// Does both.
    Both,
    /// Has no accepted edge to another node: only tried, was tried, or is doubtful.
    Bystander,
}

impl Role {
    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
            Self::Bystander => "bystander",
        }
    }
}

/// A node that many depend on and that depends on few: DNS, time, logs, directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedService {
    /// Who offers it.
    pub party: Party,
    /// How many internal nodes use it.
    pub dependants: usize,
    /// How many nodes it uses.
    pub dependencies: usize,
    /// Its services, each with how many internal nodes use it.
    pub services: BTreeMap<Service, usize>,
}

/// Sets role, dependants and dependencies of every node, from accepted edges to other nodes.
pub(crate) fn assign(graph: &mut Inner<'_>) {
    for (client, server) in dependencies(graph) {
        graph[client].dependencies += 1;
        graph[server].dependants += 1;
    }
    for node in graph.node_weights_mut() {
        node.role = match (node.dependencies > 0, node.dependants > 0) {
            (true, false) => Role::Client,
            (false, true) => Role::Server,
            (true, true) => Role::Both,
            (false, false) => Role::Bystander,
        };
    }
}

/// Each pair of client and server once, however many services connect them.
fn dependencies(graph: &Inner<'_>) -> Vec<(NodeIndex, NodeIndex)> {
    let mut pairs: Vec<_> = accepted(graph).map(|(client, server, _)| (client, server)).collect();
    // Edges are in order of their ends, so doubles are neighbours.
    pairs.dedup();
    pairs
}

fn accepted(graph: &Inner<'_>) -> impl Iterator<Item = (NodeIndex, NodeIndex, Service)> {
    graph
        .edge_references()
        .filter(|r| r.weight().verdict == Verdict::Accepted && r.source() != r.target())
        .map(|r| {
            let key = &r.weight().edge.key;
            (r.source(), r.target(), Service { protocol: key.protocol, port: key.port })
        })
}

/// The shared services, most dependants first. A node is one if
///
/// 1. at least `shared_min_dependants` internal nodes use it;
/// 2. they are at least `shared_min_share` of the internal nodes that use anything;
/// 3. it has at most `shared_max_dependencies` dependencies per internal dependant;
/// 4. more than half of this use is of services that have a customary name, as shared services do.
pub(crate) fn shared_services(graph: &Inner<'_>, config: &GraphConfig) -> Vec<SharedService> {
    let internal = |node: NodeIndex| graph[node].scope == Scope::Internal;
    let mut dependants: HashMap<NodeIndex, usize> = HashMap::new();
    for (_, server) in dependencies(graph).into_iter().filter(|&(client, _)| internal(client)) {
        *dependants.entry(server).or_default() += 1;
    }
    let mut services: HashMap<NodeIndex, BTreeMap<Service, usize>> = HashMap::new();
    for (_, server, service) in accepted(graph).filter(|&(client, ..)| internal(client)) {
        *services.entry(server).or_default().entry(service).or_default() += 1;
    }
    let clients = graph.node_indices().filter(|&node| internal(node) && graph[node].dependencies > 0).count();

    let mut shared: Vec<_> = dependants
        .into_iter()
        .map(|(server, dependants)| SharedService {
            party: graph[server].party.clone(),
            dependants,
            dependencies: graph[server].dependencies,
            services: services.remove(&server).unwrap_or_default(),
        })
        .filter(|service| is_shared(service, clients, config))
        .collect();
    shared.sort_by(|a, b| b.dependants.cmp(&a.dependants).then_with(|| a.party.cmp(&b.party)));
    shared
}

fn is_shared(service: &SharedService, clients: usize, config: &GraphConfig) -> bool {
    let uses = |named: bool| -> usize {
        service.services.iter().filter(|(s, _)| s.name().is_some() == named).map(|(_, count)| count).sum()
    };
    service.dependants >= config.shared_min_dependants
        && service.dependants as f64 >= config.shared_min_share * clients as f64
        && service.dependencies as f64 <= config.shared_max_dependencies * service.dependants as f64
        && uses(true) > uses(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{snapshot, tcp, udp};
    use crate::{Graph, Node};

    #[test]
    fn a_resolver_is_shared_and_a_front_end_is_not() {
        let hosts: Vec<String> = (1..=6).map(|n| format!("10.0.0.{n}")).collect();
        let mut edges: Vec<_> = hosts.iter().map(|host| udp(host, "10.0.0.53", 53).build()).collect();
        edges.extend(hosts.iter().map(|host| tcp(host, "10.0.0.80", 443).build()));
        edges.extend(["10.0.1.1", "10.0.1.2"].map(|back| tcp("10.0.0.80", back, 5432).build()));
        edges.push(udp("10.0.0.53", "9.9.9.9", 53).build());
        let snapshot = snapshot(edges);
        let graph = Graph::of(&snapshot, &GraphConfig::default());

        let [shared] = graph.shared_services() else { panic!("one: {:?}", graph.shared_services()) };
        assert_eq!(shared.party.to_string(), "10.0.0.53");
        assert_eq!((shared.dependants, shared.dependencies), (6, 1));
        assert_eq!(shared.services.values().sum::<usize>(), 6);
    }

    #[test]
    fn many_public_visitors_share_nothing() {
        let edges = (1..=50).map(|n| tcp(&format!("203.0.113.{n}"), "10.0.0.80", 443).build());
        let snapshot = snapshot(edges);
        assert_eq!(Graph::of(&snapshot, &GraphConfig::default()).shared_services(), []);
    }

    #[test]
    fn roles_and_tiers_come_from_accepted_edges_alone() {
        let snapshot = snapshot([
            tcp("10.0.0.1", "10.0.0.2", 80).build(),
            tcp("10.0.0.1", "10.0.0.2", 443).build(),
            tcp("10.0.0.2", "10.0.0.3", 5432).build(),
            tcp("10.0.0.1", "10.0.0.3", 5432).build(),
            tcp("10.0.0.3", "10.0.0.4", 22).refused().build(),
            tcp("10.0.0.3", "10.0.0.3", 5432).build(),
        ]);
        let graph = Graph::of(&snapshot, &GraphConfig::default());
        let facts = |n: &Node| (n.role, n.dependants, n.dependencies, n.tier);
        assert_eq!(
            graph.nodes().map(facts).collect::<Vec<_>>(),
            [
                (Role::Client, 0, 2, 0),
                (Role::Both, 1, 1, 1),
                (Role::Server, 2, 0, 2),
                (Role::Bystander, 0, 0, 0)
            ]
        );
    }
}

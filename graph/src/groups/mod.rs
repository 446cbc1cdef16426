//! Application groups and roles for those whom the inventory does not label: proposals for a person.
//!
//! Workloads of one application talk to each other and to the same others; so groups are communities of the
//! graph of accepted edges between internal nodes, once what everybody uses is set apart. [`Proposals`] writes
//! them as an inventory file to be edited and fed back.

mod behaviour;

mod communities;

mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;

pub use behaviour::Behaviour;
use communities::Links;

use crate::graph::Inner;
use crate::verdict::Verdict;
use crate::{GraphConfig, Scope, Service, SharedService};

/// The label that tells the application, and the one that tells the role.
const LABELS: (&str, &str) = ("app", "role");

/// A node whose peers lie in so many communities, none of which has more than half of its links' weight, belongs to none
/// of these: fewer is how an application's front end looks that several others use.
const MIN_SPREAD: usize = 5;

/// What is proposed, one entry for each internal node, in the order of [`crate::Graph::nodes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Proposals(Vec<Proposal>);

/// What is proposed for one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its place among [`crate::Graph::nodes`].
    pub node: usize,
    /// The application; `None` where nothing but shared services was used.
    pub app: Option<Guess<String>>,
    /// What it does; `None` where nothing tells.
    pub role: Option<Guess<Behaviour>>,
}

/// A guess and how well it fits, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess<T> {
    /// What is guessed.
    pub value: T,
    /// The share of the node's traffic that speaks for it: see [`Behaviour`].
    pub score: f64,
}

impl Proposals {
    /// Every entry.
    #[must_use]
    pub fn entries(&self) -> &[Proposal] {
        &self.0
    }

    /// Proposes groups and roles. Takes time in proportion to the accepted edges, some tens of times over.
    ///
    /// 1. Shared services are set apart, and so is who uses many and is used by few: monitoring, backups.
    /// 2. The rest is linked by accepted edges, which weigh more the more connections they had and the fewer
    ///    clients the service has.
    /// 3. Communities are found (see [`communities`]); nodes spread over [`MIN_SPREAD`] or more of them are
    ///    shared after all and are set apart, and communities are found again.
    /// 4. A group takes the `app` label that most of its labelled members have, else the name of its first
    ///    member; what was set apart is grouped by the service that it offers.
    ///
    /// The score of a group is, for each member, the share of its links' weight that stays in the group.
    pub(crate) fn of(graph: &Inner<'_>, shared: &[SharedService], config: &GraphConfig) -> Self {
        let behaviours = behaviour::of(graph);
        let mut apart: BTreeSet<NodeIndex> = collectors(graph, config);
        let offering: BTreeSet<_> = shared.iter().map(|service| &service.party).collect();
        apart.extend(graph.node_indices().filter(|&node| offering.contains(&graph[node].party)));

        let mut links = links(graph, &apart);
        let mut communities = communities::find(&links);
        let spread = spread(&links, &communities);
        if !spread.is_empty() {
            apart.extend(spread);
            links = self::links(graph, &apart);
            communities = communities::find(&links);
        }
        let names = names(graph, &links, &communities);
        let offers = Offers::of(graph, &apart);
        let internal = graph.node_indices().filter(|&node| graph[node].scope == Scope::Internal);
        Self(
            internal
                .map(|node| {
                    let role = behaviours.get(&node).cloned();
                    let app = if apart.contains(&node) {
                        Some(Guess { value: offers.name(node, role.as_ref()), score: 1.0 })
                    } else {
                        let community = communities[node.index()];
                        names.get(&community).map(|name| Guess {
                            value: name.clone(),
                            score: links.share_within(node.index(), &communities),
                        })
                    };
                    Proposal { node: node.index(), app, role }
                })
                .collect(),
        )
    }
}

/// Accepted edges between different internal nodes.
fn used(graph: &Inner<'_>) -> impl Iterator<Item = (NodeIndex, NodeIndex, Service, u64)> {
    graph
        .edge_references()
        .filter(|r| r.weight().verdict == Verdict::Accepted && r.source() != r.target())
        .filter(|r| [r.source(), r.target()].iter().all(|&end| graph[end].scope == Scope::Internal))
        .map(|r| {
            let edge = &r.weight().edge;
            let service = Service { protocol: edge.key.protocol, port: edge.key.port };
            (r.source(), r.target(), service, edge.answered)
        })
}

/// Nodes that use one service of many and are used by few: the conditions of shared services, the other way
/// round. A front end uses many as well, but each for something else.
fn collectors(graph: &Inner<'_>, config: &GraphConfig) -> BTreeSet<NodeIndex> {
    let mut uses: BTreeMap<NodeIndex, BTreeMap<Service, BTreeSet<NodeIndex>>> = BTreeMap::new();
    let mut servers = BTreeSet::new();
    for (client, server, service, _) in used(graph) {
        uses.entry(client).or_default().entry(service).or_default().insert(server);
        servers.insert(server);
    }
    let collects = |client: NodeIndex, used: &BTreeMap<Service, BTreeSet<NodeIndex>>| {
        let most = used.values().map(BTreeSet::len).max().unwrap_or(0);
        let all: usize = used.values().map(BTreeSet::len).sum();
        most >= config.shared_min_dependants
            && most as f64 >= config.shared_min_share * servers.len() as f64
            && 2 * most > all
            && graph[client].dependants as f64 <= config.shared_max_dependencies * most as f64
    };
    uses.iter().filter(|(client, used)| collects(**client, used)).map(|(client, _)| *client).collect()
}

/// The weighted links between nodes that are not set apart.
fn links(graph: &Inner<'_>, apart: &BTreeSet<NodeIndex>) -> Links {
    let mut clients: HashMap<(NodeIndex, Service), usize> = HashMap::new();
    for (_, server, service, _) in used(graph) {
        *clients.entry((server, service)).or_default() += 1;
    }
    let nodes = graph.node_count() as f64;
    let kept = used(graph).filter(|(client, server, ..)| !apart.contains(client) && !apart.contains(server));
    Links::new(
        graph.node_count(),
        kept.map(|(client, server, service, connections)| {
            // As for words in documents: how often, times how rare.
            let frequency = (1.0 + connections as f64).ln();
            let rarity = ((1.0 + nodes) / clients[&(server, service)] as f64).ln();
            (client.index(), server.index(), frequency * rarity)
        }),
    )
}

/// Nodes whose peers lie in many communities, none of which has more than half of the weight of their links. Weight, not
/// peers: a few stray connections reach as many communities as a shared service does, but weigh next to nothing.
fn spread(links: &Links, communities: &[usize]) -> Vec<NodeIndex> {
    let is_spread = |node: &usize| {
        let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
        for &(peer, weight) in links.of(*node) {
            *weights.entry(communities[peer]).or_default() += weight;
        }
        let (most, all) = weights.values().fold((0.0_f64, 0.0), |(most, all), &w| (most.max(w), all + w));
        weights.len() >= MIN_SPREAD && 2.0 * most <= all
    };
    (0..communities.len()).filter(is_spread).map(NodeIndex::new).collect()
}

/// A name for each community of more than one node, each name once.
fn names(graph: &Inner<'_>, links: &Links, communities: &[usize]) -> BTreeMap<usize, String> {
    let mut members: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for node in graph.node_indices().filter(|node| !links.of(node.index()).is_empty()) {
        members.entry(communities[node.index()]).or_default().push(node);
    }
    let mut ids = crate::graph::UniqueIds::default();
    members
        .into_iter()
        .map(|(community, members)| {
            let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
            let labelled =
                members.iter().filter_map(|&node| graph[node].party.workload()?.labels.get(LABELS.0));
            labelled.for_each(|label| *labels.entry(label).or_default() += 1);
            let most = labels.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
            let name =
                most.map_or_else(|| format!("with-{}", graph[members[0]].id), |(label, _)| label.to_owned());
            (community, ids.unique(&name, '-'))
        })
        .collect()
}

/// How many edges each service has of those that are set apart.
struct Offers(BTreeMap<NodeIndex, BTreeMap<Service, usize>>);

impl Offers {
    /// Looks at every edge once, however many are set apart.
    fn of(graph: &Inner<'_>, apart: &BTreeSet<NodeIndex>) -> Self {
        let mut offers: BTreeMap<NodeIndex, BTreeMap<Service, usize>> = BTreeMap::new();
        for (_, server, service, _) in used(graph).filter(|(_, server, ..)| apart.contains(server)) {
            *offers.entry(server).or_default().entry(service).or_default() += 1;
        }
        Self(offers)
    }

    /// What somebody set apart is called: by what most use of it, else by what it does.
    fn name(&self, node: NodeIndex, role: Option<&Guess<Behaviour>>) -> String {
        let role = role.map(|guess| guess.value);
        if role == Some(Behaviour::Monitoring) {
            return Behaviour::Monitoring.as_str().to_owned();
        }
        let services = self.0.get(&node).into_iter().flatten();
        let most = services.max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let name = most.map(|(service, _)| service.name().map_or_else(|| service.to_string(), str::to_owned));
        name.unwrap_or_else(|| role.map_or("shared", Behaviour::as_str).to_owned())
    }
}

#[cfg(test)]
mod tests;

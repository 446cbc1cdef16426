//! The graph itself: built once from a snapshot, then only read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use watershed_model::{Counters, Edge, KnownName, LossEntry, Party, Snapshot, TimeRange};

use crate::direction::{self, Direction, Reading};
use crate::roles::{self, Role, SharedService};
use crate::scan::{self, Scan};
use crate::verdict::{Verdict, verdict};
use crate::{Exposure, GraphConfig, Proposals, Scope, exposure, tiers};

/// Who depends on whom in one period.
///
/// Nodes are parties, edges are services used; there are as many edges between two nodes as services.
/// It borrows the snapshot, whose edges are large and many.
#[derive(Debug)]
pub struct Graph<'a> {
    snapshot: &'a Snapshot,
    config: GraphConfig,
    inner: Inner<'a>,
    shared: Vec<SharedService>,
    exposed: Vec<Exposure>,
    egress: Vec<Exposure>,
    scans: Vec<Scan>,
}

/// Nodes in order of their parties, edges in order of their keys.
pub(crate) type Inner<'a> = DiGraph<Node, Link<'a>>;

/// An edge and what it is good for.
#[derive(Clone, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) edge: Cow<'a, Edge>,
    pub(crate) direction: Direction,
    pub(crate) verdict: Verdict,
}

/// A party and what it does. Roles count accepted edges only: being scanned makes nobody a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Who it is.
    pub party: Party,
    /// What to call it: the party's display, with `#2`, `#3` ... where several would look alike.
    pub id: String,
    /// The addresses seen.
    pub addresses: BTreeSet<IpAddr>,
    /// The names that DNS answers gave to these addresses, and those by which accepted clients asked for it.
    pub names: BTreeSet<Box<str>>,
    /// Where it lies.
    pub scope: Scope,
    /// What it does.
    pub role: Role,
    /// How many nodes use it.
    pub dependants: usize,
    /// How many nodes it uses.
    pub dependencies: usize,
    /// How many steps below the topmost client it is, by the longest way; a cycle is one step.
    pub tier: usize,
}

impl<'a> Graph<'a> {
    /// The graph of a snapshot. Takes time in proportion to its edges and their addresses.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot, config: &GraphConfig) -> Self {
        let mut edges: Vec<&Edge> = snapshot.edges.iter().collect();
        edges.sort_by(|a, b| a.key.cmp(&b.key));

        let threshold = config.direction_threshold();
        let readings = direction::settle(&edges, threshold);
        let edges: Vec<&Edge> = readings.iter().map(|reading| &*reading.edge).collect();
        let mut verdicts: Vec<Verdict> =
            readings.iter().map(|reading| verdict(&reading.edge, &reading.direction, threshold)).collect();
        let scanners = scan::judge(&edges, &mut verdicts, config);
        let scans = scan::ledger(&edges, &verdicts, &scanners, config);

        let mut inner = assemble(readings, &verdicts);
        describe_nodes(&mut inner, &snapshot.names, config);
        roles::assign(&mut inner);
        tiers::assign(&mut inner);

        let shared = roles::shared_services(&inner, config);
        let (exposed, egress) = (exposure::exposed(&inner), exposure::egress(&inner));
        Self { snapshot, config: config.clone(), inner, shared, exposed, egress, scans }
    }

    /// Edges that may become rules, in order of their keys.
    pub fn accepted(&self) -> impl Iterator<Item = &Edge> {
        self.inner.edge_weights().filter(|link| link.verdict == Verdict::Accepted).map(|link| &*link.edge)
    }

    /// All edges with their verdicts, in order of their keys.
    pub fn edges(&self) -> impl Iterator<Item = (&Edge, &Verdict)> {
        self.inner.edge_weights().map(|link| (&*link.edge, &link.verdict))
    }

    /// How sure the direction of each edge is, in the order of [`Graph::edges`].
    pub fn directions(&self) -> impl Iterator<Item = &Direction> {
        self.inner.edge_weights().map(|link| &link.direction)
    }

    /// All nodes, in order of their parties.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.inner.node_weights()
    }

    /// What many depend on, most dependants first.
    #[must_use]
    pub fn shared_services(&self) -> &[SharedService] {
        &self.shared
    }

    /// Internal parties that answered public ones, in order.
    #[must_use]
    pub fn exposed(&self) -> &[Exposure] {
        &self.exposed
    }

    /// Internal parties that use public ones, in order.
    #[must_use]
    pub fn egress(&self) -> &[Exposure] {
        &self.egress
    }

    /// The scan ledger: who tried what in vain, in order of source and protocol.
    #[must_use]
    pub fn scans(&self) -> &[Scan] {
        &self.scans
    }

    /// The period that the graph is about.
    #[must_use]
    pub const fn period(&self) -> TimeRange {
        self.snapshot.period
    }

    /// What was lost in this period, in order.
    #[must_use]
    pub fn loss(&self) -> &[LossEntry] {
        &self.snapshot.loss
    }

    /// What the collectors counted in this period.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.snapshot.counters
    }

    /// Application groups and roles for those who have no labels.
    #[must_use]
    pub fn proposals(&self) -> Proposals {
        Proposals::of(&self.inner, &self.shared, &self.config)
    }

    /// The graph by itself.
    #[cfg(test)]
    pub(crate) const fn inner(&self) -> &Inner<'a> {
        &self.inner
    }

    /// All edges with the indices of client and server among [`Graph::nodes`], in order of their keys.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, usize, &Link<'a>)> {
        self.inner.edge_references().map(|r| (r.source().index(), r.target().index(), r.weight()))
    }
}

/// Nodes with their addresses and edges with their verdicts; both arrive sorted and stay so.
fn assemble<'a>(readings: Vec<Reading<'a>>, verdicts: &[Verdict]) -> Inner<'a> {
    let mut addresses: BTreeMap<&Party, BTreeSet<IpAddr>> = BTreeMap::new();
    for Reading { edge, .. } in &readings {
        addresses.entry(&edge.key.client).or_default().extend(&edge.client_addresses);
        addresses.entry(&edge.key.server).or_default().extend(&edge.server_addresses);
    }
    let mut inner = Inner::with_capacity(addresses.len(), readings.len());
    let mut indices: HashMap<Party, NodeIndex> = HashMap::with_capacity(addresses.len());
    for (party, mut addresses) in addresses {
        if let Party::Address(address) = party {
            addresses.insert(*address);
        }
        indices.insert(party.clone(), inner.add_node(Node::new(party.clone(), addresses)));
    }
    for (Reading { edge, direction }, &verdict) in readings.into_iter().zip(verdicts) {
        let (client, server) = (indices[&edge.key.client], indices[&edge.key.server]);
        // Who merely probes may write any name into a request.
        if verdict == Verdict::Accepted {
            inner[server].names.extend(edge.names.iter().cloned());
        }
        inner.add_edge(client, server, Link { edge, direction, verdict });
    }
    inner
}

impl Node {
    fn new(party: Party, addresses: BTreeSet<IpAddr>) -> Self {
        Self {
            id: party.to_string(),
            party,
            addresses,
            names: BTreeSet::new(),
            scope: Scope::Internal,
            role: Role::Bystander,
            dependants: 0,
            dependencies: 0,
            tier: 0,
        }
    }
}

/// Scopes, names and unique ids.
fn describe_nodes(inner: &mut Inner<'_>, names: &[KnownName], config: &GraphConfig) {
    let mut by_address: HashMap<IpAddr, Vec<&str>> = HashMap::new();
    for known in names {
        by_address.entry(known.address).or_default().push(&known.name);
    }
    let mut ids = UniqueIds::default();
    for node in inner.node_weights_mut() {
        node.scope = Scope::of(&node.party, node.addresses.iter(), config);
        let known = node.addresses.iter().filter_map(|address| by_address.get(address)).flatten();
        node.names.extend(known.map(|&name| name.into()));
        node.id = ids.unique(&node.id, '#');
    }
}

/// Makes strings unique by numbering those that look alike.
#[derive(Default)]
pub(crate) struct UniqueIds {
    given: HashSet<String>,
    doubles: HashMap<String, usize>,
}

impl UniqueIds {
    /// `id`; where that is given out, `id`, `separator` and the next number from 2 on.
    pub(crate) fn unique(&mut self, id: &str, separator: char) -> String {
        let mut candidate = id.to_owned();
        while !self.given.insert(candidate.clone()) {
            let number = self.doubles.entry(id.to_owned()).or_insert(1);
            *number += 1;
            candidate = format!("{id}{separator}{number}");
        }
        candidate
    }
}

#[cfg(test)]
mod tests;

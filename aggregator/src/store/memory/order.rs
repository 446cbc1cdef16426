//! From entries to edges, in the order of their keys.

use std::collections::BTreeSet;

use watershed_model::{AgentId, Edge, EdgeKey, Evidence, Hour, Party, Protocol, TimeRange};

use super::entry::{Entry, Totals};
use super::{Key, MemoryStore};

/// Edges one at a time, in the order of their keys; takes 36 bytes an entry while it lasts.
#[derive(Debug)]
pub struct EdgesInOrder<'a> {
    store: &'a MemoryStore,
    order: Vec<Place>,
    /// Pairs of entry and name, in order.
    names: Vec<(u32, u32)>,
    next: usize,
}

/// An entry's place in the order: first by edge, then by pair of addresses, then by agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    edge: (u32, u32, Protocol, u16),
    pair: (u32, u32),
    agent: u32,
    entry: u32,
}

impl<'a> EdgesInOrder<'a> {
    pub(super) fn new(store: &'a MemoryStore, period: Option<TimeRange>) -> Self {
        let ranks = party_ranks(store);
        let entries = store.entries.items().iter().enumerate();
        let mut order: Vec<Place> = entries
            .filter(|(_, (_, entry))| entry.is_in(period))
            .map(|(number, (key, _))| Place {
                edge: (ranks[key.client as usize], ranks[key.server as usize], key.protocol, key.port),
                pair: (key.client, key.server),
                agent: key.agent,
                entry: number as u32,
            })
            .collect();
        order.sort_unstable();
        Self { store, order, names: store.names.by_entry(), next: 0 }
    }

    /// The edge of these entries, which all belong to it.
    fn edge(&self, places: &[Place]) -> Option<Edge> {
        let (first_key, first_entry) = self.entry(places.first()?);
        let mut edge = Edge {
            key: self.edge_key(first_key),
            connections: 0,
            answered: 0,
            to_server: Default::default(),
            to_client: Default::default(),
            first_seen: first_entry.first_seen,
            last_seen: first_entry.last_seen,
            states: Default::default(),
            evidence: Default::default(),
            names: BTreeSet::new(),
            hours: BTreeSet::new(),
            client_addresses: BTreeSet::new(),
            server_addresses: BTreeSet::new(),
            observers: BTreeSet::new(),
        };
        let mut totals = Totals::default();
        for client in places.chunk_by(|a, b| a.pair.0 == b.pair.0) {
            totals.add(&self.of_client(client));
            client.chunk_by(|a, b| a.pair == b.pair).for_each(|pair| self.describe(&mut edge, pair));
        }
        Some(Edge {
            connections: totals.connections,
            answered: totals.answered,
            to_server: totals.to_server,
            to_client: totals.to_client,
            states: totals.states,
            evidence: totals.evidence,
            ..edge
        })
    }

    /// The totals of one address of a client. A connection through a service may be seen twice, at the service's address
    /// before that is rewritten and at the server's own after: of the two the one is taken that shows more.
    fn of_client(&self, places: &[Place]) -> Totals {
        let (mut through, mut direct) = (Totals::default(), Totals::default());
        for pair in places.chunk_by(|a, b| a.pair == b.pair) {
            let totals = self.best_observed(pair);
            let side = if totals.evidence.of(Evidence::VIA_SERVICE) > 0 { &mut through } else { &mut direct };
            side.add(&totals);
        }
        if through.quality() > direct.quality() { through } else { direct }
    }

    /// The totals of the agent that saw most of what went on between two addresses.
    fn best_observed(&self, pair: &[Place]) -> Totals {
        let by_agent = pair.chunk_by(|a, b| a.agent == b.agent).map(|places| {
            let mut totals = Totals::default();
            places.iter().for_each(|place| totals.add(&Totals::of(&self.entry(place).1)));
            let agent = places.first().map(|place| self.agent(place.agent));
            (totals, agent)
        });
        let best = by_agent.max_by(|(a, a_agent), (b, b_agent)| {
            a.quality().cmp(&b.quality()).then_with(|| b_agent.cmp(a_agent))
        });
        best.map(|(totals, _)| totals).unwrap_or_default()
    }

    /// What is taken from every observer: times, names, addresses.
    fn describe(&self, edge: &mut Edge, pair: &[Place]) {
        for place in pair {
            let (key, entry) = self.entry(place);
            edge.first_seen = edge.first_seen.min(entry.first_seen);
            edge.last_seen = edge.last_seen.max(entry.last_seen);
            edge.hours.insert(Hour(i64::from(key.hour)));
            let start = self.names.partition_point(|&(entry, _)| entry < place.entry);
            let names = self.names[start..].iter().take_while(|&&(entry, _)| entry == place.entry);
            edge.names.extend(names.map(|&(_, name)| self.store.names.text(name).into()));
        }
        if let Some(place) = pair.first() {
            let (key, _) = self.entry(place);
            edge.client_addresses.insert(self.store.parties.key(key.client).address);
            edge.server_addresses.insert(self.store.parties.key(key.server).address);
        }
        for observed in pair.chunk_by(|a, b| a.agent == b.agent) {
            edge.observers.extend(observed.first().map(|place| self.agent(place.agent).clone()));
        }
    }

    fn entry(&self, place: &Place) -> &'a (Key, Entry) {
        &self.store.entries.items()[place.entry as usize]
    }

    fn agent(&self, agent: u32) -> &'a AgentId {
        self.store.agents.key(agent)
    }

    fn edge_key(&self, key: &Key) -> EdgeKey {
        let party = |number: u32| {
            let member = self.store.parties.key(number);
            member.workload.map_or(Party::Address(member.address), |workload| {
                Party::Workload(self.store.workloads.get(workload).clone())
            })
        };
        let (client, server) = (party(key.client), party(key.server));
        EdgeKey { client, server, protocol: key.protocol, port: key.port }
    }
}

impl Iterator for EdgesInOrder<'_> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        let rest = self.order.get(self.next..)?;
        let first = rest.first()?;
        let length = rest.iter().take_while(|place| place.edge == first.edge).count();
        self.next += length;
        self.edge(&rest[..length])
    }
}

/// The rank of each party in the order of [`Party`], by its number: addresses of one workload rank alike.
fn party_ranks(store: &MemoryStore) -> Vec<u32> {
    let workload_ranks = store.workloads.ranks();
    let mut ranks = vec![0; store.parties.len()];
    let mut addresses = Vec::new();
    for (number, (member, ())) in store.parties.items().iter().enumerate() {
        match member.workload {
            Some(workload) => ranks[number] = workload_ranks[workload as usize],
            None => addresses.push((member.address, number)),
        }
    }
    addresses.sort_unstable();
    for (rank, (_, number)) in addresses.into_iter().enumerate() {
        ranks[number] = (workload_ranks.len() + rank) as u32;
    }
    ranks
}

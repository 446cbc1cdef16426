//! Names under which addresses outside were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::{Edge, Party};

/// What addresses were called, in lower case and without the final dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<IpAddr, BTreeSet<String>>);

impl Names {
    /// Adds what an address was called.
    pub fn add<'a>(&mut self, address: IpAddr, names: impl IntoIterator<Item = &'a Box<str>>) {
        let known = self.0.entry(address).or_default();
        known.extend(names.into_iter().map(|name| name.trim_end_matches('.').to_lowercase()));
    }

    /// The names of servers outside that edges were seen with.
    pub(crate) fn of_edges(edges: &[&Edge]) -> Self {
        let mut names = Self::default();
        for edge in edges.iter().filter(|edge| !edge.names.is_empty()) {
            if matches!(&edge.key.server, Party::Workload(server) if server.namespace.is_some()) {
                continue;
            }
            // With several addresses it is not known which of them was called so.
            edge.server_addresses.iter().for_each(|&address| names.add(address, &edge.names));
        }
        names
    }

    /// Most names of one address.
    pub(crate) fn most(&self) -> usize {
        self.0.values().map(BTreeSet::len).max().unwrap_or_default()
    }

    /// For each address the name whose turn it is.
    pub(crate) fn one_each(&self, turn: usize) -> Self {
        let one = |names: &BTreeSet<String>| names.iter().cycle().nth(turn % names.len().max(1)).cloned();
        Self(self.0.iter().map(|(&address, names)| (address, one(names).into_iter().collect())).collect())
    }

    /// How many addresses of which some name is wanted have others that are not.
    pub(crate) fn shared(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let both = |names: &&BTreeSet<String>| {
            names.iter().any(|name| wanted(name)) && !names.iter().all(|name| wanted(name))
        };
        self.0.values().filter(both).count() as u64
    }

    /// The addresses of which some name is wanted.
    pub(crate) fn addresses(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = IpAddr> {
        let any = move |names: &BTreeSet<String>| names.iter().any(|name| wanted(name));
        self.0.iter().filter(move |(_, names)| any(names)).map(|(&address, _)| address)
    }
}

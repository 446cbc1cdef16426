//! Exclusions at work: dependencies that never become rules are taken out before mining.

use watershed_model::Edge;

use super::{Decisions, Exclusion};
use crate::Service;

/// Edges, those that were excluded apart.
#[derive(Clone, Debug, Default)]
pub struct Sifted<'a> {
    /// What rules are mined from, in order.
    pub kept: Vec<&'a Edge>,
    /// What is not, in order, each with the number of the first exclusion that means it.
    pub excluded: Vec<(&'a Edge, usize)>,
}

impl Decisions {
    /// Takes out what was excluded.
    pub fn sift<'a>(&self, edges: impl IntoIterator<Item = &'a Edge>) -> Sifted<'a> {
        let mut sifted = Sifted::default();
        for edge in edges {
            match self.exclude.iter().position(|exclusion| exclusion.means(edge)) {
                Some(number) => sifted.excluded.push((edge, number)),
                None => sifted.kept.push(edge),
            }
        }
        sifted
    }
}

impl Exclusion {
    /// Whether it means an edge.
    #[must_use]
    pub fn means(&self, edge: &Edge) -> bool {
        let client = self.client.as_ref();
        let server = self.server.as_ref();
        client.is_none_or(|end| end.means(&edge.key.client, &edge.client_addresses))
            && server.is_none_or(|end| end.means(&edge.key.server, &edge.server_addresses))
            && (self.ports.is_empty()
                || Service::of(&edge.key)
                    .is_some_and(|service| self.ports.iter().any(|allowed| allowed.includes(service))))
    }
}

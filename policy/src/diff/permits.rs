//! What the rules of an export permit at one end of a connection, found by who is at that end.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::read::{Allowances, End, Flat};
use super::spans::Spans;
use crate::k8s::Direction;
use crate::{Allowed, Service};

/// The rules of each subject.
pub(crate) struct Permits<'a>(HashMap<(&'a str, Direction), Vec<&'a Flat>>);

/// The other end of a connection.
pub(crate) struct Peer<'a> {
    /// What a workload is called.
    pub(crate) name: Option<&'a str>,
    /// What it was seen with.
    pub(crate) addresses: &'a BTreeSet<IpAddr>,
}

impl<'a> Permits<'a> {
    pub(crate) fn of(allowances: &'a Allowances) -> Self {
        let mut of: HashMap<(&str, Direction), Vec<&Flat>> = HashMap::new();
        for rule in &allowances.rules {
            for subject in &rule.subjects {
                if let End::Workload(name) = subject {
                    of.entry((name, rule.direction)).or_default().push(rule);
                }
            }
        }
        Self(of)
    }

    /// Whether rules of `subject` are for a service with `peer`: by its name, or with each of its addresses.
    pub(crate) fn permit(
        &self,
        subject: &str,
        direction: Direction,
        peer: &Peer<'_>,
        service: Service,
    ) -> bool {
        let asked = Spans::of(&[Allowed::Service(service)]);
        let rules: Vec<&Flat> = self
            .0
            .get(&(subject, direction))
            .into_iter()
            .flatten()
            .copied()
            .filter(|rule| asked.without(&rule.ports).is_empty())
            .collect();
        let by_name = peer.name.is_some_and(|name| rules.iter().any(|rule| rule.names(name)));
        let within = |address: &IpAddr| rules.iter().any(|rule| rule.contains(address));
        by_name || (!peer.addresses.is_empty() && peer.addresses.iter().all(within))
    }
}

impl Flat {
    /// Whether a workload is among its peers.
    fn names(&self, name: &str) -> bool {
        let order = |end: &End| match end {
            End::Workload(other) => (**other).cmp(name),
            // Networks stand after all workloads.
            End::Network(_) => Ordering::Greater,
        };
        self.peers.binary_search_by(order).is_ok()
    }

    fn contains(&self, address: &IpAddr) -> bool {
        self.peers.iter().any(|end| matches!(end, End::Network(network) if network.contains(address)))
    }
}

//! Which service addresses hand connections on, and to whom, over time.
//!
//! The address and port of a Kubernetes Service are nobody's: the node of the client rewrites them to those of a pod
//! behind it. A rule for pods needs that pod's port, also where only the client's side of the rewriting was seen.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use watershed_model::{Endpoint, Protocol, Timestamp, Workload};

/// Service ports remembered; beyond it new ones are refused and counted. A cluster of 10,000 Services with three ports
/// in two address families has 60,000.
pub const MAX_FRONTS: usize = 1_000_000;

/// What one service port led to is remembered for so many changes, the latest: a rollout of a Service changes who is
/// behind it, but seldom which workload and port that is.
const MAX_CHANGES_EACH: usize = 32;

/// A port that hands connections on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Front {
    /// Of one address.
    Address(IpAddr, Protocol, u16),
    /// Of every node of the cluster.
    EveryNode(Protocol, u16),
}

/// Where a front leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    /// The service with its port, as `NAME.NAMESPACE.svc:PORT`; `None` where a port of a node leads to a pod by itself.
    pub service: Option<Arc<str>>,
    /// Who is there.
    pub server: Server,
    /// The port there; `None` where those behind the front use several, so that it is not known which.
    pub port: Option<u16>,
    /// Whether the address is rewritten on the way, so that the same connection may also be seen at the server's own
    /// address.
    pub rewritten: bool,
}

/// Who is behind a front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// A workload.
    Workload(Arc<Workload>),
    /// One address that is no workload's.
    Address(IpAddr),
}

/// That a front leads elsewhere from `at` on; to nobody where `backend` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontChange {
    /// From when on.
    pub at: Timestamp,
    /// The front.
    pub front: Front,
    /// Where it leads.
    pub backend: Option<Arc<Backend>>,
}

/// Where a front led, from each time on.
type Led = Vec<(Timestamp, Option<Arc<Backend>>)>;

/// Every front and where it led when.
#[derive(Clone, Debug, Default)]
pub struct Fronts {
    known: HashMap<Front, Led>,
    refused: u64,
}

impl Fronts {
    /// Takes over a change. One of a time before the latest of its front takes the latest's place.
    pub fn apply(&mut self, change: FrontChange) {
        if self.known.len() >= MAX_FRONTS && !self.known.contains_key(&change.front) {
            self.refused += 1;
            return;
        }
        let changes = self.known.entry(change.front).or_default();
        while changes.last().is_some_and(|(at, _)| *at >= change.at) {
            changes.pop();
        }
        if changes.len() >= MAX_CHANGES_EACH {
            changes.remove(0);
        }
        changes.push((change.at, change.backend));
    }

    /// Where `to` led at `at`. `on_node` says whether the address is a node's.
    ///
    /// What is known first of a front is taken to have been so before, as it was there when the watching began.
    #[must_use]
    pub fn find(&self, to: Endpoint, protocol: Protocol, on_node: bool, at: Timestamp) -> Option<&Backend> {
        if self.known.is_empty() || !protocol.has_ports() {
            return None;
        }
        let of_node = || self.known.get(&Front::EveryNode(protocol, to.port)).filter(|_| on_node);
        let changes = self.known.get(&Front::Address(to.address, protocol, to.port)).or_else(of_node)?;
        let next = changes.partition_point(|(from, _)| *from <= at);
        changes.get(next.saturating_sub(1))?.1.as_deref()
    }

    /// How many fronts are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many changes there was no room for.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_parts(second, 0)
    }

    fn backend(port: u16) -> Arc<Backend> {
        let server = Server::Workload(Arc::new(Workload { name: "web".to_owned(), ..Workload::default() }));
        Arc::new(Backend {
            service: Some("web.shop.svc:80".into()),
            server,
            port: Some(port),
            rewritten: true,
        })
    }

    #[test]
    fn a_front_leads_where_it_led_then() {
        let address: IpAddr = "10.96.0.7".parse().unwrap();
        let front = Front::Address(address, Protocol::TCP, 80);
        let mut fronts = Fronts::default();
        for (time, backend) in [(10, Some(backend(8080))), (20, None), (30, Some(backend(9090)))] {
            fronts.apply(FrontChange { at: at(time), front, backend });
        }
        let to = Endpoint { address, port: 80 };
        let port =
            |time| fronts.find(to, Protocol::TCP, false, at(time)).map(|backend| backend.port.unwrap());
        assert_eq!(
            [5, 10, 19, 20, 30, 99].map(port),
            [Some(8080), Some(8080), Some(8080), None, Some(9090), Some(9090)]
        );
        assert_eq!(fronts.find(to, Protocol::UDP, false, at(10)), None);
        assert_eq!(fronts.find(Endpoint { address, port: 81 }, Protocol::TCP, false, at(10)), None);
    }

    #[test]
    fn a_port_of_every_node_is_one_of_nodes_only() {
        let mut fronts = Fronts::default();
        let front = Front::EveryNode(Protocol::TCP, 30_080);
        fronts.apply(FrontChange { at: at(0), front, backend: Some(backend(8080)) });
        let to = Endpoint { address: "192.0.2.1".parse().unwrap(), port: 30_080 };
        assert!(fronts.find(to, Protocol::TCP, true, at(1)).is_some());
        assert!(fronts.find(to, Protocol::TCP, false, at(1)).is_none());
    }
}

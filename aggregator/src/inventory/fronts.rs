//! Which service addresses hand connections on, and to whom, over time.
//!
//! The address and port of a Kubernetes Service are nobody's: the node of the client rewrites them to those of a pod
//! behind it. A rule for pods needs that pod's port, also where only the client's side of the rewriting was seen.
//!
//! A port that is only declared is one that leads to whoever has the address: it says who is the server.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use watershed_model::{Endpoint, Protocol, Timestamp, Workload};

use super::Source;

/// Ports of Services and declared ports remembered; beyond it new ones are refused and counted. A cluster of 10,000
/// Services with three ports in two address families has 60,000, one of 100,000 pods some 300,000 declared ones.
pub const MAX_FRONTS: usize = 1_000_000;

/// Changes remembered; beyond it of each front the older half is forgotten. A rollout of a Service changes who is behind
/// it, but seldom which workload and port that is.
pub const MAX_FRONT_CHANGES: usize = 4_000_000;

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
    /// Whoever has the front's own address: the source says that something is offered there, and no more.
    Declared(Source),
}

impl Backend {
    /// That `source` declares `port` of an address.
    #[must_use]
    pub const fn declared(source: Source, port: u16) -> Self {
        Self { service: None, server: Server::Declared(source), port: Some(port), rewritten: false }
    }

    /// Who declares the port, where that is all there is.
    #[must_use]
    pub const fn declared_by(&self) -> Option<Source> {
        match self.server {
            Server::Declared(source) => Some(source),
            Server::Workload(_) | Server::Address(_) => None,
        }
    }
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

/// What is said at once of where fronts lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontUpdate {
    /// What has changed.
    Changes(Vec<FrontChange>),
    /// All there is, as after a start: every other front of the same source has led to nobody since `at`.
    Everything {
        /// When it was so.
        at: Timestamp,
        /// Where each front leads, and since when as far as that is known.
        led: Vec<FrontChange>,
    },
}

/// Where a front led, from each time on.
type Led = Vec<(Timestamp, Option<Arc<Backend>>)>;

/// Every front and where it led when.
#[derive(Clone, Debug)]
pub struct Fronts {
    known: HashMap<Front, Led>,
    limit: usize,
    remembered: usize,
    refused: u64,
}

impl Default for Fronts {
    fn default() -> Self {
        Self { known: HashMap::new(), limit: MAX_FRONT_CHANGES, remembered: 0, refused: 0 }
    }
}

impl Fronts {
    /// Takes over what `source` says, and returns those changes that say something new: told to others, in whatever
    /// order, they make them the same.
    ///
    /// What is declared does not take the place of where a front leads, and a source takes back only what it said.
    pub fn take(&mut self, source: Source, update: FrontUpdate) -> Vec<FrontChange> {
        let mut changes = match update {
            FrontUpdate::Changes(changes) => changes,
            FrontUpdate::Everything { at, led } => self.differences(source, led, at),
        };
        changes.retain(|change| self.may_say(source, change) && self.apply(change));
        changes
    }

    fn may_say(&self, source: Source, change: &FrontChange) -> bool {
        let last = self.known.get(&change.front).and_then(|known| known.last()?.1.as_deref());
        match (last, &change.backend) {
            (None, _) => true,
            (Some(last), Some(new)) => new.declared_by().is_none() || last.declared_by().is_some(),
            (Some(last), None) => is_of(last, source),
        }
    }

    /// Takes over one change; false where it says nothing new, or there is no room for it. One that is told later about
    /// the same time takes the place of the earlier one.
    pub fn apply(&mut self, change: &FrontChange) -> bool {
        let full = self.known.len() >= MAX_FRONTS && !self.known.contains_key(&change.front);
        if full || (self.remembered >= self.limit && !self.forget_older_half()) {
            self.refused += 1;
            return false;
        }
        let changes = self.known.entry(change.front).or_default();
        let backend = change.backend.clone();
        match changes.binary_search_by_key(&change.at, |(at, _)| *at) {
            Ok(place) if changes[place].1 == backend => return false,
            Ok(place) => changes[place].1 = backend,
            Err(place) => {
                changes.insert(place, (change.at, backend));
                self.remembered += 1;
            }
        }
        true
    }

    /// What changes where from `at` on fronts lead as `led` says, and no others do. What has led there before goes on
    /// doing so; what leads elsewhere does so from where that is known to have begun, but not from before the last
    /// change that is known.
    fn differences(&self, source: Source, led: Vec<FrontChange>, at: Timestamp) -> Vec<FrontChange> {
        let mut changes = Vec::new();
        let mut there = HashSet::with_capacity(led.len());
        for change in led {
            there.insert(change.front);
            match self.known.get(&change.front).and_then(|known| known.last()) {
                Some((_, backend)) if *backend == change.backend => {}
                Some((last, _)) if *last >= change.at => {
                    changes.push(FrontChange { at: at.max(*last), ..change });
                }
                _ => changes.push(change),
            }
        }
        let leads = |known: &Led| {
            known.last().and_then(|(_, backend)| backend.as_deref()).is_some_and(|last| is_of(last, source))
        };
        let gone = self.known.iter().filter(|(front, known)| !there.contains(*front) && leads(known));
        let mut gone: Vec<Front> = gone.map(|(front, _)| *front).collect();
        gone.sort_unstable();
        changes.extend(gone.into_iter().map(|front| FrontChange { at, front, backend: None }));
        changes
    }

    /// Whether that made room.
    fn forget_older_half(&mut self) -> bool {
        for changes in self.known.values_mut() {
            changes.drain(..changes.len() / 2);
            changes.shrink_to_fit();
        }
        self.remembered = self.known.values().map(Vec::len).sum();
        self.remembered < self.limit
    }

    /// Where `to` led at `at`. `on_node` says whether the address is a node's.
    ///
    /// What is known first of a front is taken to have been so before, as it was there when the watching began; but
    /// what was declared of an address may be another's before.
    #[must_use]
    pub fn find(&self, to: Endpoint, protocol: Protocol, on_node: bool, at: Timestamp) -> Option<&Backend> {
        if self.known.is_empty() || !protocol.has_ports() {
            return None;
        }
        let of_node = || self.known.get(&Front::EveryNode(protocol, to.port)).filter(|_| on_node);
        let changes = self.known.get(&Front::Address(to.address, protocol, to.port)).or_else(of_node)?;
        let next = changes.partition_point(|(from, _)| *from <= at);
        let backend = changes.get(next.saturating_sub(1))?.1.as_deref();
        backend.filter(|backend| next > 0 || backend.declared_by().is_none())
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

/// Whether `source` said where a front leads; where it does not say itself, that is Kubernetes.
fn is_of(backend: &Backend, source: Source) -> bool {
    backend.declared_by().unwrap_or(Source::Kubernetes) == source
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
            assert!(fronts.apply(&FrontChange { at: at(time), front, backend }));
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
    fn what_is_said_anew_after_a_stop_is_what_is_different() {
        let front = |port| Front::EveryNode(Protocol::TCP, port);
        let led =
            |time, port, to| FrontChange { at: at(time), front: front(port), backend: Some(backend(to)) };
        let mut fronts = Fronts::default();
        let first = vec![led(1, 80, 8080), led(1, 81, 8081), led(20, 82, 8082), led(1, 83, 8083)];
        assert_eq!(
            fronts.take(Source::Kubernetes, FrontUpdate::Everything { at: at(10), led: first.clone() }),
            first
        );
        // One as before, one elsewhere with a start that cannot be, one with one that can, one gone.
        let then = vec![led(1, 80, 8080), led(1, 81, 9090), led(30, 82, 9092)];
        let gone = FrontChange { at: at(40), front: front(83), backend: None };
        let new = fronts.take(Source::Kubernetes, FrontUpdate::Everything { at: at(40), led: then.clone() });
        assert_eq!(new, [led(40, 81, 9090), led(30, 82, 9092), gone]);
        assert_eq!(fronts.take(Source::Kubernetes, FrontUpdate::Changes(new.clone())), [], "nothing new");
        let mut again = Fronts::default();
        for change in new.iter().chain(&first) {
            again.apply(change);
        }
        assert_eq!(again.known, fronts.known, "in whatever order");
    }

    #[test]
    fn what_is_declared_takes_no_places_place_and_each_source_takes_back_its_own() {
        let address: IpAddr = "10.0.0.7".parse().unwrap();
        let front = |port| Front::Address(address, Protocol::TCP, port);
        let says = |time, port, source| FrontChange {
            at: at(time),
            front: front(port),
            backend: Some(Arc::new(Backend::declared(source, port))),
        };
        let leads = FrontChange { at: at(1), front: front(80), backend: Some(backend(8080)) };
        let gone = |time, port| FrontChange { at: at(time), front: front(port), backend: None };
        let mut fronts = Fronts::default();
        fronts.take(Source::Kubernetes, FrontUpdate::Changes(vec![leads]));
        let docker = vec![says(2, 80, Source::Docker), says(2, 81, Source::Docker)];
        let new = fronts.take(Source::Docker, FrontUpdate::Changes(docker.clone()));
        assert_eq!(new, docker[1..], "where it leads is known better");
        let file = vec![says(2, 82, Source::File)];
        assert_eq!(fronts.take(Source::File, FrontUpdate::Everything { at: at(3), led: file.clone() }), file);
        assert_eq!(fronts.take(Source::Docker, FrontUpdate::Changes(vec![gone(4, 80), gone(4, 82)])), []);
        let none = FrontUpdate::Everything { at: at(5), led: Vec::new() };
        assert_eq!(fronts.take(Source::Docker, none), [gone(5, 81)]);
        let declared = |time, port| {
            let found = fronts.find(Endpoint { address, port }, Protocol::TCP, false, at(time));
            found.and_then(Backend::declared_by)
        };
        assert_eq!([1, 2, 4, 5].map(|time| declared(time, 81).is_some()), [false, true, true, false]);
        assert_eq!(declared(9, 82), Some(Source::File));
    }

    #[test]
    fn beyond_the_limit_what_is_older_is_forgotten() {
        let front = Front::EveryNode(Protocol::TCP, 80);
        let mut fronts = Fronts { limit: 8, ..Fronts::default() };
        for time in 0..100 {
            assert!(fronts.apply(&FrontChange { at: at(time), front, backend: Some(backend(time as u16)) }));
        }
        assert!(fronts.remembered <= 8 && fronts.refused() == 0);
        assert_eq!(fronts.known[&front].last().unwrap().0, at(99));
    }

    #[test]
    fn a_port_of_every_node_is_one_of_nodes_only() {
        let mut fronts = Fronts::default();
        let front = Front::EveryNode(Protocol::TCP, 30_080);
        fronts.apply(&FrontChange { at: at(0), front, backend: Some(backend(8080)) });
        let to = Endpoint { address: "192.0.2.1".parse().unwrap(), port: 30_080 };
        assert!(fronts.find(to, Protocol::TCP, true, at(1)).is_some());
        assert!(fronts.find(to, Protocol::TCP, false, at(1)).is_none());
    }
}

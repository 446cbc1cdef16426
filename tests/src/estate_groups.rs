//! Estates of known applications, generated: what grouping without labels is measured on.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;
use watershed_model::{
    ConnState, Counters, Edge, EdgeKey, EdgeTraffic, Evidence, EvidenceCounts, Hour, Party, Protocol,
    Snapshot, StateCounts, TimeRange, Timestamp,
};

/// How the applications of an estate are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Load balancers, web and application servers, databases, caches, batch: each tier uses the next.
    Tiers,
    /// Services with a few replicas each, which call some of the services below them on the same port.
    Microservices,
}

/// What was observed of an estate, and the truth about it.
#[derive(Debug)]
pub struct Estate {
    /// Accepted edges between addresses.
    pub snapshot: Snapshot,
    /// The application of each address; noise is an application of its own each.
    pub truth: BTreeMap<IpAddr, usize>,
}

/// Everything ends here: one hour of one day.
const START: i64 = 1_767_322_800;

/// Connections on an edge that an application needs, and on one that is noise.
const NEEDED: std::ops::Range<u64> = 3..400;
const NOISE: std::ops::Range<u64> = 1..4;

/// An estate of `workloads`: applications of 4 to 60 workloads, a fiftieth of all workloads that belong to
/// nothing, shared services (names, time, directory, logs, a message bus that a few use, a jump host,
/// monitoring, backup), calls between applications, and one edge in `noise_every` between any two workloads.
#[must_use]
pub fn generate(style: Style, workloads: usize, noise_every: usize, seed: u64) -> Estate {
    let mut estate =
        Builder { rng: Rng::with_seed(seed), truth: Vec::new(), edges: BTreeMap::new(), apps: 0 };
    let shared = estate.shared();
    let mut fronts = Vec::new();
    while estate.truth.len() < workloads - workloads / 50 {
        fronts.push(match style {
            Style::Tiers => estate.tiers(),
            Style::Microservices => estate.microservices(),
        });
    }
    estate.calls_between(&fronts);
    while estate.truth.len() < workloads {
        estate.app(1);
    }
    estate.use_shared(&shared);
    estate.noise(noise_every);
    estate.finish()
}

/// Shared services by the workloads that offer them; the last two use everybody.
struct Shared {
    offered: Vec<(Vec<usize>, Protocol, u16, f64)>,
    monitoring: Vec<usize>,
    backup: Vec<usize>,
}

struct Builder {
    rng: Rng,
    /// The application of each workload.
    truth: Vec<usize>,
    edges: BTreeMap<(usize, usize, Protocol, u16), u64>,
    apps: usize,
}

impl Builder {
    /// A new application of so many workloads.
    fn app(&mut self, workloads: usize) -> Vec<usize> {
        self.apps += 1;
        self.more(workloads)
    }

    /// More workloads of the newest application.
    fn more(&mut self, workloads: usize) -> Vec<usize> {
        let first = self.truth.len();
        self.truth.extend(std::iter::repeat_n(self.apps, workloads));
        (first..first + workloads).collect()
    }

    fn use_service(&mut self, client: usize, server: usize, protocol: Protocol, port: u16) {
        let connections = self.rng.u64(NEEDED);
        *self.edges.entry((client, server, protocol, port)).or_default() += connections;
    }

    /// Each client uses about this share of the servers, at least one.
    fn use_some(&mut self, clients: &[usize], servers: &[usize], port: u16, share: f64) {
        for &client in clients {
            let Some(&certain) = self.rng.choice(servers) else { continue };
            for &server in servers {
                if server == certain || self.rng.f64() < share {
                    self.use_service(client, server, Protocol::TCP, port);
                }
            }
        }
    }

    fn tiers(&mut self) -> Vec<usize> {
        let balancers = {
            let n = self.rng.usize(1..3);
            self.app(n)
        };
        let mut tier = |workloads| {
            let n = self.rng.usize(workloads);
            self.more(n)
        };
        let (web, app, database) = (tier(1..12), tier(1..30), tier(1..5));
        let (cache, batch) = (tier(0..4), tier(0..8));
        let port = [8000, 8080, 9000, 8443][self.rng.usize(0..4)];
        let data = [5432, 3306, 27017, 1433][self.rng.usize(0..4)];
        self.use_some(&balancers, &web, 8080, 0.9);
        self.use_some(&web, &app, port, 0.4);
        self.use_some(&app, &database, data, 0.5);
        self.use_some(&app, &cache, 6379, 0.5);
        self.use_some(&batch, &database, data, 0.5);
        self.use_some(&database[1..], &database[..1], data, 1.0);
        balancers
    }

    fn microservices(&mut self) -> Vec<usize> {
        let services = self.rng.usize(3..16);
        let mut of: Vec<Vec<usize>> = Vec::new();
        for service in 0..services {
            let replicas = self.rng.usize(1..5);
            let replicas = if service == 0 { self.app(replicas) } else { self.more(replicas) };
            if service > 0 {
                // Everything is called by something above it; some by several.
                for _ in 0..self.rng.usize(1..4) {
                    let caller = of[self.rng.usize(0..of.len())].clone();
                    self.use_some(&caller, &replicas, 8080, 0.6);
                }
            }
            of.push(replicas);
        }
        of.swap_remove(0)
    }

    /// Every second application calls the front of one or two others.
    fn calls_between(&mut self, fronts: &[Vec<usize>]) {
        for _ in 0..fronts.len() * 3 / 4 {
            let (from, to) = (self.rng.usize(0..fronts.len()), self.rng.usize(0..fronts.len()));
            if from != to {
                self.use_some(&fronts[from][..1], &fronts[to], 443, 0.5);
            }
        }
    }

    fn shared(&mut self) -> Shared {
        let mut offer = |workloads, protocol, port, share| (self.app(workloads), protocol, port, share);
        let offered = vec![
            offer(3, Protocol::UDP, 53, 1.0),
            offer(2, Protocol::UDP, 123, 0.9),
            offer(2, Protocol::TCP, 389, 0.5),
            offer(2, Protocol::TCP, 6514, 0.7),
            offer(3, Protocol::TCP, 9092, 0.03),
        ];
        Shared { offered, monitoring: self.app(2), backup: self.app(1) }
    }

    fn use_shared(&mut self, shared: &Shared) {
        for workload in 0..self.truth.len() {
            for (servers, protocol, port, share) in &shared.offered {
                let server = servers[self.rng.usize(0..servers.len())];
                if self.truth[workload] != self.truth[server] && self.rng.f64() < *share {
                    self.use_service(workload, server, *protocol, *port);
                }
            }
            for (watchers, port) in [(&shared.monitoring, 9100), (&shared.backup, 22)] {
                let watcher = watchers[workload % watchers.len()];
                if watcher != workload {
                    self.use_service(watcher, workload, Protocol::TCP, port);
                }
            }
        }
    }

    fn noise(&mut self, every: usize) {
        for _ in 0..self.edges.len() / every {
            let (client, server) = (self.rng.usize(0..self.truth.len()), self.rng.usize(0..self.truth.len()));
            let port = [22, 80, 443, 8080, 5432, self.rng.u16(1024..32_768)][self.rng.usize(0..6)];
            if client != server {
                let connections = self.rng.u64(NOISE);
                *self.edges.entry((client, server, Protocol::TCP, port)).or_default() += connections;
            }
        }
    }

    fn finish(self) -> Estate {
        let mut edges: Vec<Edge> = self
            .edges
            .into_iter()
            .map(|((client, server, protocol, port), connections)| {
                edge(address(client), address(server), protocol, port, connections)
            })
            .collect();
        edges.sort_by(|a, b| a.key.cmp(&b.key));
        let time = |seconds| Timestamp::from_parts(START + seconds, 0);
        let period = TimeRange { start: time(0), end: time(60) };
        let (names, loss, counters) = (Vec::new(), Vec::new(), Counters::default());
        let truth = self.truth.iter().enumerate().map(|(n, &app)| (address(n), app)).collect();
        Estate { snapshot: Snapshot { period, edges, names, listeners: Vec::new(), loss, counters }, truth }
    }
}

/// Shuffled over the addresses, so that neighbouring numbers tell nothing: 7919 is prime to 2^16.
fn address(workload: usize) -> IpAddr {
    let number = (workload * 7919) % 65_536;
    IpAddr::V4(Ipv4Addr::new(10, 1, (number >> 8) as u8, number as u8))
}

/// An edge whose connections were all opened in sight and answered.
#[must_use]
pub fn edge(client: IpAddr, server: IpAddr, protocol: Protocol, port: u16, connections: u64) -> Edge {
    let opened = Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE;
    let asked = Evidence::WELL_KNOWN_PORT | Evidence::LOWER_PORT | Evidence::EPHEMERAL_CLIENT;
    let (mut states, mut evidence) = (StateCounts::default(), EvidenceCounts::default());
    for _ in 0..connections {
        states.add(ConnState::Sf);
        evidence.add(if protocol == Protocol::TCP { opened } else { asked });
    }
    let traffic = EdgeTraffic { packets: connections * 10, ip_bytes: connections * 5_000 };
    let time = Timestamp::from_parts(START, 0);
    Edge {
        key: EdgeKey { client: Party::Address(client), server: Party::Address(server), protocol, port },
        connections,
        answered: connections,
        to_server: traffic,
        to_client: traffic,
        first_seen: time,
        last_seen: time,
        states,
        evidence,
        names: [].into(),
        hours: [Hour::of(time)].into(),
        client_addresses: [client].into(),
        server_addresses: [server].into(),
        observers: ["agent".into()].into(),
    }
}

/// How well two groupings of the same things agree: 1 the same, 0 what chance gives (Hubert and Arabie 1985).
#[must_use]
pub fn adjusted_rand_index(one: &[usize], other: &[usize]) -> f64 {
    let pairs = |counts: &BTreeMap<(usize, usize), usize>| -> f64 {
        counts.values().map(|&n| n as f64 * (n as f64 - 1.0) / 2.0).sum()
    };
    let count = |key: &dyn Fn(usize) -> (usize, usize)| {
        let mut counts = BTreeMap::new();
        (0..one.len()).for_each(|n| *counts.entry(key(n)).or_default() += 1);
        pairs(&counts)
    };
    let both = count(&|n| (one[n], other[n]));
    let (first, second) = (count(&|n| (one[n], 0)), count(&|n| (0, other[n])));
    let all = one.len() as f64 * (one.len() as f64 - 1.0) / 2.0;
    let expected = if all > 0.0 { first * second / all } else { 0.0 };
    let most = (first + second) / 2.0;
    if most - expected == 0.0 { 1.0 } else { (both - expected) / (most - expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_that_of_the_textbook() {
        assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 7, 7]), 1.0);
        let halved = adjusted_rand_index(&[0, 0, 1, 1], &[0, 0, 1, 2]);
        assert!((halved - 0.571_428).abs() < 1e-5, "{halved}");
        assert!(adjusted_rand_index(&[0, 0, 1, 1], &[0, 1, 0, 1]) < 0.0);
    }

    #[test]
    fn the_same_seed_gives_the_same_estate() {
        let estate = |seed| generate(Style::Tiers, 100, 20, seed).snapshot.edges;
        assert_eq!(estate(1), estate(1));
        assert_ne!(estate(1), estate(2));
    }
}

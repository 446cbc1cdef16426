//! Estates with a known intended policy: workloads of applications with roles, what they are meant to use, and
//! the edges of an observation that missed a part of it.
//!
//! The same seed gives the same estate. Every workload has labels that mean something (`app`, `role`, `env`),
//! one of its own (`component`) and one that changes with every rollout (`pod-template-hash`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fastrand::Rng;
use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Party, Protocol, StateCounts, Timestamp, Workload,
};

/// Roles of an application, with how many workloads have each: ten in all.
const ROLES: [(&str, usize); 5] = [("web", 3), ("api", 3), ("worker", 2), ("db", 1), ("cache", 1)];

/// Who uses which port of whom inside an application.
const INSIDE: [(&str, &str, u16); 5] = [
    ("web", "api", 8080),
    ("api", "db", 5432),
    ("api", "cache", 6379),
    ("worker", "db", 5432),
    ("worker", "cache", 6379),
];

/// Workloads of one application.
pub const APPLICATION: usize = 10;

/// How an estate is made.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Applications, each in a namespace of its own.
    pub applications: usize,
    /// Other applications whose interface each application uses.
    pub calls: usize,
    /// How likely it is that an intended connection was observed, from 0 to 1.
    pub observed: f64,
    /// What makes one estate different from another.
    pub seed: u64,
}

/// Client, server, protocol and port: numbers of workloads.
pub type Tuple = (usize, usize, Protocol, u16);

/// Workloads, what is intended, and what was observed.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Everybody; DNS and monitoring are the first two.
    pub workloads: Vec<Arc<Workload>>,
    /// Everything that is meant to be allowed.
    pub intended: BTreeSet<Tuple>,
    /// Rules that a careful engineer would write for that, both ends counted.
    pub rules: usize,
    /// What was observed.
    pub observed: Vec<Tuple>,
}

impl Estate {
    /// Makes an estate.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut rng = Rng::with_seed(config.seed);
        let mut estate = Self::default();
        estate.add("infra", "dns", "dns", &mut rng);
        estate.add("infra", "monitoring", "monitoring", &mut rng);
        let applications: Vec<_> =
            (0..config.applications).map(|number| estate.application(number, &mut rng)).collect();
        for application in &applications {
            for (client, server, port) in INSIDE {
                estate.intend(&application[client], &application[server], port);
            }
        }
        for (at, application) in applications.iter().enumerate() {
            let calls = config.calls.min(applications.len() - 1);
            for other in rng.choose_multiple((0..applications.len()).filter(|&other| other != at), calls) {
                estate.intend(&application["api"], &applications[other]["api"], 9000);
            }
        }
        estate.share(config.applications);
        for &(client, server, protocol, port) in &estate.intended {
            // DNS over TCP is for answers that do not fit: hardly ever seen.
            if (protocol, port) != (Protocol::TCP, 53) && rng.f64() < config.observed {
                estate.observed.push((client, server, protocol, port));
            }
        }
        estate
    }

    /// What was observed as edges, one at a time: a million of them would fill a gigabyte.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.observed.iter().map(|&(client, server, protocol, port)| self.edge(client, server, protocol, port))
    }

    fn application(&mut self, number: usize, rng: &mut Rng) -> BTreeMap<&'static str, Vec<usize>> {
        let name = format!("app{number:04}");
        let of_role = |(role, count): (&'static str, usize)| {
            let members =
                (0..count).map(|at| self.add(&name, &format!("{role}-service{at}"), role, rng)).collect();
            (role, members)
        };
        ROLES.into_iter().map(of_role).collect()
    }

    fn add(&mut self, application: &str, name: &str, role: &str, rng: &mut Rng) -> usize {
        let hash = format!("{:08x}", rng.u32(..));
        let labels = [
            ("app", application),
            ("component", name),
            ("env", "prod"),
            ("pod-template-hash", &hash),
            ("role", role),
        ];
        self.workloads.push(Arc::new(Workload {
            name: name.to_owned(),
            namespace: Some(application.to_owned()),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..Workload::default()
        }));
        self.workloads.len() - 1
    }

    /// Two rules: from the clients, and to the servers.
    fn intend(&mut self, clients: &[usize], servers: &[usize], port: u16) {
        let pairs = clients.iter().flat_map(|&client| servers.iter().map(move |&server| (client, server)));
        self.intended.extend(pairs.map(|(client, server)| (client, server, Protocol::TCP, port)));
        self.rules += 2;
    }

    /// Everybody asks for names, and is monitored: a rule for each namespace, and one for the server.
    fn share(&mut self, applications: usize) {
        for workload in 0..self.workloads.len() {
            self.intended.extend([(workload, 0, Protocol::UDP, 53), (workload, 0, Protocol::TCP, 53)]);
            if workload > 1 {
                self.intended.insert((1, workload, Protocol::TCP, 9100));
            }
        }
        self.rules += 2 * (applications + 1) + 1;
    }

    fn edge(&self, client: usize, server: usize, protocol: Protocol, port: u16) -> Edge {
        let party = |at: usize| Party::Workload(Arc::clone(&self.workloads[at]));
        Edge {
            key: EdgeKey { client: party(client), server: party(server), protocol, port },
            connections: 20,
            answered: 20,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            first_seen: Timestamp::from_parts(1_767_323_045, 0),
            last_seen: Timestamp::from_parts(1_769_323_045, 0),
            states: StateCounts::default(),
            evidence: EvidenceCounts::default(),
            names: BTreeSet::new(),
            hours: BTreeSet::new(),
            client_addresses: BTreeSet::from([address(client)]),
            server_addresses: BTreeSet::from([address(server)]),
            observers: BTreeSet::new(),
        }
    }
}

fn address(workload: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + workload as u32))
}

//! A cluster with the steps of its roll-out, and what they are to do to every connection: told from the rules of the plan,
//! from labels, and from who is in a step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::{Edge, Party, Protocol, Workload};
use watershed_policy::Service;
use watershed_policy::k8s::{Direction, End, Pod, World};
use watershed_policy::layers::Names;
use watershed_policy::mine::{Census, Level, Plan, mine_decided};
use watershed_policy::rollout::{Dialect, Mined, PolicySteps, Unit, plan_policies};
use watershed_policy::{Namespace, Whom};

use crate::estate::{Estate, GENERATION, name};
use crate::likeness::{groups, has_all, looks_like, pods};

/// Of the network that people's rules are about; nobody was seen with it.
const STRANGER: &str = "192.0.2.9";

/// What nobody was seen to use; of one of these people have rules.
const UNSEEN: [Service; 3] = [
    Service::Port { protocol: Protocol::TCP, port: 81 },
    Service::Port { protocol: Protocol::TCP, port: 8200 },
    Service::Port { protocol: Protocol::UDP, port: 80 },
];

/// Who takes part.
pub(crate) struct Someone {
    /// The workload's name or the address: pods of all its generations have one.
    pub(crate) name: String,
    pub(crate) end: End,
}

/// An estate in a cluster.
pub(crate) struct Cluster {
    pub(crate) estate: Estate,
    pub(crate) what: String,
    pub(crate) rollout: PolicySteps,
    pub(crate) world: World,
    pub(crate) ends: Vec<Someone>,
    pub(crate) services: Vec<Service>,
    /// What addresses outside are called.
    names: BTreeMap<IpAddr, BTreeSet<Box<str>>>,
    /// Workloads that policies cannot tell apart, or that are of one unit, by their names: the first of them.
    groups: BTreeMap<String, String>,
    /// For each connection whether rules of the plan permit it at the client's end and at the server's.
    permitted: Vec<(bool, bool)>,
    seen: Vec<bool>,
}

impl Cluster {
    pub(crate) fn random(seed: u64, dialect: Dialect, level: Level, unit: Unit) -> Self {
        let estate = Estate::random(seed);
        let what = format!("seed {seed}, {level}, {unit:?}");
        let census = Census::of(&estate.accepted, &estate.silent).expect("a census");
        let plan = mine_decided(&census, level, &estate.decisions).expect("a plan");
        let mined = Mined { census: &census, plan: &plan, dialect };
        let rollout = estate.with(|inputs| plan_policies(inputs, unit, &mined));
        let rollout = rollout.unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut cluster = Self {
            what,
            rollout,
            world: World::default(),
            ends: Vec::new(),
            services: services(&estate, dialect),
            names: names(&estate),
            groups: groups(&pods(&estate), unit),
            permitted: Vec::new(),
            seen: Vec::new(),
            estate,
        };
        cluster.populate();
        if dialect == Dialect::Cilium {
            cluster.thin_out();
        }
        cluster.permitted = cluster.each(|client, server, service| {
            let permits =
                |direction, subject, peer| cluster.permits(&plan, direction, subject, peer, service);
            (permits(Direction::Egress, client, server), permits(Direction::Ingress, server, client))
        });
        cluster.seen = cluster.each(|client, server, service| cluster.was_seen(client, server, service));
        cluster
    }

    /// Every connection, as judges are asked for them: for each service, client and server.
    pub(crate) fn each<T>(&self, of: impl Fn(&Someone, &Someone, Service) -> T) -> Vec<T> {
        let of = &of;
        let ends = &self.ends;
        let pairs = ends.iter().flat_map(|client| ends.iter().map(move |server| (client, server)));
        let each = self
            .services
            .iter()
            .flat_map(|&service| pairs.clone().map(move |(client, server)| of(client, server, service)));
        each.collect()
    }

    /// Client, server and service of the connection at a place.
    pub(crate) fn at(&self, place: usize) -> (usize, usize, Service) {
        let count = self.ends.len();
        (place / count % count, place % count, self.services[place / count / count])
    }

    /// Whether rules permit the connection at a place, at the client's end and at the server's.
    pub(crate) fn permitted(&self, place: usize) -> (bool, bool) {
        self.permitted[place]
    }

    pub(crate) fn seen(&self, place: usize) -> bool {
        self.seen[place]
    }

    /// What is known of names to addresses.
    pub(crate) fn names(&self) -> Names {
        let mut names = Names::default();
        self.names.iter().for_each(|(&address, called)| names.add(address, called));
        names
    }

    pub(crate) fn names_of(&self, address: IpAddr) -> Vec<&str> {
        self.names.get(&address).into_iter().flatten().map(|name| &**name).collect()
    }

    /// For each end whether it is bound where these steps are in force.
    pub(crate) fn bound(&self, steps: &BTreeSet<usize>) -> Vec<bool> {
        let parties = steps.iter().flat_map(|&at| &self.rollout.steps[at].parties);
        let groups: BTreeSet<&String> = parties.map(|party| &self.groups[&name(party)]).collect();
        let known = pods(&self.estate);
        let bound = |one: &Someone| {
            let End::Pod(at) = one.end else { return false };
            if let Some(group) = self.groups.get(&one.name) {
                return groups.contains(group);
            }
            // Of those whom nobody knows whoever looks like somebody in a step.
            let pod = &self.world.pods()[at];
            known.iter().any(|(name, of)| looks_like(pod, of) && groups.contains(&self.groups[name]))
        };
        self.ends.iter().map(bound).collect()
    }

    /// For each end whether default deny binds it: all pods of namespaces that are known.
    pub(crate) fn bound_by_default(&self) -> Vec<bool> {
        let namespaces: BTreeSet<Option<String>> =
            pods(&self.estate).values().map(|one| one.namespace.clone()).collect();
        let bound = |one: &Someone| match one.end {
            End::Pod(at) => namespaces.contains(&Some(self.world.pods()[at].namespace.clone())),
            End::Outside(_) => false,
        };
        self.ends.iter().map(bound).collect()
    }

    /// Everybody who was seen or is known, a pod of the next generation, pods that nobody knows, and a stranger.
    fn populate(&mut self) {
        let mut workloads: BTreeSet<Workload> =
            self.estate.silent.iter().map(|workload| workload.as_ref().clone()).collect();
        workloads.extend(self.estate.ends().filter_map(|(party, _)| party.workload().cloned()));
        workloads.retain(|workload| workload.namespace.is_some());
        let first = workloads.first().cloned().expect("a pod");
        let mut next = first.clone();
        next.labels.insert(GENERATION.into(), "next".into());
        let mut namesake = first;
        namesake.namespace = Some("elsewhere".into());
        let labels = [("app".to_owned(), "stranger".to_owned())].into();
        let stranger = Workload {
            name: "stranger".into(),
            namespace: Some("one".into()),
            labels,
            ..Workload::default()
        };
        for workload in workloads.into_iter().chain([next, namesake, stranger]) {
            let pods = self.world.pods().len();
            self.world.add_pod(Pod {
                namespace: workload.namespace.clone().unwrap_or_default(),
                name: workload.name.clone(),
                labels: workload.labels.clone(),
                addresses: vec![IpAddr::from([10, 1, 0, pods as u8])],
                ..Pod::default()
            });
            self.ends.push(Someone { name: name(&Party::Workload(workload.into())), end: End::Pod(pods) });
        }
        let outside = |(party, addresses): (&Party, &BTreeSet<IpAddr>)| {
            let in_cluster = party.workload().is_some_and(|workload| workload.namespace.is_some());
            let addresses = if in_cluster { BTreeSet::new() } else { addresses.clone() };
            addresses.into_iter().map(|address| (address, name(party))).collect::<Vec<_>>()
        };
        let mut outside: BTreeMap<IpAddr, String> = self.estate.ends().flat_map(outside).collect();
        outside.insert(STRANGER.parse().expect("an address"), STRANGER.into());
        self.ends
            .extend(outside.into_iter().map(|(address, name)| Someone { name, end: End::Outside(address) }));
    }

    /// Leaves some of the ends and services, for a judge that takes its time.
    fn thin_out(&mut self) {
        const ENDS: usize = 8;
        const SERVICES: usize = 5;
        let mut random = fastrand::Rng::with_seed(self.estate.seed);
        random.shuffle(&mut self.ends);
        self.ends.truncate(ENDS);
        random.shuffle(&mut self.services);
        self.services.truncate(SERVICES);
    }

    fn was_seen(&self, client: &Someone, server: &Someone, service: Service) -> bool {
        let is = |one: &Someone, party: &Party, addresses: &BTreeSet<IpAddr>| {
            one.name == name(party)
                && match one.end {
                    End::Pod(_) => true,
                    End::Outside(address) => addresses.contains(&address),
                }
        };
        let stands_for = |edge: &Edge| {
            Service::of(&edge.key) == Some(service)
                && is(client, &edge.key.client, &edge.client_addresses)
                && is(server, &edge.key.server, &edge.server_addresses)
        };
        self.estate.accepted.iter().any(stands_for)
    }

    /// Whether a rule of the plan allows it, at one of the ends.
    fn permits(
        &self,
        plan: &Plan,
        direction: Direction,
        subject: &Someone,
        peer: &Someone,
        service: Service,
    ) -> bool {
        let End::Pod(at) = subject.end else { return true };
        // Of those whom nobody knew, only what is for the whole namespace is told: default deny has that.
        let is_known = pods(&self.estate).values().any(|of| looks_like(&self.world.pods()[at], of));
        let is_for = |whom: &Whom| match whom {
            Whom::Workloads { labels, .. } => is_known || labels.is_empty(),
            Whom::Parties(_) | Whom::Networks(_) => is_known,
        };
        plan.rules.iter().any(|rule| {
            rule.direction == direction
                && is_for(&rule.subject)
                && rule.ports.iter().any(|allowed| allowed.includes(service))
                && self.means(&rule.subject, subject)
                && self.means(&rule.peer, peer)
        })
    }

    fn means(&self, whom: &Whom, one: &Someone) -> bool {
        match (whom, one.end) {
            (Whom::Workloads { namespace, labels }, End::Pod(at)) => {
                let pod = &self.world.pods()[at];
                let there = match namespace {
                    Namespace::Hosts => false,
                    Namespace::One(name) => *name == pod.namespace,
                    Namespace::Every => true,
                };
                there && has_all(&pod.labels, labels)
            }
            (Whom::Workloads { namespace: Namespace::Hosts, labels }, End::Outside(_)) => {
                self.estate.ends().any(|(party, _)| {
                    let host = party.workload().filter(|workload| workload.namespace.is_none());
                    name(party) == one.name && host.is_some_and(|host| has_all(&host.labels, labels))
                })
            }
            (Whom::Parties(_), End::Outside(address)) => whom.has(address),
            (Whom::Networks(networks), End::Outside(address)) => {
                networks.iter().any(|network| network.contains(&address))
            }
            _ => false,
        }
    }
}

fn services(estate: &Estate, dialect: Dialect) -> Vec<Service> {
    let sayable = |service: &Service| match service {
        Service::Port { .. } => true,
        Service::Icmp { .. } => dialect == Dialect::Cilium,
        Service::Protocol(_) => false,
    };
    let seen = estate.accepted.iter().filter_map(|edge| Service::of(&edge.key));
    let all: BTreeSet<Service> = seen.chain(UNSEEN).filter(sayable).collect();
    all.into_iter().collect()
}

fn names(estate: &Estate) -> BTreeMap<IpAddr, BTreeSet<Box<str>>> {
    let mut names: BTreeMap<IpAddr, BTreeSet<Box<str>>> = BTreeMap::new();
    for edge in &estate.accepted {
        if let Party::Address(address) = edge.key.server {
            names.entry(address).or_default().extend(edge.names.iter().cloned());
        }
    }
    names
}

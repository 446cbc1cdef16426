//! From dependencies of classes to drafts of rules: first the peers of each service are covered, then the
//! subjects that have the same peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::blocks::blocks;
use super::census::Census;
use super::classes::{ClassId, Classes, Scope, Selection};
use super::cover::{Coverer, SelectionId};
use super::{ClassDependency, Level};
use crate::Service;
use crate::identity::Identity;
use crate::k8s::Direction;

/// Who is meant, before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    Selection(Selection),
    Networks(Vec<IpNet>),
}

/// A rule before it has its evidence and its price.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) direction: Direction,
    pub(crate) subject: Selection,
    pub(crate) subjects: Arc<[ClassId]>,
    pub(crate) peer: Target,
    pub(crate) peers: Arc<[ClassId]>,
    /// What is allowed; none means everything.
    pub(crate) services: BTreeSet<Service>,
    pub(crate) shared: bool,
}

/// Drafts of both directions at the levels that go by service.
pub(crate) fn draft(
    census: &Census,
    classes: &Classes,
    dependencies: &[ClassDependency],
    shared: &BTreeSet<(ClassId, Service)>,
    level: Level,
) -> Vec<Draft> {
    let mut coverer = Coverer::new(classes, level.lambda());
    let mut drafts = share(classes, shared, &mut coverer);
    for direction in [Direction::Ingress, Direction::Egress] {
        let mut side = Side {
            census,
            classes,
            coverer: &mut coverer,
            direction,
            level,
            networks: Vec::new(),
            numbers: BTreeMap::new(),
        };
        let of_service = dependencies.chunk_by(|a, b| (a.server, a.service) == (b.server, b.service));
        let own = of_service.flat_map(|group| {
            let is_shared = shared.contains(&(group[0].server, group[0].service));
            group.iter().filter(move |one| !(is_shared && classes.in_cluster(one.client)))
        });
        let mut sorted: Vec<(ClassId, Service, ClassId)> = own
            .map(|one| match direction {
                Direction::Ingress => (one.server, one.service, one.client),
                Direction::Egress => (one.client, one.service, one.server),
            })
            .filter(|&(subject, ..)| !is_address(census, classes, subject))
            .collect();
        sorted.sort_unstable();
        drafts.extend(side.draft(&sorted));
    }
    drafts
}

/// Whether a class is an address that nobody owns: no rule can be for it.
pub(crate) fn is_address(census: &Census, classes: &Classes, class: ClassId) -> bool {
    address(census, classes, class).is_some()
}

fn address(census: &Census, classes: &Classes, class: ClassId) -> Option<IpAddr> {
    let node = classes.class(class).members.first()?;
    match census.nodes[*node as usize].identity {
        Identity::Address(address) => Some(address),
        Identity::Workload { .. } => None,
    }
}

/// A shared service is allowed from every namespace, and to it from every one.
pub(crate) fn share(
    classes: &Classes,
    shared: &BTreeSet<(ClassId, Service)>,
    coverer: &mut Coverer<'_>,
) -> Vec<Draft> {
    let mut services: BTreeMap<ClassId, BTreeSet<Service>> = BTreeMap::new();
    for &(server, service) in shared {
        services.entry(server).or_default().insert(service);
    }
    let mut drafts = Vec::new();
    for (server, services) in services {
        let server = coverer.exact(server);
        let (exact, servers) = coverer.table.list[server as usize].clone();
        let mut add = |direction, (subject, subjects), (peer, peers)| {
            let (peer, services) = (Target::Selection(peer), services.clone());
            drafts.push(Draft { direction, subject, subjects, peer, peers, services, shared: true });
        };
        let whole = |scope| {
            let all = Selection::Labels { scope, labels: Vec::new() };
            let matched: Arc<[ClassId]> = classes.select(&all).into();
            (all, matched)
        };
        let itself = || (exact.clone(), Arc::clone(&servers));
        let cluster = classes.class(servers[0]).scope;
        if matches!(cluster, Some(Scope::Namespace(_))) {
            add(Direction::Ingress, itself(), whole(Scope::Everywhere));
        }
        for namespace in 1..classes.namespaces.len() as u32 {
            add(Direction::Egress, whole(Scope::Namespace(namespace)), itself());
        }
    }
    drafts
}

/// A target by its number, in the coverer's table or among networks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TargetId {
    Selection(SelectionId),
    Networks(u32),
}

struct Side<'a, 'b> {
    census: &'a Census,
    classes: &'a Classes,
    coverer: &'b mut Coverer<'a>,
    direction: Direction,
    level: Level,
    /// Networks that were used, each once, with the addresses that were seen in them.
    networks: Vec<(Vec<IpNet>, BTreeSet<ClassId>)>,
    numbers: BTreeMap<Vec<IpNet>, u32>,
}

impl Side<'_, '_> {
    /// `sorted` holds subject, service and peer.
    fn draft(&mut self, sorted: &[(ClassId, Service, ClassId)]) -> Vec<Draft> {
        let mut wanted: Vec<(Service, TargetId, ClassId)> = Vec::new();
        for group in sorted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (subject, service, _) = group[0];
            let peers: Vec<ClassId> = group.iter().map(|&(.., peer)| peer).collect();
            wanted.extend(self.targets(&peers).into_iter().map(|target| (service, target, subject)));
        }
        wanted.sort_unstable();
        let mut chosen: Vec<(SelectionId, TargetId, Service)> = Vec::new();
        for group in wanted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (service, target, _) = group[0];
            let subjects: Vec<ClassId> = group.iter().map(|&(.., subject)| subject).collect();
            let peers = match target {
                TargetId::Selection(id) => self.coverer.table.list[id as usize].1.len(),
                TargetId::Networks(at) => self.networks[at as usize].1.len(),
            };
            let scope = |class: &ClassId| self.classes.class(*class).scope;
            for set in subjects.chunk_by(|a, b| scope(a) == scope(b)) {
                let cover = self.coverer.cover(set, peers, false);
                chosen.extend(cover.iter().map(|&subject| (subject, target, service)));
            }
        }
        chosen.sort_unstable();
        chosen.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).map(|group| self.finish(group)).collect()
    }

    /// The draft of one subject and target, with each of their services.
    fn finish(&self, group: &[(SelectionId, TargetId, Service)]) -> Draft {
        let selected = |id: SelectionId| self.coverer.table.list[id as usize].clone();
        let (subject, subjects) = selected(group[0].0);
        let (peer, peers) = match group[0].1 {
            TargetId::Selection(id) => {
                let (selection, matched) = selected(id);
                (Target::Selection(selection), matched)
            }
            TargetId::Networks(at) => {
                let (networks, seen) = &self.networks[at as usize];
                (Target::Networks(networks.clone()), seen.iter().copied().collect())
            }
        };
        let services = group.iter().map(|&(.., service)| service).collect();
        Draft { direction: self.direction, subject, subjects, peer, peers, services, shared: false }
    }

    /// Few targets that mean all of `peers`.
    fn targets(&mut self, peers: &[ClassId]) -> Vec<TargetId> {
        let (outside, inside): (Vec<ClassId>, Vec<ClassId>) =
            peers.iter().partition(|&&class| is_address(self.census, self.classes, class));
        let cover = self.coverer.cover(&inside, 1, true);
        let mut targets: Vec<TargetId> = cover.iter().map(|&id| TargetId::Selection(id)).collect();
        if !outside.is_empty() {
            let addresses: BTreeSet<IpAddr> =
                outside.iter().filter_map(|&class| address(self.census, self.classes, class)).collect();
            let networks = blocks(&addresses, self.level.density());
            let all = &mut self.networks;
            let number = *self.numbers.entry(networks).or_insert_with_key(|networks| {
                all.push((networks.clone(), BTreeSet::new()));
                (all.len() - 1) as u32
            });
            all[number as usize].1.extend(outside);
            targets.push(TargetId::Networks(number));
        }
        targets
    }
}

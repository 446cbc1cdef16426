//! From dependencies of classes to drafts of rules: first the peers of each service are covered, then the
//! subjects that have the same peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::blocks::blocks;
use super::census::Census;
use super::classes::{ClassId, Classes, Scope, Selection};
use super::cover::Coverer;
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
        let mut side = Side { census, classes, coverer: &mut coverer, direction, level };
        let own = dependencies
            .iter()
            .filter(|one| !(classes.in_cluster(one.client) && shared.contains(&(one.server, one.service))));
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

/// The peers that a target means, and the subjects that use it.
type Ends = (Arc<[ClassId]>, Vec<ClassId>);

struct Side<'a, 'b> {
    census: &'a Census,
    classes: &'a Classes,
    coverer: &'b mut Coverer<'a>,
    direction: Direction,
    level: Level,
}

impl Side<'_, '_> {
    /// `sorted` holds subject, service and peer.
    fn draft(&mut self, sorted: &[(ClassId, Service, ClassId)]) -> Vec<Draft> {
        let mut wanted: BTreeMap<(Service, Target), Ends> = BTreeMap::new();
        for group in sorted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (subject, service, _) = group[0];
            let peers: Vec<ClassId> = group.iter().map(|&(.., peer)| peer).collect();
            for (target, matched) in self.targets(&peers) {
                let entry = wanted.entry((service, target)).or_insert_with(|| (matched, Vec::new()));
                entry.1.push(subject);
            }
        }
        let mut drafts: BTreeMap<(Selection, Target), Draft> = BTreeMap::new();
        for ((service, peer), (peers, subjects)) in wanted {
            let scope = |class: &ClassId| self.classes.class(*class).scope;
            let by_scope: Vec<Arc<[ClassId]>> =
                subjects.chunk_by(|a, b| scope(a) == scope(b)).map(Into::into).collect();
            for set in by_scope {
                for &id in self.coverer.cover(&set, peers.len(), false).iter() {
                    let (subject, subjects) = self.coverer.table.list[id as usize].clone();
                    let draft = drafts.entry((subject.clone(), peer.clone())).or_insert_with(|| Draft {
                        direction: self.direction,
                        subject,
                        subjects,
                        peer: peer.clone(),
                        peers: Arc::clone(&peers),
                        services: BTreeSet::new(),
                        shared: false,
                    });
                    draft.services.insert(service);
                }
            }
        }
        drafts.into_values().collect()
    }

    /// Few targets that mean all of `peers`, each with the classes that it means.
    fn targets(&mut self, peers: &[ClassId]) -> Vec<(Target, Arc<[ClassId]>)> {
        let (outside, inside): (Vec<ClassId>, Vec<ClassId>) =
            peers.iter().partition(|&&class| is_address(self.census, self.classes, class));
        let mut targets = Vec::new();
        if !inside.is_empty() {
            let cover = self.coverer.cover(&inside.into(), 1, true);
            for &id in cover.iter() {
                let (selection, matched) = self.coverer.table.list[id as usize].clone();
                targets.push((Target::Selection(selection), matched));
            }
        }
        if !outside.is_empty() {
            let addresses: BTreeSet<IpAddr> =
                outside.iter().filter_map(|&class| address(self.census, self.classes, class)).collect();
            targets.push((Target::Networks(blocks(&addresses, self.level.density())), outside.into()));
        }
        targets
    }
}

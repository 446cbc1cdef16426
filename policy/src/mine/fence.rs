//! Ring-fences: an application in its environment is one thing; inside it everything is allowed, between two
//! of them the ports that were observed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::blocks::blocks;
use super::census::Census;
use super::classes::{ClassId, Classes, Selection};
use super::cover::Coverer;
use super::sides::{Draft, Target, is_address, share};
use super::{ClassDependency, Level};
use crate::Service;
use crate::identity::Identity;
use crate::k8s::Direction;

/// Keys that say what application a workload is part of: of the first that it has the value counts.
const APPLICATION: [&str; 3] = ["app.kubernetes.io/part-of", "app.kubernetes.io/instance", "app"];

/// Keys that say what environment it is in.
const ENVIRONMENT: [&str; 2] = ["env", "environment"];

/// Drafts of both directions between ring-fences.
pub(crate) fn draft(
    census: &Census,
    classes: &Classes,
    dependencies: &[ClassDependency],
    shared: &BTreeSet<(ClassId, Service)>,
) -> Vec<Draft> {
    let mut coverer = Coverer::new(classes, Level::RingFence.lambda());
    let mut drafts = share(classes, shared, &mut coverer);
    let fences: Vec<Selection> = (0..classes.list.len() as ClassId).map(|id| fence(classes, id)).collect();
    let mut between: BTreeMap<(Direction, &Selection, &Selection), BTreeSet<Service>> = BTreeMap::new();
    let mut outside: BTreeMap<(Direction, &Selection, Service), BTreeSet<ClassId>> = BTreeMap::new();
    for one in dependencies {
        if classes.in_cluster(one.client) && shared.contains(&(one.server, one.service)) {
            continue;
        }
        for (direction, subject, peer) in
            [(Direction::Ingress, one.server, one.client), (Direction::Egress, one.client, one.server)]
        {
            let (own, other) = (&fences[subject as usize], &fences[peer as usize]);
            if is_address(census, classes, subject) {
                continue;
            }
            if is_address(census, classes, peer) {
                outside.entry((direction, own, one.service)).or_default().insert(peer);
            } else {
                between.entry((direction, own, other)).or_default().insert(one.service);
            }
        }
    }
    let select = |selection: &Selection| -> Arc<[ClassId]> { classes.select(selection).into() };
    for ((direction, subject, peer), services) in between {
        drafts.push(Draft {
            direction,
            subject: subject.clone(),
            subjects: select(subject),
            peer: Target::Selection(peer.clone()),
            peers: select(peer),
            services: if subject == peer { BTreeSet::new() } else { services },
            shared: false,
        });
    }
    let mut networks: BTreeMap<(Direction, &Selection, BTreeSet<ClassId>), BTreeSet<Service>> =
        BTreeMap::new();
    for ((direction, subject, service), peers) in outside {
        networks.entry((direction, subject, peers)).or_default().insert(service);
    }
    for ((direction, subject, peers), services) in networks {
        let addresses = addresses(census, classes, &peers);
        drafts.push(Draft {
            direction,
            subject: subject.clone(),
            subjects: select(subject),
            peer: Target::Networks(blocks(&addresses, Level::RingFence.density())),
            peers: peers.into_iter().collect(),
            services,
            shared: false,
        });
    }
    drafts
}

fn addresses(census: &Census, classes: &Classes, peers: &BTreeSet<ClassId>) -> BTreeSet<IpAddr> {
    let members = peers.iter().flat_map(|&class| &classes.class(class).members);
    let address = |node: &u32| match census.nodes[*node as usize].identity {
        Identity::Address(address) => Some(address),
        Identity::Workload { .. } => None,
    };
    members.filter_map(address).collect()
}

/// The ring-fence of a class: its namespace, and the application and environment that it is labelled with.
fn fence(classes: &Classes, id: ClassId) -> Selection {
    let class = classes.class(id);
    let Some(scope) = class.scope else { return Selection::Alone(id) };
    let first = |keys: &[&str]| {
        let of_key = |key: &&str| {
            class.labels.iter().copied().find(|&label| &*classes.labels[label as usize].0 == *key)
        };
        keys.iter().find_map(of_key)
    };
    let mut labels: Vec<u32> = first(&APPLICATION).into_iter().chain(first(&ENVIRONMENT)).collect();
    labels.sort_unstable();
    Selection::Labels { scope, labels }
}

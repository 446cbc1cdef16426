//! Connections that were not seen, chosen where a wrong policy would let them through.
//!
//! 0. For each namespace, whether it has rules or not: from and to addresses that are nobody's, with a pod that
//!    no rule for some pods means, so that default deny is missed where it is missing.
//!
//! For each subject, with one of its members:
//! 1. From and to members of other classes, addresses that are nobody's, and a pod that no selector means.
//!
//! For each of its rules:
//! 2. From and to two members of its peer, at the ports of the rule, beside each of its ranges, and by the other
//!    transports.
//! 3. From pods that look almost like its peer: the labels of a member in another namespace, the peer's
//!    namespace without labels, each label of its selector with another value; and from the neighbours of each
//!    network.
//! 4. From a member of its peer to pods that look almost like the subject.
//!
//! (Of rules for egress: the other way round.) What looks almost like a peer is made up once for its selector,
//! not for every rule.
//!
//! The end that does not matter is free to do anything, so that no mistake at one end hides behind the other.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use hashbrown::HashMap;
use ipnet::IpNet;
use watershed_model::{Labels, Protocol};

use super::corners::one_of_each;
use super::stage::{NOBODY, OTHER, Stage};
use crate::k8s::{Direction, End, PROTOCOLS};
use crate::mine::NodeId;
use crate::{Allowed, Namespace, Rule, Service, Whom};

/// Members of a peer that are tried.
const MEMBERS: usize = 2;

/// Members of other classes that are tried with each subject.
const STRANGERS: usize = 8;

/// Networks of a rule whose neighbours are tried.
const NETWORKS: usize = 16;

/// An echo request (RFC 792).
const PING: Service = Service::Icmp { protocol: Protocol::ICMP, message_type: 8 };

/// Namespace of pods that are in none of the cluster's.
const ELSEWHERE: &str = "watershed-elsewhere";

/// Connections of one client to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(super) client: End,
    pub(super) server: End,
    /// What of the server.
    pub(super) services: Rc<[Service]>,
}

/// What is tried around the rules of a plan.
pub(super) struct Around<'a> {
    /// In each namespace a pod without labels, bound by default deny.
    strangers: Vec<End>,
    subjects: Vec<Subject<'a>>,
}

/// A rule with what stands for its peer, and what of the server is tried.
type Tried<'a> = (&'a Rule, Rc<Peers>, Rc<[Service]>);

/// A subject, and ends that stand for it.
struct Subject<'a> {
    /// Those for it.
    rules: Vec<Tried<'a>>,
    /// A member, bound by rules.
    member: End,
    /// What looks almost like it, bound by rules.
    almost: Vec<End>,
    /// Free pods and addresses that have nothing to do with it.
    others: Vec<End>,
}

/// Ends that stand for the peer of a rule.
struct Peers {
    /// Members, free on their own side.
    members: Vec<End>,
    /// What looks almost like them.
    almost: Vec<End>,
}

impl<'a> Around<'a> {
    /// Brings on the stage who takes part, for every rule whose subject is in the cluster.
    pub(super) fn of(stage: &mut Stage<'a>) -> Self {
        let plan = stage.plan;
        Self::rules(stage, &plan.rules)
    }

    /// The same for some of the rules; those of one subject stand together.
    pub(super) fn rules(stage: &mut Stage<'a>, rules: &'a [Rule]) -> Self {
        let mut around = Self { strangers: Vec::new(), subjects: Vec::new() };
        let mut peers: HashMap<&Whom, Rc<Peers>> = HashMap::new();
        let mut services: HashMap<&[Allowed], Rc<[Service]>> = HashMap::new();
        let plan = stage.plan;
        let strangers = plan.namespaces().map(|namespace| stage.pod(None, namespace, Labels::new(), false));
        around.strangers.extend(strangers);
        for rules in rules.chunk_by(|a, b| a.subject == b.subject) {
            let Some(mut subject) = Subject::of(stage, rules, around.subjects.len()) else { continue };
            for rule in rules {
                let peers = peers.entry(&rule.peer).or_insert_with(|| Rc::new(Peers::of(stage, rule)));
                let services =
                    services.entry(&rule.ports).or_insert_with(|| self::services(&rule.ports).into());
                subject.rules.push((rule, Rc::clone(peers), Rc::clone(services)));
            }
            around.subjects.push(subject);
        }
        around
    }

    /// Gives every probe.
    pub(super) fn each(&self, mut give: impl FnMut(&Probe)) {
        let services: Rc<[Service]> = one_of_each().into();
        for &stranger in &self.strangers {
            for nobody in NOBODY.map(End::Outside) {
                give(&Probe { client: nobody, server: stranger, services: Rc::clone(&services) });
                give(&Probe { client: stranger, server: nobody, services: Rc::clone(&services) });
            }
        }
        for subject in &self.subjects {
            let services = subject.all_services();
            for &other in &subject.others {
                give(&Probe { client: other, server: subject.member, services: Rc::clone(&services) });
                give(&Probe { client: subject.member, server: other, services: Rc::clone(&services) });
            }
            for rules in subject.rules.chunk_by(|(a, ..), (b, ..)| a.direction == b.direction) {
                let direction = rules[0].0.direction;
                let mut connect = |subject, peer, services: &Rc<[Service]>, both_ways: bool| {
                    let services = Rc::clone(services);
                    let probe = match direction {
                        Direction::Ingress => Probe { client: peer, server: subject, services },
                        Direction::Egress => Probe { client: subject, server: peer, services },
                    };
                    give(&probe);
                    if both_ways {
                        let Probe { client, server, services } = probe;
                        give(&Probe { client: server, server: client, services });
                    }
                };
                for (_, peers, services) in rules {
                    peers.members.iter().for_each(|&peer| connect(subject.member, peer, services, true));
                    peers.almost.iter().for_each(|&peer| connect(subject.member, peer, services, false));
                    if let Some(&peer) = peers.members.first() {
                        subject.almost.iter().for_each(|&almost| connect(almost, peer, services, false));
                    }
                }
            }
        }
    }
}

impl<'a> Subject<'a> {
    /// What is tried around any of its rules.
    fn all_services(&self) -> Rc<[Service]> {
        let distinct: HashMap<&[Allowed], &Rc<[Service]>> =
            self.rules.iter().map(|(rule, _, services)| (rule.ports.as_slice(), services)).collect();
        let services: BTreeSet<Service> =
            distinct.into_values().flat_map(|services| services.iter().copied()).collect();
        services.into_iter().collect()
    }

    /// `at` is its number. None of a subject that is outside the cluster.
    fn of(stage: &mut Stage<'a>, rules: &'a [Rule], at: usize) -> Option<Self> {
        let Whom::Workloads { namespace: Namespace::One(namespace), labels: selector } = &rules[0].subject
        else {
            return None;
        };
        let subject = members(stage, &rules[0].subjects, 1).first().copied();
        // Nobody that a person's rule means may be there yet.
        let labels = subject.map_or_else(|| selector.as_ref().clone(), |subject| stage.next(subject));
        let mut others = strangers(stage, at);
        others.extend(NOBODY.map(End::Outside));
        others.push(stage.pod(None, ELSEWHERE, Labels::new(), true));
        let mut almost = almost(selector, &labels);
        let almost = almost.drain(..).map(|labels| stage.pod(None, namespace, labels, false)).collect();
        let member = stage.pod(subject, namespace, labels, false);
        Some(Self { rules: Vec::with_capacity(rules.len()), member, almost, others })
    }
}

impl Peers {
    fn of(stage: &mut Stage<'_>, rule: &Rule) -> Self {
        let networks = networks(stage, rule);
        let nodes = members(stage, &rule.peers, MEMBERS);
        let mut members: Vec<End> =
            networks.iter().take(MEMBERS).map(|network| End::Outside(network.addr())).collect();
        members.extend(nodes.iter().filter_map(|&node| stage.free(node)));
        let mut almost: Vec<End> =
            networks.iter().take(NETWORKS).copied().flat_map(neighbours).map(End::Outside).collect();
        let census = stage.census;
        let first = nodes.first().and_then(|&node| Some((node, census.nodes[node as usize].namespace()?)));
        if let (Whom::Workloads { labels, .. }, Some((node, namespace))) = (&rule.peer, first) {
            let full = stage.next(node);
            almost.push(stage.pod(None, ELSEWHERE, full.clone(), true));
            almost.extend(
                self::almost(labels, &full).into_iter().map(|one| stage.pod(None, namespace, one, true)),
            );
        }
        if let (Whom::Workloads { namespace, labels }, true) = (&rule.peer, nodes.is_empty()) {
            let namespace = match namespace {
                Namespace::One(name) => Some(name.as_str()),
                Namespace::Every => Some(ELSEWHERE),
                Namespace::Hosts => None,
            };
            let made_up = namespace.map(|there| stage.pod(None, there, labels.as_ref().clone(), true));
            members.extend(made_up);
        }
        Self { members, almost }
    }
}

/// The networks that the peer of a rule is, where it is no pod.
fn networks(stage: &Stage<'_>, rule: &Rule) -> Vec<IpNet> {
    match &rule.peer {
        Whom::Workloads { namespace: Namespace::Hosts, .. } => {
            stage.plan.addresses(stage.census, &rule.peers).into_iter().map(IpNet::from).collect()
        }
        whom => whom.networks(),
    }
}

/// Members of other classes, others for each subject.
fn strangers(stage: &Stage<'_>, at: usize) -> Vec<End> {
    let classes = stage.plan.classes.list.len();
    let step = classes.div_ceil(STRANGERS).max(1);
    let chosen = (0..classes).skip(at % step).step_by(step);
    let first = |class: usize| stage.plan.classes.list[class].members.first().copied();
    chosen.filter_map(|class| stage.free(first(class)?)).collect()
}

/// Members of classes, one of each class at the two ends of the list.
fn members(stage: &Stage<'_>, classes: &[u32], most: usize) -> Vec<NodeId> {
    let chosen = classes.iter().take(most.div_ceil(2)).chain(classes.iter().rev().take(most / 2));
    let first = |&class: &u32| stage.plan.classes.class(class).members.first().copied();
    let mut members: Vec<NodeId> = chosen.filter_map(first).collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// Labels that a selector should not mean: none, and those of a member with one of the selector's changed.
fn almost(selector: &Labels, member: &Labels) -> Vec<Labels> {
    let changed = |key: &String| {
        let mut labels = member.clone();
        labels.insert(key.clone(), OTHER.to_owned());
        labels
    };
    std::iter::once(Labels::new()).chain(selector.keys().map(changed)).collect()
}

/// The ports and ICMP types at and beside the ends of each range, the same ports of the other transports,
/// and a ping.
fn services(allowed: &[Allowed]) -> Vec<Service> {
    let of_each = |port| PROTOCOLS.map(|protocol| Service::Port { protocol, port });
    let mut services = vec![PING];
    for allowed in allowed {
        match *allowed {
            Allowed::Ports(_, first, last) => {
                let beside = [first.saturating_sub(1), first, last, last.saturating_add(1)];
                services.extend(beside.into_iter().filter(|&port| port > 0).flat_map(of_each));
            }
            Allowed::Service(Service::Icmp { protocol, message_type }) => {
                let beside = [message_type.saturating_sub(1), message_type, message_type.saturating_add(1)];
                services.extend(beside.map(|message_type| Service::Icmp { protocol, message_type }));
                services.extend(of_each(1));
            }
            Allowed::Anything | Allowed::Service(_) => services.extend(of_each(1)),
        }
    }
    services.sort_unstable();
    services.dedup();
    services
}

/// The addresses before and after a network: a prefix that is too short takes in one of them.
fn neighbours(network: IpNet) -> impl Iterator<Item = IpAddr> {
    let (first, last) = (network.network(), network.broadcast());
    let [before, after] = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => [
            first.to_bits().checked_sub(1).map(|bits| IpAddr::V4(bits.into())),
            last.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        ],
        (IpAddr::V6(first), IpAddr::V6(last)) => [
            first.to_bits().checked_sub(1).map(|bits| IpAddr::V6(bits.into())),
            last.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
        ],
        _ => [None, None],
    };
    before.into_iter().chain(after)
}

//! How much the rules of policies about pods admit, counted in their world.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::IpNet;
use watershed_model::Labels;

use super::cast::Cast;
use super::extent::{Seen, nearest};
use super::stated::Stated;
use super::{ByName, Certificate, Extent, Share, Side};
use crate::Service;
use crate::k8s::{Connections, Direction, End, Place};
use crate::layers::{Action, Layers, Part, Peers, Rule, RuleAt, Services};
use crate::mine::size;
use crate::rule::EVERY_PORT;

/// Pods that a rule means, of which no narrower selector is looked for any more: every rule takes its time.
const MANY: usize = 1000;

/// Rules that one comment speaks for, or one rule without, and what was seen of them.
struct Group<'a> {
    policy: &'a str,
    direction: Direction,
    stated: Option<u64>,
    /// For how many addresses its names are said to have stood.
    names: Option<u64>,
    rules: Vec<(&'a Part, &'a Rule)>,
    /// Workloads by the first pod of their name, whatever labels they had.
    seen: Seen<End>,
}

/// What rules admit.
pub(super) struct Figures<'a> {
    layers: &'a Layers<'a>,
    groups: BTreeMap<(Place, Direction), Group<'a>>,
    of: HashMap<RuleAt, (Place, Direction)>,
    /// For each pod the first of the same name.
    same: Vec<usize>,
    /// Each of these once.
    everybody: BTreeSet<usize>,
}

impl<'a> Figures<'a> {
    pub(super) fn of(layers: &'a Layers<'a>, texts: &[(&str, &str)]) -> Self {
        let name = |part: &Part| layers.policies[part.policy].name.as_str();
        // Istio's rules that allow leave it to the others.
        let allows = |part: &Part, rule: &Rule| match rule.action {
            Action::Allow => true,
            Action::Pass => part.isolates,
            Action::Deny => false,
        };
        let rules = || layers.rules().filter(|(_, part, rule)| allows(part, rule));
        let stated = Stated::of(
            texts,
            rules().map(|(_, part, rule)| (&rule.place, name(part), Side::End(part.direction))),
        );
        let (mut groups, mut of) = (BTreeMap::new(), HashMap::new());
        for (at, part, rule) in rules() {
            let (place, said) = stated.at(&rule.place);
            let names = stated.names(&place);
            let key = (place, part.direction);
            let new = || Group {
                policy: name(part),
                direction: part.direction,
                stated: said,
                names,
                rules: Vec::new(),
                seen: Seen::new(),
            };
            groups.entry(key.clone()).or_insert_with(new).rules.push((part, rule));
            of.insert(at, key);
        }
        let mut first = HashMap::new();
        let pods = layers.world.pods().iter().enumerate();
        let same: Vec<usize> =
            pods.map(|(at, pod)| *first.entry((&pod.namespace, &pod.name)).or_insert(at)).collect();
        let everybody = same.iter().copied().collect();
        Self { layers, groups, of, same, everybody }
    }

    /// Adds a connection that was observed.
    pub(super) fn add(&mut self, client: End, server: End, service: Service) {
        let (client_is, server_is) = (self.who(client), self.who(server));
        for at in self.layers.meaning(client, server, service) {
            if let Some(group) = self.of.get(&at).and_then(|key| self.groups.get_mut(key)) {
                group.seen.add(client_is, server_is, service);
            }
        }
    }

    fn who(&self, end: End) -> End {
        match end {
            End::Pod(pod) => End::Pod(self.same[pod]),
            End::Outside(_) => end,
        }
    }

    /// Every rule that allows; what cannot be counted is noted.
    pub(super) fn extents(self, cast: &Cast, certificate: &mut Certificate) -> Vec<Extent> {
        let mut by_name = 0;
        let mut extents = Vec::with_capacity(self.groups.len());
        for ((place, _), group) in &self.groups {
            let extent = self.extent(cast, place, group);
            by_name += u64::from(extent.by_name.is_some());
            extents.push(extent);
        }
        certificate.not_asked(
            by_name > 0,
            &format!("which other addresses names come to stand for: {by_name} rules are by name, and those seen count"),
        );
        extents.sort_by(|a, b| (&a.place, a.side).cmp(&(&b.place, b.side)));
        extents
    }

    fn extent(&self, cast: &Cast, place: &Place, group: &Group<'_>) -> Extent {
        let mut all = 0_u64;
        let mut subjects = BTreeSet::new();
        let mut pods: Cow<'_, BTreeSet<usize>> = Cow::default();
        let (mut others, mut widest) = (0_u64, 0_u64);
        let mut named: Option<ByName> = None;
        let mut unnamed = 0_u64;
        for (part, rule) in &group.rules {
            let own: BTreeSet<usize> = self.bound(&part.subjects).collect();
            let peers = self.pods(&rule.peers);
            let outside = outside(&rule.peers);
            let wide = width(&rule.services);
            let each = (own.len() as u64).saturating_mul(wide);
            let count = (peers.len() as u64).saturating_add(outside);
            all = all.saturating_add(each.saturating_mul(count));
            match rule.peers.by_name {
                Some(meant) => {
                    let addresses = rule.peers.addresses.len() as u64;
                    let names =
                        named.get_or_insert_with(|| ByName { stated: group.names, ..ByName::default() });
                    let written = count.saturating_sub(addresses).saturating_add(meant.names);
                    names.tuples = names.tuples.saturating_add(each.saturating_mul(written));
                    names.addresses = names.addresses.max(addresses);
                    names.shared = names.shared.max(meant.shared);
                }
                None => unnamed = unnamed.saturating_add(each.saturating_mul(count)),
            }
            subjects.extend(own);
            match pods.is_empty() {
                true => pods = peers,
                false => pods.to_mut().extend(&*peers),
            }
            others = others.max(outside);
            widest = widest.max(wide);
        }
        let seen = &group.seen;
        let subjects = subjects.len() as u64;
        let peers = (pods.len() as u64).saturating_add(others);
        let (clients, servers) = match group.direction {
            Direction::Ingress => (peers, subjects),
            Direction::Egress => (subjects, peers),
        };
        let share = |seen: usize, all: u64| Share { seen: seen as u64, all: all.max(seen as u64) };
        Extent {
            place: place.clone(),
            policy: group.policy.to_owned(),
            side: Side::End(group.direction),
            clients: share(seen.clients.len(), clients),
            servers: share(seen.servers.len(), servers),
            ports: share(seen.services.len(), widest),
            tuples: share(seen.tuples.len(), all),
            nearest: nearer(cast, group, &pods),
            stated: group.stated,
            by_name: named.map(|names| ByName { tuples: names.tuples.saturating_add(unnamed), ..names }),
        }
    }

    /// Pods that policies bind, each workload once.
    fn bound(&self, pods: &[usize]) -> impl Iterator<Item = usize> {
        let bound = pods.iter().filter(|&&pod| !self.layers.world.pods()[pod].host_network);
        bound.map(|&pod| self.same[pod])
    }

    fn pods(&self, peers: &Peers) -> Cow<'_, BTreeSet<usize>> {
        match peers.everybody {
            true => Cow::Borrowed(&self.everybody),
            false => {
                let pods = peers.pods.iter().flat_map(|pods| pods.iter());
                Cow::Owned(pods.map(|&pod| self.same[pod]).collect())
            }
        }
    }
}

/// Of the pods that rules mean as peers, those that were seen, by labels.
fn nearer(cast: &Cast, group: &Group<'_>, pods: &BTreeSet<usize>) -> Option<String> {
    let seen = match group.direction {
        Direction::Ingress => &group.seen.clients,
        Direction::Egress => &group.seen.servers,
    };
    let is_seen = |pod: usize| seen.contains(&End::Pod(pod));
    let labels = |wanted: bool| -> Vec<&Labels> {
        let pods = pods.iter().filter(|&&pod| is_seen(pod) == wanted);
        pods.map(|&pod| &cast.world.pods()[pod].labels).collect()
    };
    // Addresses that were seen are in no selector.
    if pods.len() > MANY || seen.iter().any(|end| matches!(end, End::Outside(_))) {
        return None;
    }
    nearest(&labels(true), &labels(false))
}

/// Addresses outside that are meant.
fn outside(peers: &Peers) -> u64 {
    if peers.everybody {
        return u64::MAX;
    }
    let sum = |networks: &[IpNet]| networks.iter().map(size).fold(0_u128, u128::saturating_add);
    let meant: Vec<IpNet> = peers.networks.iter().map(|network| network.cidr).collect();
    // What one network excludes another may mean: then it is counted although nobody excludes it.
    let alone = peers.networks.len() == 1;
    let except: Vec<IpNet> =
        peers.networks.iter().filter(|_| alone).flat_map(|network| network.except.iter().copied()).collect();
    let count = sum(&IpNet::aggregate(&meant)).saturating_sub(sum(&IpNet::aggregate(&except)));
    u64::try_from(count).unwrap_or(u64::MAX).saturating_add(peers.addresses.len() as u64)
}

/// How many ports are meant; a name counts as one.
fn width(services: &[Services]) -> u64 {
    if services.is_empty() {
        return EVERY_PORT;
    }
    let (mut ports, mut others) = (Connections::default(), 0_u64);
    for one in services {
        match one {
            Services::Ports(protocol, range) => ports.insert(*protocol, range.clone()),
            Services::Whole(protocol) if protocol.has_ports() => ports.insert(*protocol, 1..=u16::MAX),
            Services::Whole(protocol) if protocol.is_icmp() => others += 256,
            Services::Icmp(_, range) => others += u64::from(range.end() - range.start()) + 1,
            Services::Whole(_) | Services::Named(..) => others += 1,
        }
    }
    ports.count().saturating_add(others)
}

//! Connections that stand for all that a rule means: some of the pods that the same rules mean, one address and one
//! port of each stretch within which no rule begins or ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watershed_model::Protocol;

use super::evaluate::numbered;
use super::{Layers, Network, Rule, RuleAt, Services};
use crate::Service;
use crate::k8s::{Direction, End};

/// Pods that stand for all that the same rules mean. With two, there is another one for each.
pub(super) const ALIKE: usize = 2;

/// Connections of a subject that stand for all that a rule means.
pub(super) struct Points<'a> {
    layers: &'a Layers<'a>,
    direction: Direction,
    subject: usize,
    rule: &'a Rule,
    /// All rules of the subject.
    others: Vec<&'a Rule>,
    peers: Vec<End>,
    /// What to try, where it is the same for every server.
    services: Option<BTreeSet<Service>>,
}

impl<'a> Points<'a> {
    /// Of the rule at `at`; `by_address` are pods that networks may mean.
    pub(super) fn of(
        layers: &'a Layers<'a>,
        by_address: &BTreeSet<usize>,
        at: RuleAt,
        subject: usize,
    ) -> Self {
        let direction = at.direction;
        let rule = layers.rule(at);
        let sides = layers.layers.iter().map(|sides| &sides[direction as usize]);
        let others: Vec<&Rule> = sides
            .flat_map(|laid| numbered(laid, End::Pod(subject)))
            .flat_map(|(_, part)| &part.rules)
            .collect();
        let named = |services: &Services| matches!(services, Services::Named(..));
        let alike = !others.iter().any(|rule| rule.services.iter().any(named));
        let services = alike.then(|| services(layers, &others, End::Pod(subject)));
        let is_always = |peer| {
            let (client, server) = ends(direction, subject, peer);
            layers.always(client, server)
        };
        let peers = peers((layers, by_address), (rule, &others), is_always);
        Self { layers, direction, subject, rule, others, peers, services }
    }

    /// Client and server.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (End, End)> {
        self.peers.iter().map(|&peer| ends(self.direction, self.subject, peer))
    }

    /// Services of it that the rule means.
    pub(super) fn services(&self, server: End) -> impl Iterator<Item = Service> {
        let all = self.services.clone();
        let all = all.unwrap_or_else(|| services(self.layers, &self.others, server));
        all.into_iter().filter(move |&service| self.layers.offers(self.rule, server, service))
    }
}

/// Client and server.
const fn ends(direction: Direction, subject: usize, peer: End) -> (End, End) {
    match direction {
        Direction::Ingress => (peer, End::Pod(subject)),
        Direction::Egress => (End::Pod(subject), peer),
    }
}

/// The ends that a rule means: of pods that the same rules of `others` mean, and that no network may mean, some.
fn peers(
    (layers, by_address): (&Layers<'_>, &BTreeSet<usize>),
    (rule, others): (&Rule, &[&Rule]),
    is_always: impl Fn(End) -> bool,
) -> Vec<End> {
    let peers = &rule.peers;
    let mut meaning: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (number, other) in others.iter().enumerate() {
        for &pod in other.peers.pods.iter().flat_map(|pods| pods.iter()) {
            meaning.entry(pod).or_default().insert(number);
        }
    }
    let named = |services: &Services| matches!(services, Services::Named(..));
    let by_name = others.iter().any(|rule| rule.services.iter().any(named));
    let all = 0..layers.world.pods().len();
    let mut pods: BTreeSet<usize> = match peers.everybody {
        true if by_name => all.collect(),
        true => {
            let rest = all.filter(|pod| !meaning.contains_key(pod) && !by_address.contains(pod));
            let rest = rest.filter(|&pod| !is_always(End::Pod(pod)));
            rest.take(ALIKE).chain(meaning.keys().copied()).collect()
        }
        false => peers.pods.iter().flat_map(|pods| pods.iter().copied()).collect(),
    };
    let mut alike: BTreeMap<_, usize> = BTreeMap::new();
    pods.retain(|&pod| {
        let ports = &layers.world.pods()[pod].ports;
        let ports: Vec<_> =
            ports.iter().filter(|_| by_name).map(|one| (&one.name, one.protocol, one.port)).collect();
        let known = alike.entry((meaning.get(&pod), ports)).or_default();
        *known += usize::from(!is_always(End::Pod(pod)) && !by_address.contains(&pod));
        *known <= ALIKE && !by_address.contains(&pod)
    });
    pods.extend(by_address);
    let outside = peers.everybody || !peers.networks.is_empty() || !peers.addresses.is_empty();
    let starts = if outside { starts(others) } else { BTreeSet::new() };
    let ends = pods.into_iter().map(End::Pod).chain(starts.into_iter().map(End::Outside));
    ends.filter(|&end| layers.means(peers, end) && !is_always(end)).collect()
}

/// The first address of every stretch in which rules mean the same.
fn starts(rules: &[&Rule]) -> BTreeSet<IpAddr> {
    let mut starts = BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    for rule in rules {
        let nets = rule.peers.networks.iter();
        for net in nets.flat_map(|Network { cidr, except, .. }| std::iter::once(cidr).chain(except)) {
            starts.insert(net.network());
            starts.extend(after(net.broadcast()));
        }
        for &address in &rule.peers.addresses {
            starts.insert(address);
            starts.extend(after(address));
        }
    }
    starts
}

/// The address after one, if there is one.
pub(crate) fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The first service of every stretch in which rules mean the same. A protocol without ports that no rule names
/// stands for all of them.
fn services(layers: &Layers<'_>, rules: &[&Rule], server: End) -> BTreeSet<Service> {
    /// ESP (RFC 4303): has no ports.
    const UNNAMED: Protocol = Protocol(50);
    let mut all = BTreeSet::from([Service::Protocol(UNNAMED)]);
    let mut add = |protocol: Protocol, number: u32| {
        let number = u16::try_from(number).ok();
        all.extend(number.and_then(|number| Service::new(protocol, number)));
    };
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
        add(protocol, 1);
    }
    [Protocol::ICMP, Protocol::ICMPV6].into_iter().for_each(|protocol| add(protocol, 0));
    for services in rules.iter().flat_map(|rule| &rule.services) {
        match services {
            Services::Ports(protocol, range) => {
                add(*protocol, u32::from(*range.start()));
                add(*protocol, u32::from(*range.end()) + 1);
            }
            Services::Icmp(protocol, range) => {
                add(*protocol, u32::from(*range.start()));
                add(*protocol, u32::from(*range.end()) + 1);
            }
            Services::Whole(protocol) => add(*protocol, u32::from(protocol.has_ports())),
            Services::Named(..) => {
                let End::Pod(pod) = server else { continue };
                for known in &layers.world.pods()[pod].ports {
                    add(known.protocol, u32::from(known.port));
                    add(known.protocol, u32::from(known.port) + 1);
                }
            }
        }
    }
    all
}

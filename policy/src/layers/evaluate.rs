//! What layers allow between two ends.

use std::collections::BTreeSet;

use super::{Action, Laid, Layers, Part, Peers, Rule, Services};
use crate::Service;
use crate::k8s::{Blocks, Connections, Direction, End, Place};

/// An end that does not permit a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Egress at the client or ingress at the server.
    pub(crate) direction: Direction,
    /// The policy whose rule denies it, or those that isolate the end; indices, in order.
    pub(crate) policies: BTreeSet<usize>,
}

/// Where a rule lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RuleAt {
    /// The layer, from the one that is asked first.
    pub(crate) layer: usize,
    /// Which way it looks.
    pub(crate) direction: Direction,
    /// The part of the layer.
    pub(crate) part: usize,
    /// The rule of the part.
    pub(crate) rule: usize,
}

/// What one end says.
enum Said {
    /// It permits, by a rule or because nothing speaks against it.
    Permits,
    /// It does not, because of these policies.
    Refuses(BTreeSet<usize>),
}

impl Layers<'_> {
    /// Whether `client` may use `service` of `server`.
    #[must_use]
    pub fn allows(&self, client: End, server: End, service: Service) -> bool {
        self.refused(client, server, service).is_empty()
    }

    /// The ends that do not permit it; empty where it is allowed.
    pub(crate) fn refused(&self, client: End, server: End, service: Service) -> Vec<Refused> {
        if self.always(client, server) {
            return Vec::new();
        }
        let refuses = |direction| match self.side(direction, client, server, service) {
            Said::Permits => None,
            Said::Refuses(policies) => Some(Refused { direction, policies }),
        };
        [Direction::Egress, Direction::Ingress].into_iter().filter_map(refuses).collect()
    }

    /// The places of the rules that permit it, at either end; of rules with an order the first alone.
    pub(crate) fn permitting(&self, client: End, server: End, service: Service) -> BTreeSet<&Place> {
        let both = [Direction::Egress, Direction::Ingress].into_iter();
        both.flat_map(|direction| self.permitting_at(direction, client, server, service))
            .map(|(_, place)| place)
            .collect()
    }

    /// The same at one end, each with its policy; in order.
    pub(crate) fn permitting_at(
        &self,
        direction: Direction,
        client: End,
        server: End,
        service: Service,
    ) -> BTreeSet<(usize, &Place)> {
        let mut permitting = BTreeSet::new();
        let (subject, peer) = subject_of(direction, client, server);
        for layer in &self.layers {
            let laid = &layer[direction as usize];
            let rules = selecting(laid, subject)
                .flat_map(|part| part.rules.iter().map(move |rule| (part.policy, rule)));
            let mut deciding =
                rules.filter(|(_, rule)| self.offers(rule, server, service) && self.means(&rule.peers, peer));
            let Some((policy, first)) = deciding.next() else { continue };
            if first.action == Action::Allow {
                permitting.insert((policy, &first.place));
                let others = deciding.filter(|_| laid.only_allows);
                permitting.extend(others.map(|(policy, rule)| (policy, &rule.place)));
            }
            if first.action != Action::Pass {
                break;
            }
        }
        permitting
    }

    /// The rules that mean both ends and the service, whether they decide or not.
    pub(crate) fn meaning(&self, client: End, server: End, service: Service) -> Vec<RuleAt> {
        let mut found = Vec::new();
        for direction in [Direction::Egress, Direction::Ingress] {
            let (subject, peer) = subject_of(direction, client, server);
            for (layer, sides) in self.layers.iter().enumerate() {
                for (part, one) in numbered(&sides[direction as usize], subject) {
                    for (rule, one) in one.rules.iter().enumerate() {
                        if self.offers(one, server, service) && self.means(&one.peers, peer) {
                            found.push(RuleAt { layer, direction, part, rule });
                        }
                    }
                }
            }
        }
        found
    }

    /// The ports that `client` may connect to at `server`, of protocols with ports.
    #[must_use]
    pub fn connections(&self, client: End, server: End) -> Connections {
        if self.always(client, server) {
            return Connections::all();
        }
        let egress = self.connections_of(Direction::Egress, client, server);
        egress.intersection(&self.connections_of(Direction::Ingress, client, server))
    }

    fn connections_of(&self, direction: Direction, client: End, server: End) -> Connections {
        let (subject, peer) = subject_of(direction, client, server);
        let (mut allowed, mut open) = (Connections::default(), Connections::all());
        for layer in &self.layers {
            let mut passed = Connections::default();
            let mut isolated = false;
            for part in selecting(&layer[direction as usize], subject) {
                isolated |= part.isolates;
                for rule in part.rules.iter().filter(|rule| self.means(&rule.peers, peer)) {
                    let meant = self.ports(rule, server).intersection(&open);
                    open = open.difference(&meant);
                    match rule.action {
                        Action::Allow => allowed = allowed.union(&meant),
                        Action::Pass => passed = passed.union(&meant),
                        Action::Deny => {}
                    }
                }
            }
            open = if isolated { passed } else { open.union(&passed) };
        }
        allowed.union(&open)
    }

    fn ports(&self, rule: &Rule, server: End) -> Connections {
        if rule.services.is_empty() {
            return Connections::all();
        }
        let mut ports = Connections::default();
        for services in &rule.services {
            match services {
                Services::Ports(protocol, range) => ports.insert(*protocol, range.clone()),
                Services::Whole(protocol) => ports.insert(*protocol, 1..=u16::MAX),
                Services::Named(protocol, name) => {
                    let End::Pod(pod) = server else { continue };
                    for known in &self.world.pods()[pod].ports {
                        if known.name == *name && protocol.is_none_or(|protocol| protocol == known.protocol) {
                            ports.insert(known.protocol, known.port..=known.port);
                        }
                    }
                }
                Services::Icmp(..) => {}
            }
        }
        ports
    }

    fn side(&self, direction: Direction, client: End, server: End, service: Service) -> Said {
        let (subject, peer) = subject_of(direction, client, server);
        for layer in &self.layers {
            let laid = &layer[direction as usize];
            let mut rules = selecting(laid, subject)
                .flat_map(|part| part.rules.iter().map(move |rule| (part.policy, rule)));
            let decides = |(_, rule): &(usize, &Rule)| {
                self.offers(rule, server, service) && self.means(&rule.peers, peer)
            };
            match rules.find(decides) {
                Some((_, rule)) if rule.action == Action::Allow => return Said::Permits,
                Some((policy, rule)) if rule.action == Action::Deny => return Said::Refuses([policy].into()),
                Some(_) => {}
                None => {
                    let isolating = selecting(laid, subject).filter(|part| part.isolates);
                    let isolating: BTreeSet<usize> = isolating.map(|part| part.policy).collect();
                    if !isolating.is_empty() {
                        return Said::Refuses(isolating);
                    }
                }
            }
        }
        Said::Permits
    }

    pub(super) fn offers(&self, rule: &Rule, server: End, service: Service) -> bool {
        let matches = |services: &Services| match (services, service) {
            (Services::Ports(of, range), Service::Port { protocol, port }) => {
                *of == protocol && range.contains(&port)
            }
            (Services::Icmp(of, range), Service::Icmp { protocol, message_type }) => {
                *of == protocol && range.contains(&message_type)
            }
            (Services::Named(of, name), Service::Port { protocol, port }) => match server {
                End::Pod(pod) => self.world.pods()[pod].ports.iter().any(|known| {
                    known.name == *name
                        && known.port == port
                        && known.protocol == protocol
                        && of.is_none_or(|of| of == protocol)
                }),
                End::Outside(_) => false,
            },
            (Services::Whole(of), service) => *of == service.protocol(),
            _ => false,
        };
        rule.services.is_empty() || rule.services.iter().any(matches)
    }

    pub(super) fn means(&self, peers: &Peers, end: End) -> bool {
        let networks = &peers.networks;
        peers.everybody
            || match end {
                End::Outside(address) => {
                    peers.addresses.contains(&address)
                        || networks.iter().any(|network| network.contains(&address))
                }
                End::Pod(at) => {
                    let pod = &self.world.pods()[at];
                    let mut meant = networks.iter().filter(|network| !network.outside);
                    peers.pods.iter().any(|pods| pods.binary_search(&at).is_ok())
                        || (pod.host_network || self.blocks == Blocks::PodsToo)
                            && meant.any(|network| pod.addresses.iter().any(|one| network.contains(one)))
                }
            }
    }

    /// Whether policies have no say: a pod and itself, a node and its pods.
    pub(super) fn always(&self, client: End, server: End) -> bool {
        client == server || self.is_node_of(client, server) || self.is_node_of(server, client)
    }

    fn is_node_of(&self, node: End, pod: End) -> bool {
        let End::Pod(pod) = pod else { return false };
        let Some(address) = self.world.pods()[pod].node else { return false };
        match node {
            End::Outside(outside) => outside == address,
            End::Pod(at) => {
                let pod = &self.world.pods()[at];
                pod.host_network && pod.addresses.contains(&address)
            }
        }
    }
}

/// The parts that select an end, in order.
fn selecting(laid: &Laid, subject: End) -> impl Iterator<Item = &Part> {
    numbered(laid, subject).map(|(_, part)| part)
}

/// The same with their places in the layer.
pub(super) fn numbered(laid: &Laid, subject: End) -> impl Iterator<Item = (usize, &Part)> {
    let parts = match subject {
        End::Pod(pod) => laid.of_pod[pod].as_slice(),
        End::Outside(_) => &[],
    };
    parts.iter().map(|&at| (at as usize, &laid.parts[at as usize]))
}

/// The subject and the peer of a rule that looks in `direction`.
pub(super) const fn subject_of(direction: Direction, client: End, server: End) -> (End, End) {
    match direction {
        Direction::Ingress => (server, client),
        Direction::Egress => (client, server),
    }
}

//! One evaluator for all dialects of policies about pods: layers of rules in order.
//!
//! A dialect reads its text, finds out whom each of its rules means in a [`World`], and lays the rules down
//! here. What they then allow between two ends:
//! 1. A connection needs both ends: egress at its client and ingress at its server.
//! 2. At an end, layers are asked in order. In a layer the first rule that means the peer and the service
//!    decides, of the policies that select the end, in their order: allow, deny, or ask the next layer.
//! 3. What no rule of a layer decides is denied where one of its policies isolates the end, and else goes to
//!    the next layer. What no layer decides is allowed.
//! 4. Answers belong to their connection, a pod reaches itself, and a node reaches its own pods, always.
//!
//! NetworkPolicies are one layer that isolates and only allows; tiers of ordered rules are one layer each;
//! "deny wins" is a layer of the deny rules above one of the rest.

mod evaluate;

mod shadow;

mod points;

mod select;

mod names;

mod stack;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::Protocol;

pub(crate) use evaluate::{Refused, RuleAt};
pub use names::Names;
pub(crate) use points::after;
pub(crate) use select::Selection;
pub(crate) use shadow::Needless;

use crate::Service;
use crate::k8s::{Blocks, Direction, Place, World};

/// Pods by their indices in [`World::pods`], in order.
pub(crate) type Pods = Arc<[usize]>;

/// Policies laid down for a world.
#[derive(Debug)]
pub struct Layers<'a> {
    pub(super) world: &'a World,
    /// Whether networks mean pods too.
    pub(super) blocks: Blocks,
    /// Every policy, in the order in which they were added.
    pub(crate) policies: Vec<Header>,
    /// In order of precedence; for ingress and egress each.
    pub(super) layers: Vec<[Laid; 2]>,
}

/// What a report tells of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its name, for people: `shop/web`.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) place: Place,
}

/// The part of a policy that lies in one layer, for one direction.
#[derive(Debug)]
pub(crate) struct Part {
    /// Index in [`Layers::policies`].
    pub(crate) policy: usize,
    /// Which way its rules look.
    pub(crate) direction: Direction,
    /// Whom it is for.
    pub(crate) subjects: Pods,
    /// Whether it denies its subjects what no rule of the layer decides.
    pub(crate) isolates: bool,
    /// In order of precedence.
    pub(crate) rules: Vec<Rule>,
}

/// Decides about connections with some peers.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it decides.
    pub(crate) action: Action,
    /// The other ends.
    pub(crate) peers: Peers,
    /// What for; none means everything.
    pub(crate) services: Vec<Services>,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The connection may be opened, as far as this end goes.
    Allow,
    /// It may not.
    Deny,
    /// The next layer is asked.
    Pass,
}

/// Whom a rule means: any of these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    /// Everybody, inside and outside.
    pub(crate) everybody: bool,
    /// Pods.
    pub(crate) pods: Vec<Pods>,
    /// Networks.
    pub(crate) networks: Vec<Network>,
    /// Addresses outside, such as a name stands for.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Where it means addresses by their names.
    pub(crate) by_name: Option<Meant>,
}

/// Addresses that are meant by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Names that are listed; a pattern is more than can be counted.
    pub(crate) names: u64,
    /// Addresses among those that other names were seen for, too: who asks for these gets them as well.
    pub(crate) shared: u64,
}

/// Addresses of a network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) cidr: IpNet,
    /// Those of them that are not meant.
    pub(crate) except: Vec<IpNet>,
    /// Whether addresses of pods are never meant, whatever the plugin.
    pub(crate) outside: bool,
}

impl Network {
    /// All addresses of a network; pods' too where the plugin has it so.
    pub(crate) const fn of(cidr: IpNet) -> Self {
        Self { cidr, except: Vec::new(), outside: false }
    }

    /// All addresses of a network that are no pod's.
    pub(crate) const fn outside(cidr: IpNet) -> Self {
        Self { cidr, except: Vec::new(), outside: true }
    }

    fn contains(&self, address: &IpAddr) -> bool {
        self.cidr.contains(address) && !self.except.iter().any(|not| not.contains(address))
    }
}

/// Some of what a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Services {
    /// Ports of TCP, UDP or SCTP.
    Ports(Protocol, RangeInclusive<u16>),
    /// The port that the server's containers give this name; of any protocol where none is given.
    Named(Option<Protocol>, String),
    /// Types of ICMP or ICMPv6.
    Icmp(Protocol, RangeInclusive<u8>),
    /// A whole protocol.
    Whole(Protocol),
}

impl Services {
    /// Services at the ends of what is meant, and none of a name's.
    pub(crate) fn ends(&self) -> Vec<Service> {
        let port = |protocol, port| Service::Port { protocol, port };
        let icmp = |protocol, message_type| Service::Icmp { protocol, message_type };
        match self {
            Self::Ports(protocol, range) => {
                vec![port(*protocol, *range.start()), port(*protocol, *range.end())]
            }
            Self::Named(..) => Vec::new(),
            Self::Icmp(protocol, range) => {
                vec![icmp(*protocol, *range.start()), icmp(*protocol, *range.end())]
            }
            Self::Whole(protocol) if protocol.is_icmp() => vec![icmp(*protocol, 0)],
            Self::Whole(protocol) if protocol.has_ports() => vec![port(*protocol, 1)],
            Self::Whole(protocol) => vec![Service::Protocol(*protocol)],
        }
    }
}

/// One direction of one layer.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    pub(crate) parts: Vec<Part>,
    /// Whether every rule allows, so that the order says nothing.
    pub(super) only_allows: bool,
    /// For each pod the parts that select it, in order.
    pub(super) of_pod: Vec<Vec<u32>>,
}

impl<'a> Layers<'a> {
    /// No layers yet, so everything is allowed.
    pub(crate) const fn new(world: &'a World, blocks: Blocks) -> Self {
        Self { world, blocks, policies: Vec::new(), layers: Vec::new() }
    }

    /// Adds a policy, for its parts to refer to.
    pub(crate) fn policy(&mut self, name: &impl ToString, place: &Place) -> usize {
        self.policies.push(Header { name: name.to_string(), place: place.clone() });
        self.policies.len() - 1
    }

    /// Adds a layer below those that are there; its parts are in order of precedence.
    pub(crate) fn lay(&mut self, parts: Vec<Part>) {
        let mut sides = [Laid::default(), Laid::default()];
        for side in &mut sides {
            side.of_pod = vec![Vec::new(); self.world.pods().len()];
            side.only_allows = true;
        }
        for part in parts {
            let side = &mut sides[part.direction as usize];
            let at = u32::try_from(side.parts.len()).unwrap_or(u32::MAX);
            for &pod in &*part.subjects {
                // Policies do not bind pods on their node's network.
                if !self.world.pods()[pod].host_network {
                    side.of_pod[pod].push(at);
                }
            }
            side.only_allows &= part.rules.iter().all(|rule| rule.action == Action::Allow);
            side.parts.push(part);
        }
        self.layers.push(sides);
    }

    /// Every rule with the part that it is of, in order of precedence.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (RuleAt, &Part, &Rule)> {
        let sides = self.layers.iter().enumerate().flat_map(|(layer, sides)| {
            [Direction::Ingress, Direction::Egress].map(|direction| (layer, direction, sides))
        });
        sides.flat_map(|(layer, direction, sides)| {
            let parts = sides[direction as usize].parts.iter().enumerate();
            parts.flat_map(move |(at, part)| {
                let rules = part.rules.iter().enumerate();
                rules.map(move |(rule, one)| (RuleAt { layer, direction, part: at, rule }, part, one))
            })
        })
    }

    /// The files of the policies that decide about a pod, for either direction: not of such as only pass on.
    pub(crate) fn files(&self, pod: usize) -> impl Iterator<Item = &str> {
        let decides =
            |part: &&Part| part.isolates || part.rules.iter().any(|rule| rule.action != Action::Pass);
        self.layers.iter().flatten().flat_map(move |side| {
            let parts = side.of_pod[pod].iter().map(|&at| &side.parts[at as usize]);
            parts.filter(decides).map(|part| &*self.policies[part.policy].place.file)
        })
    }

    /// Every part of every layer.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.layers.iter().flatten().flat_map(|side| &side.parts)
    }
}

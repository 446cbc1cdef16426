//! The outermost connections that each rule speaks of: where a rule that is too wide shows itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use watershed_model::Protocol;

use super::{Match, Rule, Ruleset, Verdict};
use crate::Service;

/// Both ends of everything that a rule lists; for hosts and single ports, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Corners {
    pub(crate) clients: BTreeSet<IpAddr>,
    pub(crate) servers: BTreeSet<IpAddr>,
    pub(crate) services: BTreeSet<Service>,
}

impl Ruleset {
    /// Corners of every rule that accepts, reached or not, in order of the text.
    pub(crate) fn corners(&self) -> impl Iterator<Item = Corners> {
        let rules = self.tables.values().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        rules.filter(|rule| rule.verdict == Some(Verdict::Accept)).map(Rule::corners)
    }
}

impl Rule {
    fn corners(&self) -> Corners {
        let addresses = |side: fn(&Match) -> Option<&[RangeInclusive<IpAddr>]>| {
            // A rule that does not ask is open to all: then one address of each version stands for them.
            let any = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            let listed = self.matches.iter().find_map(side);
            listed.map_or_else(|| any.into(), |ranges| ends(ranges).collect())
        };
        let services = self.matches.iter().find_map(services);
        Corners {
            clients: addresses(|one| match one {
                Match::Source(set) => Some(&set.ranges),
                _ => None,
            }),
            servers: addresses(|one| match one {
                Match::Destination(set) => Some(&set.ranges),
                _ => None,
            }),
            services: services.unwrap_or_else(|| [Protocol::TCP, Protocol::UDP].map(port(0)).into()),
        }
    }
}

fn services(one: &Match) -> Option<BTreeSet<Service>> {
    match one {
        Match::Protocol(protocols) => {
            Some(ends(protocols).filter_map(|number| Service::new(Protocol(number), 0)).collect())
        }
        Match::Port(Some(protocol), ports) => Some(ends(ports).map(|at| port(at)(*protocol)).collect()),
        Match::Port(None, ports) => {
            let transports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
            Some(ends(ports).flat_map(|at| transports.map(port(at))).collect())
        }
        Match::IcmpType(protocol, types) => {
            let service = |message_type| Service::Icmp { protocol: *protocol, message_type };
            Some(ends(types).map(service).collect())
        }
        _ => None,
    }
}

fn port(port: u16) -> impl Fn(Protocol) -> Service {
    move |protocol| Service::Port { protocol, port }
}

fn ends<T: Copy>(ranges: &[RangeInclusive<T>]) -> impl Iterator<Item = T> {
    ranges.iter().flat_map(|range| [*range.start(), *range.end()])
}

//! What one rule means: whom, what for, and how much that is.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use watershed_model::Protocol;

use super::{Match, Rule, Verdict};
use crate::Service;
use crate::export::nftables::ALWAYS_ALLOWED_ICMPV6;
use crate::k8s::Place;
use crate::rule::EVERY_PORT;

impl Rule {
    /// Where it begins.
    pub(crate) fn spot(&self) -> Place {
        Place {
            file: std::sync::Arc::clone(&self.file),
            line: self.position.line,
            column: self.position.column,
        }
    }

    /// Whether it accepts or drops first packets of connections from the network.
    pub(super) fn decides(&self) -> bool {
        let never =
            |one: &Match| matches!(one, Match::Loopback) || matches!(one, Match::State { new: false });
        matches!(self.verdict, Some(Verdict::Accept | Verdict::Drop)) && !self.matches.iter().any(never)
    }

    /// Whether it accepts.
    pub(crate) fn accepts(&self) -> bool {
        self.verdict == Some(Verdict::Accept)
    }

    /// Whether it lets pass nothing but that without which there is no IPv6.
    pub(crate) fn is_ipv6_itself(&self) -> bool {
        let needed = |types: &[RangeInclusive<u8>]| {
            types.iter().cloned().flatten().all(|one| ALWAYS_ALLOWED_ICMPV6.contains(&one))
        };
        self.matches
            .iter()
            .any(|one| matches!(one, Match::IcmpType(Protocol::ICMPV6, types) if needed(types)))
    }

    /// The clients that it names; `None` where it means all.
    pub(crate) fn clients(&self) -> Option<&[RangeInclusive<IpAddr>]> {
        self.matches.iter().find_map(|one| match one {
            Match::Source(set) => Some(set.ranges.as_slice()),
            _ => None,
        })
    }

    /// The servers that it names; `None` where it means all.
    pub(crate) fn servers(&self) -> Option<&[RangeInclusive<IpAddr>]> {
        self.matches.iter().find_map(|one| match one {
            Match::Destination(set) => Some(set.ranges.as_slice()),
            _ => None,
        })
    }

    /// How many ports, types and protocols it means.
    pub(crate) fn width(&self) -> u64 {
        let widths = self.matches.iter().filter_map(|one| match one {
            Match::Port(of, ports) => Some(sum(ports) * if of.is_some() { 1 } else { 3 }),
            Match::IcmpType(_, types) => {
                Some(types.iter().map(|range| u64::from(range.end() - range.start()) + 1).sum())
            }
            Match::Protocol(protocols) => {
                Some(protocols.iter().cloned().flatten().map(|one| of_protocol(Protocol(one))).sum())
            }
            _ => None,
        });
        widths.min().unwrap_or(EVERY_PORT)
    }

    /// The first service of every stretch that begins or ends with it.
    pub(super) fn starts(&self) -> Vec<Service> {
        let mut starts = Vec::new();
        let mut add = |protocol: Protocol, number: u32| {
            starts.extend(u16::try_from(number).ok().and_then(|number| Service::new(protocol, number)));
        };
        for one in &self.matches {
            match one {
                Match::Port(of, ports) => {
                    let transports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
                    for protocol in transports.into_iter().filter(|one| of.is_none_or(|of| of == *one)) {
                        for range in ports {
                            add(protocol, u32::from(*range.start()));
                            add(protocol, u32::from(*range.end()) + 1);
                        }
                    }
                }
                Match::IcmpType(protocol, types) => {
                    for range in types {
                        add(*protocol, u32::from(*range.start()));
                        add(*protocol, u32::from(*range.end()) + 1);
                    }
                }
                Match::Protocol(protocols) => {
                    for number in protocols.iter().cloned().flatten() {
                        add(Protocol(number), 0);
                    }
                }
                _ => {}
            }
        }
        starts
    }
}

fn sum(ranges: &[RangeInclusive<u16>]) -> u64 {
    ranges.iter().map(|range| u64::from(range.end() - range.start()) + 1).sum()
}

fn of_protocol(protocol: Protocol) -> u64 {
    match protocol {
        // No service has port 0.
        _ if protocol.has_ports() => u64::from(u16::MAX),
        _ if protocol.is_icmp() => 256,
        _ => 1,
    }
}

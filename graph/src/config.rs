//! The thresholds behind roles, exposure and scans.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// What the graph is told rather than finds out. The defaults suit networks of ten to ten thousand hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GraphConfig {
    /// Networks that are one's own. Every other unicast address is public; hosts of the inventory are
    /// internal wherever their addresses lie.
    ///
    /// Default: the private ranges of RFC 1918, RFC 4193 and RFC 6598 (shared by carriers and overlay
    /// networks), link-local and loopback. Documentation ranges are not among them: labs use them to
    /// play the internet.
    pub internal: Vec<IpNet>,
    /// How sure it must be which end is the client before an edge may become a rule, from 0.5 to 1.
    ///
    /// Default 0.99: one rule in a hundred for the wrong end is an outage, and what is less sure than that was
    /// as often wrong as right where it was counted (see `docs/direction.md`).
    pub min_direction_probability: f64,
    /// So many ports of one host, tried in vain by one source, make a port scan. Default 10: a client
    /// with a broken service tries one or two ports; Zeek alarms at 15, but an entry here wakes nobody.
    pub port_scan_ports: usize,
    /// So many hosts, tried in vain on one port by one source, make a host sweep. Default 8: more than
    /// the dead members of an ordinary server pool; Zeek alarms at 25.
    pub host_sweep_hosts: usize,
    /// So many internal clients make a shared service. Default 5: fewer is an ordinary back end.
    pub shared_min_dependants: usize,
    /// This share of all internal clients makes a shared service, from 0 to 1. Default 0.2: in a network
    /// of several sites each resolver still serves a fifth of the hosts.
    pub shared_min_share: f64,
    /// At most so many dependencies per dependant, so that a front end with many clients does not count.
    /// Default 0.25: a resolver has forwarders and a time server of its own.
    pub shared_max_dependencies: f64,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            internal: private_networks(),
            min_direction_probability: 0.99,
            port_scan_ports: 10,
            host_sweep_hosts: 8,
            shared_min_dependants: 5,
            shared_min_share: 0.2,
            shared_max_dependencies: 0.25,
        }
    }
}

impl GraphConfig {
    /// [`GraphConfig::min_direction_probability`] as log-odds; a probability of 1 asks for what nothing reaches.
    pub(crate) fn direction_threshold(&self) -> f64 {
        let probability = self.min_direction_probability.clamp(0.5, 1.0);
        (probability / (1.0 - probability)).ln()
    }
}

fn private_networks() -> Vec<IpNet> {
    let v4 = |a, b, length| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length));
    let v6 =
        |first, length| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length));
    let loopback = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128));
    vec![
        v4(10, 0, 8),
        v4(100, 64, 10),
        v4(127, 0, 8),
        v4(169, 254, 16),
        v4(172, 16, 12),
        v4(192, 168, 16),
        loopback,
        v6(0xfc00, 7),
        v6(0xfe80, 10),
    ]
}

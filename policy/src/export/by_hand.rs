//! Rules that people made, as nftables text: sets of networks, one line for each kind of port.

use std::fmt;
use std::slice::from_ref;

use ipnet::IpNet;
use watershed_model::Protocol;

use super::nftables::{Network, comment_line, service, set};
use super::text::states;
use crate::ByHand;
use crate::by_hand::addresses;
use crate::mine::{Allowed, width};
use crate::nft::Family;

/// The networks of both ends, where both have some of an IP version, and what of the rule that version carries.
pub(crate) struct Sides<'a> {
    pub(crate) family: Family,
    pub(crate) clients: Vec<IpNet>,
    pub(crate) servers: Vec<IpNet>,
    pub(crate) ports: Vec<&'a Allowed>,
}

pub(crate) fn sides(rule: &ByHand) -> impl Iterator<Item = Sides<'_>> {
    Family::ALL.into_iter().filter_map(|family| {
        let of_family = |networks: &[IpNet]| -> Vec<IpNet> {
            networks.iter().copied().filter(|one| Family::of(one.addr()) == family).collect()
        };
        let (clients, servers) = (of_family(&rule.clients), of_family(&rule.servers));
        let ports: Vec<&Allowed> = rule.manual.ports.iter().filter(|one| carries(family, one)).collect();
        let some = !clients.is_empty() && !servers.is_empty() && !ports.is_empty();
        some.then_some(Sides { family, clients, servers, ports })
    })
}

fn carries(family: Family, allowed: &Allowed) -> bool {
    match allowed {
        Allowed::Service(service) => match service.protocol() {
            Protocol::ICMP => family == Family::V4,
            Protocol::ICMPV6 => family == Family::V6,
            _ => true,
        },
        Allowed::Anything | Allowed::Ports(..) => true,
    }
}

fn set_name(rule: &ByHand, side: &str, family: Family) -> String {
    format!("{}_{side}_{}", rule.id, family.version())
}

pub(super) fn sets(f: &mut fmt::Formatter<'_>, rule: &ByHand) -> fmt::Result {
    for Sides { family, clients, servers, .. } in sides(rule) {
        for (side, networks) in [("clients", clients), ("servers", servers)] {
            let networks = networks.into_iter().map(Network);
            set(f, &set_name(rule, side, family), family, networks)?;
        }
    }
    Ok(())
}

pub(super) fn allow(f: &mut fmt::Formatter<'_>, rule: &ByHand) -> fmt::Result {
    writeln!(f)?;
    comment_line(f, &format!("by hand: {}", rule.manual))?;
    if let Some(comment) = &rule.manual.comment {
        comment_line(f, comment)?;
    }
    if sides(rule).next().is_none() {
        return comment_line(f, "for nobody: no address is known of one of its ends");
    }
    let tuples = |one: Sides<'_>| {
        let wide = one.ports.iter().fold(0, |sum: u64, port| sum.saturating_add(width(from_ref(port))));
        addresses(&one.clients).saturating_mul(addresses(&one.servers)).saturating_mul(wide)
    };
    comment_line(f, &states(sides(rule).map(tuples).fold(0, u64::saturating_add)))?;
    for Sides { family, ports, .. } in sides(rule) {
        let ip = family.keyword();
        let (clients, servers) = (set_name(rule, "clients", family), set_name(rule, "servers", family));
        for allowed in ports {
            let what = matching(allowed);
            writeln!(
                f,
                "\t\t{ip} saddr @{clients} {ip} daddr @{servers} {what}counter accept comment \"{}: by hand\"",
                rule.id
            )?;
        }
    }
    Ok(())
}

/// What a line asks of the packet's service, and a space after it.
pub(crate) fn matching(allowed: &Allowed) -> String {
    match allowed {
        Allowed::Anything => String::new(),
        Allowed::Service(one) => service(*one) + " ",
        Allowed::Ports(protocol, first, last) if first == last => format!("{protocol} dport {first} "),
        Allowed::Ports(protocol, first, last) => format!("{protocol} dport {first}-{last} "),
    }
}

//! A rule by address, one IP version at a time: what enforcers that know addresses are told.

use ipnet::IpNet;
use watershed_model::Protocol;

use super::{Allowed, Rule, width};
use crate::mine::size;
use crate::nft::Family;

/// The addresses of both ends, where both have some of an IP version, and what of the rule that version carries.
pub(crate) struct Sides<'a> {
    pub(crate) family: Family,
    pub(crate) clients: Vec<IpNet>,
    pub(crate) servers: Vec<IpNet>,
    pub(crate) ports: Vec<&'a Allowed>,
}

impl Rule {
    /// None where an end has no addresses.
    pub(crate) fn sides(&self) -> impl Iterator<Item = Sides<'_>> {
        let (clients, servers) = (self.client().networks(), self.server().networks());
        Family::ALL.into_iter().filter_map(move |family| {
            let of_family = |networks: &[IpNet]| -> Vec<IpNet> {
                networks.iter().copied().filter(|one| Family::of(one.addr()) == family).collect()
            };
            let (clients, servers) = (of_family(&clients), of_family(&servers));
            let ports: Vec<&Allowed> = self.ports.iter().filter(|one| carries(family, one)).collect();
            let some = !clients.is_empty() && !servers.is_empty() && !ports.is_empty();
            some.then_some(Sides { family, clients, servers, ports })
        })
    }

    /// Tuples of client, server and port that its addresses allow; the largest number where there are more.
    pub(super) fn tuples(&self) -> u64 {
        self.sides().fold(0, |sum: u64, sides| sum.saturating_add(sides.tuples()))
    }
}

impl Sides<'_> {
    fn tuples(&self) -> u64 {
        let wide = width(self.ports.iter().copied());
        sizes(&self.clients).saturating_mul(sizes(&self.servers)).saturating_mul(wide)
    }
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

/// How many addresses networks have; the largest number where there are more.
pub(crate) fn sizes(networks: &[IpNet]) -> u64 {
    let sum = networks.iter().map(size).fold(0_u128, u128::saturating_add);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

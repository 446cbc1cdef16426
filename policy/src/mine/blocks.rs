//! Addresses as networks: adjacent ones joined, and at the wider levels gaps closed, at a price.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Shortest prefixes that addresses are widened to: of IPv4 a site's, of IPv6 a site's usual assignment (RFC
/// 6177).
const WIDEST: (u8, u8) = (16, 48);

/// Fewer addresses than this say nothing about the network that they lie in.
const FEWEST: usize = 3;

/// Few networks, in order, that hold all `addresses`, where each is at least as full as `density` (addresses
/// seen of addresses held, from 0 to 1). At 1 nothing else is held.
pub(crate) fn blocks(addresses: &BTreeSet<IpAddr>, density: f64) -> Vec<IpNet> {
    let mut found = if density < 1.0 {
        widen(addresses, density)
    } else {
        addresses.iter().copied().map(IpNet::from).collect()
    };
    found = IpNet::aggregate(&found);
    found.sort();
    found
}

/// How many addresses a network holds.
pub(crate) fn size(network: &IpNet) -> u128 {
    let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
    1_u128.checked_shl(host_bits).unwrap_or(u128::MAX)
}

fn widen(addresses: &BTreeSet<IpAddr>, density: f64) -> Vec<IpNet> {
    let all: Vec<IpAddr> = addresses.iter().copied().collect();
    let mut left = all.as_slice();
    let mut found = Vec::new();
    while let Some(&address) = left.first() {
        let exact = IpNet::from(address);
        let widest = if address.is_ipv4() { WIDEST.0 } else { WIDEST.1 };
        // They are in order, so those that a network holds lie at the front.
        let held = |network: &IpNet| left.partition_point(|one| network.contains(one));
        let full = |network: &IpNet| {
            let held = held(network);
            held >= FEWEST && held as f64 / size(network) as f64 >= density
        };
        let wider = (widest..exact.max_prefix_len()).filter_map(|length| network(address, length));
        let chosen = wider.into_iter().find(full).unwrap_or(exact);
        left = left.split_at(held(&chosen)).1;
        found.push(chosen);
    }
    found
}

fn network(address: IpAddr, length: u8) -> Option<IpNet> {
    let network: IpNet = match address {
        IpAddr::V4(v4) => Ipv4Net::new(v4, length).ok()?.into(),
        IpAddr::V6(v6) => Ipv6Net::new(v6, length).ok()?.into(),
    };
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(texts: &[&str], density: f64) -> String {
        let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
        blocks(&addresses, density).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn exact_networks_hold_nothing_else() {
        assert_eq!(joined(&["10.0.0.2", "10.0.0.3", "10.0.0.5"], 1.0), "10.0.0.2/31 10.0.0.5/32");
        assert_eq!(joined(&["2001:db8::1"], 1.0), "2001:db8::1/128");
    }

    #[test]
    fn gaps_are_closed_where_a_network_is_full_enough() {
        assert_eq!(joined(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.9.9"], 0.5), "10.0.0.0/30 10.9.9.9/32");
        assert_eq!(joined(&["10.0.0.1", "10.0.0.2"], 0.125), "10.0.0.1/32 10.0.0.2/32");
        assert_eq!(size(&"10.0.0.0/30".parse().unwrap()), 4);
    }
}

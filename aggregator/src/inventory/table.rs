//! Longest-prefix match.

use std::hash::Hash;
use std::net::IpAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use ipnet::IpNet;

/// Values by prefix: for each prefix length that occurs a hash table, asked from the longest to the shortest. Those of
/// IPv4 have keys of four octets, so that a cluster's addresses fit into a processor's cache.
#[derive(Clone, Debug, Default)]
pub(super) struct PrefixTable {
    v4: Family<u32>,
    v6: Family<u128>,
}

/// The prefixes of one IP version: of each length, longest first, the values by the network's bits.
#[derive(Clone, Debug)]
struct Family<B> {
    lengths: Vec<(u8, HashMap<B, u32>)>,
}

impl PrefixTable {
    /// Gives a prefix its value; the earlier value when it has one already, which then stays.
    pub(super) fn insert(&mut self, prefix: IpNet, value: u32) -> Option<u32> {
        match prefix {
            IpNet::V4(net) => self.v4.insert(net.prefix_len(), net.network().to_bits(), value),
            IpNet::V6(net) => self.v6.insert(net.prefix_len(), net.network().to_bits(), value),
        }
    }

    /// The value of exactly this prefix.
    pub(super) fn get(&self, prefix: IpNet) -> Option<u32> {
        match prefix {
            IpNet::V4(net) => self.v4.get(net.prefix_len(), &net.network().to_bits()),
            IpNet::V6(net) => self.v6.get(net.prefix_len(), &net.network().to_bits()),
        }
    }

    /// The length of the longest prefix that covers `address`, and its value.
    pub(super) fn longest(&self, address: IpAddr) -> Option<(u8, u32)> {
        self.longest_below(address, u8::MAX)
    }

    /// The same of the longest one that is shorter than `length`.
    pub(super) fn longest_below(&self, address: IpAddr, length: u8) -> Option<(u8, u32)> {
        match address {
            IpAddr::V4(v4) => self.v4.longest_below(length, |l| v4.to_bits() & mask(l, u32::BITS) as u32),
            IpAddr::V6(v6) => self.v6.longest_below(length, |l| v6.to_bits() & mask(l, u128::BITS)),
        }
    }
}

impl<B> Default for Family<B> {
    fn default() -> Self {
        Self { lengths: Vec::new() }
    }
}

impl<B: Eq + Hash> Family<B> {
    fn insert(&mut self, length: u8, network: B, value: u32) -> Option<u32> {
        let place = self.lengths.partition_point(|(known, _)| *known > length);
        if self.lengths.get(place).is_none_or(|(known, _)| *known != length) {
            self.lengths.insert(place, (length, HashMap::new()));
        }
        match self.lengths[place].1.entry(network) {
            Entry::Occupied(earlier) => Some(*earlier.get()),
            Entry::Vacant(free) => {
                free.insert(value);
                None
            }
        }
    }

    fn get(&self, length: u8, network: &B) -> Option<u32> {
        let (_, values) = self.lengths.iter().find(|(known, _)| *known == length)?;
        values.get(network).copied()
    }

    fn longest_below(&self, length: u8, network: impl Fn(u8) -> B) -> Option<(u8, u32)> {
        let mut shorter = self.lengths.iter().filter(|(known, _)| *known < length);
        shorter.find_map(|(known, values)| values.get(&network(*known)).map(|value| (*known, *value)))
    }
}

/// The upper `length` of `bits` bits.
fn mask(length: u8, bits: u32) -> u128 {
    u128::MAX.checked_shl(bits - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn finds_what_a_scan_of_all_prefixes_finds(
            prefixes in prop::collection::vec((0_u32..64, 26_u8..=32), 0..20),
            address in 0_u32..64,
        ) {
            let mut table = PrefixTable::default();
            let mut list: Vec<(IpNet, u32)> = Vec::new();
            for (value, (address, length)) in prefixes.into_iter().enumerate() {
                let prefix = IpNet::new(Ipv4Addr::from(address).into(), length).unwrap().trunc();
                let earlier = list.iter().find(|(known, _)| *known == prefix).map(|&(_, value)| value);
                prop_assert_eq!(table.insert(prefix, value as u32), earlier);
                if earlier.is_none() {
                    list.push((prefix, value as u32));
                }
            }
            let address = IpAddr::from(Ipv4Addr::from(address));
            let covering = list.iter().filter(|(prefix, _)| prefix.contains(&address));
            let longest = covering.max_by_key(|(prefix, _)| prefix.prefix_len());
            let longest = longest.map(|&(prefix, value)| (prefix.prefix_len(), value));
            prop_assert_eq!(table.longest(address), longest);
        }
    }

    #[test]
    fn ip_versions_are_apart_and_a_default_route_covers_its_own() {
        let mut table = PrefixTable::default();
        table.insert("0.0.0.0/0".parse().unwrap(), 4);
        table.insert("::/0".parse().unwrap(), 6);
        table.insert("2001:db8::1/128".parse().unwrap(), 1);
        assert_eq!(table.longest("192.0.2.1".parse().unwrap()), Some((0, 4)));
        assert_eq!(table.longest("2001:db8::2".parse().unwrap()), Some((0, 6)));
        assert_eq!(table.longest("2001:db8::1".parse().unwrap()), Some((128, 1)));
        assert_eq!(table.longest_below("2001:db8::1".parse().unwrap(), 128), Some((0, 6)));
    }
}

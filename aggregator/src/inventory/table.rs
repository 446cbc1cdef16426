//! Longest-prefix match.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

/// Values by prefix: one hash table for each IP version, asked once for each prefix length that occurs.
#[derive(Clone, Debug, Default)]
pub(super) struct PrefixTable {
    v4: Family,
    v6: Family,
}

/// The prefixes of one IP version, their bits at the upper end of 128.
#[derive(Clone, Debug, Default)]
struct Family {
    /// The lengths that occur, longest first.
    lengths: Vec<u8>,
    values: HashMap<(u8, u128), u32>,
}

impl PrefixTable {
    /// Gives a prefix its value; the earlier value when it has one already, which then stays.
    pub(super) fn insert(&mut self, prefix: IpNet, value: u32) -> Option<u32> {
        let family = if prefix.addr().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let (length, key) = (prefix.prefix_len(), key(prefix));
        if let Some(&earlier) = family.values.get(&key) {
            return Some(earlier);
        }
        family.values.insert(key, value);
        if let Err(place) = family.lengths.binary_search_by(|known| length.cmp(known)) {
            family.lengths.insert(place, length);
        }
        None
    }

    /// The value of exactly this prefix.
    pub(super) fn get(&self, prefix: IpNet) -> Option<u32> {
        let family = if prefix.addr().is_ipv4() { &self.v4 } else { &self.v6 };
        family.values.get(&key(prefix)).copied()
    }

    /// The value of the longest prefix that covers `address`.
    pub(super) fn longest(&self, address: IpAddr) -> Option<u32> {
        self.longest_below(address, u8::MAX)
    }

    /// The value of the longest prefix shorter than `length` that covers `address`.
    pub(super) fn longest_below(&self, address: IpAddr, length: u8) -> Option<u32> {
        let family = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let bits = bits(address);
        let lengths = family.lengths.iter().filter(|&&l| l < length);
        lengths.map(|&l| (l, bits & mask(l))).find_map(|key| family.values.get(&key).copied())
    }
}

fn key(prefix: IpNet) -> (u8, u128) {
    let length = prefix.prefix_len();
    (length, bits(prefix.network()) & mask(length))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The upper `length` bits.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
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
            let longest = covering.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|&(_, value)| value);
            prop_assert_eq!(table.longest(address), longest);
        }
    }

    #[test]
    fn ip_versions_are_apart_and_a_default_route_covers_its_own() {
        let mut table = PrefixTable::default();
        table.insert("0.0.0.0/0".parse().unwrap(), 4);
        table.insert("::/0".parse().unwrap(), 6);
        table.insert("2001:db8::1/128".parse().unwrap(), 1);
        assert_eq!(table.longest("192.0.2.1".parse().unwrap()), Some(4));
        assert_eq!(table.longest("2001:db8::2".parse().unwrap()), Some(6));
        assert_eq!(table.longest("2001:db8::1".parse().unwrap()), Some(1));
        assert_eq!(table.longest_below("2001:db8::1".parse().unwrap(), 128), Some(6));
    }
}

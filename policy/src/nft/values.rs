//! Values of a ruleset: addresses, prefixes, ranges and numbers.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

/// Sorted ranges that do not overlap.
pub(super) type Ranges<T> = Vec<RangeInclusive<T>>;

/// An IP version, in nftables' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The protocol name in a match: `ip saddr`.
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    /// In the name of a set: `v4`.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    /// The type of a set of its addresses.
    pub(crate) const fn set_type(self) -> &'static str {
        match self {
            Self::V4 => "ipv4_addr",
            Self::V6 => "ipv6_addr",
        }
    }
}

/// A set of addresses of one IP version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressSet {
    pub(super) family: Family,
    pub(super) ranges: Ranges<IpAddr>,
}

impl AddressSet {
    pub(super) fn new(family: Family, ranges: Ranges<IpAddr>) -> Self {
        Self { family, ranges: sorted(ranges) }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family && contains(&self.ranges, address)
    }

    /// The addresses, where the set lists hosts only.
    pub(super) fn hosts(&self) -> Option<impl Iterator<Item = IpAddr>> {
        let only_hosts = self.ranges.iter().all(|range| range.start() == range.end());
        only_hosts.then(|| self.ranges.iter().map(|range| *range.start()))
    }
}

/// In order, overlapping ranges joined.
pub(super) fn sorted<T: Copy + Ord>(mut ranges: Ranges<T>) -> Ranges<T> {
    ranges.sort_by_key(|range| (*range.start(), *range.end()));
    ranges.dedup_by(|next, before| {
        let overlap = next.start() <= before.end();
        if overlap {
            *before = *before.start()..=*before.end().max(next.end());
        }
        overlap
    });
    ranges
}

/// Whether one of the ranges holds `value`.
pub(super) fn contains<T: Copy + Ord>(ranges: &Ranges<T>, value: T) -> bool {
    let after = ranges.partition_point(|range| *range.start() <= value);
    after.checked_sub(1).and_then(|before| ranges.get(before)).is_some_and(|range| *range.end() >= value)
}

/// An address, a prefix or `first-last` of `family`.
pub(super) fn addresses(word: &str, family: Family) -> Option<RangeInclusive<IpAddr>> {
    let address = |text: &str| text.parse().ok().filter(|&address| Family::of(address) == family);
    if let Some((first, last)) = word.split_once('-') {
        return ordered(address(first)?, address(last)?);
    }
    if word.contains('/') {
        // nftables masks host bits away; a prefix written with them is a mistake and is not read.
        let prefix: IpNet = word.parse().ok()?;
        let whole = prefix.addr() == prefix.network() && Family::of(prefix.addr()) == family;
        return whole.then(|| prefix.network()..=prefix.broadcast());
    }
    address(word).map(|address| address..=address)
}

/// A decimal number or `first-last`.
pub(super) fn numbers<T: Copy + Ord + FromStr>(word: &str) -> Option<RangeInclusive<T>> {
    match word.split_once('-') {
        Some((first, last)) => ordered(first.parse().ok()?, last.parse().ok()?),
        None => word.parse().ok().map(|value| value..=value),
    }
}

fn ordered<T: Ord>(first: T, last: T) -> Option<RangeInclusive<T>> {
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn prefixes_and_ranges_hold_their_ends() {
        let net = addresses("2001:db8::/32", Family::V6).expect("prefix");
        assert_eq!(
            (*net.start(), *net.end()),
            (ip("2001:db8::"), ip("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"))
        );
        let range = addresses("10.0.0.1-10.0.0.9", Family::V4).expect("range");
        assert_eq!((*range.start(), *range.end()), (ip("10.0.0.1"), ip("10.0.0.9")));
    }

    #[test]
    fn what_is_wrong_is_not_read() {
        for wrong in ["10.0.0.1/8", "10.0.0.9-10.0.0.1", "10.0.0.256", "2001:db8::1", "", "-", "/"] {
            assert_eq!(addresses(wrong, Family::V4), None, "{wrong}");
        }
        assert_eq!(numbers::<u16>("65536"), None);
        assert_eq!(numbers::<u16>("9-1"), None);
    }

    #[test]
    fn overlapping_ranges_are_joined() {
        assert_eq!(sorted(vec![5..=9, 1..=3, 2..=6, 20..=20]), vec![1..=9, 20..=20]);
        let ranges = vec![1..=9, 20..=20];
        let inside: Vec<u16> = (0..=21).filter(|&value| contains(&ranges, value)).collect();
        assert_eq!(inside, (1..=9).chain([20]).collect::<Vec<_>>());
    }
}

//! Sets of connections between two ends: protocols and the server's ports.

use std::fmt;
use std::ops::RangeInclusive;

use watershed_model::Protocol;

/// The protocols that NetworkPolicy speaks of.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::SCTP, Protocol::TCP, Protocol::UDP];

/// Which connections are allowed: for each protocol the server's ports, as ranges in order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Connections([Vec<RangeInclusive<u16>>; PROTOCOLS.len()]);

impl Connections {
    /// Every port of every protocol.
    #[must_use]
    pub fn all() -> Self {
        Self(std::array::from_fn(|_| vec![1..=u16::MAX]))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Whether a connection to `port` is among them.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        index(protocol).is_some_and(|index| self.0[index].iter().any(|range| range.contains(&port)))
    }

    /// Adds a range of ports; nothing where policies do not speak of the protocol.
    pub fn insert(&mut self, protocol: Protocol, ports: RangeInclusive<u16>) {
        let Some(ranges) = index(protocol).map(|index| &mut self.0[index]) else { return };
        ranges.push(ports);
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut joined: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
        for range in ranges.drain(..) {
            match joined.last_mut() {
                Some(last) if u32::from(*range.start()) <= u32::from(*last.end()) + 1 => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => joined.push(range),
            }
        }
        *ranges = joined;
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().flatten().map(|range| u64::from(range.end() - range.start()) + 1).sum()
    }

    /// Those in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (index, ranges) in both.0.iter_mut().enumerate() {
            for mine in &self.0[index] {
                for theirs in &other.0[index] {
                    let common = *mine.start().max(theirs.start())..=*mine.end().min(theirs.end());
                    if !common.is_empty() {
                        ranges.push(common);
                    }
                }
            }
        }
        both
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut either = self.clone();
        for (protocol, ranges) in PROTOCOLS.into_iter().zip(&other.0) {
            ranges.iter().for_each(|range| either.insert(protocol, range.clone()));
        }
        either
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self::all();
        for (rest, taken) in rest.0.iter_mut().zip(&other.0) {
            // Ranges are in order, so each cuts the last one that is left.
            for range in taken {
                let Some(last) = rest.pop() else { break };
                if range.start() > last.start() {
                    rest.push(*last.start()..=*range.start() - 1);
                }
                if range.end() < last.end() {
                    rest.push(*range.end() + 1..=*last.end());
                }
            }
        }
        self.intersection(&rest)
    }
}

fn index(protocol: Protocol) -> Option<usize> {
    PROTOCOLS.iter().position(|&known| known == protocol)
}

/// `all`, `none`, or `sctp/9003 tcp/80,8000-8080`.
impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all");
        }
        let range = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (start, end) if start == end => start.to_string(),
            (start, end) => format!("{start}-{end}"),
        };
        let of = |(protocol, ranges): (&Protocol, &Vec<RangeInclusive<u16>>)| {
            let ranges: Vec<_> = ranges.iter().map(range).collect();
            (!ranges.is_empty()).then(|| format!("{protocol}/{}", ranges.join(",")))
        };
        let parts: Vec<_> = PROTOCOLS.iter().zip(&self.0).filter_map(of).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_intersect() {
        let mut connections = Connections::default();
        for range in [80..=80, 8000..=8080, 81..=90, 8050..=9000] {
            connections.insert(Protocol::TCP, range);
        }
        assert_eq!(connections.to_string(), "tcp/80-90,8000-9000");
        let mut other = Connections::default();
        other.insert(Protocol::TCP, 85..=8001);
        other.insert(Protocol::UDP, 53..=53);
        assert_eq!(connections.intersection(&other).to_string(), "tcp/85-90,8000-8001");
        assert_eq!(connections.intersection(&Connections::all()), connections);
        assert!(connections.intersection(&Connections::default()).is_empty());
        assert_eq!(connections.difference(&other).to_string(), "tcp/80-84,8002-9000");
        assert!(connections.difference(&Connections::all()).is_empty());
        assert_eq!(connections.difference(&other).union(&other).to_string(), "tcp/80-9000 udp/53");
        assert!(Connections::all().contains(Protocol::SCTP, u16::MAX));
        assert!(!Connections::all().contains(Protocol::ICMP, 8));
    }
}

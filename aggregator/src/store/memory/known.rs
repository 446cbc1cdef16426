//! Which names addresses and edges have.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{KnownName, NameObservation, TimeRange, Timestamp};

use super::interner::Interner;

/// Names of addresses and names of entries, each bounded.
#[derive(Debug)]
pub(super) struct KnownNames {
    names: Interner<Arc<str>>,
    of_addresses: Interner<(IpAddr, u32), Seen>,
    of_entries: Interner<(u32, u32)>,
}

/// When answers gave a name.
#[derive(Debug)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
}

impl Default for Seen {
    fn default() -> Self {
        Self { first: Timestamp::MAX, last: Timestamp::MIN }
    }
}

impl KnownNames {
    /// For at most `limit` names of addresses and as many of entries.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            names: Interner::new(limit.saturating_mul(2)),
            of_addresses: Interner::new(limit),
            of_entries: Interner::new(limit),
        }
    }

    /// Takes note of an answer; false when there is no room.
    pub(super) fn learn(&mut self, answer: &NameObservation) -> bool {
        let Some(name) = self.names.intern(&*answer.name) else { return false };
        let Some(index) = self.of_addresses.intern(&(answer.address, name)) else { return false };
        let seen = self.of_addresses.value_mut(index);
        seen.first = seen.first.min(answer.seen);
        seen.last = seen.last.max(answer.seen);
        true
    }

    /// Adds names to an entry; how many found no room.
    pub(super) fn add_to_entry<'a>(&mut self, entry: u32, names: impl Iterator<Item = &'a str>) -> u64 {
        let refused = names.filter(|name| {
            let index = self.names.intern(*name);
            index.and_then(|index| self.of_entries.intern(&(entry, index))).is_none()
        });
        refused.count() as u64
    }

    /// Names of addresses that were known by the end of `period`, in order of address and name.
    pub(super) fn sorted(&self, period: Option<TimeRange>) -> Vec<KnownName> {
        let known = self.of_addresses.items().iter();
        let mut names: Vec<KnownName> = known
            .filter(|(_, seen)| period.is_none_or(|p| seen.first <= p.end))
            .map(|&((address, name), Seen { first, last })| KnownName {
                address,
                name: self.text(name).into(),
                first_seen: first,
                last_seen: last,
            })
            .collect();
        names.sort_unstable();
        names
    }

    /// Pairs of entry and name, in order.
    pub(super) fn by_entry(&self) -> Vec<(u32, u32)> {
        let mut pairs: Vec<_> = self.of_entries.items().iter().map(|&(pair, ())| pair).collect();
        pairs.sort_unstable();
        pairs
    }

    /// How many names of addresses there are.
    pub(super) const fn len(&self) -> usize {
        self.of_addresses.len()
    }

    /// The name with this number.
    pub(super) fn text(&self, name: u32) -> &str {
        self.names.key(name)
    }
}

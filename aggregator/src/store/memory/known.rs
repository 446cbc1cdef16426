//! Which names addresses and edges have.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{KnownName, NameObservation, TimeRange, Timestamp};

use super::interner::Interner;

/// Names of addresses and names of entries, each bounded.
#[derive(Debug)]
pub(super) struct KnownNames {
    names: Interner<Arc<str>>,
    of_addresses: Interner<(IpAddr, u32)>,
    /// First and last answer, by index in `of_addresses`.
    seen: Vec<(Timestamp, Timestamp)>,
    of_entries: Interner<(u32, u32)>,
}

impl KnownNames {
    /// For at most `limit` names of addresses and as many of entries.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            names: Interner::new(limit.saturating_mul(2)),
            of_addresses: Interner::new(limit),
            seen: Vec::new(),
            of_entries: Interner::new(limit),
        }
    }

    /// Takes note of an answer; false when there is no room.
    pub(super) fn learn(&mut self, answer: &NameObservation) -> bool {
        let Some(name) = self.names.intern(&*answer.name) else { return false };
        let Some(index) = self.of_addresses.intern(&(answer.address, name)) else { return false };
        if index as usize == self.seen.len() {
            self.seen.push((answer.seen, answer.seen));
        }
        let (first, last) = &mut self.seen[index as usize];
        *first = (*first).min(answer.seen);
        *last = (*last).max(answer.seen);
        true
    }

    /// Adds names to an entry and how many found no room to `refused`.
    pub(super) fn add_to_entry<'a>(
        &mut self,
        entry: u32,
        names: impl Iterator<Item = &'a str>,
        refused: &mut u64,
    ) {
        for name in names {
            let index = self.names.intern(name);
            if index.and_then(|index| self.of_entries.intern(&(entry, index))).is_none() {
                *refused += 1;
            }
        }
    }

    /// Names of addresses that were known by the end of `period`, in order of address and name.
    pub(super) fn sorted(&self, period: Option<TimeRange>) -> Vec<KnownName> {
        let known = self.of_addresses.keys().iter().zip(&self.seen);
        let mut names: Vec<KnownName> = known
            .filter(|(_, (first, _))| period.is_none_or(|p| *first <= p.end))
            .map(|(&(address, name), &(first_seen, last_seen))| KnownName {
                address,
                name: self.text(name).into(),
                first_seen,
                last_seen,
            })
            .collect();
        names.sort_unstable();
        names
    }

    /// Pairs of entry and name, in order.
    pub(super) fn by_entry(&self) -> Vec<(u32, u32)> {
        let mut pairs = self.of_entries.keys().to_vec();
        pairs.sort_unstable();
        pairs
    }

    /// The name with this number.
    pub(super) fn text(&self, name: u32) -> &str {
        &self.names.keys()[name as usize]
    }
}

//! Whose addresses were, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{TimeRange, Timestamp, Workload};

use super::MemoryStore;
use crate::inventory::fronts::{Backend, Front, FrontChange, MAX_FRONT_CHANGES};
use crate::inventory::{MAX_CHANGES, Source, Told};
use crate::store::history::{HistoryStore, Wanted, fronts_in_order, in_order};
use crate::{Change, StoreError};

/// Changes by source and prefix.
pub(super) type Changes = BTreeMap<(Source, IpNet), BTreeMap<Timestamp, Option<Arc<Workload>>>>;

/// Where each front led, from each time on.
pub(super) type Fronts = BTreeMap<Front, BTreeMap<Timestamp, Option<Arc<Backend>>>>;

impl HistoryStore for MemoryStore {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        if self.changes.values().map(BTreeMap::len).sum::<usize>() + told.len() > MAX_CHANGES {
            return Err(StoreError::HistoryTooLarge { limit: MAX_CHANGES });
        }
        for Told { source, change: Change { at, prefix, workload } } in told {
            self.changes.entry((*source, *prefix)).or_default().insert(*at, workload.clone());
        }
        Ok(())
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        let Wanted { period, address } = *wanted;
        let covers = |prefix: &IpNet| address.is_none_or(|address| prefix.contains(&address));
        let mut told = Vec::new();
        for ((source, prefix), changes) in self.changes.iter().filter(|((_, prefix), _)| covers(prefix)) {
            let first = changes.range(..=period.start).next_back().map_or(period.start, |(at, _)| *at);
            told.extend(changes.range(first..).take_while(|(at, _)| **at <= period.end).map(
                |(at, workload)| {
                    let change = Change { at: *at, prefix: *prefix, workload: workload.clone() };
                    Told { source: *source, change }
                },
            ));
        }
        in_order(told)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        if self.fronts.values().map(BTreeMap::len).sum::<usize>() + changes.len() > MAX_FRONT_CHANGES {
            return Err(StoreError::HistoryTooLarge { limit: MAX_FRONT_CHANGES });
        }
        for FrontChange { at, front, backend } in changes {
            self.fronts.entry(*front).or_default().insert(*at, backend.clone());
        }
        Ok(())
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        let mut wanted = Vec::new();
        for (front, changes) in &self.fronts {
            let first = changes.range(..=period.start).next_back().map_or(period.start, |(at, _)| *at);
            let changes = changes.range(first..).take_while(|(at, _)| **at <= period.end);
            wanted.extend(changes.map(|(at, backend)| FrontChange {
                at: *at,
                front: *front,
                backend: backend.clone(),
            }));
        }
        fronts_in_order(wanted)
    }
}

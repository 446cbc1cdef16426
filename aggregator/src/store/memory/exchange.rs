//! How entries leave for a store that keeps them elsewhere, and come back to be made edges of.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{AgentId, Hour, Protocol, TimeRange, Workload};

use super::entry::{Entry, Totals};
use super::{Key, Member, MemoryStore};
use crate::{Block, StoreConfig};

/// One entry in full. Clients, servers and agents are numbers of whoever hands it over.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct KeptEntry {
    pub(in crate::store) client: u32,
    pub(in crate::store) server: u32,
    pub(in crate::store) agent: u32,
    pub(in crate::store) hour: Hour,
    pub(in crate::store) protocol: Protocol,
    pub(in crate::store) port: u16,
    pub(in crate::store) seen: TimeRange,
    pub(in crate::store) totals: Totals,
}

impl MemoryStore {
    /// The records of one block put together, as of one agent with the number 0.
    pub(in crate::store) fn of_block(block: &Block<'_>) -> Self {
        let unlimited =
            StoreConfig { max_edges: usize::MAX, max_names: usize::MAX, ..StoreConfig::default() };
        let mut store = Self::new(&unlimited);
        let refused = store.add_rows(0, block.rows());
        debug_assert!(refused.is_empty(), "there is room for every record of a block");
        store
    }

    /// Addresses and who they were, by number.
    pub(in crate::store) fn members(&self) -> impl Iterator<Item = (IpAddr, Option<&Arc<Workload>>)> {
        let members = self.parties.items().iter();
        members.map(|(member, ())| (member.address, member.workload.map(|number| self.workloads.get(number))))
    }

    /// Entries, by number.
    pub(in crate::store) fn kept_entries(&self) -> impl Iterator<Item = KeptEntry> {
        self.entries.items().iter().map(|(key, entry)| KeptEntry {
            client: key.client,
            server: key.server,
            agent: key.agent,
            hour: Hour(i64::from(key.hour)),
            protocol: key.protocol,
            port: key.port,
            seen: TimeRange { start: entry.first_seen, end: entry.last_seen },
            totals: Totals::of(entry),
        })
    }

    /// Numbers of entries and their names, in order.
    pub(in crate::store) fn entry_names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.by_entry().into_iter().map(|(entry, name)| (entry as usize, self.names.text(name)))
    }

    /// The number of an agent; `None` when there is no room.
    pub(in crate::store) fn restore_agent(&mut self, agent: &AgentId) -> Option<u32> {
        self.agents.intern(agent)
    }

    /// The number of an address and who it was; `None` when there is no room.
    pub(in crate::store) fn restore_member(
        &mut self,
        address: IpAddr,
        workload: Option<&Arc<Workload>>,
    ) -> Option<u32> {
        let workload = match workload {
            Some(workload) => Some(self.workloads.number(workload)?),
            None => None,
        };
        self.parties.intern(&Member { address, workload })
    }

    /// Takes an entry back and gives its number; `None` when there is no room.
    pub(in crate::store) fn restore(&mut self, kept: &KeptEntry) -> Option<u32> {
        let key = Key {
            client: kept.client,
            server: kept.server,
            agent: kept.agent,
            hour: i32::try_from(kept.hour.0).ok()?,
            port: kept.port,
            protocol: kept.protocol,
        };
        let number = self.entries.intern(&key)?;
        *self.entries.value_mut(number) = Entry::of(kept.seen, &kept.totals);
        Some(number)
    }

    /// Takes a name of an entry back; false when there is no room.
    pub(in crate::store) fn restore_name(&mut self, entry: u32, name: &str) -> bool {
        self.names.add_to_entry(entry, std::iter::once(name)) == 0
    }
}

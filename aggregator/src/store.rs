//! Where edges are kept.

mod memory;

mod sqlite;

mod clickhouse;

mod held;

mod history;

mod fronts;

mod listeners;

mod runs;

mod status;

#[cfg(test)]
mod conformance;

use std::collections::BTreeMap;

use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

pub(crate) use clickhouse::NoLocation;
pub use clickhouse::{ClickHouseConfig, ClickHouseLocation, ClickHouseStore};
pub use held::HeldEdges;
pub use history::{HistoryStore, Wanted};
pub use memory::{EdgesInOrder, MemoryStore};
pub use runs::Run;
pub use sqlite::SqliteStore;
pub use status::{AgentStatus, Deleted, StoreStatus};

use crate::inventory::Told;
use crate::inventory::fronts::FrontChange;
use crate::source::DeliveryToken;
use crate::{Block, StoreConfig, StoreError, StoreLocation};

/// Keeps blocks and tells what was observed in a period; beside them whose addresses were, see [`HistoryStore`].
///
/// Totals of an edge take, for each pair of addresses, the agent that saw most of it, not the sum over the
/// agents that saw the same connections; times, hours, names and observers are those of all agents.
pub trait FlowStore: HistoryStore {
    /// Keeps the blocks of one delivery, and nothing of those whose batch was kept before. They are kept for
    /// good once it returns.
    ///
    /// # Errors
    ///
    /// When a block could not be kept; the same delivery may then be appended again, also by another process,
    /// and nothing doubles.
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError>;

    /// What it has of the run of `agent` that began at `started`; `None` where that is nothing.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError>;

    /// What it has of each run of `agent`, by when the run began.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError>;

    /// What was observed in `period`, or ever.
    ///
    /// Edges are kept by hour: those with a packet in `period` come with their totals of the hours that it
    /// touches. A connection counts in the hour in which it began, so one that goes on from before has
    /// traffic there and adds no connection. Counters are always those of the whole run.
    ///
    /// # Errors
    ///
    /// When the period ends before it starts, or the store cannot be read.
    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError>;
}

/// A store as the settings choose it.
#[derive(Debug)]
pub enum OpenStore {
    /// In memory, for as long as the process runs.
    Memory(MemoryStore),
    /// In an SQLite database file.
    Sqlite(SqliteStore),
    /// On a ClickHouse server.
    ClickHouse(ClickHouseStore),
}

/// Opens the store that `config` asks for; makes it where there is none.
///
/// # Errors
///
/// When the store cannot be opened; memory always can.
pub fn open(config: &StoreConfig) -> Result<OpenStore, StoreError> {
    Ok(match &config.location {
        StoreLocation::Memory => OpenStore::Memory(MemoryStore::new(config)),
        StoreLocation::Sqlite(path) => OpenStore::Sqlite(SqliteStore::open(path, config)?),
        StoreLocation::ClickHouse(at) => OpenStore::ClickHouse(ClickHouseStore::open(at, config)?),
    })
}

/// Opens the store that `config` asks for and that an earlier run has filled.
///
/// # Errors
///
/// When there is none, or it cannot be opened; memory never has any.
pub fn open_existing(config: &StoreConfig) -> Result<OpenStore, StoreError> {
    match &config.location {
        StoreLocation::Memory => Err(StoreError::NothingKept),
        StoreLocation::Sqlite(path) => Ok(OpenStore::Sqlite(SqliteStore::open_existing(path, config)?)),
        StoreLocation::ClickHouse(at) => {
            Ok(OpenStore::ClickHouse(ClickHouseStore::open_existing(at, config)?))
        }
    }
}

impl OpenStore {
    /// How many blocks it has taken since it was opened; not those that it had already.
    #[must_use]
    pub fn added(&self) -> u64 {
        match self {
            Self::Memory(store) => store.added(),
            Self::Sqlite(store) => store.added(),
            Self::ClickHouse(store) => store.added(),
        }
    }

    /// The edges with a packet in `period`, or all: to be handed out one at a time, where a snapshot has them all at
    /// once.
    ///
    /// # Errors
    ///
    /// When the period ends before it starts, has more edges than `max_edges`, or the store cannot be read.
    pub fn hold(&self, period: Option<TimeRange>) -> Result<HeldEdges<'_>, StoreError> {
        match self {
            Self::Memory(store) => HeldEdges::within(store, period),
            Self::Sqlite(store) => store.hold(period),
            Self::ClickHouse(store) => store.hold(period),
        }
    }

    /// From the first packet to the last; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn extent(&self) -> Result<Option<TimeRange>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.extent()),
            Self::Sqlite(store) => store.extent(),
            Self::ClickHouse(store) => store.extent(),
        }
    }

    /// Deletes the hours that were over before `before` and tells how much that was; a store in memory, which
    /// ends with the process, deletes nothing.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; what was deleted before stays deleted.
    pub fn delete_before(&mut self, before: Timestamp) -> Result<Deleted, StoreError> {
        match self {
            Self::Memory(_) => Ok(Deleted::default()),
            Self::Sqlite(store) => store.delete_before(before),
            Self::ClickHouse(store) => store.delete_before(before),
        }
    }

    /// What the store holds.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn status(&self) -> Result<StoreStatus, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.status()),
            Self::Sqlite(store) => store.status(),
            Self::ClickHouse(store) => store.status(),
        }
    }
}

impl FlowStore for OpenStore {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.append(delivery, blocks),
            Self::Sqlite(store) => store.append(delivery, blocks),
            Self::ClickHouse(store) => store.append(delivery, blocks),
        }
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        match self {
            Self::Memory(store) => store.run(agent, started),
            Self::Sqlite(store) => store.run(agent, started),
            Self::ClickHouse(store) => store.run(agent, started),
        }
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        match self {
            Self::Memory(store) => store.runs(agent),
            Self::Sqlite(store) => store.runs(agent),
            Self::ClickHouse(store) => store.runs(agent),
        }
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        match self {
            Self::Memory(store) => store.snapshot(period),
            Self::Sqlite(store) => store.snapshot(period),
            Self::ClickHouse(store) => store.snapshot(period),
        }
    }
}

impl HistoryStore for OpenStore {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.remember(told),
            Self::Sqlite(store) => store.remember(told),
            Self::ClickHouse(store) => store.remember(told),
        }
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        match self {
            Self::Memory(store) => store.history(wanted),
            Self::Sqlite(store) => store.history(wanted),
            Self::ClickHouse(store) => store.history(wanted),
        }
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.remember_fronts(changes),
            Self::Sqlite(store) => store.remember_fronts(changes),
            Self::ClickHouse(store) => store.remember_fronts(changes),
        }
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        match self {
            Self::Memory(store) => store.fronts(period),
            Self::Sqlite(store) => store.fronts(period),
            Self::ClickHouse(store) => store.fronts(period),
        }
    }
}

//! The store for many: flow records and edges on a ClickHouse server or cluster.
//!
//! Flow records go in as they are; views make edges of them by hour and by day. A delivery goes in table by
//! table, each insert with a token made of the delivery's, and at last the runs, which say that its batches are
//! there. Whatever stops it in between, the same delivery given again goes in with the same tokens, and the
//! server keeps of it what is not there yet. Nothing is remembered between deliveries but what is on the
//! server, so that several processes may add to one.

mod connection;
mod fronts;
mod history;
mod listeners;
mod location;
mod read;
mod retention;
mod rows;
mod schema;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

use connection::Connection;
pub use location::ClickHouseLocation;
pub(crate) use location::NoLocation;
use write::Workloads;

use super::FlowStore;
use super::held::{HeldEdges, in_order};
use super::runs::Run;
use super::status::{Deleted, StoreStatus};
use crate::source::DeliveryToken;
use crate::{Block, StoreConfig, StoreError};

const READ: &str = "read the store";

/// Settings of a store on ClickHouse and their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickHouseConfig {
    /// A file with the user's password; without one the password is empty.
    pub password_file: Option<PathBuf>,
    /// How long to wait for an answer, or for a part of one. 60 s: an insert with its views takes a fraction of
    /// a second; a server that takes as long as this has other troubles.
    pub timeout: Duration,
    /// The cluster on whose servers the tables are, replicated and distributed; without one on the one server.
    pub cluster: Option<String>,
    /// How long the server keeps flow records by its own clock; `None`: until the hours are deleted. Edges do
    /// not depend on it.
    pub flow_retention: Option<Duration>,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self { password_file: None, timeout: Duration::from_secs(60), cluster: None, flow_retention: None }
    }
}

/// Flow records and edges in a database on ClickHouse.
#[derive(Debug)]
pub struct ClickHouseStore {
    connection: Connection,
    config: StoreConfig,
    /// Numbers of workloads, and which of them the server has.
    workloads: Workloads,
    added: u64,
}

impl ClickHouseStore {
    /// Opens the store at `location`; makes database and tables where there are none.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses, or a later version wrote the store.
    pub fn open(location: &ClickHouseLocation, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::with(location, config, true)
    }

    /// Opens the store at `location`, which must be there.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses, there is no store, or a later version wrote it.
    pub fn open_existing(location: &ClickHouseLocation, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::with(location, config, false)
    }

    fn with(location: &ClickHouseLocation, config: &StoreConfig, create: bool) -> Result<Self, StoreError> {
        let mut connection = Connection::new(location, &config.clickhouse)?;
        schema::open(&mut connection, location, &config.clickhouse, create)?;
        write::prepare(&mut connection, &config.clickhouse);
        Ok(Self { connection, config: config.clone(), workloads: Workloads::default(), added: 0 })
    }

    /// How many blocks it has taken since it was opened; not those that it had already.
    #[must_use]
    pub const fn added(&self) -> u64 {
        self.added
    }

    /// From the first packet to the last; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn extent(&self) -> Result<Option<TimeRange>, StoreError> {
        read::extent(&self.connection)
    }

    /// The edges with a packet in `period`, or all.
    ///
    /// # Errors
    ///
    /// When the period ends before it starts, has more edges than `max_edges`, or the store cannot be read.
    pub fn hold(&self, period: Option<TimeRange>) -> Result<HeldEdges<'_>, StoreError> {
        in_order(period)?;
        read::held(&self.connection, &self.config, period).map(HeldEdges::of)
    }

    /// What the store holds.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn status(&self) -> Result<StoreStatus, StoreError> {
        read::status(&self.connection)
    }

    /// Deletes the hours that were over before `before`, and names that no answer has given since. Tells how much
    /// that was; the status has it with what was deleted earlier. Batches stay known, so that none of them counts
    /// again.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; what was deleted before stays deleted.
    pub fn delete_before(&mut self, before: Timestamp) -> Result<Deleted, StoreError> {
        retention::delete_before(&self.connection, &self.config.clickhouse, before)
    }
}

impl FlowStore for ClickHouseStore {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        self.added += write::append(&self.connection, &mut self.workloads, delivery, blocks)?;
        Ok(())
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        let key = (agent.clone(), started);
        Ok(read::runs_of(&self.connection, [&key])?.remove(&key))
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        read::runs_of_agent(&self.connection, agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        in_order(period)?;
        read::snapshot(&self.connection, &self.config, period)
    }
}

#[cfg(test)]
mod tests;

//! The store that lasts: edges in an SQLite database file.
//!
//! A block is put together in memory; those of one delivery are added in one transaction, with their tokens
//! beside their rows: after a crash they are there whole or not at all, and a second append changes nothing. Nothing is remembered
//! between deliveries but what is in the file, so that several processes may add to one.

pub(super) mod codec;
mod fronts;
mod history;
mod listeners;
mod read;
mod retention;
mod schema;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

use super::FlowStore;
use super::held::{HeldEdges, in_order};
use super::runs::Run;
use super::status::{Deleted, StoreStatus};
use crate::source::DeliveryToken;
use crate::{Block, StoreConfig, StoreError};

/// Edges in an SQLite database: what each agent saw between two addresses on one service in one hour, in the
/// order of hours, put together to edges when a snapshot is taken.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    config: StoreConfig,
    added: u64,
}

impl SqliteStore {
    /// Opens the store at `path`; makes it where there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is no store, or a later version wrote it.
    pub fn open(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::with(path, config, true)
    }

    /// Opens the store at `path`, which must be there.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is no store, or a later version wrote it.
    pub fn open_existing(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::with(path, config, false)
    }

    fn with(path: &Path, config: &StoreConfig, create: bool) -> Result<Self, StoreError> {
        let connection = schema::open(path, create, config.max_bytes)?;
        Ok(Self { connection, path: path.to_owned(), config: config.clone(), added: 0 })
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
        read::extent(&self.connection).map_err(self.failed("read the store"))
    }

    /// What the store holds.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn status(&self) -> Result<StoreStatus, StoreError> {
        read::status(&self.connection).map_err(self.failed("read the store"))
    }

    /// Deletes the hours that were over before `before`, and with them names and addresses that nothing else
    /// needs. Tells how much that was; the status has it with what was deleted earlier. Batches stay known, so
    /// that none of them counts again.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; what was deleted before stays deleted.
    pub fn delete_before(&mut self, before: Timestamp) -> Result<Deleted, StoreError> {
        let failed = self.failed("delete old hours from the store");
        retention::delete_before(&mut self.connection, before).map_err(failed)
    }

    /// The edges with a packet in `period`, or all.
    ///
    /// # Errors
    ///
    /// When the period ends before it starts, has more edges than `max_edges`, or the store cannot be read.
    pub fn hold(&self, period: Option<TimeRange>) -> Result<HeldEdges<'_>, StoreError> {
        in_order(period)?;
        let failed = self.failed("read the store");
        let held = read::held(&self.connection, &self.config, period);
        held.map(HeldEdges::of).map_err(|error| error.into_store_error(&failed))
    }

    fn failed(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        schema::at(&self.path, operation, self.config.max_bytes)
    }
}

impl FlowStore for SqliteStore {
    fn append(&mut self, _: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        let failed = self.failed("keep a block in the store");
        let transaction = schema::begin(&mut self.connection).map_err(&failed)?;
        let mut added = 0;
        // Dropped on an error, the transaction rolls back.
        for block in blocks {
            let new = write::append(&transaction, block).map_err(|error| error.into_store_error(&failed))?;
            added += u64::from(new);
        }
        if added > 0 {
            transaction.commit().map_err(&failed)?;
            self.added += added;
        }
        Ok(())
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        read::run_of(&self.connection, agent, started).map_err(self.failed("read the store"))
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        read::runs_of(&self.connection, agent).map_err(self.failed("read the store"))
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        in_order(period)?;
        let failed = self.failed("read the store");
        read::snapshot(&self.connection, &self.config, period)
            .map_err(|error| error.into_store_error(&failed))
    }
}

/// What stops a transaction: SQLite, or the store's own rules.
#[derive(Debug)]
enum Failure {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl Failure {
    fn into_store_error(self, failed: impl Fn(rusqlite::Error) -> StoreError) -> StoreError {
        match self {
            Self::Sqlite(error) => failed(error),
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A value in the file that makes no sense.
fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, what.into())
}

#[cfg(test)]
mod tests;

//! Errors of the aggregator.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use watershed_model::{AgentId, Timestamp};

use crate::inventory::InventoryProblems;

/// Why the aggregator could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AggregatorError {
    /// An inventory file could not be opened or read.
    #[error("cannot read inventory {}: {source}", path.display())]
    ReadInventory {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An inventory file is larger than is read.
    #[error("cannot use inventory {}: it has more than {limit} bytes; split it or check that it is the right file", path.display())]
    InventoryTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, bytes.
        limit: u64,
    },
    /// An inventory file's name does not say what is in it.
    #[error("cannot use inventory {}: its name must end in .yaml, .yml or .csv", path.display())]
    InventoryFormat {
        /// The file.
        path: PathBuf,
    },
    /// Lines of an inventory file are wrong.
    #[error(transparent)]
    Inventory(#[from] InventoryProblems),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store could not keep or tell.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// A period was asked for that ends before it starts.
    #[error("cannot take a snapshot: the period ends at {end}, before it starts at {start}; swap the two")]
    Period {
        /// The start asked for.
        start: Timestamp,
        /// The end asked for.
        end: Timestamp,
    },
    /// The text that names a store names none.
    #[error("there is no store `{text}`: write memory, or sqlite:PATH for an SQLite database file")]
    Location {
        /// The text.
        text: String,
    },
    /// A store in memory was asked for what an earlier process kept.
    #[error("a store in memory keeps nothing from one run to the next: name one on disk, sqlite:PATH")]
    NothingKept,
    /// The file of a store could not be opened.
    #[error("cannot open the store {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The file is no store.
    #[error("cannot use {} as a store: {reason}; name a new file or a store of Watershed", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: &'static str,
    },
    /// The store was written by a later version.
    #[error(
        "cannot use the store {}: its format is version {version}, this program knows up to {known}; use a \
         newer watershed",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// The latest version that is known.
        known: i64,
    },
    /// There is no room on the disk, or the store is as large as it may be.
    #[error(
        "cannot {operation} {}: no room, the disk is full or the limit of {limit} bytes reached; \
         what was kept before stays",
        path.display()
    )]
    Full {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The limit in force.
        limit: u64,
    },
    /// The store could not be read or written.
    #[error("cannot {operation} {}: {reason}", path.display())]
    Sqlite {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said, or what in the file makes no sense.
        reason: String,
    },
    /// A period holds more than fits into memory.
    #[error(
        "cannot take a snapshot: the period has more than {limit} edges, counted for each hour; ask for a \
         shorter one or raise the limit"
    )]
    SnapshotTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A batch came again with other content.
    #[error(
        "cannot keep batch {sequence} of agent {agent} started {started}: the store has it with other content; \
         read it with the same settings and version as the first time, or into another store"
    )]
    OtherContent {
        /// The agent.
        agent: AgentId,
        /// When it started.
        started: Timestamp,
        /// The batch's number.
        sequence: u64,
    },
}

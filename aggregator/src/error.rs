//! Errors of the aggregator.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use watershed_model::{AgentId, Timestamp};

use crate::inventory::InventoryProblems;
use crate::inventory::kubernetes::Access;

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
    /// A file that names ranges is no database that can be used.
    #[error("cannot use ranges {}: {reason}", path.display())]
    RangeDatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Files that name ranges name too many.
    #[error("cannot use ranges {}: with it there are more than {limit} networks; leave a file out", path.display())]
    TooManyRanges {
        /// The file that was too much.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Lines of an inventory file are wrong.
    #[error(transparent)]
    Inventory(#[from] InventoryProblems),
    /// An API server cannot be watched as the settings say.
    #[error("cannot watch Kubernetes by {access}: {reason}")]
    Kubernetes {
        /// How it was to be reached.
        access: Access,
        /// What is missing or wrong.
        reason: String,
    },
    /// A container engine cannot be watched.
    #[error("cannot watch the container engine at {}: {reason}", socket.display())]
    Docker {
        /// Its socket.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Kafka failed, for good.
    #[error("cannot {operation} at {brokers}: {reason}")]
    Kafka {
        /// What was tried.
        operation: &'static str,
        /// Where the cluster is.
        brokers: String,
        /// What the client library said, or what to do.
        reason: String,
    },
    /// This build cannot read from Kafka.
    #[error(
        "cannot read from Kafka at {brokers}: this build has no Kafka; install OpenSSL's headers (Debian: apt \
         install libssl-dev) and build with: cargo build --release --features kafka --bin watershed"
    )]
    KafkaDisabled {
        /// Where the cluster is.
        brokers: String,
    },
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
    #[error(
        "there is no store `{text}`: write memory, sqlite:PATH for an SQLite database file, or \
         clickhouse://USER@HOST:PORT/DATABASE"
    )]
    Location {
        /// The text.
        text: String,
    },
    /// A store in memory was asked for what an earlier process kept.
    #[error(
        "a store in memory keeps nothing from one run to the next: name one on disk, sqlite:PATH, or \
         clickhouse://HOST"
    )]
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
    /// The text that names a store holds a password.
    #[error(
        "a store's location must not hold a password, which process lists would show: write it to a file \
         and name that in the setting clickhouse.password_file"
    )]
    PasswordInLocation,
    /// The file with the password could not be read.
    #[error("cannot read the password of the store from {}: {reason}", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The server cannot be reached, does not answer in time, or has too much to do just now.
    #[error("cannot {operation} {place} now: {reason}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The server and database.
        place: String,
        /// What the server or the network said.
        reason: String,
    },
    /// The server refuses, or what it answers makes no sense.
    #[error("cannot {operation} {place}: {reason}")]
    ClickHouse {
        /// What was tried.
        operation: &'static str,
        /// The server and database.
        place: String,
        /// What the server said, or what of it makes no sense.
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
    /// A period has more edges than a snapshot may have.
    #[error("cannot take a snapshot: the period has more than {limit} edges; ask for a shorter one")]
    TooManyEdges {
        /// The limit.
        limit: usize,
    },
    /// The inventory changed more often than fits into memory.
    #[error(
        "cannot tell whose addresses were: there are more than {limit} changes; ask for a shorter time, or let \
             store.retention delete old ones"
    )]
    HistoryTooLarge {
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

impl StoreError {
    /// Whether it may work later without anybody doing anything: the server comes back, or room is made.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}

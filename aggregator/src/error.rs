//! Errors of the aggregator.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use watershed_model::Timestamp;

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
#[derive(Debug, Error, PartialEq, Eq)]
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
}

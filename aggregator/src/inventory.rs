//! Who an address was.

mod csv;
mod entry;
mod file;
mod table;
mod yaml;

use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{Timestamp, Workload};

pub use entry::{InventoryProblems, MAX_PROBLEMS, Place, Problem};
pub use file::{FileFormat, FileInventory, MAX_FILE_BYTES, Overlap};

use crate::{AggregatorError, InventoryConfig};

/// Knows who addresses were.
pub trait Inventory {
    /// The workload that `address` belonged to at `at`, or `None` where it is not known.
    fn identify(&self, address: IpAddr, at: Timestamp) -> Option<&Arc<Workload>>;
}

impl<I: Inventory> Inventory for &I {
    fn identify(&self, address: IpAddr, at: Timestamp) -> Option<&Arc<Workload>> {
        (**self).identify(address, at)
    }
}

/// An inventory as the settings choose it.
#[derive(Debug)]
pub enum OpenInventory {
    /// Knows nobody.
    Empty,
    /// A file, the same at all times.
    File(FileInventory),
}

/// Opens the inventory that `config` asks for.
///
/// # Errors
///
/// When the file cannot be read, or lines of it are wrong.
pub fn open(config: &InventoryConfig) -> Result<OpenInventory, AggregatorError> {
    match &config.file {
        None => Ok(OpenInventory::Empty),
        Some(path) => FileInventory::load(path).map(OpenInventory::File),
    }
}

impl OpenInventory {
    /// Entries that lie inside another workload's.
    #[must_use]
    pub fn overlaps(&self) -> &[Overlap] {
        match self {
            Self::Empty => &[],
            Self::File(file) => file.overlaps(),
        }
    }
}

impl Inventory for OpenInventory {
    fn identify(&self, address: IpAddr, at: Timestamp) -> Option<&Arc<Workload>> {
        match self {
            Self::Empty => None,
            Self::File(file) => file.identify(address, at),
        }
    }
}

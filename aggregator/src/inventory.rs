//! Who an address was.

mod csv;
mod entry;
mod file;
mod table;
mod timeline;
mod yaml;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{TimeRange, Timestamp, Workload};

pub use entry::{InventoryProblems, MAX_PROBLEMS, Place, Problem};
pub use file::{FileFormat, FileInventory, MAX_FILE_BYTES, Overlap};

use crate::{AggregatorError, InventoryConfig};

/// Knows who addresses were.
pub trait Inventory {
    /// Whose `address` was during a flow.
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_>;

    /// Whose `address` was at `at`.
    fn identify_at(&self, address: IpAddr, at: Timestamp) -> Option<&Arc<Workload>> {
        self.identify(address, TimeRange { start: at, end: at }).workload
    }
}

/// Who an address was during a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Whose it was when the flow began, else who had it next while the flow went on; `None` where nobody is
    /// known to have had it.
    pub workload: Option<&'a Arc<Workload>>,
    /// Whether another workload had it before the flow ended, so that part of the flow may be the other's.
    pub handed_over: bool,
}

/// That a workload had an address, alone or as part of a network, from one time up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure<'a> {
    /// What it had.
    pub prefix: IpNet,
    /// From when on; [`Timestamp::MIN`] where no start is known.
    pub from: Timestamp,
    /// Up to when, not included; [`Timestamp::MAX`] where no end is known.
    pub until: Timestamp,
    /// Who.
    pub workload: &'a Arc<Workload>,
}

impl<I: Inventory> Inventory for &I {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        (**self).identify(address, during)
    }
}

/// An inventory as the settings choose it.
#[derive(Debug)]
pub enum OpenInventory {
    /// Knows nobody.
    Empty,
    /// A file.
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

    /// Who had `address` at any time, the longest prefix first and each in order of time.
    #[must_use]
    pub fn tenures(&self, address: IpAddr) -> Vec<Tenure<'_>> {
        match self {
            Self::Empty => Vec::new(),
            Self::File(file) => file.tenures(address),
        }
    }
}

impl Inventory for OpenInventory {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        match self {
            Self::Empty => Identity::default(),
            Self::File(file) => file.identify(address, during),
        }
    }
}

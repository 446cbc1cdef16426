//! Who an address was.

mod change;
mod drift;
mod history;
mod labels;
mod open;

pub mod docker;
pub mod fronts;
pub mod kubernetes;

mod claims;
mod offer;

mod file;
mod ranges;

mod csv;
mod entry;
mod table;
mod timeline;
mod yaml;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Endpoint, Protocol, TimeRange, Timestamp, Workload};

use fronts::Backend;

pub use change::{Change, News, Source, Told, Update};
pub use drift::{Drift, Event, REUSED_WITHIN, Relabelled, Reused};
pub use entry::{InventoryProblems, MAX_PROBLEMS, Place, Problem};
pub use file::{FileFormat, FileInventory, MAX_FILE_BYTES, Overlap};
pub use history::{History, HistoryCounts, MAX_CHANGES};
pub use labels::{Derivation, LabelRules, NamePattern, NoPattern, Reason, SEGMENTS};
pub use open::{OpenInventory, QUEUE_UPDATES, open};
pub use ranges::{MAX_RANGES, Ranges};

/// Knows who addresses were.
pub trait Inventory {
    /// Whose `address` was during a flow.
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_>;

    /// Whose `address` was at `at`.
    fn identify_at(&self, address: IpAddr, at: Timestamp) -> Option<&Arc<Workload>> {
        self.identify(address, TimeRange { start: at, end: at }).workload
    }

    /// Where a connection to `to` was led at `at`, where `to` is not whom it was for in the end. `owner` is whose the
    /// address was then.
    fn reach(
        &self,
        _to: Endpoint,
        _protocol: Protocol,
        _owner: Option<&Arc<Workload>>,
        _at: Timestamp,
    ) -> Option<&Backend> {
        None
    }

    /// Whether the workloads are those of a cluster, so that what has one address at both ends, or a loopback address,
    /// stays within one pod or node: a sidecar handing on what is for its neighbour.
    fn is_cluster(&self) -> bool {
        false
    }

    /// Takes over what those who watch over addresses have said meanwhile, without waiting for more, and returns
    /// what of it was new. One that nobody tells anything has nothing to take over.
    fn catch_up(&mut self) -> News {
        News::default()
    }

    /// What became of all changes that it was told.
    fn counts(&self) -> HistoryCounts {
        HistoryCounts::default()
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
    /// Who says so; `None`: a file of ranges.
    pub source: Option<Source>,
}

impl<I: Inventory> Inventory for &I {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        (**self).identify(address, during)
    }

    fn reach(
        &self,
        to: Endpoint,
        protocol: Protocol,
        owner: Option<&Arc<Workload>>,
        at: Timestamp,
    ) -> Option<&Backend> {
        (**self).reach(to, protocol, owner, at)
    }

    fn is_cluster(&self) -> bool {
        (**self).is_cluster()
    }
}

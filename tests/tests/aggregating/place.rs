//! Where the processes of a test keep what they read, and what is there.

use std::fmt;

use tempfile::TempDir;
use watershed_aggregator::{FlowStore as _, StoreConfig, StoreLocation, store};
use watershed_model::{Batch, Snapshot};

use crate::shipped::RECORDS;
use crate::{clickhouse, expected};

/// A store that nobody else has.
pub(crate) struct Place {
    location: StoreLocation,
    /// What a file is in; it goes with this.
    _folder: Option<TempDir>,
}

impl Place {
    /// A file.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: StoreLocation::Sqlite(folder.path().join("edges.db")), _folder: Some(folder) }
    }

    /// A database on the ClickHouse that the tests share.
    pub(crate) fn clickhouse() -> Self {
        Self::at(&clickhouse::fresh_location())
    }

    /// A database on a server of the test's own.
    pub(crate) fn at(location: &str) -> Self {
        Self { location: location.parse().unwrap(), _folder: None }
    }

    fn open(&self) -> Option<store::OpenStore> {
        let config = StoreConfig { location: self.location.clone(), ..StoreConfig::default() };
        store::open_existing(&config).ok()
    }

    /// How many batches it has by now; none while it is not there or does not answer.
    pub(crate) fn kept(&self) -> u64 {
        let status = self.open().and_then(|store| store.status().ok()).unwrap_or_default();
        status.agents.iter().map(|agent| agent.batches).sum()
    }

    /// What it tells.
    pub(crate) fn told(&self) -> Snapshot {
        self.open().unwrap().snapshot(None).unwrap()
    }

    /// It tells what these batches tell when each comes once and in order, and has each of their records once.
    pub(crate) fn has_once(&self, batches: impl IntoIterator<Item = Batch>) {
        let batches: Vec<_> = batches.into_iter().collect();
        self.has_records(batches.len() as u64 * RECORDS);
        let (told, expected) = (self.told(), expected(batches));
        let connections =
            |snapshot: &Snapshot| snapshot.edges.iter().map(|edge| edge.connections).sum::<u64>();
        assert_eq!(connections(&told), connections(&expected), "{self}");
        assert_eq!(told, expected, "{self}");
    }

    /// So many records are in its tables: in that of the records, and in those that views make of it. SQLite has
    /// edges only.
    pub(crate) fn has_records(&self, records: u64) {
        if !matches!(self.location, StoreLocation::ClickHouse(_)) {
            return;
        }
        for sql in [
            "SELECT count() FROM flows",
            "SELECT sum(connections) FROM edges_hourly",
            "SELECT sum(connections) FROM edges_daily",
        ] {
            let counted: u64 = clickhouse::ask(&self.to_string(), sql).parse().unwrap();
            let (lost, doubled) = (records.saturating_sub(counted), counted.saturating_sub(records));
            assert_eq!((lost, doubled), (0, 0), "lost and doubled of {records} records: {sql}");
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}

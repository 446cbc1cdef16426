//! A store whose work is counted.

use std::fs;
use std::path::PathBuf;

use watershed_aggregator::{Block, FlowStore, OpenStore, StoreConfig, StoreError, StoreLocation};
use watershed_model::{Snapshot, TimeRange};

use super::metrics::KeepingMetrics;
use crate::clock::Stopwatch;

/// Tells how long each block took, what it held and lost, and how large the store is.
#[derive(Debug)]
pub(crate) struct MeteredStore {
    pub(crate) store: OpenStore,
    pub(crate) metrics: KeepingMetrics,
    file: Option<PathBuf>,
}

impl MeteredStore {
    /// Counts the work of `store`, which was opened as `config` says.
    pub(crate) fn new(store: OpenStore, config: &StoreConfig, metrics: KeepingMetrics) -> Self {
        let file = match &config.location {
            StoreLocation::Sqlite(path) => Some(path.clone()),
            StoreLocation::Memory => None,
        };
        Self { store, metrics, file }
    }

    /// The database and the file of what is not in it yet.
    fn size(&self) -> u64 {
        let log = self.file.as_ref().map(|file| {
            let mut name = file.clone().into_os_string();
            name.push("-wal");
            PathBuf::from(name)
        });
        let files = self.file.iter().chain(&log);
        files.filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum()
    }
}

impl FlowStore for MeteredStore {
    fn append(&mut self, block: &Block<'_>) -> Result<(), StoreError> {
        let (watch, before) = (Stopwatch::start(), self.store.added());
        let appended = self.store.append(block);
        self.metrics.refusing(appended.is_err());
        appended?;
        let (new, records) = (self.store.added() > before, block.rows().count());
        self.metrics.kept(new, records, &block.loss, watch.elapsed().as_secs_f64());
        self.metrics.size(self.size());
        Ok(())
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.store.snapshot(period)
    }
}

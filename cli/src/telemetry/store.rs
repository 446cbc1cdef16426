//! A store whose work is counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use watershed_aggregator::inventory::fronts::FrontChange;
use watershed_aggregator::{
    Block, DeliveryToken, FlowStore, HistoryStore, OpenStore, Run, StoreConfig, StoreError, StoreLocation,
    Told, Wanted,
};
use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

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
            StoreLocation::Memory | StoreLocation::ClickHouse(_) => None,
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

impl HistoryStore for MeteredStore {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        let remembered = self.store.remember(told);
        self.metrics.refusing(remembered.is_err());
        remembered?;
        self.metrics.remembered(told);
        Ok(())
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        self.store.history(wanted)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        let remembered = self.store.remember_fronts(changes);
        self.metrics.refusing(remembered.is_err());
        remembered
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        self.store.fronts(period)
    }
}

impl FlowStore for MeteredStore {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        let (watch, before) = (Stopwatch::start(), self.store.added());
        let appended = self.store.append(delivery, blocks);
        self.metrics.refusing(appended.is_err());
        appended?;
        let added = self.store.added() - before;
        self.metrics.kept(added, blocks, watch.elapsed());
        self.metrics.size(self.size());
        Ok(())
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        self.store.run(agent, started)
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        self.store.runs(agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.store.snapshot(period)
    }
}

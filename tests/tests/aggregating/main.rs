//! From a real Kafka into a store: what happens to `watershed aggregate`, every record counts once.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]

mod faults;

mod kills;

mod process;

mod shipped;

mod topic;

use std::path::Path;

use watershed_aggregator::{
    Aggregator, AggregatorConfig, FlowStore as _, MemoryStore, OpenInventory, SqliteStore, StoreConfig,
};
use watershed_model::{Batch, Snapshot};

/// What a store tells after these batches, each given once and in order.
fn expected(batches: impl IntoIterator<Item = Batch>) -> Snapshot {
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    batches.into_iter().for_each(|batch| aggregator.ingest(batch).unwrap());
    aggregator.finish().unwrap().snapshot(None).unwrap()
}

/// What the store at `path` tells.
fn told(path: &Path) -> Snapshot {
    SqliteStore::open_existing(path, &StoreConfig::default()).unwrap().snapshot(None).unwrap()
}

/// How many batches it has by now.
fn kept(path: &Path) -> u64 {
    let Ok(store) = SqliteStore::open_existing(path, &StoreConfig::default()) else { return 0 };
    store.status().map_or(0, |status| status.agents.iter().map(|agent| agent.batches).sum())
}

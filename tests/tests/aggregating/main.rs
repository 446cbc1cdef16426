//! From a real Kafka into a store: what happens to `watershed aggregate`, every record counts once.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up may panic")]
#![expect(clippy::print_stdout, reason = "how often kills hit is worth a line")]

#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
#[path = "../../support/clickhouse/mod.rs"]
mod clickhouse;

mod faults;

mod kills;

mod outages;

mod place;

mod process;

mod shipped;

mod topic;

use watershed_aggregator::{
    Aggregator, AggregatorConfig, FlowStore as _, MemoryStore, OpenInventory, StoreConfig,
};
use watershed_model::{Batch, Snapshot};

/// What a store tells after these batches, each given once and in order.
fn expected(batches: impl IntoIterator<Item = Batch>) -> Snapshot {
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    batches.into_iter().for_each(|batch| aggregator.ingest(batch).unwrap());
    aggregator.finish().unwrap().snapshot(None).unwrap()
}

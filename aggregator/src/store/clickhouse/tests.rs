//! The ClickHouse store put through what every store must do, held against the memory store.

use std::str::FromStr as _;

use super::*;
use crate::StoreLocation;
use crate::store::conformance::every_store_must;

#[path = "../../../../tests/support/clickhouse/mod.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

/// Fewer cases than a file is given: every batch is several requests here.
const CASES: u32 = 6;

every_store_must!(OnServer::new, CASES);

/// A store in a database of its own that is opened anew for every look at it.
struct OnServer {
    location: ClickHouseLocation,
    store: ClickHouseStore,
}

impl OnServer {
    fn new() -> Self {
        Self::at(&server::fresh_location())
    }

    fn at(location: &str) -> Self {
        let Ok(StoreLocation::ClickHouse(location)) = StoreLocation::from_str(location) else {
            panic!("{location}")
        };
        let store = ClickHouseStore::open(&location, &StoreConfig::default()).unwrap();
        Self { location, store }
    }

    fn open(&self) -> ClickHouseStore {
        ClickHouseStore::open_existing(&self.location, &StoreConfig::default()).unwrap()
    }
}

impl FlowStore for OnServer {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        self.store.append(delivery, blocks)
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        self.store.run(agent, started)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.open().snapshot(period)
    }
}

//! From flow records to stored edges.
//!
//! The data path is [`run()`]: a [`FlowSource`] hands out batches, the ledger works out what was lost on the
//! way, DNS answers and the [`Inventory`] say who the addresses were at the time of each flow, and a
//! [`FlowStore`] keeps the result, from which a [`Snapshot`](watershed_model::Snapshot) is taken.
//! Time comes from the batches.

mod run;

mod aggregator;

mod join;

pub mod source;

mod progress;

mod memory;

mod ledger;

mod restart;

mod names;

mod declared;

mod reach;

mod block;

pub mod inventory;

pub mod store;

mod config;

mod error;

#[cfg(test)]
mod testing;

pub use aggregator::Aggregator;
pub use block::{BatchToken, Block, Row};
pub use config::{AggregatorConfig, InventoryConfig, StoreConfig, StoreLocation};
pub use error::{AggregatorError, StoreError};
pub use inventory::{Change, FileInventory, History, Identity, Inventory, OpenInventory, Tenure, Told};
pub use progress::Progress;
pub use run::run;
pub use source::{Channel, Delivery, DeliveryToken, FlowSource};
pub use store::{
    AgentStatus, ClickHouseConfig, ClickHouseLocation, ClickHouseStore, Deleted, FlowStore, HeldEdges,
    HistoryStore, MemoryStore, OpenStore, Run, SqliteStore, StoreStatus, Wanted,
};

//! The command line of `watershed aggregate`.

use clap::Args;
use watershed_aggregator::StoreLocation;

use super::{InventoryArguments, SETTINGS, WatchingArguments};
use crate::settings::Given;

pub(super) const EXAMPLES: &str = "\
Examples:
  watershed aggregate --kafka kafka1:9092,kafka2:9092 --store sqlite:edges.db -i hosts.yaml
  watershed aggregate --kafka kafka:9093 --set kafka.security=tls --store sqlite:edges.db
  watershed aggregate --kafka kafka:9092 --store sqlite:edges.db --kubernetes cluster
      In a pod whose account may look at pods, Services and nodes
  watershed map --store sqlite:edges.db --since 1h
      While it runs

Aggregators that are started with the same setting aggregate.group share the partitions of the
topic. What the store has is kept once, whenever an aggregator is ended, killed or started again.
It ends with Ctrl-C or SIGTERM; what is not stored by then is read again by the next.

A message that cannot be read goes to the topic of the setting aggregate.dead_letters, with the
reason and its place in the headers. While the store takes nothing, reading stops and nothing is
lost.";

#[derive(Debug, Args)]
pub(crate) struct AggregateArguments {
    /// Where Kafka is: host:port, several separated by commas [setting: kafka.brokers]
    #[arg(long, value_name = "BROKERS", help_heading = SETTINGS)]
    pub(crate) kafka: Option<String>,

    /// Where to keep the edges: sqlite:PATH, made if missing
    #[arg(long, value_name = "STORE", required = true)]
    pub(crate) store: StoreLocation,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    #[command(flatten)]
    pub(crate) watching: WatchingArguments,
}

impl AggregateArguments {
    /// The settings among them.
    pub(super) fn given(&self) -> Option<Given> {
        let text = self.kafka.clone()?;
        Some(Given { key: "kafka.brokers".into(), text, flag: "--kafka".into() })
    }
}

//! `run` on the command line.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};
use watershed_aggregator::StoreLocation;

use super::{InventoryArguments, LiveArguments, WatchingArguments};

pub(crate) const EXAMPLES: &str = "\
Examples:
  watershed run --interface eth0 --inventory hosts.yaml --store sqlite:edges.db
      For months: what passes is soon in the store, where map, rules and status read it
  watershed run --interface any --store sqlite:edges.db --set store.retention=30d
      Keep a month: hours that are older are deleted while it runs
  tcpdump -i eth0 -U -w - | watershed run - --store sqlite:edges.db
      The same without the rights to capture

It ends with Ctrl-C or SIGTERM, when all that was captured is in the store. It may be killed and
started again at any time: what the store has stays, once; how long nobody watched is in the loss
ledger. The inventory is read again when its file changes or SIGHUP comes; one that is wrong is
refused, and the one before stays in force. A store that takes nothing, such as on a full disk, is
tried again until it does; meanwhile batches wait in memory, a few, then packets in the kernel's
buffer, and what that has to drop is counted.

Connections that go on are reported every minute (setting flow.active_report). The map, metrics and
health are served on the setting metrics.listen, logs go to standard error (settings log.*).";

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Capture files instead of interfaces; `-` is standard input. It ends with the last of them
    #[arg(value_name = "CAPTURE", required_unless_present = "interface", value_hint = ValueHint::FilePath)]
    pub(crate) captures: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) live: LiveArguments,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    #[command(flatten)]
    pub(crate) watching: WatchingArguments,

    /// Where to keep what is seen: sqlite:PATH, made if missing
    #[arg(long, value_name = "STORE")]
    pub(crate) store: StoreLocation,

    /// Where this is: what one agent sees adds up in the store, several agents see the same
    /// [setting: agent; else the host's name]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) agent: Option<String>,
}

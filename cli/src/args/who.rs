//! The command line of `watershed who`.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use watershed_aggregator::StoreLocation;
use watershed_model::Timestamp;

use super::{InventoryArguments, PeriodArguments};

pub(super) const EXAMPLES: &str = "\
Examples:
  watershed who 10.20.0.31 --inventory hosts.yaml
      Whose is this address, and whose was it before?
  watershed who 10.20.0.31 --inventory hosts.yaml --at 2026-01-31T08:00:00Z
      Whose was it then?
  watershed who 10.20.0.31 --store sqlite:edges.db --why
      Whose was it as `run` has kept it, and why? As what was it seen, and what did DNS call it?
  watershed who --changes --since 7d --store sqlite:edges.db
      Who is new, gone or labelled otherwise? Which addresses were used again soon?";

#[derive(Debug, Args)]
pub(crate) struct WhoArguments {
    /// The IPv4 or IPv6 address
    #[arg(value_name = "ADDRESS", required_unless_present = "changes")]
    pub(crate) address: Option<IpAddr>,

    /// Whose it was at this time: 2026-01-31 or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "address")]
    pub(crate) at: Option<Timestamp>,

    /// Say which source tells it, and where its labels come from
    #[arg(long, requires = "address")]
    pub(crate) why: bool,

    /// What became different in the inventory that the store kept
    #[arg(long, requires = "store", conflicts_with_all = ["address", "inventory"])]
    pub(crate) changes: bool,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    /// Ask this store too, as `run`, `aggregate` or `discover --store` fills it: sqlite:PATH
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreLocation>,

    /// How to write the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: WhoFormat,
}

/// How to write who an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhoFormat {
    /// For reading
    Text,
    /// One object
    Json,
}

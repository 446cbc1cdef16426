//! `top` on the command line.

use std::time::Duration;

use clap::Args;
use watershed_aggregator::StoreLocation;

use crate::settings::parse_duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  watershed top --store sqlite:edges.db
      The edges of the last two hours: new ones first, then the busiest, with what was lost
  watershed top --store clickhouse://watershed@clickhouse:8123/watershed --every 10s --since 6h
  watershed top --store sqlite:edges.db | tee seen.log
      Without a terminal: the same as plain lines, at each look

The store is looked at again and again while others fill it, so edges appear as soon as they are
stored, and connections that go on with their next report (setting flow.active_report). Rates are
about the last minute. --since counts back from the newest packet in the store. It ends with Ctrl-C
or SIGTERM.";

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "STORE")]
    pub(crate) store: StoreLocation,

    /// How often to look at the store
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    pub(crate) every: Duration,

    /// How far back from the newest packet: in whole hours, as edges are kept by hour
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = parse_duration)]
    pub(crate) since: Duration,
}

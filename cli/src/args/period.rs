//! Which time of a store a question is about.

use std::time::Duration;

use clap::Args;
use watershed_model::Timestamp;

use crate::settings::value::parse_duration;

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct PeriodArguments {
    /// Only what was seen in so long before the newest packet of the store, or before --now: 7d, 12h
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["from", "to"], value_parser = parse_duration)]
    pub(crate) since: Option<Duration>,

    /// Only what was seen from this time on: 2026-01-31 or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,

    /// Only what was seen up to this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<Timestamp>,

    /// Where --since counts back from
    #[arg(long, value_name = "TIME", requires = "since")]
    pub(crate) now: Option<Timestamp>,
}

impl PeriodArguments {
    /// Whether all of the store is asked for.
    pub(crate) const fn is_whole(&self) -> bool {
        self.since.is_none() && self.from.is_none() && self.to.is_none() && self.now.is_none()
    }
}

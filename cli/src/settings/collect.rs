//! What `watershed collect` ships.

use watershed_collector::SummaryConfig;

/// What becomes of the records of connections before they are shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CollectSettings {
    pub(crate) summary: SummaryChoice,
    /// How summaries are made, where they are.
    pub(crate) summaries: SummaryConfig,
}

/// Which connections become one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SummaryChoice {
    /// Each has its own.
    #[default]
    None,
    /// Those of one client to one service, in an interval.
    Service,
}

impl SummaryChoice {
    pub(super) const ALL: [(&str, Self); 2] = [("none", Self::None), ("service", Self::Service)];
}

impl CollectSettings {
    /// How summaries are made; `None` where there are none.
    pub(crate) fn summary(&self) -> Option<SummaryConfig> {
        match self.summary {
            SummaryChoice::None => None,
            SummaryChoice::Service => Some(self.summaries.clone()),
        }
    }
}

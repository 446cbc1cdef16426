//! Which time a question is about.

use watershed_aggregator::{OpenStore, StoreError};
use watershed_model::TimeRange;

use crate::args::PeriodArguments;

/// The period asked for, or `None` for all that the store holds.
pub(crate) fn of(arguments: &PeriodArguments, store: &OpenStore) -> Result<Option<TimeRange>, StoreError> {
    let Some(extent) = store.extent()? else { return Ok(None) };
    if let Some(since) = arguments.since {
        let end = arguments.now.unwrap_or(extent.end);
        return Ok(Some(TimeRange { start: end.minus(since), end }));
    }
    let (start, end) = (arguments.from.unwrap_or(extent.start), arguments.to.unwrap_or(extent.end));
    let asked = arguments.from.is_some() || arguments.to.is_some();
    match asked.then_some(TimeRange { start, end }) {
        // Only one end was given, and it lies beyond what the store holds.
        Some(period) if period.end < period.start && (arguments.from.is_none() || arguments.to.is_none()) => {
            let only = if arguments.from.is_some() { period.start } else { period.end };
            Ok(Some(TimeRange { start: only, end: only }))
        }
        period => Ok(period),
    }
}

//! Which time a question is about.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use watershed_aggregator::{OpenStore, StoreError};
use watershed_model::{TimeRange, Timestamp};

use crate::args::PeriodArguments;

/// `2026-01-31`, `2026-01-31T08:00:00` or `2026-01-31T08:00:00+01:00`; without an offset it is UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || "write a time such as 2026-01-31 or 2026-01-31T08:00:00Z".to_owned();
    let utc = || text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
    let time: jiff::Timestamp = text.parse().or_else(|_| utc()).map_err(|_| wrong())?;
    i64::try_from(time.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| wrong())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        let seconds = |text: &str| time(text).map(|time| time.as_nanos() / 1_000_000_000);
        assert_eq!(seconds("1970-01-02"), Ok(86_400));
        assert_eq!(seconds("1970-01-01T01:00:00"), Ok(3_600));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in ["", "yesterday", "1970-13-01", "9999-01-01"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}

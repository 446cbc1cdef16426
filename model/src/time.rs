//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A point in time: nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest representable time.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest representable time.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds and nanoseconds since the Unix epoch; saturates at the ends of the range (year 2262).
    #[must_use]
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, as the decimal fractions that Zeek and tcpdump print.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        if nanos <= 0 { Duration::ZERO } else { Duration::from_nanos(nanos.cast_unsigned()) }
    }

    /// `self` moved later by `by`; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// `self` moved earlier by `by`; saturates.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC, with as many fractional digits as needed: `2026-01-02T03:04:05.000000006Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// `2026-01-31`, `2026-01-31T08:00:00` or `2026-01-31T08:00:00+01:00` (RFC 3339); without an offset it is UTC.
impl FromStr for Timestamp {
    type Err = NoTimestamp;

    fn from_str(text: &str) -> Result<Self, NoTimestamp> {
        let utc = || text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
        let time: jiff::Timestamp = text.parse().or_else(|_| utc()).map_err(|_| NoTimestamp)?;
        i64::try_from(time.as_nanosecond()).map(Self).map_err(|_| NoTimestamp)
    }
}

/// A text is no point in time between the years 1678 and 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTimestamp;

/// What to write instead.
impl fmt::Display for NoTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a time such as 2026-01-31 or 2026-01-31T08:00:00Z")
    }
}

impl std::error::Error for NoTimestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_rfc_3339_to_the_nanosecond() {
        assert_eq!(Timestamp::from_parts(1_767_323_045, 6).to_string(), "2026-01-02T03:04:05.000000006Z");
        assert_eq!(Timestamp::from_parts(0, 0).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        let seconds = |text: &str| text.parse().map(|time: Timestamp| time.as_nanos() / 1_000_000_000);
        assert_eq!(seconds("1970-01-02"), Ok(86_400));
        assert_eq!(seconds("1970-01-01T01:00:00"), Ok(3_600));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in ["", "yesterday", "1970-13-01", "9999-01-01"] {
            assert_eq!(seconds(wrong), Err(NoTimestamp), "{wrong}");
        }
    }

    #[test]
    fn differences_never_go_below_zero() {
        let (early, late) = (Timestamp::from_parts(1, 0), Timestamp::from_parts(3, 5));
        assert_eq!(late.since(early), Duration::new(2, 5));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
    }
}

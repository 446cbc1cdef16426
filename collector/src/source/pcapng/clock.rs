//! Timestamps of pcapng interfaces.

use watershed_model::Timestamp;

/// What the timestamps of an interface mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) unit: Unit,
    /// Seconds to add.
    pub(super) offset: i64,
}

/// The unit of an interface's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// This many nanoseconds.
    Nanos(u32),
    /// This fraction of a nanosecond; 0 where it is too small for any timestamp to reach one.
    PerNano(u64),
    /// A second divided by two this many times.
    BinaryFraction(u8),
}

impl Unit {
    /// From the value of `if_tsresol`: a negative power of 10, or of 2 if the uppermost bit is set.
    pub(super) fn of_resolution(value: u8) -> Self {
        let power = value & 0x7f;
        match power {
            _ if value & 0x80 != 0 => Self::BinaryFraction(power),
            0..=9 => Self::Nanos(10_u32.pow(9 - u32::from(power))),
            _ => Self::PerNano(10_u64.checked_pow(u32::from(power) - 9).unwrap_or(0)),
        }
    }
}

impl Clock {
    pub(super) const MICROSECONDS: Self = Self { unit: Unit::Nanos(1_000), offset: 0 };

    /// The time after `ticks` units; saturates.
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let ticks = u128::from(ticks);
        let nanos = match self.unit {
            Unit::Nanos(nanos) => ticks * u128::from(nanos),
            Unit::PerNano(per_nano) => ticks.checked_div(u128::from(per_nano)).unwrap_or(0),
            Unit::BinaryFraction(power) => (ticks * 1_000_000_000) >> power,
        };
        // 64-bit ticks of at most a second are below 2^94 nanoseconds, as are 64-bit seconds.
        let nanos = nanos as i128 + i128::from(self.offset) * 1_000_000_000;
        Timestamp::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_the_resolution_of_their_interface() {
        let nanos = |resolution, offset, ticks| {
            Clock { unit: Unit::of_resolution(resolution), offset }.time(ticks).as_nanos()
        };
        assert_eq!(nanos(6, 0, 1_700_000_000_000_001), 1_700_000_000_000_001_000);
        assert_eq!(nanos(0, 0, 1_700_000_000), 1_700_000_000_000_000_000);
        assert_eq!(nanos(12, 0, 1_999), 1);
        assert_eq!(nanos(0x80 | 10, 0, 1_024 + 512), 1_500_000_000);
        assert_eq!(nanos(6, -1, 0), -1_000_000_000);
        assert_eq!(nanos(0, 0, u64::MAX), i64::MAX);
        assert_eq!(nanos(0, i64::MIN, 0), i64::MIN);
        for resolution in 0..=u8::MAX {
            nanos(resolution, i64::MAX, u64::MAX);
        }
    }
}

//! Which cycles of work were seen whole.

use std::collections::BTreeMap;

use watershed_model::Hour;

/// How often each cycle was watched from end to end. An hour of the day, week or month counts as often as it
/// was watched; a cycle is seen as often as its rarest hour, so gaps may be made up for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// Days, 24 hours.
    pub daily: u64,
    /// Weeks, 168 hours.
    pub weekly: u64,
    /// Months: 31 days, so that every calendar month fits in.
    pub monthly: u64,
}

impl Cycles {
    pub(super) fn of(hours: &[Hour]) -> Self {
        let of = |length: i64| {
            let mut watched: BTreeMap<i64, u64> = BTreeMap::new();
            hours.iter().for_each(|hour| *watched.entry(hour.0.rem_euclid(length)).or_default() += 1);
            let whole = watched.len() as i64 == length;
            watched.into_values().min().filter(|_| whole).unwrap_or(0)
        };
        Self { daily: of(24), weekly: of(7 * 24), monthly: of(31 * 24) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_seen_as_often_as_its_rarest_hour() {
        let hours = |range: std::ops::Range<i64>| range.map(Hour).collect::<Vec<_>>();
        assert_eq!(Cycles::of(&hours(0..23)), Cycles::default());
        assert_eq!(Cycles::of(&hours(5..29)), Cycles { daily: 1, ..Cycles::default() });
        assert_eq!(Cycles::of(&hours(0..335)), Cycles { daily: 13, weekly: 1, monthly: 0 });
        // A gap of a day is made up for a week later.
        let mut gap = hours(0..336);
        gap.retain(|hour| !(24..48).contains(&hour.0));
        assert_eq!(Cycles::of(&gap), Cycles { daily: 13, weekly: 1, monthly: 0 });
        assert_eq!(Cycles::of(&hours(0..744)).monthly, 1);
    }
}

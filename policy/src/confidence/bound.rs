//! How many edges that were not seen so far will be denied: expected, and at most.
//!
//! Good's argument, that what was seen once stands for what was not seen, asks that blocks be alike. Hours are
//! not: jobs keep to times of day and week and last for hours, and what is deployed arrives and stays. So the
//! bound looks at first sightings instead: the rules as they were at the start of the last part of the history
//! would have denied exactly the edges first seen in it. While nothing changes this rate only falls, and new
//! deployments keep it up as much in the future as they did lately, so it is on the safe side of what comes.
//!
//! First sightings come in clumps (a deployment brings several), so clumps are counted, each with the mean size
//! that a first sighting lies in. With `n` clumps in an exposure of `w` hours and Jeffreys' prior the number in
//! the next `h` hours is negative binomial with shape `n + 1/2` and mean `(n + 1/2) h / w`; its quantile is the
//! bound. See docs/error-bar.md.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use watershed_model::Hour;

use super::observation::Observation;

const DAY: i64 = 24;
const WEEK: i64 = 7 * DAY;

/// First sightings: how many edges were seen first in each hour.
pub(super) type Firsts = BTreeMap<Hour, u64>;

/// New edges to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Hours to come that it is about.
    pub horizon: u64,
    /// New edges expected in them.
    pub expected: f64,
    /// New edges that are not exceeded with the confidence asked for.
    pub at_most: u64,
    /// Edges first seen in the last part of the history, on which it rests.
    pub new: u64,
    /// Length of that part, hours.
    pub window: u64,
    /// Hours of it that were watched, those with loss in part.
    pub watched: f64,
}

/// The bound for `horizon` hours after what was observed, not exceeded with probability `level`; `None` where
/// less than two hours were observed, or nothing in the last part: then nothing can be said.
pub(super) fn bound(firsts: &Firsts, observation: &Observation, horizon: u64, level: f64) -> Option<Bound> {
    let span = observation.span()?;
    let window = window(&span)?;
    let recent = Hour(span.end().0 - window + 1)..=*span.end();
    let watched = observation.watched(recent.clone());
    if watched <= 0.0 {
        return None;
    }
    let new: u64 = firsts.range(recent).map(|(_, count)| count).sum();
    // What arrived unseen within the window is new in the time to come as well.
    let ratio = (horizon as f64 + (window as f64 - watched).max(0.0)) / watched;
    let clump = clump(firsts, &span);
    let clumps = negative_binomial_quantile(new as f64 / clump + 0.5, ratio, level);
    Some(Bound {
        horizon,
        expected: new as f64 * ratio,
        at_most: (clump * clumps as f64).ceil() as u64,
        new,
        window: window.unsigned_abs(),
        watched,
    })
}

/// The last part of the history, hours: about a third of it, in whole weeks or days, so that it holds as much
/// of each time of week or day as the time to come; `None` for less than two hours.
pub(super) fn window(span: &RangeInclusive<Hour>) -> Option<i64> {
    let length = span.end().0 - span.start().0 + 1;
    match length {
        ..=1 => None,
        2..48 => Some(length / 2),
        48..336 => Some((length / 3 / DAY * DAY).max(DAY)),
        _ => Some((length / 3 / WEEK * WEEK).max(WEEK)),
    }
}

/// How many edges are first seen together with an edge, itself included, on average. The first third is left
/// out: there everything is new.
fn clump(firsts: &Firsts, span: &RangeInclusive<Hour>) -> f64 {
    let from = Hour(span.start().0 + (span.end().0 - span.start().0 + 1) / 3);
    let (sum, squares) = firsts.range(from..).fold((0.0, 0.0), |(sum, squares), (_, &count)| {
        (sum + count as f64, squares + (count * count) as f64)
    });
    if sum > 0.0 { squares / sum } else { 1.0 }
}

/// The smallest `k` with `P(X <= k) >= level`, for X negative binomial with this shape and mean `shape * ratio`
/// (a Poisson count whose mean is gamma distributed).
fn negative_binomial_quantile(shape: f64, ratio: f64, level: f64) -> u64 {
    let mean = shape * ratio;
    // Rounding may keep the sum below a level next to 1; the tail beyond this is less than that.
    let last = mean + 40.0 * (mean * (1.0 + ratio)).sqrt() + 1000.0;
    let step = (ratio / (1.0 + ratio)).ln();
    let mut log = -shape * ratio.ln_1p();
    let (mut sum, mut k) = (log.exp(), 0_u64);
    while sum < level && (k as f64) < last {
        log += ((shape + k as f64) / (k as f64 + 1.0)).ln() + step;
        sum += log.exp();
        k += 1;
    }
    k
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_distribution() {
        // Shape 1 is geometric: P(X <= k) = 1 - (r / (1 + r))^(k + 1).
        assert_eq!(negative_binomial_quantile(1.0, 1.0, 0.95), 4);
        assert_eq!(negative_binomial_quantile(1.0, 1.0, 0.5), 0);
        // Large shapes come near to a normal distribution of variance mean (1 + ratio).
        let quantile = negative_binomial_quantile(100_000.0, 1.0, 0.95) as f64;
        let normal = 100_000.0 + 1.645 * 200_000_f64.sqrt();
        assert!((quantile - normal).abs() < 5.0, "{quantile} {normal}");
    }

    #[test]
    fn windows_are_whole_days_and_weeks() {
        let of = |hours: i64| window(&(Hour(0)..=Hour(hours - 1)));
        assert_eq!([1, 2, 47, 48, 167, 335].map(of), [None, Some(1), Some(23), Some(24), Some(48), Some(96)]);
        assert_eq!([336, 1000, 1100].map(of), [Some(168), Some(168), Some(336)]);
    }
}

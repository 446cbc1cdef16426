//! Ports as ranges, only where a range explains them better than a list.
//!
//! A list of k ports out of 65,535 and a range are two models of what was observed: how often each port was
//! used. The list takes one parameter for each port beyond the first, the range two: its ends. The Bayesian
//! information criterion (Schwarz, 1978) takes the one with less `parameters · ln n − 2 · ln likelihood`. A
//! server with a few fixed ports has a list; one that takes any of a span, as passive FTP or RPC does, a range.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Ports below which no range is looked for: a handful is a list to every reader.
const FEWEST: usize = 8;

/// Of the ports of a range, the share that must have been seen. It bounds the price of a range to as many
/// ports again.
const SHARE: f64 = 0.5;

/// The ports as ranges in order, each port with how often it was seen used. With `widen` false every range is
/// of ports that were all seen.
pub(crate) fn ranges(ports: &BTreeMap<u16, u64>, widen: bool) -> Vec<RangeInclusive<u16>> {
    let exact = runs(ports);
    if !widen || ports.len() < FEWEST {
        return exact;
    }
    let (Some((&first, _)), Some((&last, _))) = (ports.first_key_value(), ports.last_key_value()) else {
        return exact;
    };
    let range = first..=last;
    if better(ports, &range) { vec![range] } else { exact }
}

/// Whether the range is the better model, by the criterion, and dense enough for its price.
fn better(ports: &BTreeMap<u16, u64>, range: &RangeInclusive<u16>) -> bool {
    let width = f64::from(*range.end() - *range.start()) + 1.0;
    if (ports.len() as f64) < SHARE * width {
        return false;
    }
    let total: f64 = ports.values().map(|&seen| seen as f64).sum();
    let list: f64 = ports.values().map(|&seen| seen as f64 * (seen as f64 / total).ln()).sum();
    let spread = -total * width.ln();
    let criterion = |parameters: f64, likelihood: f64| parameters * total.ln() - 2.0 * likelihood;
    criterion(2.0, spread) < criterion(ports.len() as f64 - 1.0, list)
}

/// Ports that follow each other, as ranges.
fn runs(ports: &BTreeMap<u16, u64>) -> Vec<RangeInclusive<u16>> {
    let mut runs: Vec<RangeInclusive<u16>> = Vec::new();
    for &port in ports.keys() {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(port) => *run = *run.start()..=port,
            _ => runs.push(port..=port),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ports_and_uneven_ones_stay_a_list() {
        let few = BTreeMap::from([(80, 5), (443, 5), (8080, 2)]);
        assert_eq!(ranges(&few, true), [80..=80, 443..=443, 8080..=8080]);
        let uneven: BTreeMap<u16, u64> =
            (0..10).map(|n| (100 + n * 2, if n == 0 { 5000 } else { 3 })).collect();
        assert_eq!(ranges(&uneven, true).len(), 10);
    }

    #[test]
    fn many_ports_evenly_used_are_a_range() {
        let passive: BTreeMap<u16, u64> =
            (0..40).map(|n| (50_000 + n * 3 / 2, 1 + u64::from(n % 2))).collect();
        assert_eq!(ranges(&passive, true), [50_000..=50_058]);
        assert!(ranges(&passive, false).len() > 1);
    }
}

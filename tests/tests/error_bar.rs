//! Does the error bar hold? On generated histories, with what really came afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use watershed_policy::confidence::{ConfidenceConfig, assess};
use watershed_tests::history::{HORIZON, generate};

/// Histories, each with its own seed from 0 on.
const HISTORIES: u64 = 400;

/// One history: the bound, Good's estimate for the same time, and what came.
struct Outcome {
    at_most: u64,
    expected: f64,
    good: f64,
    actual: u64,
    lossy: bool,
}

fn outcome(seed: u64) -> Outcome {
    let history = generate(seed);
    let config = ConfidenceConfig { horizon: HORIZON.unsigned_abs(), ..ConfidenceConfig::default() };
    let told = assess(&history.snapshot, &history.snapshot.edges, &config);
    let bound = told.whole.bound.unwrap();
    Outcome {
        at_most: bound.at_most,
        expected: bound.expected,
        good: told.whole.incidence.next_block() * HORIZON as f64,
        actual: history.new as u64,
        lossy: history.lossy > 0,
    }
}

/// The middle one.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[test]
fn what_comes_stays_within_the_bound_and_the_bound_is_near() {
    let outcomes: Vec<Outcome> = (0..HISTORIES).map(outcome).collect();
    let held = |lossy: bool| {
        let of: Vec<_> = outcomes.iter().filter(|one| one.lossy == lossy).collect();
        (of.iter().filter(|one| one.actual <= one.at_most).count(), of.len())
    };
    let ((calm, of_calm), (lossy, of_lossy)) = (held(false), held(true));
    // Where nothing came, every bound is infinitely far: those histories speak for the bound alone.
    let something: Vec<_> = outcomes.iter().filter(|one| one.actual > 0).collect();
    let far = |of: &dyn Fn(&Outcome) -> f64| {
        median(something.iter().map(|one| of(one) / one.actual as f64).collect())
    };
    let good = outcomes.iter().filter(|one| one.actual as f64 <= one.good).count();
    let share = (calm + lossy) as f64 / HISTORIES as f64;
    let ratio = far(&|one| one.at_most as f64);
    println!("error bar on {HISTORIES} generated histories, seeds 0 to {}, a week ahead:", HISTORIES - 1);
    println!(
        "  held in {:.1} %: {calm} of {of_calm} without loss, {lossy} of {of_lossy} with",
        100.0 * share
    );
    println!("  bound / actual, median: {ratio:.2} over the {} in which something came", something.len());
    println!("  expected / actual, median: {:.2}", far(&|one| one.expected));
    println!("  actual, median: {}", median(outcomes.iter().map(|one| one.actual as f64).collect()));
    println!("  for comparison, Q1/m times the hours ahead is not exceeded in {good} of {HISTORIES}");
    assert!(share >= 0.95, "the bound held in {share}");
    assert!(ratio <= 3.0, "the bound is {ratio} times what came");
    let share = |held: usize, of: usize| held as f64 / of as f64;
    assert!(share(lossy, of_lossy) >= 0.95, "with loss the bound held in {lossy} of {of_lossy}");
}

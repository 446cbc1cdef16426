//! How sure it all is: the error bar of the page.

use serde::Serialize;
use watershed_policy::confidence::{Backtest, Bound, Confidence, Cycles, Missing, ReadyRule};

/// The assessment of the whole network. The page needs no more of it: `watershed rules confidence` tells it for
/// each namespace and workload.
#[derive(Debug, Serialize)]
pub(super) struct ConfidenceJson {
    level: f64,
    coverage: f64,
    edges: u64,
    seen_once: u64,
    hours: u64,
    hours_unwatched: u64,
    hidden_share: f64,
    cycles: CyclesJson,
    bound: Option<BoundJson>,
    backtest: Option<BacktestJson>,
    ready: bool,
    missing: Vec<MissingJson>,
}

#[derive(Debug, Serialize)]
struct CyclesJson {
    daily: u64,
    weekly: u64,
    monthly: u64,
}

#[derive(Debug, Serialize)]
struct BoundJson {
    horizon_hours: u64,
    expected: f64,
    at_most: u64,
    window_hours: u64,
    watched_hours: f64,
}

#[derive(Debug, Serialize)]
struct BacktestJson {
    /// Milliseconds since the Unix epoch.
    from: i64,
    expected: f64,
    at_most: u64,
    actual: u64,
    held: bool,
}

/// What has to be reached, and what is.
#[derive(Debug, Serialize)]
struct MissingJson {
    what: &'static str,
    is: f64,
    wanted: f64,
}

impl ConfidenceJson {
    /// Of an assessment, with the rule that says when it is enough.
    pub(super) fn of(told: &Confidence, ready: &ReadyRule) -> Self {
        let Cycles { daily, weekly, monthly } = told.cycles;
        let incidence = &told.whole.incidence;
        Self {
            level: told.level,
            coverage: rounded(incidence.coverage()),
            edges: incidence.edges,
            seen_once: incidence.once,
            hours: incidence.blocks,
            hours_unwatched: told.unwatched,
            hidden_share: rounded(told.hidden),
            cycles: CyclesJson { daily, weekly, monthly },
            bound: told.whole.bound.map(bound),
            backtest: told.backtest.as_ref().map(backtest),
            ready: told.is_ready(),
            missing: told.missing.iter().map(|&missing| gap(missing, ready)).collect(),
        }
    }
}

fn bound(bound: Bound) -> BoundJson {
    let Bound { horizon, expected, at_most, window, watched, .. } = bound;
    BoundJson {
        horizon_hours: horizon,
        expected: rounded(expected),
        at_most,
        window_hours: window,
        watched_hours: rounded(watched),
    }
}

fn backtest(told: &Backtest) -> BacktestJson {
    BacktestJson {
        from: super::edges::milliseconds(told.from.start()),
        expected: rounded(told.predicted.expected),
        at_most: told.predicted.at_most,
        actual: told.actual,
        held: told.held(),
    }
}

fn gap(missing: Missing, ready: &ReadyRule) -> MissingJson {
    let (what, is, wanted) = match missing {
        Missing::Coverage(is) => ("coverage", rounded(is), ready.coverage),
        Missing::WeeklyCycles(is) => ("weekly_cycles", is as f64, ready.weekly_cycles as f64),
        Missing::MonthlyCycles(is) => ("monthly_cycles", is as f64, ready.monthly_cycles as f64),
        Missing::Loss(is) => ("loss", rounded(is), ready.hidden),
    };
    MissingJson { what, is, wanted }
}

/// To a millionth: more digits would say more than is known.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

//! The assessment as JSON. `schema_version` grows when a field changes its meaning or goes away.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "first_hour": "2026-01-02T03:00:00Z", "last_hour": "2026-01-30T02:00:00Z", "hours_unwatched": 2,
//!   "hidden_share": 0.0004, "loss": [{ "loss": "kernel_dropped", "count": 17 }],
//!   "cycles": { "daily": 27, "weekly": 3, "monthly": 0 }, "level": 0.95,
//!   "ready": false, "missing": ["coverage"],
//!   "whole": { "edges": 412, "hours": 670, "seen_once": 9, "seen_twice": 4, "incidences": 51234,
//!              "new_next_hour": 0.0134, "coverage": 0.99988, "unseen_at_least": 10.1,
//!              "bound": { "horizon_hours": 168, "expected": 5.0, "at_most": 13, "new": 5, "window_hours": 168,
//!                         "watched_hours": 166.2 } },
//!   "backtest": { "from": "2026-01-23T03:00:00Z", "predicted": { }, "actual": 6, "held": true },
//!   "namespaces": [{ "name": "shop" }],
//!   "workloads": [{ "name": "shop/web" }]
//! }
//! ```
//!
//! `namespaces` and `workloads` hold beside the name what `whole` holds; `bound` and `backtest` are null where
//! the history is too short.

use serde::Serialize;
use watershed_model::{Hour, Loss};

use super::{Backtest, Bound, Confidence, Cycles, Estimate, Missing};
use crate::Error;

#[derive(Serialize)]
struct Mirror {
    schema_version: u32,
    first_hour: Option<String>,
    last_hour: Option<String>,
    hours_unwatched: u64,
    hidden_share: f64,
    loss: Vec<LossMirror>,
    cycles: CyclesMirror,
    level: f64,
    ready: bool,
    missing: Vec<&'static str>,
    whole: EstimateMirror,
    backtest: Option<BacktestMirror>,
    namespaces: Vec<Named>,
    workloads: Vec<Named>,
}

#[derive(Serialize)]
struct LossMirror {
    loss: Loss,
    count: u64,
}

#[derive(Serialize)]
struct CyclesMirror {
    daily: u64,
    weekly: u64,
    monthly: u64,
}

#[derive(Serialize)]
struct EstimateMirror {
    edges: u64,
    hours: u64,
    seen_once: u64,
    seen_twice: u64,
    incidences: u64,
    new_next_hour: f64,
    coverage: f64,
    unseen_at_least: f64,
    bound: Option<BoundMirror>,
}

#[derive(Serialize)]
struct BoundMirror {
    horizon_hours: u64,
    expected: f64,
    at_most: u64,
    new: u64,
    window_hours: u64,
    watched_hours: f64,
}

#[derive(Serialize)]
struct BacktestMirror {
    from: String,
    predicted: BoundMirror,
    actual: u64,
    held: bool,
}

#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    estimate: EstimateMirror,
}

impl Confidence {
    /// The assessment as JSON, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Json`] when it cannot be written.
    pub fn to_json(&self) -> Result<String, Error> {
        let Cycles { daily, weekly, monthly } = self.cycles;
        let start = |hour: Hour| hour.start().to_string();
        let named = |name: String, estimate: &Estimate| Named { name, estimate: mirror(estimate) };
        let mirror = Mirror {
            schema_version: 1,
            first_hour: self.span.map(|(first, _)| start(first)),
            last_hour: self.span.map(|(_, last)| start(last)),
            hours_unwatched: self.unwatched,
            hidden_share: self.hidden,
            loss: self.loss.iter().map(|&(loss, count)| LossMirror { loss, count }).collect(),
            cycles: CyclesMirror { daily, weekly, monthly },
            level: self.level,
            ready: self.is_ready(),
            missing: self.missing.iter().copied().map(name).collect(),
            whole: mirror(&self.whole),
            backtest: self.backtest.map(backtest),
            namespaces: self.namespaces.iter().map(|(name, one)| named(name.clone(), one)).collect(),
            workloads: self.workloads.iter().map(|(party, one)| named(party.to_string(), one)).collect(),
        };
        Ok(serde_json::to_string_pretty(&mirror)? + "\n")
    }
}

const fn name(missing: Missing) -> &'static str {
    match missing {
        Missing::Coverage(_) => "coverage",
        Missing::WeeklyCycles(_) => "weekly_cycles",
        Missing::MonthlyCycles(_) => "monthly_cycles",
        Missing::Loss(_) => "loss",
    }
}

fn mirror(estimate: &Estimate) -> EstimateMirror {
    let incidence = &estimate.incidence;
    EstimateMirror {
        edges: incidence.edges,
        hours: incidence.blocks,
        seen_once: incidence.once,
        seen_twice: incidence.twice,
        incidences: incidence.incidences,
        new_next_hour: incidence.next_block(),
        coverage: incidence.coverage(),
        unseen_at_least: incidence.unseen(),
        bound: estimate.bound.map(bound),
    }
}

const fn bound(bound: Bound) -> BoundMirror {
    BoundMirror {
        horizon_hours: bound.horizon,
        expected: bound.expected,
        at_most: bound.at_most,
        new: bound.new,
        window_hours: bound.window,
        watched_hours: bound.watched,
    }
}

fn backtest(test: Backtest) -> BacktestMirror {
    BacktestMirror {
        from: test.from.start().to_string(),
        predicted: bound(test.predicted),
        actual: test.actual,
        held: test.held(),
    }
}

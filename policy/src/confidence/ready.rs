//! Is it enough to enforce? A rule that the user sets, never a timer.

use super::Cycles;

/// What has to be reached before rules are enforced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadyRule {
    /// At least this coverage, from 0 to 1. Default 0.99: of a hundred uses of the network in an hour, one is
    /// by a dependency not seen before.
    pub coverage: f64,
    /// At least so many weeks watched whole. Default 1: most jobs that are not daily are weekly.
    pub weekly_cycles: u64,
    /// At least so many months watched whole. Default 0.
    pub monthly_cycles: u64,
    /// Loss has hidden at most this share of the time watched, from 0 to 1. Default 0.001: ten minutes a week.
    pub hidden: f64,
}

impl Default for ReadyRule {
    fn default() -> Self {
        Self { coverage: 0.99, weekly_cycles: 1, monthly_cycles: 0, hidden: 0.001 }
    }
}

/// What is still missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Coverage, as it is.
    Coverage(f64),
    /// Whole weeks, as many as there are.
    WeeklyCycles(u64),
    /// Whole months, as many as there are.
    MonthlyCycles(u64),
    /// Loss has hidden too much: the share.
    Loss(f64),
}

impl ReadyRule {
    /// What is missing; nothing where it is ready.
    pub(super) fn missing(&self, coverage: f64, cycles: Cycles, hidden: f64) -> Vec<Missing> {
        let checks = [
            (coverage < self.coverage, Missing::Coverage(coverage)),
            (cycles.weekly < self.weekly_cycles, Missing::WeeklyCycles(cycles.weekly)),
            (cycles.monthly < self.monthly_cycles, Missing::MonthlyCycles(cycles.monthly)),
            (hidden > self.hidden, Missing::Loss(hidden)),
        ];
        checks.into_iter().filter(|(fails, _)| *fails).map(|(_, missing)| missing).collect()
    }
}

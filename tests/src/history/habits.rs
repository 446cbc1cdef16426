//! When dependencies are used.

use std::collections::BTreeSet;

use fastrand::Rng;

const DAY: i64 = 24;
const WEEK: i64 = 7 * DAY;

/// When one dependency is used, in hours from the start of the history.
#[derive(Clone, Debug)]
pub(super) struct Habit {
    kind: Kind,
    /// It exists from here on ...
    from: i64,
    /// ... up to here.
    to: i64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// In most hours, from morning to evening more than at night.
    Steady,
    /// A job: every `period` hours from `phase` on, `lasting` hours long.
    Job { period: i64, phase: i64, lasting: i64 },
    /// At any time, at `rate` an hour; then for `lasting` hours.
    Rare { rate: f64, lasting: i64 },
}

impl Habit {
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Steady => "steady",
            Kind::Job { period: DAY, .. } => "daily",
            Kind::Job { period: WEEK, .. } => "weekly",
            Kind::Job { .. } => "monthly",
            Kind::Rare { .. } => "rare",
        }
    }

    /// The hours before `end` in which it is used.
    pub(super) fn hours(&self, rng: &mut Rng, end: i64) -> BTreeSet<i64> {
        let (from, to) = (self.from.max(0), self.to.min(end));
        match self.kind {
            Kind::Steady => {
                let used = |hour: &i64| rng.f64() < if (7..19).contains(&(hour % DAY)) { 0.9 } else { 0.3 };
                (from..to).filter(used).collect()
            }
            Kind::Job { period, phase, lasting } => {
                (from..to).filter(|hour| (hour - phase).rem_euclid(period) < lasting).collect()
            }
            Kind::Rare { rate, lasting } => {
                let mut used = BTreeSet::new();
                let mut at = from;
                while at < to {
                    // Waiting times of a Poisson process.
                    at += (-(1.0 - rng.f64()).ln() / rate).min(1e9) as i64;
                    used.extend((at..at + lasting).filter(|&hour| hour < to));
                    at += lasting;
                }
                used
            }
        }
    }
}

/// All dependencies of an estate that is watched for `end` hours.
pub(super) fn population(rng: &mut Rng, end: i64) -> Vec<Habit> {
    let mut all = Vec::new();
    let always = |kind| Habit { kind, from: 0, to: i64::MAX };
    for _ in 0..rng.usize(30..300) {
        all.push(always(Kind::Steady));
    }
    // Months have 30 days here; what matters is that they do not fit into weeks.
    for (count, period) in [(10..60, DAY), (5..60, WEEK), (5..60, 30 * DAY)] {
        for _ in 0..rng.usize(count) {
            let (phase, lasting) = (rng.i64(0..period), rng.i64(1..=4));
            all.push(always(Kind::Job { period, phase, lasting }));
        }
    }
    for _ in 0..rng.usize(20..200) {
        // From once a day to once a year, as many in each tenfold.
        let rate = 1.0 / (24.0 * 365_f64.powf(rng.f64()));
        all.push(always(Kind::Rare { rate, lasting: rng.i64(1..=3) }));
    }
    deployments(rng, end, &mut all);
    all
}

/// What comes with new releases, and goes after weeks.
fn deployments(rng: &mut Rng, end: i64, all: &mut Vec<Habit>) {
    let a_week = rng.f64() * 3.0;
    // Those from before are still there.
    let mut at = -12 * WEEK;
    loop {
        at += (-(1.0 - rng.f64()).ln() / a_week.max(0.01) * WEEK as f64) as i64 + 1;
        if at >= end {
            return;
        }
        let life = (-(1.0 - rng.f64()).ln() * 6.0 * WEEK as f64) as i64;
        for _ in 0..rng.usize(1..=5) {
            let kind = match rng.usize(0..4) {
                0 => Kind::Job { period: DAY, phase: rng.i64(0..DAY), lasting: 1 },
                _ => Kind::Steady,
            };
            all.push(Habit { kind, from: at, to: at + life });
        }
    }
}

//! What was not seen of the past.

use std::collections::BTreeMap;

use fastrand::Rng;
use watershed_model::{Hour, Loss, LossEntry};

/// What happened to an hour.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// The interface was away: nothing was seen.
    All,
    /// The kernel dropped this share of the packets.
    Dropped(f64),
}

impl Lost {
    /// The share of edges whose use in the hour was not seen.
    pub(super) const fn share(self) -> f64 {
        match self {
            Self::All => 1.0,
            Self::Dropped(share) => share,
        }
    }

    /// What the ledger says of it, where `packets` passed.
    pub(super) fn entry(self, hour: Hour, packets: Option<u64>) -> LossEntry {
        let (loss, count) = match self {
            Self::All => (Loss::InterfaceAway, 1),
            Self::Dropped(share) => (Loss::KernelDropped, (share * packets.unwrap_or(0) as f64) as u64),
        };
        LossEntry { agent: "agent".into(), hour, loss, count }
    }
}

/// Up to three times an outage of up to a day, and drops in busy hours of up to four weeks.
pub(super) fn draw(rng: &mut Rng, length: i64) -> BTreeMap<i64, Lost> {
    let mut lost = BTreeMap::new();
    for _ in 0..rng.usize(0..=3) {
        let (from, lasting) = (rng.i64(0..length), rng.i64(1..=24));
        lost.extend((from..length.min(from + lasting)).map(|hour| (hour, Lost::All)));
    }
    if rng.bool() {
        let (from, lasting) = (rng.i64(0..length), rng.i64(24..=28 * 24));
        let share = rng.f64() * 0.3;
        let busy = (from..length.min(from + lasting)).filter(|hour| (9..17).contains(&(hour % 24)));
        for hour in busy {
            lost.entry(hour).or_insert(Lost::Dropped(share));
        }
    }
    lost
}

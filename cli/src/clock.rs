//! The clock: the only file that reads it.
//!
//! What Watershed says about traffic takes its time from the packets; the clock tells a person how long the
//! work took, tells a live capture that time passes when no packets come, and keeps a packet with a time to
//! come from making everything else look old.

#![allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]

use std::time::{Duration, Instant, SystemTime};

use watershed_model::Timestamp;

/// What time it is; the kernel stamps packets by the same clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since_epoch)
}

/// How long something takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

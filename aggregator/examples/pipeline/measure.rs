//! Time on the wall and on a processor.

use std::fs;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// What something took: time on the wall, and this thread's on a processor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) whole: Duration,
    pub(crate) cpu: Duration,
}

impl AddAssign for Measured {
    fn add_assign(&mut self, other: Self) {
        self.whole += other.whole;
        self.cpu += other.cpu;
    }
}

/// Measures `work`.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Measured) {
    let (started, cpu) = (now(), cpu_time());
    let done = work();
    (done, Measured { whole: started.elapsed(), cpu: cpu_time().saturating_sub(cpu) })
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// Time that this thread has had on a processor; zero where the system does not say.
fn cpu_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

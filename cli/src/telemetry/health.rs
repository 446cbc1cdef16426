//! What is wrong at the moment: a process without a fault is ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The part that a process has until it has started.
const START: &str = "start";

/// The faults of the process, one for each part that has one. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    /// Of a process that is about to start.
    pub(crate) fn starting() -> Self {
        let health = Self::default();
        health.fault(START, "not there yet");
        health
    }

    /// It has started.
    pub(crate) fn ready(&self) {
        self.mend(START);
    }

    /// `part` has a fault now.
    pub(crate) fn fault(&self, part: &'static str, reason: impl Into<String>) {
        self.lock().insert(part, reason.into());
    }

    /// `part` has none any more.
    pub(crate) fn mend(&self, part: &'static str) {
        self.lock().remove(part);
    }

    /// All faults, by part.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        // What is behind it is whole at all times.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_while_it_has_no_fault() {
        let health = Health::starting();
        assert_eq!(health.faults().len(), 1);
        health.ready();
        assert!(health.faults().is_empty());
        let elsewhere = health.clone();
        elsewhere.fault("store", "the disk is full");
        elsewhere.fault("store", "the disk is still full");
        assert_eq!(
            health.faults().into_iter().collect::<Vec<_>>(),
            [("store", "the disk is still full".into())]
        );
        elsewhere.mend("store");
        assert!(health.faults().is_empty());
    }
}

//! A store that is tried again until it takes what it is given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tracing::{error, info};
use watershed_aggregator::inventory::fronts::FrontChange;
use watershed_aggregator::{Block, DeliveryToken, FlowStore, HistoryStore, Run, StoreError, Told, Wanted};
use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

use crate::clock::Stopwatch;
use crate::telemetry::{Health, MeteredStore};

/// How long to wait after the first failure; each further one doubles it, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);

/// A disk that has room again is used after so long at the latest.
const LONGEST: Duration = Duration::from_secs(5);

/// How often somebody who waits looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The part of the process that has a fault while the store takes nothing.
const PART: &str = "store";

/// Waits for its store, but not when told to stop.
#[derive(Debug)]
pub(super) struct PatientStore<S = MeteredStore> {
    pub(super) inner: S,
    health: Health,
    stop: Arc<AtomicBool>,
}

impl<S: FlowStore> PatientStore<S> {
    pub(super) fn new(inner: S, health: Health, stop: Arc<AtomicBool>) -> Self {
        Self { inner, health, stop }
    }

    /// Waits for so long; false when it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let watch = Stopwatch::start();
        while watch.elapsed() < time {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Tries until it works, or until it never will or it is time to stop.
    fn insist<T>(&mut self, mut work: impl FnMut(&mut S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut pause = FIRST;
        loop {
            let refusal = match work(&mut self.inner) {
                Ok(done) => {
                    if pause > FIRST {
                        info!("the store takes what it is given again");
                    }
                    self.health.mend(PART);
                    return Ok(done);
                }
                Err(refusal) if passes(&refusal) => refusal,
                Err(refusal) => return Err(refusal),
            };
            error!(error = %refusal, "the store takes nothing; trying again");
            self.health.fault(PART, refusal.to_string());
            if !self.wait(pause) {
                return Err(refusal);
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl<S: FlowStore> HistoryStore for PatientStore<S> {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        self.insist(|store| store.remember(told))
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        self.inner.history(wanted)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        self.insist(|store| store.remember_fronts(changes))
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        self.inner.fronts(period)
    }
}

impl<S: FlowStore> FlowStore for PatientStore<S> {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        self.insist(|store| store.append(delivery, blocks))
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        self.inner.run(agent, started)
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        self.inner.runs(agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.inner.snapshot(period)
    }
}

/// Whether trying again may help: disks get room again, and other programs let go of a file.
const fn passes(refusal: &StoreError) -> bool {
    matches!(refusal, StoreError::Full { .. } | StoreError::Sqlite { .. } | StoreError::Open { .. })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use watershed_aggregator::{Aggregator, AggregatorConfig, OpenInventory};
    use watershed_model::{Batch, Counters};

    use super::*;

    /// Refuses a number of times, then takes.
    struct Refusing(Cell<u32>, StoreError);

    impl HistoryStore for Refusing {
        fn remember(&mut self, _: &[Told]) -> Result<(), StoreError> {
            Ok(())
        }

        fn history(&self, _: &Wanted) -> Result<Vec<Told>, StoreError> {
            Err(StoreError::NothingKept)
        }

        fn remember_fronts(&mut self, _: &[FrontChange]) -> Result<(), StoreError> {
            Ok(())
        }

        fn fronts(&self, _: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
            Err(StoreError::NothingKept)
        }
    }

    impl FlowStore for Refusing {
        fn append(&mut self, _: &DeliveryToken, _: &[Block<'_>]) -> Result<(), StoreError> {
            match self.0.get() {
                0 => Ok(()),
                times => {
                    self.0.set(times - 1);
                    Err(self.1.clone())
                }
            }
        }

        fn run(&self, _: &AgentId, _: Timestamp) -> Result<Option<Run>, StoreError> {
            Ok(None)
        }

        fn runs(&self, _: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
            Ok(BTreeMap::new())
        }

        fn snapshot(&self, _: Option<TimeRange>) -> Result<Snapshot, StoreError> {
            Err(StoreError::NothingKept)
        }
    }

    fn ingest(refusals: u32, error: StoreError, stop: bool) -> (bool, u32, Health) {
        let health = Health::default();
        let inner = Refusing(Cell::new(refusals), error);
        let store = PatientStore::new(inner, health.clone(), Arc::new(AtomicBool::new(stop)));
        let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
        let batch = Batch {
            agent: AgentId::from("a"),
            started: Timestamp::default(),
            sequence: 0,
            now: Timestamp::default(),
            records: Vec::new(),
            names: Vec::new(),
            listeners: Vec::new(),
            counters: Counters::default(),
        };
        let taken = aggregator.ingest(batch).is_ok();
        (taken, aggregator.store_mut().inner.0.get(), health)
    }

    fn full() -> StoreError {
        StoreError::Full { operation: "keep a block in the store", path: "edges.db".into(), limit: 1 }
    }

    #[test]
    fn a_store_that_refuses_is_tried_until_it_takes() {
        let (taken, left, health) = ingest(2, full(), false);
        assert!(taken && left == 0 && health.faults().is_empty());
    }

    #[test]
    fn nobody_waits_for_a_store_when_it_is_time_to_stop() {
        let (taken, left, health) = ingest(2, full(), true);
        assert!(!taken && left == 1);
        assert!(health.faults()["store"].starts_with("cannot keep a block in the store edges.db: no room"));
    }

    #[test]
    fn what_will_never_work_is_not_tried_again() {
        let (taken, left, _) = ingest(2, StoreError::NothingKept, false);
        assert!(!taken && left == 1);
    }
}

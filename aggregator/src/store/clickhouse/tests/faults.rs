//! A server that refuses, is slow, or dies at any point of an insert: nothing is lost and nothing doubled, in the
//! tables and in the views.

use watershed_model::SkipReason;

use super::server::Server;
use super::*;
use crate::{Aggregator, AggregatorConfig, AggregatorError};

/// Each insert of a delivery, and each way to die around it.
const DEATHS: [&str; 10] = [
    "table=workloads&at=after",
    "table=flows&at=before",
    "table=flows&at=between&views=edges_hourly_view",
    "table=flows&at=between&views=edges_daily_view",
    "table=flows&at=after",
    "table=names&at=after",
    "table=losses&at=before",
    "table=losses&at=after",
    "table=runs&at=before",
    "table=runs&at=after",
];

/// How often a server dies at a moment that nobody chose.
const KILLS: u32 = 8;

/// Ten connections over three hours, in a batch with names and loss.
fn told(sequence: u64) -> Batch {
    let start = sequence * 700;
    let records = (0..10).map(|n| {
        let mut record = record("10.0.0.1", "10.0.1.1", 443, start + n * 500);
        record.last_seen = record.first_seen.plus(Duration::from_secs(n * 400));
        record
    });
    let mut batch = batch("a", sequence, records.collect());
    batch.names = vec![crate::testing::answer("10.0.0.1", "shop.example", "10.0.1.1", start as i64, 60)];
    batch.counters.records = sequence;
    batch.counters.kernel_dropped = sequence * 3;
    batch.counters.skipped[SkipReason::TooDeep as usize] = sequence;
    batch
}

/// A server and what is told to a store on it.
struct Trial {
    server: Server,
    location: ClickHouseLocation,
    told: Vec<Batch>,
    /// How often the server was started again.
    restarts: u32,
}

impl Trial {
    fn new() -> Self {
        let server = Server::start();
        let location = ClickHouseLocation::parse(&server.location("trial")).unwrap();
        Self { server, location, told: Vec::new(), restarts: 0 }
    }

    /// As another process after the last one went away.
    fn aggregator(
        &self,
        timeout: Duration,
    ) -> Result<Aggregator<OpenInventory, ClickHouseStore>, AggregatorError> {
        let clickhouse = ClickHouseConfig { timeout, ..ClickHouseConfig::default() };
        let config = StoreConfig { clickhouse, ..StoreConfig::default() };
        let store = ClickHouseStore::open(&self.location, &config)?;
        Ok(Aggregator::new(AggregatorConfig::default(), inventory(WORKLOADS), store))
    }

    /// Tells the next batch to new processes until one of them succeeds; how many failed at it.
    fn tell(&mut self, timeout: Duration) -> u32 {
        let batch = told(self.told.len() as u64);
        self.told.push(batch.clone());
        let mut failed = 0;
        // What was killed takes a moment to be dead, and to be back.
        for _ in 0..1_000 {
            self.restarts += u32::from(self.server.start_again_if_dead());
            let Some(mut aggregator) = passed(self.aggregator(timeout)) else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            if passed(aggregator.ingest(batch.clone())).is_some() {
                return failed;
            }
            failed += 1;
        }
        panic!("failed {failed} times")
    }

    /// Everything is there, once, wherever one looks.
    fn check(&mut self) {
        self.server.start_again_if_dead();
        let memory = MemoryStore::new(&StoreConfig::default());
        let memory = kept(memory, inventory(WORKLOADS), self.told.iter().cloned());
        let store = ClickHouseStore::open_existing(&self.location, &StoreConfig::default()).unwrap();
        let connections = self.told.len() * 10;
        let packets = connections * 10;
        let totals = format!("{connections}\t{packets}");
        for sql in [
            "SELECT count(), sum(packets_to_server + packets_to_client) FROM flows",
            "SELECT sum(connections), sum(packets_to_server + packets_to_client) FROM edges_hourly",
            "SELECT sum(connections), sum(packets_to_server + packets_to_client) FROM edges_daily",
        ] {
            assert_eq!(self.server.ask("trial", sql), totals, "{sql}");
        }
        assert_eq!(store.snapshot(None).unwrap(), memory.snapshot(None).unwrap());
    }
}

/// What there is; nothing where that may pass.
fn passed<T>(result: Result<T, AggregatorError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(AggregatorError::Store(error)) if error.may_pass() => None,
        Err(error) => panic!("{error}"),
    }
}

const PATIENT: Duration = Duration::from_secs(60);

#[test]
fn a_server_that_dies_in_a_delivery_has_it_once_in_the_end() {
    let mut trial = Trial::new();
    assert_eq!(trial.tell(PATIENT), 0);
    for death in DEATHS {
        // Workloads are written once for each process, names and losses with every batch.
        trial.server.fault(&format!("kind=die&{death}"));
        assert_eq!(trial.tell(PATIENT), 1, "{death}");
    }
    trial.check();
}

#[test]
fn a_server_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let mut trial = Trial::new();
    let mut random = fastrand::Rng::with_seed(3);
    let mut died = 0;
    for kill in 0..KILLS {
        assert_eq!(trial.tell(PATIENT), 0);
        let milliseconds = random.u32(0..60);
        trial.server.fault(&format!("kind=kill&seconds=0.{milliseconds:03}"));
        while trial.restarts <= kill {
            died += trial.tell(PATIENT);
        }
    }
    trial.check();
    assert!(died > 0, "no insert was hit");
}

#[test]
fn a_server_that_refuses_or_is_slow_is_asked_again() {
    let mut trial = Trial::new();
    assert_eq!(trial.tell(PATIENT), 0);
    for code in [202, 241, 252] {
        trial.server.fault(&format!("kind=refuse&code={code}&table=flows&count=2"));
        assert_eq!(trial.tell(PATIENT), 2, "{code}");
    }
    // The insert that nobody waits for any more goes on while it is repeated.
    trial.server.fault("kind=slow&seconds=9&table=flows");
    assert!(trial.tell(Duration::from_secs(3)) >= 1);
    trial.server.ask("trial", "SELECT 1");
    trial.check();
}

#[test]
fn what_the_server_will_never_take_is_not_asked_again() {
    let mut trial = Trial::new();
    assert_eq!(trial.tell(PATIENT), 0);
    trial.server.fault("kind=refuse&code=497&table=flows");
    let refused = trial.aggregator(PATIENT).unwrap().ingest(told(1)).unwrap_err();
    let AggregatorError::Store(refused) = refused else { panic!("{refused}") };
    assert!(!refused.may_pass() && refused.to_string().contains("Code: 497"), "{refused}");
    trial.check();
}

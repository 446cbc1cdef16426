//! The ClickHouse store put through what every store must do, held against the memory store.

use std::str::FromStr as _;

use proptest::prelude::*;
use watershed_model::{Batch, Encapsulation, Protocol};

use super::*;
use crate::inventory::fronts::FrontChange;
use crate::store::conformance::{batches, every_store_must, inventory, kept, seconds, traffic};
use crate::testing::{batch, record, seeded};
use crate::{HistoryStore, MemoryStore, OpenInventory, StoreLocation, Told, Wanted};

#[path = "../../../../tests/support/clickhouse/mod.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

/// Fewer cases than a file is given: every batch is several requests here.
const CASES: u32 = 6;

every_store_must!(OnServer::new, CASES);

/// A store in a database of its own that is opened anew for every look at it.
struct OnServer {
    location: ClickHouseLocation,
    store: ClickHouseStore,
}

impl OnServer {
    fn new() -> Self {
        Self::at(&server::fresh_location())
    }

    fn at(location: &str) -> Self {
        let Ok(StoreLocation::ClickHouse(location)) = StoreLocation::from_str(location) else {
            panic!("{location}")
        };
        let store = ClickHouseStore::open(&location, &StoreConfig::default()).unwrap();
        Self { location, store }
    }

    fn open(&self) -> ClickHouseStore {
        ClickHouseStore::open_existing(&self.location, &StoreConfig::default()).unwrap()
    }
}

impl HistoryStore for OnServer {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        self.store.remember(told)
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        self.open().history(wanted)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        self.store.remember_fronts(changes)
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        self.open().fronts(period)
    }
}

impl FlowStore for OnServer {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        self.store.append(delivery, blocks)
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        self.store.run(agent, started)
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        self.store.runs(agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.open().snapshot(period)
    }
}

const WORKLOADS: &str = "address,name,role\n10.0.0.0/31,web,web\n10.0.1.1,db,db\n10.0.1.2,db,db\n";

type Traffic = (watershed_model::NameObservation, watershed_model::FlowRecord);

/// Batches of two agents in turns, with loss in their counters and one batch missing.
fn two_agents(ours: &[Traffic], theirs: &[Traffic], size: usize) -> Vec<Batch> {
    let (ours, theirs) = (batches("a", ours, size), batches("b", theirs, size));
    let mut mixed = Vec::new();
    for index in 0..ours.len().max(theirs.len()) {
        mixed.extend(theirs.get(index).into_iter().chain(ours.get(index)).cloned());
    }
    for batch in &mut mixed {
        batch.counters.packets = batch.sequence * 100;
        batch.counters.kernel_dropped = batch.sequence * 3;
    }
    mixed.retain(|batch| batch.sequence != 1);
    mixed
}

proptest! {
    #![proptest_config(seeded(CASES))]

    #[test]
    fn it_tells_what_the_memory_store_tells(
        ours in traffic(),
        theirs in traffic(),
        size in 5_usize..10,
        (start, length) in (-4_000_i64..6_000, 0_i64..9_000),
    ) {
        let told = || two_agents(&ours, &theirs, size);
        let memory = MemoryStore::new(&StoreConfig::default());
        let memory = kept(memory, inventory(WORKLOADS), told());
        // Every batch comes twice, the second time to another process.
        let server = kept(OnServer::new(), inventory(WORKLOADS), told());
        let server = OnServer { store: server.open(), ..server };
        let server = kept(server, inventory(WORKLOADS), told());
        prop_assert_eq!(server.snapshot(None).unwrap(), memory.snapshot(None).unwrap());
        let period = seconds(start, start + length);
        prop_assert_eq!(server.snapshot(period).unwrap(), memory.snapshot(period).unwrap());
        let status = server.store.status().unwrap();
        prop_assert!(status.bytes.is_some_and(|bytes| bytes > 0));
        prop_assert_eq!(StoreStatus { bytes: None, ..status }, memory.status());
    }

    #[test]
    fn deleting_old_hours_leaves_the_later_ones_as_they_were(ours in traffic(), second in -4_000_i64..6_000) {
        let memory = kept(MemoryStore::new(&StoreConfig::default()), inventory(WORKLOADS), batches("a", &ours, 20));
        let mut server = kept(OnServer::new(), inventory(WORKLOADS), batches("a", &ours, 20));
        let deleted = server.store.delete_before(Timestamp::from_parts(second, 0)).unwrap();
        let first_kept = second.div_euclid(3_600) * 3_600;
        let later = seconds(first_kept, 1_000_000);
        let (left, expected) = (server.snapshot(later).unwrap(), memory.snapshot(later).unwrap());
        prop_assert_eq!(left.edges, expected.edges);
        let recent = expected.names.into_iter().filter(|name| {
            deleted.hours == 0 || name.last_seen >= Timestamp::from_parts(first_kept, 0)
        });
        prop_assert_eq!(left.names, recent.collect::<Vec<_>>());
        prop_assert!(server.snapshot(seconds(-1_000_000, first_kept - 1)).unwrap().edges.is_empty());
        let (status, whole) = (server.store.status().unwrap(), memory.status());
        prop_assert_eq!(status.edge_hours + deleted.edge_hours, whole.edge_hours);
        prop_assert_eq!(status.hours + deleted.hours, whole.hours);
        prop_assert_eq!(status.deleted, deleted);
        // What was added before does not come back.
        let server = kept(server, inventory(WORKLOADS), batches("a", &ours, 20));
        let again = server.store.status().unwrap();
        prop_assert_eq!(again.edge_hours, status.edge_hours);
    }
}

#[test]
fn migrations_may_run_again() {
    let server = OnServer::new();
    let run = |sql: &str| {
        let query = server.store.connection.client().query_raw(sql);
        server.store.connection.execute(READ, query).unwrap();
    };
    let config = ClickHouseConfig::default();
    // Those that are for clusters only need one.
    let statements = schema::all_statements(&config);
    statements.iter().filter(|sql| !sql.contains("Distributed(")).for_each(|sql| run(sql));
    // As after a stop before the last one was recorded.
    run("TRUNCATE TABLE migrations");
    OnServer::at(&server.location.to_string());
}

/// What a cluster needs cannot run on one server, but the engine can say whether it understands it.
#[test]
fn the_migrations_for_a_cluster_are_understood() {
    let server = OnServer::new();
    let config = ClickHouseConfig { cluster: Some("main's".to_owned()), ..ClickHouseConfig::default() };
    let statements = schema::all_statements(&config);
    assert!(statements.len() > 15, "{}", statements.len());
    for statement in statements {
        assert!(!statement.contains("{local}") && !statement.contains("{path}"), "{statement}");
        let explain = format!("EXPLAIN AST {statement}");
        server.store.connection.execute(READ, server.store.connection.client().query_raw(&explain)).unwrap();
    }
}

#[test]
fn flow_records_have_a_retention_that_may_change() {
    let server = OnServer::new();
    let engine = |retention| {
        let clickhouse = ClickHouseConfig { flow_retention: retention, ..ClickHouseConfig::default() };
        let config = StoreConfig { clickhouse, ..StoreConfig::default() };
        let store = ClickHouseStore::open(&server.location, &config).unwrap();
        let sql =
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'flows'";
        store.connection.all::<String>(READ, store.connection.query(sql)).unwrap().remove(0)
    };
    assert!(engine(Some(Duration::from_secs(7_200))).contains("toIntervalSecond(7200)"));
    assert!(engine(Some(Duration::from_secs(3_600))).contains("toIntervalSecond(3600)"));
    assert!(!engine(None).contains("TTL"));
}

/// The refusal to open a store.
fn refused(location: &str, config: &StoreConfig, create: bool) -> StoreError {
    let location = ClickHouseLocation::parse(location).unwrap();
    ClickHouseStore::with(&location, config, create).unwrap_err()
}

#[test]
fn what_is_no_store_is_left_alone() {
    let config = StoreConfig::default();
    let server = OnServer::new();
    let location = server.location.to_string();
    let run = |sql: &str| server.store.connection.execute(READ, server.store.connection.query(sql)).unwrap();
    let none = refused(&format!("{location}_none"), &config, false).to_string();
    assert!(none.contains("there is no such database"), "{none}");
    run("INSERT INTO migrations VALUES (8, 'later')");
    let later = refused(&location, &config, false).to_string();
    assert!(later.contains("its format is version 8, this program knows up to 7"), "{later}");
    run("DROP TABLE migrations");
    let foreign = refused(&location, &config, true).to_string();
    assert!(foreign.contains("it is the database of another program"), "{foreign}");
}

#[test]
fn a_server_that_is_away_may_come_back_and_a_missing_password_does_not() {
    // Nothing listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let location = format!("clickhouse://127.0.0.1:{port}/x");
    let away = refused(&location, &StoreConfig::default(), true);
    assert!(away.may_pass() && away.to_string().contains("efused"), "{away}");
    let clickhouse = ClickHouseConfig { password_file: Some("none".into()), ..ClickHouseConfig::default() };
    let error = refused(&location, &StoreConfig { clickhouse, ..StoreConfig::default() }, true);
    assert!(error.to_string().starts_with("cannot read the password of the store from none: "), "{error}");
    assert!(!error.may_pass());
}

#[test]
fn a_snapshot_that_does_not_fit_is_an_error() {
    let records = vec![record("10.0.0.1", "10.0.0.9", 1, 1), record("10.0.0.1", "10.0.0.9", 2, 1)];
    let server = kept(OnServer::new(), OpenInventory::default(), [batch("a", 0, records)]);
    let config = StoreConfig { max_edges: 1, ..StoreConfig::default() };
    let store = ClickHouseStore::open_existing(&server.location, &config).unwrap();
    assert_eq!(store.snapshot(None).unwrap_err(), StoreError::SnapshotTooLarge { limit: 1 });
}

#[test]
fn every_kind_of_record_comes_back() {
    let mut v6 = record("2001:db8::1", "2001:db8::9", 443, 5);
    v6.first_seen = Timestamp::from_parts(4_102_444_800, 1);
    v6.last_seen = v6.first_seen.minus(Duration::from_secs(9));
    let mut icmp = record("10.0.0.1", "10.0.0.9", 0, 5);
    (icmp.protocol, icmp.client.port) = (Protocol::ICMP, 8);
    let mut wrapped = record("10.0.0.1", "10.0.0.9", 80, 5);
    wrapped.encapsulation = Some(Box::new(Encapsulation { vlans: vec![7], ..Encapsulation::default() }));
    wrapped.handshake_rtt = Some(Duration::from_micros(7));
    let told = batch("a", 0, vec![v6, icmp, wrapped]);
    let memory = kept(MemoryStore::new(&StoreConfig::default()), OpenInventory::default(), [told.clone()]);
    let server = kept(OnServer::new(), OpenInventory::default(), [told]);
    assert_eq!(server.snapshot(None).unwrap(), memory.snapshot(None).unwrap());
}

mod faults;

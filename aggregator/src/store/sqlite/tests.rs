//! The SQLite store put through what every store must do, held against the memory store, and its file.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;
use watershed_model::{Batch, Hour, Loss, LossEntry, SkipReason};

use super::*;
use crate::inventory::fronts::FrontChange;
use crate::store::conformance::{batches, every_store_must, inventory, kept, seconds, traffic};
use crate::testing::{batch, record, seeded};
use crate::{
    Aggregator, AggregatorConfig, AggregatorError, HistoryStore, MemoryStore, OpenInventory, Told, Wanted,
};

every_store_must!(OnDisk::new);

/// A store in a directory of its own that is opened anew for every look at it.
struct OnDisk {
    folder: TempDir,
    store: Option<SqliteStore>,
}

impl OnDisk {
    fn new() -> Self {
        let mut new = Self { folder: tempfile::tempdir().unwrap(), store: None };
        new.open();
        new
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("edges.db")
    }

    fn open(&mut self) {
        // Closed before it is opened again.
        self.store = None;
        let store = SqliteStore::open(&self.path(), &StoreConfig::default()).unwrap();
        // What survives the machine is not what these tests are about, and costs most of their time.
        store.connection.pragma_update(None, "synchronous", "OFF").unwrap();
        store.connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        self.store = Some(store);
    }

    fn store(&mut self) -> &mut SqliteStore {
        self.store.as_mut().unwrap()
    }
}

impl HistoryStore for OnDisk {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        self.store().remember(told)
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        SqliteStore::open_existing(&self.path(), &StoreConfig::default())?.history(wanted)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        self.store().remember_fronts(changes)
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        SqliteStore::open_existing(&self.path(), &StoreConfig::default())?.fronts(period)
    }
}

impl FlowStore for OnDisk {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        self.store().append(delivery, blocks)
    }

    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        SqliteStore::open_existing(&self.path(), &StoreConfig::default())?.run(agent, started)
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        SqliteStore::open_existing(&self.path(), &StoreConfig::default())?.runs(agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        SqliteStore::open_existing(&self.path(), &StoreConfig::default())?.snapshot(period)
    }
}

const WORKLOADS: &str = "address,name,role\n10.0.0.0/31,web,web\n10.0.1.1,db,db\n10.0.1.2,db,db\n";

/// Batches of two agents in turns, with loss in their counters.
fn two_agents(ours: &[Traffic], theirs: &[Traffic], size: usize) -> Vec<Batch> {
    let (ours, theirs) = (batches("a", ours, size), batches("b", theirs, size));
    let mut mixed = Vec::new();
    for index in 0..ours.len().max(theirs.len()) {
        mixed.extend(theirs.get(index).into_iter().chain(ours.get(index)).cloned());
    }
    for batch in &mut mixed {
        batch.counters.packets = batch.sequence * 100;
        batch.counters.kernel_dropped = batch.sequence * 3;
        batch.counters.skipped[SkipReason::TooDeep as usize] = batch.sequence;
    }
    mixed
}

type Traffic = (watershed_model::NameObservation, watershed_model::FlowRecord);

proptest! {
    #![proptest_config(seeded(60))]

    #[test]
    fn it_tells_what_the_memory_store_tells(
        ours in traffic(),
        theirs in traffic(),
        size in 1_usize..10,
        (start, length) in (-4_000_i64..6_000, 0_i64..9_000),
        closed_after in 0_usize..20,
    ) {
        let memory = MemoryStore::new(&StoreConfig::default());
        let memory = kept(memory, inventory(WORKLOADS), two_agents(&ours, &theirs, size));
        // Every batch comes twice, and the file is closed in between.
        let batches = two_agents(&ours, &theirs, size);
        let (first, rest) = batches.split_at(closed_after.min(batches.len()));
        let mut disk = kept(OnDisk::new(), inventory(WORKLOADS), first.iter().cloned());
        disk.open();
        let disk = kept(disk, inventory(WORKLOADS), first.iter().chain(rest).cloned());
        prop_assert_eq!(disk.snapshot(None).unwrap(), memory.snapshot(None).unwrap());
        let period = seconds(start, start + length);
        prop_assert_eq!(disk.snapshot(period).unwrap(), memory.snapshot(period).unwrap());
        let status = disk.store.as_ref().unwrap().status().unwrap();
        prop_assert_eq!(StoreStatus { bytes: None, ..status }, memory.status());
    }

    #[test]
    fn deleting_old_hours_leaves_the_later_ones_as_they_were(ours in traffic(), second in -4_000_i64..6_000) {
        let memory = MemoryStore::new(&StoreConfig::default());
        let memory = kept(memory, inventory(WORKLOADS), batches("a", &ours, 5));
        let mut disk = kept(OnDisk::new(), inventory(WORKLOADS), batches("a", &ours, 5));
        let deleted = disk.store().delete_before(Timestamp::from_parts(second, 0)).unwrap();
        let first_kept = second.div_euclid(3_600) * 3_600;
        let later = seconds(first_kept, 1_000_000);
        let (left, expected) = (disk.snapshot(later).unwrap(), memory.snapshot(later).unwrap());
        prop_assert_eq!(left.edges, expected.edges);
        let recent = expected.names.into_iter().filter(|name| {
            deleted.hours == 0 || name.last_seen >= Timestamp::from_parts(first_kept, 0)
        });
        prop_assert_eq!(left.names, recent.collect::<Vec<_>>());
        prop_assert!(disk.snapshot(seconds(-1_000_000, first_kept - 1)).unwrap().edges.is_empty());
        let (status, whole) = (disk.store().status().unwrap(), memory.status());
        prop_assert_eq!(status.edge_hours + deleted.edge_hours, whole.edge_hours);
        prop_assert_eq!(status.hours + deleted.hours, whole.hours);
        // What was added before does not come back.
        let disk = kept(disk, inventory(WORKLOADS), batches("a", &ours, 5));
        prop_assert_eq!(disk.store.as_ref().unwrap().status().unwrap(), status);
    }
}

/// The refusal to open what is at `path`.
fn refused(path: &Path) -> String {
    SqliteStore::open(path, &StoreConfig::default()).unwrap_err().to_string()
}

#[test]
fn what_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "meeting at noon, in the large room\n".repeat(40)).unwrap();
    assert!(refused(&notes).contains("it is no SQLite database"), "{}", refused(&notes));
    assert!(fs::read_to_string(&notes).unwrap().starts_with("meeting at noon"));

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = fs::read(&foreign).unwrap();
    assert!(refused(&foreign).contains("it is the database of another program"), "{}", refused(&foreign));
    assert_eq!(fs::read(&foreign).unwrap(), before);

    assert!(refused(folder.path()).starts_with("cannot open the store "), "{}", refused(folder.path()));
    let nowhere = folder.path().join("none/edges.db");
    assert!(refused(&nowhere).starts_with("cannot open the store "), "{}", refused(&nowhere));
    let missing = folder.path().join("missing.db");
    assert!(SqliteStore::open_existing(&missing, &StoreConfig::default()).is_err());
    assert!(!missing.exists());
}

#[test]
fn a_later_version_is_refused() {
    let disk = OnDisk::new();
    disk.store.as_ref().unwrap().connection.pragma_update(None, "user_version", 7).unwrap();
    let message = refused(&disk.path());
    assert!(message.contains("its format is version 7, this program knows up to 6"), "{message}");
}

#[test]
fn a_full_store_keeps_what_it_had_and_takes_the_block_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edges.db");
    let config = StoreConfig { max_bytes: 200_000, ..StoreConfig::default() };
    let blocks: Vec<Batch> = (0..60)
        .map(|n| {
            batch(
                "a",
                n,
                (0..40).map(|port| record("10.0.0.1", "10.0.0.9", n as u16 * 40 + port, n)).collect(),
            )
        })
        .collect();
    let open = |config| SqliteStore::open(&path, config).unwrap();
    let mut aggregator =
        Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), open(&config));
    let full = blocks.iter().position(|batch| match aggregator.ingest(batch.clone()) {
        Ok(()) => false,
        Err(AggregatorError::Store(StoreError::Full { limit, .. })) => limit == 200_000,
        Err(other) => panic!("{other}"),
    });
    let full = full.expect("the store is too small for all of it");
    let edges = aggregator.finish().unwrap().snapshot(None).unwrap().edges;
    assert_eq!(edges.len(), full * 40);
    let store = kept(open(&StoreConfig::default()), OpenInventory::default(), blocks);
    let edges = store.snapshot(None).unwrap().edges;
    assert!(edges.len() == 2_400 && edges.iter().all(|edge| edge.connections == 1));
}

#[test]
fn a_snapshot_that_does_not_fit_is_an_error() {
    let disk = kept(
        OnDisk::new(),
        OpenInventory::default(),
        [batch("a", 0, vec![record("10.0.0.1", "10.0.0.9", 1, 1), record("10.0.0.1", "10.0.0.9", 2, 1)])],
    );
    let config = StoreConfig { max_edges: 1, ..StoreConfig::default() };
    let store = SqliteStore::open_existing(&disk.path(), &config).unwrap();
    assert_eq!(store.snapshot(None).unwrap_err(), StoreError::SnapshotTooLarge { limit: 1 });
    assert_eq!(store.hold(None).unwrap_err(), StoreError::SnapshotTooLarge { limit: 1 });
    let config = StoreConfig { max_snapshot: 1, ..StoreConfig::default() };
    let store = SqliteStore::open_existing(&disk.path(), &config).unwrap();
    assert_eq!(store.snapshot(None).unwrap_err(), StoreError::TooManyEdges { limit: 1 });
    // One at a time there is no such limit.
    assert_eq!(store.hold(None).unwrap().iter().count(), 2);
}

#[test]
fn damage_is_told_and_not_believed() {
    for damage in [
        "UPDATE edge SET states = x'ff01'",
        "UPDATE edge SET evidence = x'01'",
        "UPDATE party SET address = x'0a' WHERE id = 1",
        "UPDATE run SET kept = '[[3,1,null]]'",
        "DELETE FROM party",
    ] {
        let mut disk = kept(
            OnDisk::new(),
            OpenInventory::default(),
            [batch("a", 0, vec![record("10.0.0.1", "10.0.0.9", 1, 1)])],
        );
        disk.store().connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        disk.store().connection.execute_batch(damage).unwrap();
        let told = disk.snapshot(None).unwrap_err().to_string();
        assert!(told.starts_with("cannot read the store "), "{damage}: {told}");
    }
}

#[test]
fn loss_adds_up_to_no_more_than_there_is_room_for() {
    let mut disk = OnDisk::new();
    let entry = LossEntry { agent: "a".into(), hour: Hour(1), loss: Loss::KernelDropped, count: u64::MAX };
    for _ in 0..2 {
        let block = Block::of_loss(None, Default::default(), vec![entry.clone()]);
        disk.append(&DeliveryToken("notes".into()), &[block]).unwrap();
    }
    assert_eq!(disk.snapshot(None).unwrap().loss[0].count, i64::MAX.cast_unsigned());
}

#[test]
fn two_programs_may_add_at_the_same_time() {
    let disk = OnDisk::new();
    let adder = |agent: &'static str| {
        let path = disk.path();
        move || {
            let store = SqliteStore::open(&path, &StoreConfig::default()).unwrap();
            let batches =
                (0..30).map(|n| batch(agent, n, vec![record("10.0.0.1", "10.0.0.9", 443, n * 600)]));
            kept(store, OpenInventory::default(), batches);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(adder("a"));
        scope.spawn(adder("b"));
    });
    let edges = disk.snapshot(None).unwrap().edges;
    assert_eq!((edges[0].connections, edges[0].observers.len()), (30, 2));
}

#[test]
fn a_store_of_the_first_version_goes_on_without_counting_its_loss_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edges.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../../migrations/sqlite/0001_edges.sql")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x57534844; PRAGMA user_version = 1;
        INSERT INTO agent VALUES (1, 'a');
        INSERT INTO run VALUES (1, 0, '[[0,2],[5,6]]', '{}', NULL);
        INSERT INTO loss VALUES (0, 1, 'batches_missing', 2);",
    )
    .unwrap();
    drop(old);
    let store = SqliteStore::open(&path, &StoreConfig::default()).unwrap();
    let store = kept(
        store,
        OpenInventory::default(),
        [6, 8].map(|n| Batch { counters: Default::default(), ..batch("a", n, vec![]) }),
    );
    let missing = store.snapshot(None).unwrap().loss;
    assert_eq!(
        missing.iter().map(|entry| (entry.loss, entry.count)).collect::<Vec<_>>(),
        [(Loss::BatchesMissing, 3)]
    );
}

#[test]
fn retention_leaves_whose_an_address_was_when_what_is_kept_began() {
    use crate::inventory::Source::{File, Kubernetes};
    use crate::store::conformance::{ALWAYS, led, said};
    let hour = 3_600;
    let mut disk = OnDisk::new();
    let all = [
        said(File, i64::MIN, "10.0.0.0/8", "site"),
        said(Kubernetes, 1, "10.0.0.1", "a"),
        said(Kubernetes, hour, "10.0.0.1", "b"),
        said(Kubernetes, 3 * hour, "10.0.0.1", "c"),
        said(Kubernetes, 1, "10.0.0.2", "gone"),
        said(Kubernetes, hour, "10.0.0.2", ""),
    ];
    disk.remember(&all).unwrap();
    let fronts =
        [led(1, 80, "a"), led(hour, 80, "b"), led(3 * hour, 80, "c"), led(1, 81, "d"), led(hour, 81, "")];
    disk.remember_fronts(&fronts).unwrap();
    let records = [10, 3 * 3_600].map(|at| record("10.0.0.1", "10.0.0.9", 443, at)).to_vec();
    let mut disk = kept(disk, OpenInventory::default(), [batch("a", 0, records)]);
    disk.store().delete_before(Timestamp::from_parts(2 * hour, 0)).unwrap();
    let [site, _, b, c, ..] = all;
    assert_eq!(disk.history(&Wanted::ALL).unwrap(), [site, b, c]);
    let [_, b, c, ..] = fronts;
    assert_eq!(disk.fronts(ALWAYS).unwrap(), [b, c]);
}

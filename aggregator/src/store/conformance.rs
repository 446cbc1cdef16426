//! What every store must do, as functions of a way to make an empty store.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use watershed_model::{
    Batch, ConnState, Edge, EndReason, Evidence, FlowRecord, Hour, Loss, NameHints, NameObservation, Party,
    SkipReason, Snapshot, Summary, TimeRange, Timestamp,
};

mod history;
mod listeners;
mod restarts;

pub(super) use history::*;
pub(super) use listeners::*;
pub(super) use restarts::*;

use crate::testing::{address, answer, batch, probe, record};
use crate::{
    Aggregator, AggregatorConfig, AggregatorError, Delivery, DeliveryToken, FileInventory, FlowSource,
    FlowStore, OpenInventory, StoreError,
};

/// Makes a test of each of these functions for the stores that `$new` makes; those that try many cases try
/// `$cases`, 60 unless said.
macro_rules! every_store_must {
    ($new:expr; $cases:expr; $($name:ident)*; $($property:ident)*) => {
        $(#[test]
        fn $name() {
            crate::store::conformance::$name($new);
        })*
        $(#[test]
        fn $property() {
            crate::store::conformance::$property($new, $cases);
        })*
    };
    ($new:expr) => {
        crate::store::conformance::every_store_must! { $new, crate::store::conformance::CASES }
    };
    ($new:expr, $cases:expr) => {
        crate::store::conformance::every_store_must! { $new; $cases;
            an_edge_says_all_that_was_seen
            a_batch_that_comes_again_counts_once
            a_batch_that_comes_again_with_other_content_is_refused
            a_run_goes_on_where_the_store_has_it
            what_comes_late_is_taken_and_not_missing_any_more
            blocks_of_a_delivery_come_together_and_once
            parts_of_a_connection_are_one_connection
            a_summary_counts_as_its_connections
            workloads_gather_their_addresses
            an_address_that_changes_hands_is_each_workloads_in_its_time
            one_flow_seen_by_two_agents_counts_once
            a_period_has_its_own_edges_and_hours
            counters_are_the_sum_of_each_run_of_each_agent
            notes_reach_the_ledger
            a_restart_is_loss_and_counts_once
            captures_read_one_after_the_other_are_no_restart
            an_interface_that_went_away_is_loss_and_counts_once
            an_empty_store_tells_nothing
            who_listens_is_told_as_it_was_kept
            an_inventory_is_told_as_it_was_kept
            where_services_led_is_told_as_it_was_kept
            flows_joined_again_with_the_history_kept_are_joined_as_they_were
            flows_to_services_joined_again_are_joined_as_they_were
            ;
            the_order_in_which_batches_come_changes_nothing
            how_records_are_cut_into_batches_changes_nothing
            which_agent_is_heard_first_changes_nothing
            edges_come_in_order_and_lose_no_packet
        }
    };
}
pub(super) use every_store_must;

/// Cases of each property: enough to meet what may go wrong, few enough for a store on a disk.
pub(super) const CASES: u32 = 60;

/// What a fresh store tells after these batches.
pub(super) fn told(store: impl FlowStore, batches: impl IntoIterator<Item = Batch>) -> Snapshot {
    kept(store, OpenInventory::default(), batches).snapshot(None).unwrap()
}

pub(super) fn kept<S: FlowStore>(
    store: S,
    inventory: OpenInventory,
    batches: impl IntoIterator<Item = Batch>,
) -> S {
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), inventory, store);
    batches.into_iter().for_each(|batch| aggregator.ingest(batch).unwrap());
    aggregator.finish().unwrap()
}

pub(super) fn inventory(text: &str) -> OpenInventory {
    FileInventory::parse("test", crate::inventory::FileFormat::Csv, text.as_bytes()).unwrap().into()
}

pub(super) fn seconds(start: i64, end: i64) -> Option<TimeRange> {
    Some(TimeRange { start: Timestamp::from_parts(start, 0), end: Timestamp::from_parts(end, 0) })
}

pub(super) fn losses(snapshot: &Snapshot) -> Vec<(Loss, u64)> {
    snapshot.loss.iter().map(|entry| (entry.loss, entry.count)).collect()
}

pub(super) fn an_edge_says_all_that_was_seen<S: FlowStore>(new: impl Fn() -> S) {
    let mut refused = record("10.0.0.1", "10.0.0.9", 443, 7_300);
    (refused.state, refused.evidence) = (ConnState::Rej, Evidence::SYN | Evidence::FIRST_PACKET);
    let mut named = record("10.0.0.1", "10.0.0.9", 443, 10);
    let hints = NameHints {
        tls_server_name: Some("shop.example".into()),
        dns_query: Some("q".into()),
        ..NameHints::default()
    };
    named.names = Some(Box::new(hints));
    let mut first = batch("a", 0, vec![named, refused, probe("10.0.0.1", "10.0.0.8", 443, 20)]);
    first.names = vec![answer("10.0.0.1", "www.example", "10.0.0.9", 9, 60)];

    let snapshot = told(new(), [first]);
    assert_eq!(snapshot.period.start, Timestamp::from_parts(10, 0));
    assert_eq!(snapshot.period.end, Timestamp::from_parts(7_300, 500_000_000));
    assert_eq!(snapshot.names.len(), 1);
    let [scan, edge] = snapshot.edges.as_slice() else { panic!("{:?}", snapshot.edges) };
    assert_eq!((scan.connections, scan.answered, scan.states.of(ConnState::S0)), (1, 0, 1));
    assert_eq!(edge.key.to_string(), "10.0.0.1 -> 10.0.0.9 tcp/443");
    assert_eq!((edge.connections, edge.answered), (2, 1));
    assert_eq!((edge.to_server.packets, edge.to_client.ip_bytes), (12, 800));
    assert_eq!((edge.states.of(ConnState::Sf), edge.states.of(ConnState::Rej)), (1, 1));
    assert_eq!((edge.evidence.of(Evidence::SYN), edge.evidence.of(Evidence::HANDSHAKE)), (2, 1));
    assert_eq!(edge.hours, BTreeSet::from([Hour(0), Hour(2)]));
    assert_eq!(edge.names, BTreeSet::from(["shop.example".into(), "www.example".into()]));
    assert_eq!(edge.client_addresses, BTreeSet::from([address("10.0.0.1")]));
    assert_eq!(edge.observers, BTreeSet::from(["a".into()]));
}

pub(super) fn a_batch_that_comes_again_counts_once<S: FlowStore>(new: impl Fn() -> S) {
    let mut batches: Vec<Batch> =
        (0..4).map(|n| batch("a", n, vec![record("10.0.0.1", "10.0.0.9", 443, n)])).collect();
    for batch in &mut batches {
        batch.counters.kernel_dropped = batch.sequence;
    }
    let once = told(new(), batches.clone());
    let twice = told(new(), batches.iter().flat_map(|batch| [batch.clone(), batch.clone()]));
    let again = told(new(), batches.iter().chain(&batches).cloned());
    assert_eq!(once.edges[0].connections, 4);
    assert_eq!((&once, &once), (&twice, &again));
}

pub(super) fn a_batch_that_comes_again_with_other_content_is_refused<S: FlowStore>(new: impl Fn() -> S) {
    let first = batch("a", 0, vec![record("10.0.0.1", "10.0.0.9", 443, 1)]);
    let mut other = first.clone();
    other.counters.records = 2;
    let store = kept(new(), OpenInventory::default(), [first]);
    // As after a restart: nothing is remembered but what the store has.
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    let refused = aggregator.ingest(other).unwrap_err();
    assert!(
        matches!(refused, AggregatorError::Store(StoreError::OtherContent { sequence: 0, .. })),
        "{refused}"
    );
    assert_eq!(aggregator.finish().unwrap().snapshot(None).unwrap().edges[0].connections, 1);
}

pub(super) fn a_run_goes_on_where_the_store_has_it<S: FlowStore>(new: impl Fn() -> S) {
    let shipped = |sequence, kernel_dropped| {
        let mut batch = batch("a", sequence, vec![record("10.0.0.1", "10.0.0.9", 443, sequence)]);
        batch.counters.kernel_dropped = kernel_dropped;
        batch
    };
    assert_eq!(new().run(&"a".into(), Timestamp::default()).unwrap(), None);
    let mut store = new();
    // A new aggregator for each batch, as after a restart.
    for batch in [shipped(0, 3), shipped(1, 3), shipped(1, 3), shipped(2, 5), shipped(4, 6)] {
        store = kept(store, OpenInventory::default(), [batch]);
    }
    let snapshot = store.snapshot(None).unwrap();
    assert_eq!(losses(&snapshot), [(Loss::KernelDropped, 6), (Loss::BatchesMissing, 1)]);
    assert_eq!(snapshot.edges[0].connections, 4);
    let run = store.run(&"a".into(), Timestamp::default()).unwrap().unwrap();
    assert_eq!((run.batches(), run.missing(), run.counters.kernel_dropped), (4, 1, 6));
    assert_eq!(store.run(&"a".into(), Timestamp::from_parts(1, 0)).unwrap(), None);
    assert_eq!(store.run(&"b".into(), Timestamp::default()).unwrap(), None);
}

pub(super) fn what_comes_late_is_taken_and_not_missing_any_more<S: FlowStore>(new: impl Fn() -> S) {
    let shipped =
        |sequence: u64| batch("a", sequence, vec![record("10.0.0.1", "10.0.0.9", 443, sequence * 4_000)]);
    let missing = |store: &S| {
        let loss = store.snapshot(None).unwrap().loss;
        loss.into_iter().map(|entry| (entry.hour.0, entry.count)).collect::<Vec<_>>()
    };
    let store = kept(new(), OpenInventory::default(), [shipped(0), shipped(4)]);
    assert_eq!(missing(&store), [(4, 3)]);
    let store = kept(store, OpenInventory::default(), [shipped(2), shipped(2)]);
    assert_eq!(missing(&store), [(2, 1), (4, 1)]);
    assert!(store.snapshot(seconds(0, 7_000)).unwrap().loss.is_empty());
    let store = kept(store, OpenInventory::default(), [shipped(3), shipped(1), shipped(3)]);
    assert_eq!((missing(&store), store.snapshot(None).unwrap().edges[0].connections), (vec![], 5));
}

pub(super) fn the_order_in_which_batches_come_changes_nothing<S: FlowStore>(new: impl Fn() -> S, cases: u32) {
    let order = prop::collection::vec(0_usize..12, 0..30);
    proptest!(crate::testing::seeded(cases), |(order in order, restarts in prop::collection::vec(any::<bool>(), 30))| {
        let sequence: BTreeSet<usize> = order.iter().copied().collect();
        let shipped = |n: usize| batch("a", n as u64, vec![record("10.0.0.1", "10.0.0.9", 443, n as u64 * 900)]);
        let in_order = told(new(), sequence.iter().map(|&n| shipped(n)));
        let mut store = new();
        let mut batches = Vec::new();
        for (&n, &restart) in order.iter().zip(&restarts) {
            batches.push(shipped(n));
            if restart {
                store = kept(store, OpenInventory::default(), std::mem::take(&mut batches));
            }
        }
        prop_assert_eq!(kept(store, OpenInventory::default(), batches).snapshot(None).unwrap(), in_order);
    });
}

/// Gives deliveries, the last first.
struct Again(Vec<Delivery>);

impl FlowSource for Again {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        Ok(self.0.pop())
    }
}

pub(super) fn blocks_of_a_delivery_come_together_and_once<S: FlowStore>(new: impl Fn() -> S) {
    let shipped = |agent, n| batch(agent, n, vec![record("10.0.0.1", "10.0.0.9", 443, n)]);
    let delivery = |batches: Vec<Batch>, resumed| Delivery {
        token: DeliveryToken("flows/0/0-5".into()),
        batches,
        resumed,
    };
    let batches = vec![shipped("a", 0), shipped("b", 0), shipped("a", 1), shipped("a", 0)];
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), new());
    let mut source = Again(vec![
        delivery(batches.clone(), true),
        delivery(batches.clone(), false),
        delivery(batches, true),
    ]);
    crate::run(&mut source, &mut aggregator, |_| ()).unwrap();
    let progress = aggregator.progress();
    assert_eq!((progress.deliveries, progress.batches, progress.repeated), (3, 12, 9));
    let snapshot = aggregator.finish().unwrap().snapshot(None).unwrap();
    assert_eq!((snapshot.counters.records, losses(&snapshot)), (2, vec![]));
    // Of two agents, the best observer counts.
    assert_eq!(snapshot.edges[0].connections, 2);
}

pub(super) fn parts_of_a_connection_are_one_connection<S: FlowStore>(new: impl Fn() -> S) {
    let mut parts: Vec<FlowRecord> = (0..3).map(|n| record("10.0.0.1", "10.0.0.9", 22, n * 4_000)).collect();
    for (number, part) in parts.iter_mut().enumerate() {
        part.part = number as u32;
        part.end = if number == 2 { EndReason::Closed } else { EndReason::Active };
    }
    let snapshot = told(new(), [batch("a", 0, parts)]);
    let edge = &snapshot.edges[0];
    assert_eq!((edge.connections, edge.answered, edge.to_server.packets), (1, 1, 18));
    assert_eq!(edge.states.iter().collect::<Vec<_>>(), [(ConnState::Sf, 1)]);
    assert_eq!(edge.hours.len(), 3);
}

pub(super) fn workloads_gather_their_addresses<S: FlowStore>(new: impl Fn() -> S) {
    let inventory = inventory("address,name\n10.0.0.1,web\n10.0.0.2,web\n10.0.0.9,db\n");
    let records = vec![
        record("10.0.0.2", "10.0.0.9", 5432, 1),
        record("10.0.0.7", "10.0.0.9", 5432, 2),
        record("10.0.0.1", "10.0.0.9", 5432, 3),
    ];
    let snapshot = kept(new(), inventory, [batch("a", 0, records)]).snapshot(None).unwrap();
    let keys: Vec<String> = snapshot.edges.iter().map(|edge| edge.key.to_string()).collect();
    assert_eq!(keys, ["web -> db tcp/5432", "10.0.0.7 -> db tcp/5432"]);
    assert_eq!(snapshot.edges[0].connections, 2);
    assert_eq!(
        snapshot.edges[0].client_addresses,
        BTreeSet::from([address("10.0.0.1"), address("10.0.0.2")])
    );
}

pub(super) fn an_address_that_changes_hands_is_each_workloads_in_its_time<S: FlowStore>(new: impl Fn() -> S) {
    let inventory = inventory(
        "address,name,valid_from,valid_to\n10.0.0.1,old,,1970-01-01T00:00:05\n10.0.0.1,new,1970-01-01T00:00:05,\n",
    );
    let mut across = record("10.0.0.1", "10.0.0.9", 443, 4);
    across.last_seen = Timestamp::from_parts(6, 0);
    let records =
        vec![record("10.0.0.1", "10.0.0.9", 443, 3), across, record("10.0.0.1", "10.0.0.9", 443, 5)];
    let snapshot = kept(new(), inventory, [batch("a", 0, records)]).snapshot(None).unwrap();
    let told: Vec<_> = snapshot
        .edges
        .iter()
        .map(|edge| (edge.key.client.to_string(), edge.connections, edge.evidence.of(Evidence::HANDED_OVER)))
        .collect();
    assert_eq!(told, [("new".to_owned(), 1, 0), ("old".to_owned(), 2, 1)]);
}

pub(super) fn one_flow_seen_by_two_agents_counts_once<S: FlowStore>(new: impl Fn() -> S) {
    let whole = vec![record("10.0.0.1", "10.0.0.9", 443, 1), record("10.0.0.1", "10.0.0.9", 443, 2)];
    let half = vec![record("10.0.0.1", "10.0.0.9", 443, 1), record("10.0.0.2", "10.0.0.9", 443, 9)];
    let inventory = inventory("address,name\n10.0.0.1,web\n10.0.0.2,web\n");
    let store = kept(new(), inventory, [batch("b", 0, whole), batch("a", 0, half)]);
    let edges = store.snapshot(None).unwrap().edges;
    assert_eq!((edges.len(), edges[0].connections), (1, 3));
    assert_eq!(edges[0].observers, BTreeSet::from(["a".into(), "b".into()]));
}

pub(super) fn a_period_has_its_own_edges_and_hours<S: FlowStore>(new: impl Fn() -> S) {
    let mut long = record("10.0.0.1", "10.0.0.9", 22, 3_000);
    long.last_seen = Timestamp::from_parts(8_000, 0);
    let records =
        vec![record("10.0.0.1", "10.0.0.9", 443, 10), record("10.0.0.1", "10.0.0.9", 443, 9_000), long];
    let mut lossy = batch("a", 0, records);
    lossy.counters.kernel_dropped = 3;
    let store = kept(new(), OpenInventory::default(), [lossy]);

    let early = store.snapshot(seconds(0, 3_599)).unwrap();
    assert_eq!(early.edges.iter().map(|edge| edge.connections).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(losses(&early), []);
    let late = store.snapshot(seconds(7_200, 9_999)).unwrap();
    assert_eq!(
        late.edges.iter().map(|edge| (edge.key.port, edge.connections)).collect::<Vec<_>>(),
        [(22, 0), (443, 1)]
    );
    assert_eq!(losses(&late), [(Loss::KernelDropped, 3)]);
    assert!(store.snapshot(seconds(20_000, 30_000)).unwrap().edges.is_empty());
    let backwards = store.snapshot(seconds(2, 1)).unwrap_err().to_string();
    assert!(
        backwards.contains("1970-01-01T00:00:01Z, before it starts at 1970-01-01T00:00:02Z"),
        "{backwards}"
    );
}

pub(super) fn counters_are_the_sum_of_each_run_of_each_agent<S: FlowStore>(new: impl Fn() -> S) {
    let shipped = |agent: &str, started, sequence, packets| {
        let mut batch = batch(agent, sequence, Vec::new());
        batch.started = Timestamp::from_parts(started, 0);
        batch.counters.packets = packets;
        batch.counters.skipped[SkipReason::TooDeep as usize] = packets / 10;
        batch
    };
    let batches =
        [shipped("a", 0, 0, 10), shipped("b", 0, 0, 5), shipped("a", 0, 1, 30), shipped("a", 9, 0, 7)];
    let snapshot = told(new(), batches);
    assert_eq!(snapshot.counters.packets, 42);
    assert_eq!(losses(&snapshot), [(Loss::NotDecoded, 3)]);
}

pub(super) fn a_summary_counts_as_its_connections<S: FlowStore>(new: impl Fn() -> S) {
    let refused = FlowRecord { state: ConnState::Rej, ..probe("10.0.0.1", "10.0.0.9", 443, 3_700) };
    let with = |start| record("10.0.0.1", "10.0.0.9", 443, start);
    let all = [with(3_600), with(3_660), refused];
    let mut sum = FlowRecord { part: 0, end: EndReason::Active, ..all[0].clone() };
    let mut summary = Summary { connections: 3, answered: 2, ..Summary::default() };
    sum.last_seen = all[2].last_seen;
    for record in &all {
        summary.states.add(record.state);
        summary.evidence.add(record.evidence);
    }
    for record in &all[1..] {
        sum.to_server.packets += record.to_server.packets;
        sum.to_server.ip_bytes += record.to_server.ip_bytes;
        sum.to_client.packets += record.to_client.packets;
        sum.to_client.ip_bytes += record.to_client.ip_bytes;
    }
    sum.summary = Some(Box::new(summary));
    let edges = |records: Vec<FlowRecord>| told(new(), [batch("a", 0, records)]).edges;
    // Beside connections of their own, before and after.
    let beside = || [with(3_610), with(3_650)];
    let [before, after] = beside();
    let single = edges(beside().into_iter().chain(all).collect());
    assert_eq!((single[0].connections, single[0].answered), (5, 4));
    assert_eq!(edges(vec![before, sum, after]), single);
}

pub(super) fn notes_reach_the_ledger<S: FlowStore>(new: impl Fn() -> S) {
    let noted = |store: S, batches: &[Batch]| {
        let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
        batches.iter().for_each(|batch| aggregator.ingest(batch.clone()).unwrap());
        aggregator.note(&"a".into(), Timestamp::from_parts(1, 0), Loss::CaptureCut, 1);
        aggregator.note(&"a".into(), Timestamp::from_parts(2, 0), Loss::CaptureCut, 1);
        aggregator.finish().unwrap()
    };
    assert_eq!(losses(&noted(new(), &[]).snapshot(None).unwrap()), [(Loss::CaptureCut, 2)]);
    let cut = [batch("a", 0, vec![record("10.0.0.1", "10.0.0.9", 443, 1)])];
    let once = noted(new(), &cut).snapshot(None).unwrap();
    assert_eq!((losses(&once), once.counters.records), (vec![(Loss::CaptureCut, 2)], 1));
    assert_eq!(noted(noted(new(), &cut), &cut).snapshot(None).unwrap(), once);
}

pub(super) fn an_empty_store_tells_nothing<S: FlowStore>(new: impl Fn() -> S) {
    let snapshot = new().snapshot(None).unwrap();
    assert!(snapshot.edges.is_empty() && snapshot.loss.is_empty() && snapshot.names.is_empty());
    assert_eq!(snapshot.period.start, snapshot.period.end);
}

/// Records in the order in which they end, and answers before them.
pub(super) fn traffic() -> impl Strategy<Value = Vec<(NameObservation, FlowRecord)>> {
    let one = (0_u8..4, 0_u8..4, 0_u16..3, 0_u64..90, 0_u64..12_000, any::<bool>(), 0_u8..3);
    prop::collection::vec(one, 1..40).prop_map(|rows| {
        let mut now = 0;
        let row = |(client, server, port, step, length, answered, name)| {
            now += step;
            let (client, server) = (format!("10.0.0.{client}"), format!("10.0.1.{server}"));
            let name = format!("{name}.example");
            let observed = answer(&client, &name, &server, now as i64, 30);
            let make = if answered { record } else { probe };
            let mut record = make(&client, &server, port, now);
            record.first_seen = record.first_seen.minus(Duration::from_secs(length));
            (observed, record)
        };
        rows.into_iter().map(row).collect()
    })
}

/// Batches of one agent, cut after every `size` records.
pub(super) fn batches(agent: &str, traffic: &[(NameObservation, FlowRecord)], size: usize) -> Vec<Batch> {
    let chunks = traffic.chunks(size).enumerate();
    chunks
        .map(|(sequence, chunk)| {
            let mut batch =
                batch(agent, sequence as u64, chunk.iter().map(|(_, record)| record.clone()).collect());
            batch.names = chunk.iter().map(|(name, _)| name.clone()).collect();
            batch.counters = Default::default();
            batch
        })
        .collect()
}

pub(super) fn how_records_are_cut_into_batches_changes_nothing<S: FlowStore>(
    new: impl Fn() -> S,
    cases: u32,
) {
    proptest!(crate::testing::seeded(cases), |(traffic in traffic(), size in 1_usize..10)| {
        let whole = told(new(), batches("a", &traffic, usize::MAX));
        prop_assert_eq!(told(new(), batches("a", &traffic, size)), whole);
    });
}

pub(super) fn which_agent_is_heard_first_changes_nothing<S: FlowStore>(new: impl Fn() -> S, cases: u32) {
    let inventory = || inventory("address,name,role\n10.0.0.0/31,web,web\n10.0.1.1,db,db\n10.0.1.2,db,db\n");
    let tell = |batches: Vec<Batch>| kept(new(), inventory(), batches).snapshot(None).unwrap();
    let config = crate::testing::seeded(cases);
    proptest!(config, |(ours in traffic(), theirs in traffic(), size in 1_usize..10)| {
        let (a, b) = (batches("a", &ours, size), batches("b", &theirs, size));
        let one_after_the_other = tell(a.iter().chain(&b).cloned().collect());
        prop_assert_eq!(&tell(b.iter().chain(&a).cloned().collect()), &one_after_the_other);
        let mut mixed = Vec::new();
        for index in 0..a.len().max(b.len()) {
            mixed.extend(b.get(index).into_iter().chain(a.get(index)).cloned());
        }
        prop_assert_eq!(&tell(mixed), &one_after_the_other);
    });
}

pub(super) fn edges_come_in_order_and_lose_no_packet<S: FlowStore>(new: impl Fn() -> S, cases: u32) {
    proptest!(crate::testing::seeded(cases), |(traffic in traffic())| {
        let snapshot = told(new(), batches("a", &traffic, 7));
        prop_assert!(snapshot.edges.is_sorted_by(|a, b| a.key < b.key));
        let sum = |edges: &[Edge]| {
            edges.iter().map(|edge| edge.to_server.packets + edge.to_client.packets).sum::<u64>()
        };
        let sent = traffic.iter().map(|(_, record)| record.to_server.packets + record.to_client.packets);
        prop_assert_eq!(sum(&snapshot.edges), sent.sum::<u64>());
        prop_assert!(snapshot.edges.iter().all(|edge| matches!(edge.key.client, Party::Address(_))));
    });
}

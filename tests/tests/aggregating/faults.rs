//! Brokers that go away, agents that repeat themselves, readers that come and go, messages that are none.

use watershed_model::Loss;
use watershed_tests::kafka::{self, Kafka};

use crate::process::Process;
use crate::shipped::{RECORDS, batch, in_turns};
use crate::topic::Topic;
use crate::{expected, place::Place};

#[test]
fn a_broker_that_is_stopped_and_killed_costs_nothing() {
    let mut broker = Kafka::start().unwrap();
    let topic = Topic::new(&broker.brokers(), "broker", 2);
    let store = &Place::sqlite();
    let batches = in_turns(&["a", "b"], 300);
    topic.ship(&batches[..300]);
    let mut process = Process::start(topic.aggregate("", store));
    process.until_kept(store, 20);
    broker.stop().unwrap();
    broker.restart().unwrap();
    topic.ship(&batches[300..450]);
    process.until_kept(store, 320);
    broker.kill();
    broker.restart().unwrap();
    topic.ship(&batches[450..]);
    process.until_kept(store, 600);
    process.end();
    store.has_once(batches);
}

#[test]
fn batches_that_come_twice_late_or_from_wrong_clocks_count_once_and_in_their_time() {
    twice(&Place::sqlite());
}

#[test]
fn batches_that_come_twice_late_or_from_wrong_clocks_count_once_and_in_their_time_on_clickhouse() {
    twice(&Place::clickhouse());
}

fn twice(store: &Place) {
    let topic = Topic::new(kafka::brokers().unwrap(), "twice", 1);
    // One agent is six hours ahead, one is behind; of one, batches 50 to 54 never come.
    let of = |agent, skew, numbers: std::ops::Range<u64>| numbers.map(move |n| batch(agent, n, skew));
    let first: Vec<_> =
        of("a", 21_600, 0..90).chain(of("b", -21_600, 0..50)).chain(of("b", -21_600, 55..90)).collect();
    let mut shipped: Vec<_> = first.iter().chain(&first[..60]).cloned().collect();
    fastrand::Rng::with_seed(5).shuffle(&mut shipped);
    topic.ship(&shipped);
    let mut process = Process::start(topic.aggregate("one", store));
    process.until_kept(store, first.len() as u64);
    // A marker behind everything: once it is kept, so is what came before it.
    let marker = batch("marker", 0, 0);
    topic.ship([&marker]);
    process.until_kept(store, first.len() as u64 + 1);
    let said = process.end();
    assert!(said.contains("60 came again"), "{said}");
    store.has_records((first.len() as u64 + 1) * RECORDS);
    let told = store.told();
    let whole = expected(first.into_iter().chain([marker]));
    assert_eq!((&told.edges, &told.counters), (&whole.edges, &whole.counters));
    let lost = |snapshot: &watershed_model::Snapshot, loss| {
        snapshot.loss.iter().filter(|entry| entry.loss == loss).map(|entry| entry.count).sum::<u64>()
    };
    assert_eq!(lost(&told, Loss::BatchesMissing), 5);
    // Which hour a loss falls into follows from the order of arrival; how much it is does not.
    assert_eq!(lost(&told, Loss::KernelDropped), lost(&whole, Loss::KernelDropped));
}

#[test]
fn readers_that_come_go_and_are_killed_share_the_work_without_a_trace() {
    rebalance(&Place::sqlite());
}

#[test]
fn readers_that_come_go_and_are_killed_share_the_work_without_a_trace_on_clickhouse() {
    rebalance(&Place::clickhouse());
}

fn rebalance(store: &Place) {
    let topic = Topic::new(kafka::brokers().unwrap(), "rebalance", 4);
    let batches = in_turns(&["a", "b", "c", "d", "e"], 300);
    let start = || Process::start(topic.aggregate("", store));
    topic.ship(&batches[..600]);
    let mut stays = start();
    stays.until_kept(store, 50);
    let joins = start();
    stays.until_kept(store, 300);
    topic.ship(&batches[600..1_000]);
    stays.until_kept(store, 500);
    joins.end();
    let dies = start();
    stays.until_kept(store, 800);
    dies.kill();
    topic.ship(&batches[1_000..]);
    stays.until_kept(store, 1_500);
    stays.end();
    store.has_once(batches);
}

#[test]
fn what_cannot_be_read_is_put_aside_with_its_reason_and_holds_nothing_up() {
    poison(&Place::sqlite());
}

#[test]
fn what_cannot_be_read_is_put_aside_with_its_reason_and_holds_nothing_up_on_clickhouse() {
    poison(&Place::clickhouse());
}

fn poison(store: &Place) {
    let topic = Topic::new(kafka::brokers().unwrap(), "poison", 1);
    let batches = in_turns(&["a"], 20);
    topic.ship(&batches[..7]);
    topic.write("a", b"this is no batch");
    topic.write("a", b"");
    topic.ship(&batches[7..]);
    let mut process = Process::start(topic.aggregate("one", store));
    process.until_kept(store, 20);
    let said = process.end();
    assert!(said.contains("2 put aside"), "{said}");
    store.has_once(batches);
    let letters = topic.dead_letters(2);
    assert_eq!(letters[0].0, b"this is no batch");
    for ((_, headers), offset) in letters.iter().zip(["7", "8"]) {
        let header =
            |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((header("topic"), header("partition")), (Some(topic.name.as_str()), Some("0")));
        assert_eq!(header("offset"), Some(offset));
        assert!(header("reason").unwrap().starts_with("cannot decode a batch"), "{headers:?}");
    }
}

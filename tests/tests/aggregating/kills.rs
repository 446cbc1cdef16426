//! Killed again and again: what was in Kafka is in the store, each record once.

use std::thread;
use std::time::Duration;

use watershed_tests::kafka;

use crate::place::Place;
use crate::process::Process;
use crate::shipped::in_turns;
use crate::topic::Topic;

/// How often the process is killed.
const KILLS: usize = 60;

/// Batches of each of the three agents: enough that no kill comes after the last, also on a machine so busy that tens
/// of them are kept between two looks at the store.
const EACH: u64 = 2_000;

#[test]
fn killed_at_any_point_it_loses_nothing_and_doubles_nothing() {
    killed(&Place::sqlite(), 40);
}

#[test]
fn killed_at_any_point_it_loses_nothing_and_doubles_nothing_on_clickhouse() {
    // A cycle takes longer here.
    killed(&Place::clickhouse(), 80);
}

/// Kills it somewhere within `milliseconds` after it has kept a few batches more.
fn killed(store: &Place, milliseconds: u64) {
    let topic = Topic::new(kafka::brokers().unwrap(), "kills", 2);
    let batches = in_turns(&["a", "b", "c"], EACH);
    topic.ship(&batches);
    let mut random = fastrand::Rng::with_seed(11);
    let mut cut_short = 0;
    for _ in 0..KILLS {
        let mut process = Process::start(topic.aggregate("one", store));
        process.until_kept(store, store.kept() + random.u64(1..12));
        // Somewhere in the next cycles of plan, insert and commit.
        thread::sleep(Duration::from_micros(random.u64(0..milliseconds * 1_000)));
        process.kill();
        cut_short += usize::from(topic.planned() > 0);
    }
    assert!(store.kept() < batches.len() as u64, "kills hit the work");
    assert!(cut_short > 0, "some kills come between the plan of a range and its end");
    // What is left is much, and nothing is killed any more.
    let mut process = Process::start(topic.aggregate_by(60_000, "one", store));
    process.until_kept(store, batches.len() as u64);
    process.end();
    println!("{store}: {cut_short} of {KILLS} kills left a range planned");
    store.has_once(batches);
}

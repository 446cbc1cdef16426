//! A ClickHouse that refuses, is slow or dies in the middle of an insert, while one process goes on.

use watershed_tests::kafka;

use crate::clickhouse::Server;
use crate::place::Place;
use crate::process::Process;
use crate::shipped::in_turns;
use crate::topic::Topic;

/// What befalls it, one after the other, and whether it is dead then. Codes are ClickHouse's: too many parts, no
/// memory.
const FAULTS: [(&str, bool); 8] = [
    ("kind=refuse&code=252&table=flows&count=3", false),
    ("kind=refuse&code=241&table=runs&count=2", false),
    ("kind=slow&seconds=5&table=flows", false),
    ("kind=die&table=flows&at=before", true),
    ("kind=die&table=flows&at=between&views=edges_hourly_view", true),
    ("kind=die&table=flows&at=between&views=edges_daily_view", true),
    ("kind=die&table=flows&at=after", true),
    ("kind=die&table=runs&at=after", true),
];

/// Batches of each of the two agents between two faults.
const EACH: u64 = 20;

#[test]
fn a_clickhouse_that_refuses_is_slow_or_dies_in_an_insert_has_every_record_once() {
    let topic = Topic::new(kafka::brokers().unwrap(), "outages", 2);
    let mut server = Server::start();
    let store = Place::at(&server.location("outages"));
    let batches = in_turns(&["a", "b"], EACH * (FAULTS.len() as u64 + 1));
    let mut rest = batches.chunks(2 * EACH as usize);
    let mut sent = rest.next().unwrap().len();
    topic.ship(&batches[..sent]);
    let mut command = topic.aggregate("one", &store);
    command.args(["--set", "clickhouse.timeout=2s"]);
    let mut process = Process::start(command);
    process.until_kept(&store, sent as u64);
    for ((fault, dies), next) in FAULTS.into_iter().zip(rest) {
        server.fault(fault);
        topic.ship(next);
        sent += next.len();
        if dies {
            process.until(|| server.start_again_if_dead(), &format!("the server died of {fault}"));
        }
        process.until_kept(&store, sent as u64);
    }
    process.until_said("the store does not take a delivery");
    process.end();
    assert_eq!(sent, batches.len());
    store.has_once(batches);
}

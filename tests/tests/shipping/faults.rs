//! Kafka stops and comes back, the spool fills, the disk fills: nothing is lost but what is counted.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use watershed_collector::sink::FlowSink as _;
use watershed_collector::sink::kafka::{KafkaConfig, KafkaSink, ShippingStatus, WhenFull};
use watershed_model::Batch;
use watershed_tests::kafka::{self, Kafka};

use crate::topic::Topic;
use crate::{assert_no_gaps, batch, config, numbers, records};

/// How often a condition is looked at, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_TIMES: u32 = 3_000;

/// Between two batches: no faster than the disk, so that it is the spool that fills and not the queue before it.
const PACE: Duration = Duration::from_millis(2);

fn wait_until(sink: &KafkaSink, what: &str, condition: impl Fn(&ShippingStatus) -> bool) {
    for _ in 0..LOOK_TIMES {
        if condition(&sink.status()) {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    panic!("{what} never came true: {:?}", sink.status());
}

#[test]
fn a_broker_that_stops_or_is_killed_costs_nothing() {
    let mut kafka = Kafka::start().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let topic = Topic::new(&kafka.brokers(), "restart");
    let mut sink = KafkaSink::open(&config(&kafka.brokers(), topic.name(), spool.path())).unwrap();
    let send = |sink: &mut KafkaSink, numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| sink.send(batch("a", number, 200)).unwrap());
    };
    send(&mut sink, 0..200);
    wait_until(&sink, "the first batches arrived", |status| status.acknowledged > 20);
    // In the midst of what is on its way.
    kafka.kill();
    send(&mut sink, 200..300);
    kafka.restart().unwrap();
    send(&mut sink, 300..400);
    wait_until(&sink, "what waited arrived", |status| status.acknowledged > 320);
    kafka.stop().unwrap();
    send(&mut sink, 400..500);
    kafka.restart().unwrap();
    let status = sink.close().unwrap();
    assert_eq!(
        (status.acknowledged, status.spooled_bytes, status.dropped.batches),
        (500, 0, 0),
        "{status:?}"
    );
    let arrived = topic.batches(500);
    assert_no_gaps(&arrived);
    assert_eq!(numbers(&arrived), (0..500).collect::<Vec<_>>());
}

/// Sends until something is dropped, while Kafka is away; then Kafka comes back, and everything that was sent is
/// there or counted, to the record.
fn fill_then_ship(kafka: &mut Kafka, config: &KafkaConfig, topic: &Topic) {
    let mut sink = KafkaSink::open(config).unwrap();
    let mut sent = 0;
    while sink.status().dropped.batches == 0 {
        sink.send(batch("a", sent, 1_000)).unwrap();
        sent += 1;
        thread::sleep(PACE);
        assert!(sent < 10_000, "it never fills");
    }
    kafka.restart().unwrap();
    wait_until(&sink, "the spool is empty", |status| status.spooled_bytes == 0);
    // The next batch tells the loss.
    sink.send(batch("a", sent, 1_000)).unwrap();
    let status = sink.close().unwrap();
    let (kept, dropped) = (status.acknowledged as usize, status.dropped);
    assert!(kept > 1 && dropped.batches > 0, "{status:?}");
    assert_eq!(kept as u64 + dropped.batches, sent + 1);
    let arrived = topic.batches(kept);
    assert_no_gaps(&arrived);
    assert_eq!(records(&arrived) as u64 + dropped.records, (sent + 1) * 1_000);
    let told = &arrived.last().unwrap().counters;
    assert_eq!((told.batches_dropped, told.records_dropped), (dropped.batches, dropped.records));
}

#[test]
fn a_full_spool_loses_what_it_counts() {
    let mut kafka = Kafka::start().unwrap();
    kafka.stop().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let topic = Topic::new(&kafka.brokers(), "full");
    let config =
        KafkaConfig { when_full: WhenFull::Drop, ..config(&kafka.brokers(), topic.name(), spool.path()) };
    fill_then_ship(&mut kafka, &config, &topic);
}

/// A file system of its own, of half a MiB.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "watershed-test"])
            .arg(disk.0.path())
            .status();
        assert!(mount.unwrap().success(), "this test mounts a small disk: run it as root");
        disk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still uses it lets go with the test program.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_what_is_counted() {
    let mut kafka = Kafka::start().unwrap();
    kafka.stop().unwrap();
    let disk = SmallDisk::new();
    let topic = Topic::new(&kafka.brokers(), "disk");
    let config =
        KafkaConfig { when_full: WhenFull::Drop, ..config(&kafka.brokers(), topic.name(), disk.path()) };
    fill_then_ship(&mut kafka, &config, &topic);
}

#[test]
fn a_full_disk_costs_nothing_while_kafka_is_there() {
    let brokers = kafka::brokers().unwrap();
    let disk = SmallDisk::new();
    let topic = Topic::new(brokers, "through");
    let mut sink = KafkaSink::open(&config(brokers, topic.name(), disk.path())).unwrap();
    sink.send(batch("a", 0, 1)).unwrap();
    wait_until(&sink, "the first batch arrived", |status| status.acknowledged == 1);
    // All that is left, to the octet.
    let _ = fs::write(disk.path().join("other"), vec![0; 1 << 20]);
    (1..300).for_each(|number| sink.send(batch("a", number, 1_000)).unwrap());
    let status = sink.close().unwrap();
    assert_eq!((status.acknowledged, status.dropped.batches), (300, 0), "{status:?}");
    let arrived = topic.batches(300);
    assert_no_gaps(&arrived);
    assert_eq!(numbers(&arrived), (0..300).collect::<Vec<_>>());
}

#[test]
fn what_was_lost_untold_is_told_by_the_next_start() {
    let mut kafka = Kafka::start().unwrap();
    kafka.stop().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let topic = Topic::new(&kafka.brokers(), "untold");
    let config = KafkaConfig {
        when_full: WhenFull::Drop,
        patience: Duration::from_millis(100),
        ..config(&kafka.brokers(), topic.name(), spool.path())
    };
    let mut sink = KafkaSink::open(&config).unwrap();
    for number in 0..400 {
        sink.send(batch("a", number, 1_000)).unwrap();
        thread::sleep(PACE);
    }
    let first = sink.close().unwrap();
    assert!(first.dropped.records > 0 && first.acknowledged == 0, "{first:?}");
    kafka.restart().unwrap();
    let config = KafkaConfig { patience: Duration::from_secs(60), ..config };
    let mut sink = KafkaSink::open(&config).unwrap();
    wait_until(&sink, "the spool is empty", |status| status.spooled_bytes == 0);
    sink.send(batch("a", 400, 1)).unwrap();
    let second = sink.close().unwrap();
    let arrived = topic.batches(second.acknowledged as usize);
    let told = |batch: &Batch| batch.counters.records_dropped;
    let [.., before, last] = arrived.as_slice() else { panic!("two starts, two batches") };
    assert_eq!((last.sequence, told(last)), (0, second.dropped.records));
    assert!(told(last) > 0, "the spool was full at the end");
    assert_eq!(told(before) + told(last), first.dropped.records);
    assert_eq!(records(&arrived) as u64 + first.dropped.records, 400_001);
}

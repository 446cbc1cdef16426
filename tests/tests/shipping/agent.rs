//! The agent's own process: ended, killed, and started again.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use watershed_collector::sink::spool::{MIN_LIMIT, Spool, SpoolConfig};
use watershed_model::{Batch, wire};
use watershed_tests::binary;
use watershed_tests::capture::{CaptureWriter, WHOLE};
use watershed_tests::kafka::{self, Kafka};
use watershed_tests::traffic::{TrafficConfig, Truth, generate};

use crate::topic::Topic;

/// How often a condition is looked at, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_TIMES: u32 = 3_000;

/// Writes a capture of thousands of connections.
pub(crate) fn write_capture(path: &Path) -> Truth {
    let mut writer = CaptureWriter::new(BufWriter::new(File::create(path).unwrap()), WHOLE).unwrap();
    let config = TrafficConfig { packets: 100_000, concurrent: 2_000, seed: 3 };
    let truth = generate(config, |time, frame| writer.write(time, frame)).unwrap();
    writer.finish().unwrap();
    truth
}

fn collect(capture: &Path, brokers: &str, topic: &Topic, spool: &Path) -> Command {
    let mut command = Command::new(binary::watershed().unwrap());
    command.arg("collect").arg(capture).args(["--kafka", brokers, "--agent", "node1", "--spool"]).arg(spool);
    command.args(["--set", &format!("kafka.topic={}", topic.name())]);
    // Agents of several tests at a time would want the same address.
    command.args(["--set", "metrics.listen=none"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Kills it without a warning.
fn kill(mut agent: Child) {
    agent.kill().unwrap();
    agent.wait().unwrap();
}

/// What a spool holds now that nobody has it.
pub(crate) fn spooled(directory: &Path) -> Vec<Batch> {
    let config = SpoolConfig { directory: directory.to_owned(), limit: MIN_LIMIT };
    let mut spool = Spool::open(&config).unwrap();
    std::iter::from_fn(|| spool.read_next()).map(|(_, batch)| wire::decode(&batch).unwrap()).collect()
}

fn octets_in(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

pub(crate) fn connections(batches: &[Batch]) -> u64 {
    batches.iter().flat_map(|batch| &batch.records).filter(|record| record.part == 0).count() as u64
}

#[test]
fn a_capture_is_shipped_whole() {
    let brokers = kafka::brokers().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    let truth = write_capture(&capture);
    let topic = Topic::new(brokers, "whole");
    let done = collect(&capture, brokers, &topic, &folder.path().join("spool")).output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{told}");
    let shipped =
        told.lines().find_map(|line| line.strip_suffix(" batches shipped, 0 octets wait in the spool"));
    let shipped = shipped.unwrap_or_else(|| panic!("{told}")).trim_start_matches("watershed: ");
    let batches = topic.batches(shipped.parse().unwrap());
    assert_eq!(connections(&batches), truth.connections);
    let last = &batches.last().unwrap().counters;
    assert_eq!((last.packets, last.balanced()), (truth.packets, true));
    assert!(batches.iter().all(|batch| &*batch.agent.0 == "node1"));
}

/// Killed at several points while Kafka is away: what the spool held then is in Kafka after the next start, in
/// order and once, and before what that start captures itself.
#[test]
fn a_killed_agent_ships_what_it_had_spooled() {
    let mut kafka = Kafka::start().unwrap();
    kafka.stop().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (capture, spool) = (folder.path().join("a.pcap"), folder.path().join("spool"));
    let truth = write_capture(&capture);
    let topic = Topic::new(&kafka.brokers(), "killed");
    for bytes in [1, 200_000, 600_000] {
        let before = octets_in(&spool);
        let agent = collect(&capture, &kafka.brokers(), &topic, &spool).spawn().unwrap();
        let grown = (0..LOOK_TIMES).any(|_| {
            thread::sleep(LOOK_EVERY);
            octets_in(&spool) >= before + bytes
        });
        kill(agent);
        assert!(grown, "nothing was spooled");
    }
    let spooled = spooled(&spool);
    assert!(spooled.len() > 3);
    kafka.restart().unwrap();
    let done = collect(&capture, &kafka.brokers(), &topic, &spool).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told = String::from_utf8(done.stderr).unwrap();
    let shipped = told.lines().find_map(|line| line.split_once(" batches shipped")).unwrap().0;
    let batches = topic.batches(shipped.trim_start_matches("watershed: ").parse().unwrap());
    assert_eq!(batches[..spooled.len()], spooled);
    assert_eq!(connections(&batches[spooled.len()..]), truth.connections);
    for run in batches.chunk_by(|a, b| a.started == b.started) {
        assert!(run.iter().enumerate().all(|(index, batch)| batch.sequence == index as u64));
    }
}

#[test]
fn an_agent_that_is_told_to_end_leaves_the_rest_in_its_spool() {
    let mut kafka = Kafka::start().unwrap();
    kafka.stop().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (capture, spool) = (folder.path().join("a.pcap"), folder.path().join("spool"));
    let truth = write_capture(&capture);
    let topic = Topic::new(&kafka.brokers(), "ended");
    // Kafka is away for longer than an agent that ends waits for it.
    let done = collect(&capture, &kafka.brokers(), &topic, &spool).output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && told.contains("watershed: 0 batches shipped"), "{told}");
    assert_eq!(connections(&spooled(&spool)), truth.connections);
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    CaptureWriter::new(File::create(&capture).unwrap(), WHOLE).unwrap().finish().unwrap();
    let topic = Topic::new("localhost:1", "wrong");
    for (set, expected) in [
        ("kafka.brokers=", "name Kafka with --kafka"),
        ("kafka.security=sasl", "kafka.user"),
        ("kafka.ca_file=ca.pem", "kafka.security"),
        ("spool.directory=/proc/no", "cannot use the spool directory /proc/no"),
    ] {
        let mut command = collect(&capture, "localhost:1", &topic, folder.path());
        let done = command.args(["--set", set]).output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{set}: {told}");
        assert!(told.contains(expected), "{set}: {told}");
    }
}

//! Tests of the data path with a source that waits.

use std::time::Duration;

use etherparse::PacketBuilder;
use watershed_model::{Batch, EndReason, InterfaceId};

use super::*;
use crate::sink::Memory;
use crate::source::{LinkType, MemoryPacket, MemorySource};

/// One packet at second 0, then silence until each of the times, then the end.
struct Quiet {
    packet: MemorySource,
    times: Vec<Timestamp>,
    now: Option<Timestamp>,
}

impl PacketSource for Quiet {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        self.packet.fill(batch)?;
        if batch.is_empty() {
            self.now = if self.times.is_empty() { None } else { Some(self.times.remove(0)) };
        }
        Ok(())
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        self.now
    }
}

fn collected(seconds: &[i64], ship_every: Option<Duration>) -> Vec<Batch> {
    let mut data = Vec::new();
    let packet =
        PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(4000, 53);
    packet.write(&mut data, b"hello").expect("written");
    let packet = MemoryPacket {
        time: Timestamp::from_parts(0, 0),
        link: LinkType::ETHERNET,
        interface: InterfaceId(0),
        wire_length: data.len() as u32,
        data,
    };
    let mut source = Quiet {
        packet: MemorySource::new(vec![packet]),
        times: seconds.iter().map(|&second| Timestamp::from_parts(second, 0)).collect(),
        now: None,
    };
    let mut sink = Memory::default();
    let config = CollectorConfig { ship_every, ..CollectorConfig::default() };
    let report = run(&mut source, &mut sink, &config, |_| ()).expect("collected");
    assert!(report.counters.balanced() && report.counters.packets == 1);
    sink.0
}

#[test]
fn a_connection_ends_while_no_packet_comes() {
    let batches = collected(&[10, 50, 70, 90], Some(Duration::from_secs(1)));
    let ended = batches.iter().find(|batch| !batch.records.is_empty()).expect("a record");
    assert_eq!((ended.now, ended.records[0].end), (Timestamp::from_parts(70, 0), EndReason::Idle));
    assert_eq!(ended.records[0].last_seen, Timestamp::from_parts(0, 0), "silence is not traffic");
}

#[test]
fn batches_are_shipped_in_time_even_if_empty() {
    let batches = collected(&[1, 2, 3], Some(Duration::from_secs(2)));
    let times: Vec<_> = batches.iter().map(|batch| batch.now.as_nanos() / 1_000_000_000).collect();
    assert_eq!(times, [0, 2, 3], "at the first packet, after two seconds, and at the end");
    assert_eq!(batches.iter().map(|batch| batch.records.len()).sum::<usize>(), 1);
}

#[test]
fn without_an_interval_only_full_batches_are_shipped() {
    assert_eq!(collected(&[1, 2, 3], None).len(), 1);
}

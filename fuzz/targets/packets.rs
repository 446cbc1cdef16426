//! Arbitrary packets under arbitrary link types, through decoding, flow table and names: nothing panics, every
//! packet is accounted for, and the records hold no more packets than were read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_collector::flow::FlowConfig;
use watershed_collector::sink::Memory;
use watershed_collector::source::{LinkType, MemoryPacket, MemorySource};
use watershed_collector::{CollectorConfig, run};
use watershed_model::{InterfaceId, Timestamp};

const LINKS: [u16; 14] = [0, 1, 9, 50, 51, 101, 105, 108, 113, 127, 228, 229, 276, 999];

/// Each packet is four octets (link type, time step, length) and its data.
fn packets(mut input: &[u8]) -> Vec<MemoryPacket> {
    let mut packets = Vec::new();
    let mut time = 0_i64;
    while let [link, step, high, low, rest @ ..] = input {
        let length = usize::from(u16::from_be_bytes([*high & 0x07, *low])).min(rest.len());
        let (data, next) = rest.split_at(length);
        // Steps up to 255 × 2 s, so that timeouts pass; odd ones run back a little.
        time += i64::from(*step) * 2_000_000_000 - i64::from(*step & 1) * 3_000_000_000;
        packets.push(MemoryPacket {
            time: Timestamp::from_nanos(time),
            link: LinkType(LINKS[usize::from(*link) % LINKS.len()]),
            interface: InterfaceId(0),
            wire_length: u32::try_from(length + usize::from(*high >> 3)).unwrap_or(0),
            data: data.into(),
        });
        input = next;
    }
    packets
}

fuzz_target!(|input: &[u8]| {
    let packets = packets(input);
    let count = packets.len() as u64;
    // Few places, so that evictions happen; reports, so that connections come in parts.
    let flow = FlowConfig {
        max_flows: 4,
        active_report: Some(std::time::Duration::from_secs(30)),
        ..FlowConfig::default()
    };
    let config = CollectorConfig { flow, batch_records: 3, ..CollectorConfig::default() };
    let mut sink = Memory::default();
    let report = run(&mut MemorySource::new(packets), &mut sink, &config, |_| {}).expect("memory takes all");
    assert_eq!(report.counters.packets, count);
    assert!(report.counters.balanced(), "{:?}", report.counters);
    for record in sink.0.iter().flat_map(|batch| &batch.records) {
        let _ = record.community_id().to_string();
        assert!(record.first_seen <= record.last_seen);
    }
});

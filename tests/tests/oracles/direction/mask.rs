//! Captures that begin too late: without handshakes, or without the first half of every flow.

use std::collections::HashMap;
use std::path::Path;

use watershed_collector::decode::{Decoder, Segments, Transport};
use watershed_collector::sink::Memory;
use watershed_collector::source::{
    self, MemoryPacket, MemorySource, PacketBatch, PacketSource, SourceConfig,
};
use watershed_collector::{CollectorConfig, run};
use watershed_model::{FlowRecord, TcpFlags};

/// What is taken out of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Masked {
    /// Every packet with a SYN or an SCTP INIT or INIT ACK.
    Handshakes,
    /// The first half of each flow's packets, rounded down, and every handshake.
    FirstHalves,
}

/// The records of a capture without what is masked.
pub(super) fn collect(capture: &Path, masked: Option<Masked>) -> Vec<FlowRecord> {
    let mut packets = read(capture);
    if let Some(masked) = masked {
        let keep = kept(&packets, masked);
        let mut keep = keep.into_iter();
        packets.retain(|_| keep.next() == Some(true));
    }
    let mut sink = Memory::default();
    let mut source = MemorySource::new(packets);
    run(&mut source, &mut sink, &CollectorConfig::default(), |_| {}).expect("memory takes every batch");
    sink.0.into_iter().flat_map(|batch| batch.records).collect()
}

/// Every packet of a capture, up to what cannot be read.
fn read(capture: &Path) -> Vec<MemoryPacket> {
    let config = SourceConfig { captures: vec![capture.to_path_buf()] };
    let mut source = source::open(&config).unwrap_or_else(|error| panic!("{error}"));
    let mut packets = Vec::new();
    loop {
        let mut batch = PacketBatch::new();
        let read = source.fill(&mut batch);
        if batch.is_empty() && read.is_ok() {
            return packets;
        }
        packets.extend(batch.iter().map(MemoryPacket::from));
    }
}

/// Which packets stay.
fn kept(packets: &[MemoryPacket], masked: Masked) -> Vec<bool> {
    let config = CollectorConfig::default();
    // The innermost flow of each packet, and whether the packet is of a handshake.
    let mut decoder = Decoder::new(&config.decode);
    let parts: Vec<_> = packets
        .iter()
        .map(|packet| {
            let mut segments = Segments::default();
            decoder.decode(&packet.borrowed(), &mut segments);
            let shakes = segments.as_slice().iter().any(|segment| is_handshake(segment.transport));
            (segments.as_slice().last().map(|segment| segment.key), shakes)
        })
        .collect();
    let mut left: HashMap<_, usize> = HashMap::new();
    for (key, _) in &parts {
        *left.entry(*key).or_default() += 1;
    }
    let mut skip: HashMap<_, usize> = left.into_iter().map(|(key, packets)| (key, packets / 2)).collect();
    parts
        .into_iter()
        .map(|(key, shakes)| {
            let skip = skip.entry(key).or_default();
            let early = *skip > 0;
            *skip = skip.saturating_sub(1);
            !(shakes || early && masked == Masked::FirstHalves)
        })
        .collect()
}

fn is_handshake(transport: Transport) -> bool {
    match transport {
        Transport::Tcp { flags, .. } => flags.contains(TcpFlags::SYN),
        // INIT and INIT ACK (RFC 9260 section 3.2).
        Transport::Sctp { first_chunk } => matches!(first_chunk, 1 | 2),
        _ => false,
    }
}

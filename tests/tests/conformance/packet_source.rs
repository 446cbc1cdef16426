//! Packet sources: the same packets from every kind of capture.

use std::io::Write as _;

use tempfile::NamedTempFile;
use watershed_collector::SourceError;
use watershed_collector::source::{
    self, BATCH, LinkType, MemoryPacket, MemorySource, Packet, PacketBatch, PacketSource, SourceConfig,
};
use watershed_model::{InterfaceId, Timestamp};
use watershed_tests::capture::{CaptureWriter, WHOLE};

/// More packets than fit into a few batches, some of them large, at times that go back and forth.
fn packets() -> Vec<MemoryPacket> {
    let octets: Vec<u8> = (0..=u8::MAX).cycle().take(70_000).collect();
    let packet = |number: u32| {
        let length = if number % 50 == 7 { 65_000 } else { number as usize % 300 };
        MemoryPacket {
            time: Timestamp::from_parts(1_700_000_000 + i64::from(number ^ 1), number * 1000),
            link: LinkType::ETHERNET,
            interface: InterfaceId(0),
            wire_length: length as u32,
            data: octets[..length].into(),
        }
    };
    (0..5 * BATCH as u32 + 3).map(packet).collect()
}

fn pcap(packets: &[MemoryPacket]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), WHOLE).unwrap();
    packets.iter().for_each(|packet| writer.write(packet.time, &packet.data).unwrap());
    writer.finish().unwrap()
}

/// Source: the Internet draft "PCAP Now Generic" (draft-ietf-opsawg-pcapng), section 4.
fn pcapng(packets: &[MemoryPacket]) -> Vec<u8> {
    const NANOSECONDS: [u32; 3] = [1 << 16 | 9, 9, 0];
    let block = |kind: u32, body: &[u8]| {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let size = (12 + body.len() + padding.len()) as u32;
        [&kind.to_le_bytes()[..], &size.to_le_bytes(), body, &padding, &size.to_le_bytes()].concat()
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let section = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    let interface = block(1, &words(&[&[1, 0][..], &NANOSECONDS].concat()));
    let packet = |packet: &MemoryPacket| {
        let (ticks, length) = (packet.time.as_nanos() as u64, packet.data.len() as u32);
        let fixed = words(&[0, (ticks >> 32) as u32, ticks as u32, length, packet.wire_length]);
        block(6, &[&fixed[..], &packet.data].concat())
    };
    section.into_iter().chain(interface).chain(packets.iter().flat_map(packet)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The source of a file, which must exist as long as the source is read.
fn open(file: &NamedTempFile) -> Result<source::Source, SourceError> {
    source::open(&SourceConfig { captures: vec![file.path().to_path_buf()] })
}

/// Every kind of file, by name.
fn files(packets: &[MemoryPacket]) -> Vec<(&'static str, Vec<u8>)> {
    let (pcap, pcapng) = (pcap(packets), pcapng(packets));
    vec![
        ("pcap.gz", gzip(&pcap)),
        ("pcap.zst", zstd(&pcap)),
        ("pcapng.gz", gzip(&pcapng)),
        ("pcapng.zst", zstd(&pcapng)),
        ("pcap", pcap),
        ("pcapng", pcapng),
    ]
}

/// Calls `check` with a source of these packets of every implementation.
fn each_source(packets: &[MemoryPacket], mut check: impl FnMut(&str, &mut source::Source)) {
    for (name, bytes) in files(packets) {
        let file = file(&bytes);
        check(name, &mut open(&file).unwrap());
    }
    check("memory", &mut source::Source::Memory(MemorySource::new(packets.to_vec())));
}

/// Every packet up to the end, and every error.
fn drain(source: &mut impl PacketSource) -> (Vec<MemoryPacket>, Vec<SourceError>) {
    let (mut packets, mut errors) = (Vec::new(), Vec::new());
    loop {
        let mut batch = PacketBatch::new();
        match source.fill(&mut batch) {
            Ok(()) if batch.is_empty() => return (packets, errors),
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
        packets.extend(batch.iter().map(MemoryPacket::from));
    }
}

#[test]
fn packets_come_whole_and_in_order_and_the_end_stays_the_end() {
    let expected = packets();
    each_source(&expected, |name, source| {
        let (packets, errors) = drain(source);
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert!(packets == expected, "{name}");
        assert_eq!(source.kernel_dropped(), 0, "{name}");
        for _ in 0..3 {
            assert!(drain(source).0.is_empty(), "{name} goes on after its end");
        }
    });
}

#[test]
fn a_batch_keeps_what_it_has_and_takes_what_fits() {
    const EARLIER: Packet<'_> = Packet {
        time: Timestamp::MIN,
        link: LinkType::RAW,
        interface: InterfaceId(9),
        wire_length: 1,
        data: b"e",
    };
    let expected = packets();
    each_source(&expected, |name, source| {
        let mut packets = Vec::new();
        for room in [0, 1, 0, 2, BATCH].into_iter().cycle() {
            let mut batch = PacketBatch::new();
            batch.extend(std::iter::repeat_n(EARLIER, BATCH - room));
            source.fill(&mut batch).unwrap();
            let (kept, added) = batch.split_at(BATCH - room);
            assert!(kept.iter().all(|packet| packet.data == EARLIER.data), "{name}");
            if room > 0 && added.is_empty() {
                break;
            }
            packets.extend(added.iter().map(MemoryPacket::from));
        }
        assert!(packets == expected, "{name}");
    });
}

/// Whatever is wrong with a capture, what was readable before it is kept, it is told once, and the end comes.
#[test]
fn a_capture_that_ends_too_early_gives_what_it_has() {
    let expected = packets();
    for (name, bytes) in files(&expected) {
        for part in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
            let file = file(&bytes[..part]);
            let (packets, errors) = drain(&mut open(&file).unwrap());
            assert!(expected.starts_with(&packets), "{name} cut at {part}");
            assert!(errors.len() == 1 && errors[0].is_cut(), "{name} cut at {part}: {errors:?}");
        }
    }
}

#[test]
fn a_source_of_nothing_ends_at_once() {
    each_source(&[], |name, source| assert!(drain(source).0.is_empty(), "{name}"));
}

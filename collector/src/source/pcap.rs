//! pcap files.
//!
//! Source: draft-ietf-opsawg-pcap (PCAP Capture File Format); the modified format is that of Alexey Kuznetsov's
//! libpcap patches, whose packet headers carry three more fields.

use watershed_model::{InterfaceId, Timestamp};

use super::capture::{Format, MAX_PACKET, Stop};
use super::{LinkType, Packet};

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
const MODIFIED_PACKET_HEADER: usize = 24;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// How to read the packets of a pcap file.
#[derive(Debug)]
pub(super) struct Pcap {
    big_endian: bool,
    /// Nanoseconds in a unit of the second half of a timestamp.
    unit: i64,
    packet_header: usize,
    link: LinkType,
    interface: InterfaceId,
}

impl Pcap {
    /// Reads the file header that `window`, which starts with `magic`, starts with; gives its size too.
    pub(super) fn open(window: &[u8], magic: [u8; 4], interface: u32) -> Result<(Self, usize), Stop> {
        let (big_endian, unit, packet_header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, 1_000, PACKET_HEADER),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, 1_000, PACKET_HEADER),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, 1, PACKET_HEADER),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, 1, PACKET_HEADER),
            [0x34, 0xcd, 0xb2, 0xa1] => (false, 1_000, MODIFIED_PACKET_HEADER),
            [0xa1, 0xb2, 0xcd, 0x34] => (true, 1_000, MODIFIED_PACKET_HEADER),
            _ => return Err(Stop::Unknown),
        };
        let Some(header) = window.first_chunk::<FILE_HEADER>() else { return Err(Stop::Need(FILE_HEADER)) };
        let link = LinkType::from_capture(word(header, 20, big_endian));
        let interface = InterfaceId(interface);
        Ok((Self { big_endian, unit, packet_header, link, interface }, FILE_HEADER))
    }
}

impl Format for Pcap {
    #[inline]
    fn next<'a>(&mut self, window: &'a [u8], at: &mut usize) -> Result<(Packet<'a>, usize), Stop> {
        let rest = window.get(*at..).unwrap_or_default();
        let Some(header) = rest.first_chunk::<PACKET_HEADER>() else { return Err(Stop::Need(PACKET_HEADER)) };

        let seconds = word(header, 0, self.big_endian);
        let fraction = word(header, 4, self.big_endian);
        let captured = word(header, 8, self.big_endian);
        let wire_length = word(header, 12, self.big_endian).max(captured);
        if captured as usize > MAX_PACKET {
            return Err(too_long(captured));
        }

        let size = self.packet_header + captured as usize;
        let Some(data) = rest.get(self.packet_header..size) else { return Err(Stop::Need(size)) };
        // Two 32-bit numbers cannot leave the range of 64-bit nanoseconds.
        let time =
            Timestamp::from_nanos(i64::from(seconds) * NANOS_PER_SECOND + i64::from(fraction) * self.unit);
        Ok((Packet { time, link: self.link, interface: self.interface, wire_length, data }, size))
    }
}

#[inline]
fn word<const N: usize>(header: &[u8; N], at: usize, big_endian: bool) -> u32 {
    let word = u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if big_endian { word.swap_bytes() } else { word }
}

#[cold]
fn too_long(captured: u32) -> Stop {
    Stop::Corrupt(format!(
        "a packet of {captured} octets, more than the {MAX_PACKET} that a capture can hold"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Order, packet, packets, read_bytes};
    use super::*;
    use crate::error::SourceError;

    #[test]
    fn every_variant_gives_the_same_packets() {
        let variants = [(0xa1b2_c3d4, 7_000, 0), (0xa1b2_3c4d, 7, 0), (0xa1b2_cd34, 7_000, 8)];
        for (magic, nanos, more_header) in variants {
            for order in Order::BOTH {
                let mut bytes = order.pcap_header(magic, 0x3000_0001);
                for (seconds, data) in [(1, &b"first"[..]), (u32::MAX, b"")] {
                    let mut record = order.pcap_packet(seconds, 7, data);
                    record.splice(16..16, vec![0xee; more_header]);
                    bytes.extend(record);
                }
                let expected = [
                    packet(1_000_000_000 + nanos, LinkType::ETHERNET, 0, b"first"),
                    packet(i64::from(u32::MAX) * 1_000_000_000 + nanos, LinkType::ETHERNET, 0, b""),
                ];
                assert_eq!(packets(&bytes), expected, "{magic:x} {order:?}");
            }
        }
    }

    #[test]
    fn the_length_on_the_wire_is_never_below_what_was_captured() {
        let order = Order::Little;
        let bytes = [order.pcap_header(0xa1b2_c3d4, 1), order.u32s(&[1, 0, 4, 0]), b"data".to_vec()].concat();
        assert_eq!(packets(&bytes)[0].wire_length, 4);
    }

    #[test]
    fn a_cut_at_any_octet_keeps_every_packet_before() {
        let order = Order::Little;
        let mut bytes = order.pcap_header(0xa1b2_c3d4, 1);
        let mut ends = vec![bytes.len()];
        for data in [&b"one"[..], b"", b"three"] {
            bytes.extend(order.pcap_packet(1, 2, data));
            ends.push(bytes.len());
        }
        for length in 0..=bytes.len() {
            let (packets, errors) = read_bytes(&bytes[..length]);
            assert_eq!(packets.len(), ends.iter().filter(|&&end| end <= length).count().saturating_sub(1));
            match (length, ends.contains(&length)) {
                (_, true) => assert!(errors.is_empty(), "{length}: {errors:?}"),
                (0, _) => assert!(matches!(errors[..], [SourceError::Empty { .. }])),
                (1..4, _) => assert!(matches!(errors[..], [SourceError::NotACapture { .. }])),
                _ => assert!(errors.len() == 1 && errors[0].is_cut(), "{length}: {errors:?}"),
            }
        }
    }

    #[test]
    fn an_impossible_length_ends_the_capture_where_it_stands() {
        let order = Order::Big;
        let good = order.pcap_packet(1, 2, b"good");
        let mut bytes = [order.pcap_header(0xa1b2_c3d4, 1), good, order.u32s(&[1, 0, 0x4_0001, 60])].concat();
        bytes.resize(bytes.len() + 0x5_0000, 0);
        let (packets, errors) = read_bytes(&bytes);
        assert_eq!(packets.len(), 1);
        assert!(
            matches!(&errors[..], [SourceError::Corrupt { place, .. }] if place.offset == 44),
            "{errors:?}"
        );
        assert!(errors[0].to_string().contains("262145 octets"), "{}", errors[0]);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn anything_after_a_file_header_is_read_to_its_end(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
            let bytes = [Order::Little.pcap_header(0xa1b2_c3d4, 1), noise].concat();
            let (packets, errors) = read_bytes(&bytes);
            prop_assert!(errors.len() <= 1);
            prop_assert!(packets.iter().map(|packet| packet.data.len() + 16).sum::<usize>() + 24 <= bytes.len());
        }
    }
}

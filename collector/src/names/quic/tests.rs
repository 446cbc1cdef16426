//! Initial packets as published, shuffled, cut and damaged.

use proptest::prelude::*;

use super::*;
use crate::names::tls::tests::hello;

/// The connection id of the published examples.
const DCID: [u8; 8] = [0x83, 0x94, 0xC8, 0xF0, 0x3E, 0x51, 0x57, 0x08];

/// The CRYPTO frame of RFC 9001 section A.2, which RFC 9369 uses too; 917 octets of padding follow it.
const PUBLISHED_FRAME: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868\
    04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a\
    00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fba\
    baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d001000 0e0403050306030203080408\
    050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000\
    75300901100f088394c8f03e51570806048000ffff";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let value = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(value).collect()
}

fn name(text: &str) -> Reading {
    Reading::Name(text.into())
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let [offset, length] = [offset, data.len()].map(|n| (0x4000 | u16::try_from(n).unwrap()).to_be_bytes());
    [&[6][..], &offset, &length, data].concat()
}

/// A client's Initial packet: keys from `keyed`, addressed to `dcid`.
fn initial(version: u32, keyed: &[u8], dcid: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let parameters = Version::of(version).unwrap();
    let payload = [frames, &vec![0; 1162_usize.saturating_sub(frames.len())]].concat();
    let mut header = vec![0xC3 | parameters.initial_type << 4];
    header.extend(version.to_be_bytes());
    header.push(u8::try_from(dcid.len()).unwrap());
    header.extend(dcid);
    header.extend([0, 0]);
    header.extend((0x4000 | u16::try_from(4 + payload.len() + 16).unwrap()).to_be_bytes());
    header.extend([0, 0, 0, number]);
    Keys::of_client(parameters, keyed).seal(&header, &payload)
}

/// As for QUIC's reader and the connection's: the Initial packets of a client that asks for `name`.
pub(in crate::names) fn client_initial(name: &[u8]) -> Vec<u8> {
    initial(1, &DCID, &DCID, 0, &crypto(0, &hello(Some(name))))
}

/// RFC 9001 section A.2 and RFC 9369 section A.2. The packet made here is the published one: header and
/// sample are equal, and the tag at its end stands for everything between.
#[test]
fn published_packets_are_opened() {
    for (version, start, tag) in [
        (
            1,
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            0x6B33_43CF,
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ] {
        let packet = initial(version, &DCID, &DCID, 2, &bytes(PUBLISHED_FRAME));
        assert_eq!(packet.len(), 1200);
        assert!(packet.starts_with(&bytes(start)) && packet.ends_with(&bytes(tag)), "version {version:#x}");
        assert!(is_long_header(&packet));
        assert_eq!(ClientInitials::default().read(&packet), name("example.com"));
    }
}

#[test]
fn every_known_version_is_opened() {
    let frames = crypto(0, &hello(Some(b"shop.example")));
    for version in
        [1, 0x6B33_43CF, 0x709A_50C4, 0xFF00_001D, 0xFF00_001B, 0xFACE_B002, 0xFACE_B001, 0x5430_3531]
    {
        let packet = initial(version, &DCID, &DCID, 0, &frames);
        assert_eq!(ClientInitials::default().read(&packet), name("shop.example"), "{version:#x}");
    }
    assert!(!is_long_header(&[0xC0, 0, 0, 0, 9, 0, 0]), "an unknown version");
}

#[test]
fn the_keys_stay_when_the_client_takes_up_the_servers_id_and_change_after_a_retry() {
    let hello = hello(Some(b"shop.example"));
    let (start, end) = hello.split_at(60);
    let mut initials = ClientInitials::default();
    assert_eq!(initials.read(&initial(1, &DCID, &DCID, 0, &crypto(0, start))), Reading::Partial);
    assert_eq!(initials.read(&initial(1, &DCID, b"server", 1, &crypto(60, end))), name("shop.example"));

    let mut initials = ClientInitials::default();
    assert_eq!(initials.read(&initial(1, &DCID, &DCID, 0, &crypto(0, start))), Reading::Partial);
    assert_eq!(initials.read(&initial(1, b"retry", b"retry", 1, &crypto(60, end))), name("shop.example"));
}

#[test]
fn packets_in_one_datagram_are_read_each() {
    let hello = hello(Some(b"shop.example"));
    let (start, end) = hello.split_at(60);
    let handshake = [&[0xE0, 0, 0, 0, 1, 1, 9, 0, 5][..], b"other"].concat();
    let datagram = [
        initial(1, &DCID, &DCID, 0, &crypto(60, end)),
        handshake,
        initial(1, &DCID, &DCID, 1, &crypto(0, start)),
        vec![0x40, 1, 2, 3],
    ]
    .concat();
    assert_eq!(ClientInitials::default().read(&datagram), name("shop.example"));
}

#[test]
fn a_packet_that_does_not_open_is_other() {
    let mut packet = client_initial(b"shop.example");
    assert_eq!(ClientInitials::default().read(&packet[..packet.len() - 1]), Reading::Other);
    packet[600] ^= 1;
    assert_eq!(ClientInitials::default().read(&packet), Reading::Other);
    assert_eq!(ClientInitials::default().read(&[0xF0, 0, 0, 0, 1, 0, 0, 1, 2, 3]), Reading::Other, "a retry");
}

proptest! {
    #![proptest_config(crate::testing::seeded(48))]

    #[test]
    fn frames_in_any_order_over_any_datagrams_give_the_name(
        size in 5_usize..60,
        order in any::<u64>(),
        per_packet in 1_usize..9,
    ) {
        let hello = hello(Some(b"shop.example"));
        let mut frames: Vec<_> = hello.chunks(size).enumerate().map(|(n, data)| crypto(n * size, data)).collect();
        frames.sort_by_key(|frame| {
            frame.iter().fold(order, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
        });
        let mut initials = ClientInitials::default();
        let mut last = Reading::NeedMore;
        for (number, group) in frames.chunks(per_packet).enumerate() {
            last = initials.read(&initial(1, &DCID, &DCID, u8::try_from(number).unwrap(), &group.concat()));
            if !last.open() {
                break;
            }
        }
        prop_assert_eq!(last, name("shop.example"));
        prop_assert!(!initials.limited());
    }

    #[test]
    fn any_bytes_give_an_answer(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        frames in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..1200,
    ) {
        ClientInitials::default().read(&bytes);
        ClientInitials::default().read(&[&[0xC0, 0, 0, 0, 1][..], &bytes].concat());
        let packet = initial(1, &DCID, &DCID, 0, &frames);
        ClientInitials::default().read(&packet);
        ClientInitials::default().read(&packet[..cut]);
    }
}

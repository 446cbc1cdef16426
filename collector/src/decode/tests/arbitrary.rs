//! Whatever the bytes are: an answer, payload from the packet, and every frame accounted for.

use proptest::prelude::*;

use super::*;

const LINKS: [LinkType; 14] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::PPP,
    LinkType::PPP_HDLC,
    LinkType::PPPOE,
    LinkType::RAW,
    LinkType::IEEE802_11,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IEEE802_11_RADIOTAP,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
    LinkType(40_000),
];

/// Real packets, whose fields are then damaged: random bytes alone rarely get past the first header.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let geneve = [&[2, 0, 0x65, 0x58, 0, 0, 9, 0], &[0; 8][..], &ethernet(0x0800, &plain())].concat();
    let gtp = [&[0x34, 255, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0x85, 1, 1, 2, 0][..], &plain_v6()].concat();
    let mut fragment = v4(17, A, B, &udp(1111, 4789, &[8; 40]));
    fragment[6] = 0x20;
    let whole = prop::sample::select(vec![
        plain(),
        v4(6, A, B, &tcp(0x18, b"hello")),
        v6(0, &[&[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 7][..], &udp(1111, 2222, b"x")].concat()),
        v4(17, A, B, &udp(50_000, 6081, &geneve)),
        v4(17, A, B, &udp(50_000, 2152, &gtp)),
        v4(
            47,
            A,
            B,
            &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0; 8][..], &ethernet(0x0800, &plain())].concat(),
        ),
        v4(41, A, B, &plain_v6()),
        v4(1, A, B, &[&[3, 1, 0, 0, 0, 0, 0, 0], &plain()[..]].concat()),
        fragment,
    ]);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (whole, damage, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut bytes, damage, end, cut)| {
        damage.iter().for_each(|(at, octet)| *at.get_mut(&mut bytes) = *octet);
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes
    })
}

fn packets() -> impl Strategy<Value = Vec<(LinkType, Vec<u8>)>> {
    let noise = (prop::sample::select(&LINKS[..]), prop::collection::vec(any::<u8>(), 0..120));
    let damaged = damaged().prop_map(|bytes| (LinkType::RAW, bytes));
    prop::collection::vec(prop_oneof![1 => noise, 3 => damaged], 1..60)
}

/// Frames that a datagram accounts for, once it is decoded; none while it waits inside another.
fn frames_of(decoder: &mut Decoder, datagram: Datagram) -> u64 {
    let mut next = Some(datagram);
    let mut frames = 0;
    while let Some(datagram) = next.take() {
        let mut segments = Segments::default();
        match decoder.decode_datagram(&datagram, &mut segments) {
            Decoded::InFlow | Decoded::Skipped(_) => frames += datagram.frames,
            Decoded::Held => {}
            Decoded::Whole { datagram: inner, in_flow } => {
                frames += if in_flow { datagram.frames } else { 0 };
                next = Some(*inner);
            }
        }
    }
    frames
}

proptest! {
    #![proptest_config(crate::testing::seeded(512))]

    #[test]
    fn every_packet_has_one_answer_and_every_frame_one_place(packets in packets()) {
        let mut decoder = Decoder::new(&DecodeConfig::default());
        let mut segments = Segments::default();
        let mut accounted = 0;
        for (second, (link, data)) in packets.iter().enumerate() {
            segments.clear();
            let decoded = decoder.decode(&packet(*link, second as i64, data), &mut segments);
            let found = segments.as_slice();
            prop_assert!(found.len() <= SEGMENTS_PER_PACKET);
            for segment in found {
                prop_assert!(within(data, segment.payload));
                prop_assert!(segment.payload.len() <= segment.payload_length as usize);
            }
            accounted += match decoded {
                Decoded::InFlow => {
                    prop_assert!(!found.is_empty());
                    1
                }
                Decoded::Skipped(_) => {
                    prop_assert!(found.is_empty());
                    1
                }
                Decoded::Held => {
                    prop_assert!(found.is_empty());
                    0
                }
                Decoded::Whole { datagram, in_flow } => {
                    prop_assert_eq!(in_flow, !found.is_empty());
                    u64::from(in_flow) + frames_of(&mut decoder, *datagram)
                }
            };
        }
        while let Some(given_up) = decoder.give_up(Timestamp::MAX) {
            accounted += match given_up.partial {
                Some(datagram) => frames_of(&mut decoder, *datagram),
                None => given_up.frames,
            };
        }
        prop_assert_eq!(accounted, packets.len() as u64);
    }
}

//! Fragments in every order, and datagrams that never become whole.

use std::time::Duration;

use super::*;

const WHOLE: &str = r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 60 ip 32 "abcdefghijklmnopqrstuvwxyz012345""#;
const TEXT: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// What an IPv4 header says of a fragment: octets before it, and whether more follow.
fn v4_fragment(identification: u16, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = v4(17, A, B, payload);
    let word = (offset / 8) | (u16::from(more) << 13);
    packet[4..8].copy_from_slice(&words(&[identification, word]));
    packet
}

fn v6_fragment(identification: u16, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let header = words(&[17 << 8, offset | u16::from(more), 0, identification]);
    v6(44, &[&header, payload].concat())
}

type Builder = fn(u16, u16, bool, &[u8]) -> Vec<u8>;

/// The 40 octets of a datagram cut at these places.
fn cut(build: Builder, identification: u16, places: &[u16]) -> Vec<Vec<u8>> {
    let datagram = udp(1111, 2222, TEXT);
    let ends = places.iter().copied().chain([40]);
    let starts = [0].into_iter().chain(places.iter().copied());
    starts
        .zip(ends)
        .map(|(start, end)| {
            build(identification, start, end < 40, &datagram[usize::from(start)..usize::from(end)])
        })
        .collect()
}

/// What a decoder makes of these packets, a second apart.
fn told_all<'p>(packets: impl IntoIterator<Item = &'p Vec<u8>>) -> Vec<String> {
    tell_all(&mut Decoder::new(&DecodeConfig::default()), packets)
}

fn tell_all<'p>(decoder: &mut Decoder, packets: impl IntoIterator<Item = &'p Vec<u8>>) -> Vec<String> {
    let packets = packets.into_iter().enumerate();
    packets.flat_map(|(second, data)| tell(decoder, &packet(LinkType::RAW, second as i64, data))).collect()
}

/// What is told of each datagram that is given up by `now`.
fn given_up(decoder: &mut Decoder, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(given_up) = decoder.give_up(now) {
        let refused = given_up.refused.map_or("", Refused::as_str);
        lines.push(format!("{} given up {refused}", given_up.frames).trim_end().to_owned());
        lines.extend(given_up.partial.into_iter().flat_map(|datagram| tell_datagram(decoder, *datagram)));
    }
    lines
}

#[test]
fn fragments_come_together_in_any_order() {
    let expected_v6 = WHOLE
        .replace("192.0.2.1", "[2001:db8::1]")
        .replace("192.0.2.2", "[2001:db8::2]")
        .replace("60 ip", "80 ip");
    for (build, expected) in [(v4_fragment as Builder, WHOLE), (v6_fragment, &expected_v6)] {
        let parts = cut(build, 1, &[16, 24]);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let told = told_all(order.map(|part| &parts[part]));
            assert_eq!(told, ["held", "held", "3 frames", expected], "{order:?}");
        }
    }
}

#[test]
fn datagrams_are_told_apart() {
    let (one, two) = (cut(v4_fragment, 1, &[16]), cut(v4_fragment, 2, &[24]));
    let told = told_all([&one[0], &two[0], &two[1], &one[1]]);
    assert_eq!(told, ["held", "held", "2 frames", WHOLE, "2 frames", WHOLE]);
}

#[test]
fn what_was_there_already_changes_nothing() {
    let parts = cut(v4_fragment, 1, &[16, 24]);
    // A duplicate is one more frame of the same datagram.
    let told = told_all([&parts[0], &parts[0], &parts[1], &parts[2]]);
    assert_eq!(told, ["held", "held", "held", "4 frames", WHOLE]);
    // Of an octet sent twice, the first copy stays.
    let overlapping = v4_fragment(1, 8, true, b"ABCDEFGHijklmnop");
    let told = told_all([&parts[0], &overlapping, &parts[2]]);
    assert_eq!(told, ["held", "held", "3 frames", WHOLE]);
    let told = told_all([&overlapping, &parts[0], &parts[2]]);
    assert_eq!(told[..3], ["held", "held", "3 frames"]);
    assert!(told[3].contains("ABCDEFGHijklmnopqrstuvwxyz"), "{told:?}");
}

/// A fragment that reaches over a gap and over what is there fills the gap on both sides.
#[test]
fn one_fragment_can_fill_several_gaps() {
    let parts = cut(v4_fragment, 1, &[8, 16, 24, 32]);
    let datagram = udp(1111, 2222, TEXT);
    let wide = v4_fragment(1, 8, true, &datagram[8..32]);
    let told = told_all([&parts[0], &parts[2], &parts[4], &wide]);
    assert_eq!(told, ["held", "held", "held", "4 frames", WHOLE]);
}

#[test]
fn a_snapped_fragment_still_counts_its_length() {
    let parts = cut(v4_fragment, 1, &[16]);
    let snapped = parts[0][..30].to_vec();
    let told = told_all([&snapped, &parts[1]]);
    assert_eq!(told[1..], ["2 frames", r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 60 ip 32 "ab""#]);
}

#[test]
fn a_fragment_that_contradicts_its_limits_is_skipped() {
    assert_eq!(told_all([&v4_fragment(1, 65_528, false, &[0; 16])]), ["skipped: bad_ip_header"]);
    assert_eq!(told_all([&v4_fragment(1, 0, true, &[])]), ["skipped: bad_ip_header"]);
}

#[test]
fn a_datagram_that_stays_in_parts_is_given_up() {
    let parts = cut(v4_fragment, 1, &[16, 24]);
    let late = Timestamp::from_parts(100, 0);
    let mut decoder = Decoder::new(&DecodeConfig::default());
    // The last one is missing: the first one tells the flow.
    tell_all(&mut decoder, &parts[..2]);
    assert!(decoder.give_up(Timestamp::from_parts(30, 0)).is_none(), "it may wait for 30 seconds");
    let expected = r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 44 ip 16 "abcdefghijklmnop""#;
    assert_eq!(given_up(&mut decoder, late), ["2 given up", "2 frames", expected]);
    // The first one is missing: nobody knows whose it is.
    tell_all(&mut decoder, &parts[1..]);
    assert_eq!(given_up(&mut decoder, late), ["2 given up"]);
    // Nothing is left, and the same identification starts afresh.
    assert!(decoder.give_up(Timestamp::MAX).is_none());
    assert_eq!(tell_all(&mut decoder, &parts).last().map(String::as_str), Some(WHOLE));
}

#[test]
fn the_oldest_gives_way_when_too_many_wait() {
    let fragments = FragmentConfig { max_datagrams: 2, timeout: Duration::from_secs(30) };
    let mut decoder = Decoder::new(&DecodeConfig { fragments, ..DecodeConfig::default() });
    let datagrams: Vec<_> = (0..3).map(|number| cut(v4_fragment, number, &[16])).collect();
    let now = Timestamp::from_parts(3, 0);
    tell_all(&mut decoder, [&datagrams[0][1], &datagrams[1][1]]);
    assert_eq!(given_up(&mut decoder, now), [""; 0]);
    tell_all(&mut decoder, [&datagrams[2][1]]);
    assert_eq!(given_up(&mut decoder, now), ["1 given up fragment_limit"]);
    // One whose first fragment is known is no loss but a shorter flow.
    tell_all(&mut decoder, [&datagrams[1][0], &datagrams[2][0], &datagrams[0][0]]);
    assert_eq!(given_up(&mut decoder, now), [""; 0]);
}

#[test]
fn fragments_inside_a_tunnel_belong_to_the_outer_flow_as_well() {
    let vxlan = |packet: &Vec<u8>| {
        let frame = [&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, packet)[..]].concat();
        v4(17, [10, 0, 0, 1], [10, 0, 0, 2], &udp(50_000, 4789, &frame))
    };
    let parts: Vec<_> = cut(v4_fragment, 1, &[16]).iter().map(vxlan).collect();
    let told = told_all(&parts);
    assert!(
        told[0].starts_with("udp 10.0.0.1:50000 ") && told[1].starts_with("udp 10.0.0.1:50000 "),
        "{told:?}"
    );
    // Each frame is counted with the outer flow, so the datagram brings none of its own.
    assert_eq!(told[2..], ["0 frames".to_owned(), format!("vxlan 7 10.0.0.1-10.0.0.2, {WHOLE}")]);

    // In GRE there is no outer flow: the frames are the datagram's.
    let gre = |packet: &Vec<u8>| v4(47, [10, 0, 0, 1], [10, 0, 0, 2], &[&[0, 0, 8, 0], &packet[..]].concat());
    let parts: Vec<_> = cut(v4_fragment, 1, &[16]).iter().map(gre).collect();
    assert_eq!(
        told_all(&parts),
        ["held".to_owned(), "2 frames".to_owned(), format!("gre 10.0.0.1-10.0.0.2, {WHOLE}")]
    );
}

#[test]
fn a_tunnel_in_fragments_has_both_flows() {
    let frame = [&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, &plain())[..]].concat();
    let outer = udp(50_000, 4789, &frame);
    let parts = [v4_fragment(1, 0, true, &outer[..24]), v4_fragment(1, 24, false, &outer[24..])];
    let told = told_all(&parts);
    assert_eq!(told[..2], ["held", "2 frames"]);
    assert!(told[2].starts_with("udp 192.0.2.1:50000 > 192.0.2.2:4789 "), "{told:?}");
    assert_eq!(told[3], format!("vxlan 7 192.0.2.1-192.0.2.2, {PLAIN}"));
}

/// Pieces beyond the limit are not kept, and the datagram is given up with what it has.
#[test]
fn a_datagram_of_too_many_pieces_stays_in_parts() {
    let mut decoder = Decoder::new(&DecodeConfig::default());
    let pieces: Vec<_> = (0..200).map(|n| v4_fragment(1, n * 8, n < 199, &[b'x'; 8])).collect();
    let told = tell_all(&mut decoder, &pieces);
    assert!(told.iter().all(|line| line == "held"));
    assert_eq!(given_up(&mut decoder, Timestamp::MAX)[0], "200 given up");
}

//! Decoding, header by header: what a packet under each wrapping is told to be.
//!
//! A packet is written as a line of text, `udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!"`: IP octets,
//! payload octets as the headers tell, what was captured of them, and before it what it was wrapped in.

mod link;

mod tunnel;

mod ip;

mod fragments;

mod arbitrary;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header};

use super::*;
use crate::source::LinkType;

/// The datagram that most tests wrap, and what it is told to be.
const PLAIN: &str = r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;
/// The same over IPv6.
const PLAIN_V6: &str = r#"udp [2001:db8::1]:1111 > [2001:db8::2]:2222 56 ip 8 "payload!""#;

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [192, 0, 2, 2];

fn plain() -> Vec<u8> {
    v4(17, A, B, &udp(1111, 2222, b"payload!"))
}

fn plain_v6() -> Vec<u8> {
    v6(17, &udp(1111, 2222, b"payload!"))
}

fn v4(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short enough");
    let header = Ipv4Header::new(length, 64, IpNumber(protocol), from, to).expect("short enough");
    [&header.to_bytes()[..], payload].concat()
}

/// From 2001:db8::1 to 2001:db8::2.
fn v6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let address = |last| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let header = Ipv6Header {
        payload_length: u16::try_from(payload.len()).expect("short enough"),
        next_header: IpNumber(next_header),
        hop_limit: 64,
        source: address(1),
        destination: address(2),
        ..Default::default()
    };
    [&header.to_bytes()[..], payload].concat()
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16 + 8;
    [&words(&[from, to, length, 0]), payload].concat()
}

/// From port 1111 to port 2222, with a header of five words.
fn tcp(flags: u8, payload: &[u8]) -> Vec<u8> {
    let numbers = [&words(&[1111, 2222])[..], &[0, 0, 0, 7, 0, 0, 0, 9], &[0x50, flags]].concat();
    [&numbers, &words(&[1024, 0, 0])[..], payload].concat()
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2; 6][..], &[4; 6], &kind.to_be_bytes(), payload].concat()
}

fn words(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn packet(link: LinkType, seconds: i64, data: &[u8]) -> Packet<'_> {
    let (time, interface) = (Timestamp::from_parts(seconds, 0), InterfaceId(0));
    Packet { time, link, interface, wire_length: data.len() as u32, data }
}

/// What a decoder with the usual settings makes of one packet.
fn told(link: LinkType, data: &[u8]) -> Vec<String> {
    tell(&mut Decoder::new(&DecodeConfig::default()), &packet(link, 0, data))
}

/// A line for each segment, then one for what became of the packet if it is not simply in flows.
fn tell(decoder: &mut Decoder, packet: &Packet<'_>) -> Vec<String> {
    let mut segments = Segments::default();
    let decoded = decoder.decode(packet, &mut segments);
    assert!(segments.as_slice().iter().all(|segment| within(packet.data, segment.payload)));
    let mut lines = lines(&segments);
    match decoded {
        Decoded::InFlow => assert!(!lines.is_empty()),
        Decoded::Skipped(reason) => {
            assert!(lines.is_empty(), "{lines:?} and skipped");
            lines.push(format!("skipped: {}", reason.as_str()));
        }
        Decoded::Held => lines.push("held".to_owned()),
        Decoded::Whole { datagram, .. } => lines.extend(tell_datagram(decoder, *datagram)),
    }
    lines
}

/// How many frames carried a datagram, and what it is told to be.
fn tell_datagram(decoder: &mut Decoder, datagram: Datagram) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = Some(datagram);
    while let Some(datagram) = next.take() {
        all.push(format!("{} frames", datagram.frames));
        let mut segments = Segments::default();
        let decoded = decoder.decode_datagram(&datagram, &mut segments);
        all.extend(lines(&segments));
        match decoded {
            Decoded::InFlow => {}
            Decoded::Skipped(reason) => all.push(format!("skipped: {}", reason.as_str())),
            Decoded::Held => all.push("held".to_owned()),
            Decoded::Whole { datagram: inner, .. } => next = Some(*inner),
        }
    }
    all
}

fn lines(segments: &Segments<'_>) -> Vec<String> {
    segments.as_slice().iter().map(|segment| line(segment, segments.wrapping(segment))).collect()
}

fn line(segment: &Segment<'_>, wrapping: Option<&Wrapping>) -> String {
    let mut line = String::new();
    for tag in wrapping.iter().flat_map(|w| &w.vlans) {
        line += &format!("vlan {tag}, ");
    }
    for label in wrapping.iter().flat_map(|w| &w.mpls) {
        line += &format!("mpls {label}, ");
    }
    for tunnel in wrapping.iter().flat_map(|w| &w.tunnels) {
        let id = tunnel.id.map(|id| format!(" {id}")).unwrap_or_default();
        line += &format!("{:?}{id} {}-{}, ", tunnel.kind, tunnel.source, tunnel.destination).to_lowercase();
    }
    let (from, to) = (segment.key.endpoint(segment.from_low), segment.key.endpoint(!segment.from_low));
    line += &format!("{} {from} > {to} {} ip ", segment.key.protocol(), segment.ip_bytes);
    line + &format!("{} \"{}\"", segment.payload_length, segment.payload.escape_ascii())
}

fn within(whole: &[u8], part: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    part.start == part.end || (whole.start <= part.start && part.end <= whole.end)
}

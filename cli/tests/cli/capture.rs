//! A small capture: a web server that is asked twice, a name that is looked up, a scan in vain.

use std::fs;
use std::path::PathBuf;

use etherparse::PacketBuilder;

pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(crate) const WEB: [u8; 4] = [10, 0, 0, 2];
pub(crate) const DNS: [u8; 4] = [10, 0, 0, 53];
const SCANNER: [u8; 4] = [203, 0, 113, 66];

/// Seconds since the epoch of the first packet: 2023-11-14 22:13:20 UTC.
pub(crate) const START: u32 = 1_700_000_000;

/// Writes the capture to `name` in `folder`.
pub(crate) fn write(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes()).unwrap();
    path
}

/// The capture: pcap, microseconds, little-endian, Ethernet; a packet each millisecond.
pub(crate) fn bytes() -> Vec<u8> {
    bytes_from(START)
}

/// The same traffic at another time, in seconds since the epoch.
pub(crate) fn bytes_from(start: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for field in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(u32::to_le_bytes(field));
    }
    for (number, packet) in (0_u32..).zip(packets()) {
        let length = u32::try_from(packet.len()).unwrap();
        for field in [start, number * 1000, length, length] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

fn packets() -> Vec<Vec<u8>> {
    let mut packets = vec![
        udp(CLIENT, 40_000, DNS, 53, &question(0x0100)),
        udp(DNS, 53, CLIENT, 40_000, &[question(0x8180), answer()].concat()),
    ];
    for port in [40_001, 40_002] {
        let there =
            |flags: &str, sequence, payload: &[u8]| tcp((CLIENT, port), (WEB, 80), flags, sequence, payload);
        let back =
            |flags: &str, sequence, payload: &[u8]| tcp((WEB, 80), (CLIENT, port), flags, sequence, payload);
        packets.extend([
            there("S", 100, b""),
            back("SA", 500, b""),
            there("A", 101, b""),
            there("A", 101, b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
            back("A", 501, b"HTTP/1.1 204 No Content\r\n\r\n"),
            there("FA", 139, b""),
            back("FA", 528, b""),
            there("A", 140, b""),
        ]);
    }
    packets.extend((1..=12).map(|port| tcp((SCANNER, 50_000), (WEB, port), "S", 1, b"")));
    packets
}

fn ethernet(source: [u8; 4], destination: [u8; 4]) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(source, destination, 64)
}

fn udp(source: [u8; 4], port: u16, destination: [u8; 4], to: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ethernet(source, destination).udp(port, to).write(&mut packet, payload).unwrap();
    packet
}

fn tcp(
    (source, port): ([u8; 4], u16),
    (destination, to): ([u8; 4], u16),
    flags: &str,
    sequence: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut step = ethernet(source, destination).tcp(port, to, sequence, 64_000);
    for flag in flags.chars() {
        step = match flag {
            'S' => step.syn(),
            'F' => step.fin(),
            _ => step.ack(1),
        };
    }
    let mut packet = Vec::new();
    step.write(&mut packet, payload).unwrap();
    packet
}

/// A DNS message (RFC 1035) with the question `shop.example A`; a response also announces one answer.
fn question(flags: u16) -> Vec<u8> {
    let answers = u16::from(flags & 0x8000 != 0);
    let mut message: Vec<u8> =
        [7, flags, 1, answers, 0, 0].iter().flat_map(|field| field.to_be_bytes()).collect();
    message.extend(b"\x04shop\x07example\x00\x00\x01\x00\x01");
    message
}

/// The answer to it: the web server, for a minute.
fn answer() -> Vec<u8> {
    [b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04".as_slice(), &WEB].concat()
}

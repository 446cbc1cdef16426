//! The first packet of a connection, as bytes from its IP header on.

use std::net::IpAddr;

use watershed_model::Protocol;
use watershed_policy::{Service, Tuple};

/// Where clients send from.
const CLIENT_PORT: u16 = 49_152;

/// The packet of `tuple` that is at `place` of a list, which it carries as IPv4's identification or IPv6's flow label.
pub(crate) fn first(tuple: &Tuple, place: u16) -> Vec<u8> {
    let mut payload = payload(tuple.service, CLIENT_PORT + place);
    let protocol = tuple.service.protocol();
    let of_addresses: Vec<u8> = match (tuple.client, tuple.server) {
        (IpAddr::V4(client), IpAddr::V4(server)) => [client.octets(), server.octets()].concat(),
        (IpAddr::V6(client), IpAddr::V6(server)) => [client.octets(), server.octets()].concat(),
        _ => panic!("{tuple}: no packet has addresses of both versions"),
    };
    let at = match protocol {
        Protocol::TCP => Some(16),
        Protocol::UDP => Some(6),
        Protocol::ICMP | Protocol::ICMPV6 => Some(2),
        _ => None,
    };
    if let Some(at) = at {
        let mut summed = payload.clone();
        if protocol != Protocol::ICMP {
            summed.extend_from_slice(&of_addresses);
            summed.extend([0, protocol.0]);
            summed.extend((payload.len() as u16).to_be_bytes());
        }
        payload[at..at + 2].copy_from_slice(&checksum(&summed).to_be_bytes());
    }
    let mut packet = head(tuple, place, payload.len() as u16, &of_addresses);
    packet.extend(payload);
    packet
}

fn head(tuple: &Tuple, place: u16, length: u16, addresses: &[u8]) -> Vec<u8> {
    let protocol = tuple.service.protocol().0;
    let mut head = Vec::new();
    if tuple.client.is_ipv4() {
        head.extend([0x45, 0]);
        head.extend((20 + length).to_be_bytes());
        head.extend(place.to_be_bytes());
        head.extend([0, 0, 64, protocol, 0, 0]);
        head.extend(addresses);
        let sum = checksum(&head);
        head[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        head.extend((6 << 28 | u32::from(place)).to_be_bytes());
        head.extend(length.to_be_bytes());
        head.extend([protocol, 64]);
        head.extend(addresses);
    }
    head
}

/// What opens a connection, with its checksum zero, but for SCTP's, which covers nothing else.
fn payload(service: Service, from: u16) -> Vec<u8> {
    let ports = |port: u16| [from.to_be_bytes(), port.to_be_bytes()].concat();
    match service {
        Service::Port { protocol: Protocol::TCP, port } => {
            // A SYN (RFC 9293).
            [ports(port), vec![0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]].concat()
        }
        Service::Port { protocol: Protocol::UDP, port } => {
            [ports(port), vec![0, 12, 0, 0], vec![1; 4]].concat()
        }
        Service::Port { port, .. } => {
            // An INIT chunk (RFC 9260).
            let chunk = [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x20, 0, 0, 1, 0, 1, 0, 0, 0, 1];
            let mut packet = [ports(port), vec![0; 8], chunk.to_vec()].concat();
            let sum = crc32c(&packet);
            packet[8..12].copy_from_slice(&sum.to_le_bytes());
            packet
        }
        Service::Icmp { message_type, .. } => {
            let mut packet = vec![message_type, 0, 0, 0];
            packet.extend(from.to_be_bytes());
            packet.extend([0; 18]);
            packet
        }
        Service::Protocol(_) => vec![0; 8],
    }
}

/// The checksum of the Internet (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// SCTP's (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

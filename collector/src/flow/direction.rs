//! Who is the client.

use watershed_model::{Evidence, Protocol, TcpFlags};

use super::entry::Entry;
use super::key::FlowKey;
use crate::decode::{Segment, Transport};
use crate::listening::Sockets;
use crate::names::services::Services;

/// SCTP chunk types (RFC 9260 section 3.2).
pub(super) mod chunk {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const ABORT: u8 = 6;
}

/// Whether the sender of a flow's first packet is its client.
///
/// 1. TCP with SYN: yes; with SYN and ACK: no. SCTP with INIT: yes; with INIT ACK: no.
/// 2. ICMP: a reply's sender is not, unless nobody asked (it went to a group).
/// 3. Sent to a group: yes, for nobody answers as the group.
/// 4. From a well-known service port to one that is not: no.
/// 5. From a port that systems do not give to clients to one that they do: no, unless that is a service's.
/// 6. Otherwise yes.
pub(super) fn first_sender_is_client(segment: &Segment<'_>) -> bool {
    let (source, destination) = (segment.key.port(segment.from_low), segment.key.port(!segment.from_low));
    match segment.transport {
        Transport::Tcp { flags, .. } if flags.contains(TcpFlags::SYN) => {
            return !flags.contains(TcpFlags::ACK);
        }
        Transport::Sctp { first_chunk: chunk::INIT } => return true,
        Transport::Sctp { first_chunk: chunk::INIT_ACK } => return false,
        Transport::IcmpError { .. } => return true,
        _ => {}
    }
    let to_group = segment.key.is_group(!segment.from_low);
    if segment.key.protocol().is_icmp() {
        return to_group || !is_icmp_reply(segment.key.protocol(), source);
    }
    if to_group || is_service_port(destination) {
        return true;
    }
    !is_service_port(source) && (is_ephemeral(source) || !is_ephemeral(destination))
}

/// ICMP types that answer another.
fn is_icmp_reply(protocol: Protocol, kind: u16) -> bool {
    match protocol {
        Protocol::ICMP => matches!(kind, 0 | 14 | 16 | 18),
        _ => matches!(kind, 129 | 136 | 140 | 145),
    }
}

/// Ports that services listen on and clients are not given.
///
/// System ports (RFC 6335) but those of DHCP's clients, and user ports of services that are met in most
/// networks. Linux gives clients ports from 32768 on, the IANA from 49152; none above 32767 is listed.
pub(super) fn is_service_port(port: u16) -> bool {
    const DHCP_CLIENTS: [u16; 2] = [68, 546];
    const SERVICES: [u16; 62] = [
        1080, 1194, 1433, 1434, 1521, 1645, 1646, 1701, 1723, 1812, 1813, 1883, 1900, 2049, 2152, 2181, 2375,
        2376, 2379, 2380, 3000, 3128, 3268, 3269, 3306, 3389, 3478, 3544, 4222, 4317, 4318, 4369, 4789, 5060,
        5061, 5222, 5353, 5355, 5432, 5601, 5671, 5672, 5900, 5985, 5986, 6081, 6379, 6443, 8080, 8086, 8123,
        8443, 8472, 8883, 9042, 9090, 9092, 9100, 9200, 9300, 11211, 27017,
    ];
    match port {
        1..1024 => !DHCP_CLIENTS.contains(&port),
        _ => SERVICES.binary_search(&port).is_ok(),
    }
}

/// Ports that systems give to clients: Linux from 32768 on, most others from 49152 (RFC 6335).
const fn is_ephemeral(port: u16) -> bool {
    port >= 32768
}

/// Settles the direction of a connection that is about to be reported, and says why in its evidence.
///
/// 1. A handshake settles it: who sent the SYN or INIT is the client.
/// 2. Else the capturing host's sockets: who has one that listens is the server.
/// 3. Else what an application said: who sent a TLS or QUIC ClientHello, an HTTP request or a DNS query.
/// 4. Else DNS, over TCP and SCTP: whom an SRV record named is the server.
/// 5. Else it stays as it began: see [`first_sender_is_client`].
///
/// `spoke` is what speaks for the key's low and high end as an application's client.
pub(super) fn settle(entry: &mut Entry, spoke: [Evidence; 2], sockets: &Sockets, services: &Services) {
    let [low, high] = spoke;
    let shook_hands = entry.evidence.intersects(Evidence::HANDSHAKES);
    let listens = |low: bool| sockets.has(entry.key.endpoint(low), entry.key.protocol());
    let low_is_client = only_one(listens(false), listens(true));
    let named_low_is_client = named_by_dns(entry, services);
    // Who offers something over datagrams asks others from the same port.
    let named = named_low_is_client.filter(|_| entry.is_tcp() || entry.key.protocol() == Protocol::SCTP);
    let told = low_is_client.or_else(|| only_one(!low.is_empty(), !high.is_empty())).or(named);
    if told.is_some_and(|low_is_client| low_is_client != entry.low_is_originator) && !shook_hands {
        turn(entry);
    }
    if low_is_client == Some(entry.low_is_originator) {
        entry.evidence |= Evidence::LISTENING;
    }
    entry.evidence.set(Evidence::SRV_RECORD, named_low_is_client == Some(entry.low_is_originator));
    if !shook_hands && named.is_some_and(|low_is_client| low_is_client != entry.low_is_originator) {
        entry.evidence |= Evidence::CONTRADICTED;
    }
    let (client, server) = if entry.low_is_originator { (low, high) } else { (high, low) };
    entry.evidence |= client;
    if !server.is_empty() {
        entry.evidence |= Evidence::CONTRADICTED;
    }
    note_ports(entry);
    if !entry.turned {
        entry.evidence |= Evidence::FIRST_PACKET;
    }
    if entry.sides[1].packets > 0 {
        entry.evidence |= Evidence::SERVER_REPLIED;
    }
}

/// Whether the low end is the client, where only one of the two says something.
const fn only_one(low: bool, high: bool) -> Option<bool> {
    if low == high { None } else { Some(low) }
}

/// Whether the low end is the client by what SRV records say of the other; where both ends have the same port, that says
/// nothing.
fn named_by_dns(entry: &Entry, services: &Services) -> Option<bool> {
    let named = |low: bool| services.has(entry.key.endpoint(low), entry.key.protocol());
    if entry.key.port(true) == entry.key.port(false) {
        return None;
    }
    only_one(named(false), named(true))
}

/// Swaps originator and responder.
pub(super) fn turn(entry: &mut Entry) {
    entry.low_is_originator = !entry.low_is_originator;
    entry.sides.swap(0, 1);
    entry.details.swap(0, 1);
    entry.letters.swap(0, 1);
    entry.turned = !entry.turned;
    entry.history = entry.history.turned();
}

fn note_ports(entry: &mut Entry) {
    let key: &FlowKey = &entry.key;
    if !key.protocol().has_ports() {
        return;
    }
    let client = key.port(entry.low_is_originator);
    let server = key.port(!entry.low_is_originator);
    if server < client {
        entry.evidence |= Evidence::LOWER_PORT;
    }
    if is_ephemeral(client) && !is_ephemeral(server) {
        entry.evidence |= Evidence::EPHEMERAL_CLIENT;
    }
    match (is_service_port(client), is_service_port(server)) {
        (false, true) => entry.evidence |= Evidence::WELL_KNOWN_PORT,
        (true, false) => entry.evidence |= Evidence::CONTRADICTED,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_ports_are_sorted_and_below_the_ephemeral_ranges() {
        let listed: Vec<u16> = (1024..=u16::MAX).filter(|&port| is_service_port(port)).collect();
        assert_eq!(listed.len(), 62, "a list out of order hides ports from the binary search");
        assert!(listed.iter().all(|&port| port < 32768));
    }

    #[test]
    fn dhcp_clients_are_clients() {
        assert!(!is_service_port(68) && is_service_port(67));
        assert!(!is_service_port(546) && is_service_port(547));
    }
}

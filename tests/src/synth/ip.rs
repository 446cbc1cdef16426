//! Single IP packets with their transport headers, checksums included.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder,
    PacketBuilderStep, TcpHeader,
};
use watershed_model::{Endpoint, TcpFlags};

/// Longest payload of one packet here: leaves room in 65,535 octets for an IP and a TCP header with options.
pub const MAX_PAYLOAD: usize = 65_400;

const TIME_TO_LIVE: u8 = 64;
const WINDOW: u16 = 64_240;
const FITS: &str = "payloads are cut to what one IP packet holds";

/// What a TCP segment says, apart from its ports.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Flags; without ACK the acknowledgement number is 0.
    pub flags: TcpFlags,
    /// Sequence number of the first payload octet (or of SYN or FIN).
    pub sequence: u32,
    /// Next octet expected from the other side.
    pub acknowledgement: u32,
    /// Payload, octets; cut at [`MAX_PAYLOAD`].
    pub payload: &'a [u8],
}

/// Appends an IP packet that carries a TCP segment. Source: RFC 9293 section 3.1.
pub fn tcp(out: &mut Vec<u8>, from: Endpoint, to: Endpoint, segment: &Segment<'_>) {
    let flags = segment.flags;
    let ack = flags.contains(TcpFlags::ACK);
    let header = TcpHeader {
        acknowledgment_number: if ack { segment.acknowledgement } else { 0 },
        ack,
        fin: flags.contains(TcpFlags::FIN),
        syn: flags.contains(TcpFlags::SYN),
        rst: flags.contains(TcpFlags::RST),
        psh: flags.contains(TcpFlags::PSH),
        ..TcpHeader::new(from.port, to.port, segment.sequence, WINDOW)
    };
    network(from.address, to.address).tcp_header(header).write(out, cut(segment.payload)).expect(FITS);
}

/// Appends an IP packet that carries a UDP datagram. Source: RFC 768.
pub fn udp(out: &mut Vec<u8>, from: Endpoint, to: Endpoint, payload: &[u8]) {
    network(from.address, to.address).udp(from.port, to.port).write(out, cut(payload)).expect(FITS);
}

/// Which of the two messages of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Type 8 of ICMP, 128 of ICMPv6.
    Request,
    /// Type 0 of ICMP, 129 of ICMPv6.
    Reply,
}

/// Appends an ICMP or ICMPv6 echo message. Source: RFC 792, RFC 4443 section 4.
pub fn echo(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, echo: Echo, header: (u16, u16), payload: &[u8]) {
    let header = IcmpEchoHeader { id: header.0, seq: header.1 };
    let network = network(from, to);
    let written = match (to, echo) {
        (IpAddr::V4(_), Echo::Request) => {
            network.icmpv4(Icmpv4Type::EchoRequest(header)).write(out, cut(payload))
        }
        (IpAddr::V4(_), Echo::Reply) => {
            network.icmpv4(Icmpv4Type::EchoReply(header)).write(out, cut(payload))
        }
        (IpAddr::V6(_), Echo::Request) => {
            network.icmpv6(Icmpv6Type::EchoRequest(header)).write(out, cut(payload))
        }
        (IpAddr::V6(_), Echo::Reply) => {
            network.icmpv6(Icmpv6Type::EchoReply(header)).write(out, cut(payload))
        }
    };
    written.expect(FITS);
}

fn cut(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_PAYLOAD)]
}

/// The IP header between two addresses; addresses of different families are both written as IPv6.
fn network(from: IpAddr, to: IpAddr) -> PacketBuilderStep<IpHeaders> {
    // Length, protocol and checksum are the packet builder's to fill in.
    let unset = IpNumber(0);
    let headers = match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = Ipv4Header::new(0, TIME_TO_LIVE, unset, source.octets(), destination.octets());
            IpHeaders::Ipv4(header.expect(FITS), Default::default())
        }
        _ => {
            let header = Ipv6Header {
                source: mapped(from).octets(),
                destination: mapped(to).octets(),
                hop_limit: TIME_TO_LIVE,
                next_header: unset,
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
    };
    PacketBuilder::ip(headers)
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        let socket: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { address: socket.ip(), port: socket.port() }
    }

    #[test]
    fn segments_read_back_as_written_in_both_families() {
        for (from, to) in [("10.0.0.1:40000", "10.0.0.2:80"), ("[2001:db8::1]:40000", "[2001:db8::2]:80")] {
            let mut bytes = Vec::new();
            let flags = TcpFlags::PSH | TcpFlags::ACK;
            let segment = Segment { flags, sequence: 7, acknowledgement: 9, payload: b"hello" };
            tcp(&mut bytes, endpoint(from), endpoint(to), &segment);

            let packet = SlicedPacket::from_ip(&bytes).unwrap();
            let Some(TransportSlice::Tcp(read)) = packet.transport else { panic!("{packet:?}") };
            assert_eq!((read.source_port(), read.destination_port()), (40000, 80));
            assert_eq!((read.sequence_number(), read.acknowledgment_number()), (7, 9));
            assert!(read.ack() && read.psh() && !read.syn());
            assert_eq!(read.payload(), b"hello");
        }
    }

    #[test]
    fn an_oversized_payload_is_cut() {
        let mut bytes = Vec::new();
        udp(&mut bytes, endpoint("10.0.0.1:1"), endpoint("10.0.0.2:2"), &[0; 70_000]);
        let packet = SlicedPacket::from_ip(&bytes).unwrap();
        assert!(matches!(packet.net, Some(NetSlice::Ipv4(_))));
        assert_eq!(bytes.len(), 20 + 8 + MAX_PAYLOAD);
    }
}

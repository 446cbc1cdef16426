//! Puts IP packets on a wire: Ethernet, VLAN tags, VXLAN, fragments.

use std::net::IpAddr;

use etherparse::{EtherType, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header};
use watershed_model::Endpoint;

use super::{Packet, ip};

/// What lies between the two ends of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// VLAN identifiers (12 bits), outermost first; two make QinQ (IEEE 802.1ad).
    pub vlans: Vec<u16>,
    /// A VXLAN tunnel around the conversation.
    pub vxlan: Option<Vxlan>,
    /// Longest IP packet that is not fragmented, octets; at least [`MIN_MTU`] counts.
    pub mtu: Option<u16>,
}

/// A VXLAN tunnel (RFC 7348).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// The tunnel end on the client's side.
    pub client_end: IpAddr,
    /// The tunnel end on the server's side.
    pub server_end: IpAddr,
    /// VXLAN network identifier (24 bits).
    pub vni: u32,
}

/// Smallest MTU: an IPv6 header, a fragment header and 8 octets of payload.
pub const MIN_MTU: u16 = 56;

const VXLAN_PORT: u16 = 4789;
/// A tunnel end derives its source port from the inner flow; one is enough here.
const VXLAN_SOURCE_PORT: u16 = 55_555;

/// The Ethernet frames that carry `packet` over `link`, in order; `client` tells the direction.
#[must_use]
pub fn frames(packet: &Packet, link: &Link, client: IpAddr) -> Vec<Packet> {
    let parts = match link.mtu {
        Some(mtu) => fragments(packet, usize::from(mtu.max(MIN_MTU))),
        None => vec![packet.clone()],
    };
    parts.iter().map(|part| frame(part, link, client)).collect()
}

fn frame(packet: &Packet, link: &Link, client: IpAddr) -> Packet {
    let mut bytes = Vec::new();
    let Some(vxlan) = &link.vxlan else {
        push_ethernet_header(&mut bytes, packet.from, packet.to, &link.vlans);
        bytes.extend(&packet.bytes);
        return Packet { bytes, ..packet.clone() };
    };

    let (from, to) = if packet.from == client {
        (vxlan.client_end, vxlan.server_end)
    } else {
        (vxlan.server_end, vxlan.client_end)
    };
    let mut inner = vec![0x08, 0, 0, 0];
    inner.extend((vxlan.vni << 8).to_be_bytes());
    push_ethernet_header(&mut inner, packet.from, packet.to, &[]);
    inner.extend(&packet.bytes);

    push_ethernet_header(&mut bytes, from, to, &link.vlans);
    let (source, destination) = (endpoint(from, VXLAN_SOURCE_PORT), endpoint(to, VXLAN_PORT));
    ip::udp(&mut bytes, source, destination, &inner);
    Packet { time: packet.time, from, to, bytes }
}

const fn endpoint(address: IpAddr, port: u16) -> Endpoint {
    Endpoint { address, port }
}

/// Appends an Ethernet header with VLAN tags, outermost first. Source: IEEE 802.3, 802.1Q, 802.1ad.
pub fn push_ethernet_header(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, vlans: &[u16]) {
    const CUSTOMER_TAG: EtherType = EtherType::VLAN_TAGGED_FRAME;
    const SERVICE_TAG: EtherType = EtherType::PROVIDER_BRIDGING;

    out.extend(hardware_address(to));
    out.extend(hardware_address(from));
    for (index, vlan) in vlans.iter().enumerate() {
        let tag = if index + 1 < vlans.len() { SERVICE_TAG } else { CUSTOMER_TAG };
        out.extend(tag.0.to_be_bytes());
        out.extend((vlan & 0x0fff).to_be_bytes());
    }
    let payload = if from.is_ipv4() && to.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
    out.extend(payload.0.to_be_bytes());
}

/// A locally administered hardware address made of the last four octets of the IP address.
fn hardware_address(address: IpAddr) -> [u8; 6] {
    let [a, b, c, d] = match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            [octets[12], octets[13], octets[14], octets[15]]
        }
    };
    [2, 0, a, b, c, d]
}

/// Cuts an IP packet into fragments of at most `mtu` octets, all sent at the same time.
///
/// Source: RFC 791 section 3.2, RFC 8200 section 4.5.
fn fragments(packet: &Packet, mtu: usize) -> Vec<Packet> {
    if packet.bytes.len() <= mtu {
        return vec![packet.clone()];
    }
    let (header_length, fragment_header_length) = if packet.from.is_ipv4() {
        (Ipv4Header::MIN_LEN, 0)
    } else {
        (Ipv6Header::LEN, Ipv6FragmentHeader::LEN)
    };
    let payload = &packet.bytes[header_length..];
    // Every fragment but the last carries whole units of 8 octets.
    let unit = (mtu - header_length - fragment_header_length) / 8 * 8;

    let count = payload.len().div_ceil(unit);
    let parts = payload.chunks(unit).enumerate();
    parts
        .map(|(index, part)| {
            let place = Place { offset: (index * unit / 8) as u16, last: index + 1 == count };
            Packet { bytes: fragment(&packet.bytes[..header_length], part, place), ..packet.clone() }
        })
        .collect()
}

/// Where a fragment lies in its datagram.
#[derive(Clone, Copy)]
struct Place {
    /// Units of 8 octets before it.
    offset: u16,
    last: bool,
}

fn fragment(header: &[u8], part: &[u8], place: Place) -> Vec<u8> {
    const WHOLE_HEADER: &str = "packets here start with a header of their own making";
    // The transport checksum, or the first ports, would do as well; one datagram at a time is in flight.
    const IDENTIFICATION: u16 = 0x7a7a;
    let offset = IpFragOffset::try_new(place.offset).unwrap_or(IpFragOffset::ZERO);

    let mut bytes = Vec::with_capacity(header.len() + part.len() + Ipv6FragmentHeader::LEN);
    if header.len() == Ipv4Header::MIN_LEN {
        let (mut ip, _) = Ipv4Header::from_slice(header).expect(WHOLE_HEADER);
        ip.total_len = (header.len() + part.len()) as u16;
        ip.identification = IDENTIFICATION;
        ip.dont_fragment = false;
        ip.more_fragments = !place.last;
        ip.fragment_offset = offset;
        ip.header_checksum = ip.calc_header_checksum();
        bytes.extend(ip.to_bytes());
    } else {
        let (mut ip, _) = Ipv6Header::from_slice(header).expect(WHOLE_HEADER);
        let fragment = Ipv6FragmentHeader {
            next_header: ip.next_header,
            fragment_offset: offset,
            more_fragments: !place.last,
            identification: u32::from(IDENTIFICATION),
        };
        ip.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
        ip.payload_length = (part.len() + Ipv6FragmentHeader::LEN) as u16;
        bytes.extend(ip.to_bytes());
        bytes.extend(fragment.to_bytes());
    }
    bytes.extend(part);
    bytes
}

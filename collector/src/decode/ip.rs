//! The network layer: IPv4, IPv6, their extension headers and fragments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice,
};
use watershed_model::SkipReason;

use super::fragments::{Fragment, Seen};
use super::{End, Step, Walk};
use crate::flow::Address;

const BAD: SkipReason = SkipReason::BadIpHeader;

/// Extension headers that are followed; real packets have one or two.
const MAX_EXTENSIONS: usize = 8;

/// An IP packet whose extension headers have been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPacket<'a> {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) is_v6: bool,
    /// The upper-layer protocol.
    pub(super) protocol: u8,
    /// IP total length, octets; 0 where the sender left it to segmentation offload.
    pub(super) ip_bytes: u32,
    /// Octets behind the IP headers as the headers tell.
    pub(super) payload_length: u32,
    /// What was captured of them.
    pub(super) payload: &'a [u8],
}

impl IpPacket<'_> {
    pub(super) fn source_ip(&self) -> IpAddr {
        self.source.to_ip(self.is_v6)
    }

    pub(super) fn destination_ip(&self) -> IpAddr {
        self.destination.to_ip(self.is_v6)
    }
}

/// The part of `data` that a length field claims, and that length. A length of 0 stands for segmentation
/// offload and claims everything captured.
fn claimed(data: &[u8], length: usize) -> (&[u8], u32) {
    let length = if length == 0 { data.len() } else { length };
    (&data[..length.min(data.len())], u32::try_from(length).unwrap_or(u32::MAX))
}

impl<'a> Walk<'_, 'a> {
    /// An IP packet of either version.
    pub(super) fn ip(&mut self, data: &'a [u8]) -> Step {
        match data.first().map(|first| first >> 4) {
            Some(4) => self.ipv4(data),
            Some(6) => self.ipv6(data),
            _ => Err(BAD),
        }
    }

    #[inline]
    pub(super) fn ipv4(&mut self, data: &'a [u8]) -> Step {
        let header = Ipv4HeaderSlice::from_slice(data).map_err(|_| BAD)?;
        let header_length = header.slice().len();
        let total_length = usize::from(header.total_len());
        if total_length != 0 && total_length < header_length {
            return Err(BAD);
        }
        let (payload, payload_length) =
            claimed(&data[header_length..], total_length.saturating_sub(header_length));
        let payload_length = if total_length == header_length { 0 } else { payload_length };
        let packet = IpPacket {
            source: Address::v4(Ipv4Addr::from(header.source())),
            destination: Address::v4(Ipv4Addr::from(header.destination())),
            is_v6: false,
            protocol: header.protocol().0,
            ip_bytes: u32::from(header.total_len()),
            payload_length,
            payload: if payload_length == 0 { &[] } else { payload },
        };
        if header.is_fragmenting_payload() {
            let fragment = Fragment {
                identification: u32::from(header.identification()),
                offset: u32::from(header.fragments_offset().byte_offset()),
                more: header.more_fragments(),
                header_bytes: u32::try_from(header_length).unwrap_or(0),
            };
            return self.fragment(&packet, &fragment);
        }
        self.upper_layer(&packet)
    }

    pub(super) fn ipv6(&mut self, data: &'a [u8]) -> Step {
        let header = Ipv6HeaderSlice::from_slice(data).map_err(|_| BAD)?;
        let header_length = header.slice().len();
        let (payload, payload_length) = claimed(&data[header_length..], usize::from(header.payload_length()));
        self.upper_layer(&IpPacket {
            source: Address::v6(Ipv6Addr::from(header.source())),
            destination: Address::v6(Ipv6Addr::from(header.destination())),
            is_v6: true,
            protocol: header.next_header().0,
            ip_bytes: 40 + u32::from(header.payload_length()),
            payload_length,
            payload,
        })
    }

    #[inline]
    fn upper_layer(&mut self, packet: &IpPacket<'a>) -> Step {
        match IpNumber(packet.protocol) {
            IpNumber::TCP | IpNumber::UDP => self.transport(packet),
            _ => self.extensions(*packet),
        }
    }

    /// Steps over extension headers (RFC 8200 section 4, RFC 4302) to the protocol that is carried.
    fn extensions(&mut self, mut packet: IpPacket<'a>) -> Step {
        for _ in 0..MAX_EXTENSIONS {
            let (next, length) = match IpNumber(packet.protocol) {
                IpNumber::AUTHENTICATION_HEADER => {
                    let header = IpAuthHeaderSlice::from_slice(packet.payload).map_err(|_| BAD)?;
                    (header.next_header(), header.slice().len())
                }
                IpNumber::IPV6_FRAGMENTATION_HEADER if packet.is_v6 => {
                    let header = Ipv6FragmentHeaderSlice::from_slice(packet.payload).map_err(|_| BAD)?;
                    if header.is_fragmenting_payload() {
                        let fragment = Fragment {
                            identification: header.identification(),
                            offset: u32::from(header.fragment_offset().byte_offset()),
                            more: header.more_fragments(),
                            header_bytes: 40,
                        };
                        let rest = skip(packet, header.next_header(), header.slice().len());
                        return self.fragment(&rest, &fragment);
                    }
                    (header.next_header(), header.slice().len())
                }
                number if packet.is_v6 && Ipv6RawExtHeaderSlice::header_type_supported(number) => {
                    let header = Ipv6RawExtHeaderSlice::from_slice(packet.payload).map_err(|_| BAD)?;
                    (header.next_header(), header.slice().len())
                }
                _ => return self.transport(&packet),
            };
            packet = skip(packet, next, length);
        }
        Err(SkipReason::TooDeep)
    }

    #[cold]
    fn fragment(&mut self, packet: &IpPacket<'a>, fragment: &Fragment) -> Step {
        // A frame that an outer flow counts is not counted again.
        let frames = if self.in_flow { 0 } else { self.frames };
        let seen = Seen { time: self.time, interface: self.interface, wrapping: &self.wrapping, frames };
        self.whole = self.fragments.add(packet, fragment, &seen)?;
        Ok(End::Fragment)
    }
}

fn skip(packet: IpPacket<'_>, next: IpNumber, length: usize) -> IpPacket<'_> {
    IpPacket {
        protocol: next.0,
        payload: packet.payload.get(length..).unwrap_or_default(),
        payload_length: packet.payload_length.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX)),
        ..packet
    }
}

//! The transport layer: ports, flags and payload.

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};
use watershed_model::{Protocol, SkipReason, TcpFlags};

use super::bytes::{be16, be32};
use super::ip::IpPacket;
use super::{End, Segment, Step, Transport, Walk};
use crate::flow::FlowKey;

const BAD: SkipReason = SkipReason::BadTransportHeader;

/// What a transport header says.
struct Header<'a> {
    source_port: u16,
    destination_port: u16,
    transport: Transport,
    payload_length: u32,
    payload: &'a [u8],
}

impl<'a> Walk<'_, 'a> {
    #[inline(always)]
    pub(super) fn transport(&mut self, ip: &IpPacket<'a>) -> Step {
        let header = match Protocol(ip.protocol) {
            Protocol::TCP => tcp(ip)?,
            Protocol::UDP => udp(ip)?,
            Protocol::SCTP => sctp(ip)?,
            Protocol::ICMP if !ip.is_v6 => icmp(ip)?,
            Protocol::ICMPV6 if ip.is_v6 => icmp(ip)?,
            _ => return self.other(ip),
        };
        let segment = self.segment(ip, &header);
        self.push(segment);
        if Protocol(ip.protocol) == Protocol::UDP {
            self.udp_tunnel(ip, header.source_port, header.destination_port, header.payload);
        }
        Ok(End::Flow)
    }

    /// IP in IP and GRE are followed inside; whatever else has no ports is a flow between two addresses.
    fn other(&mut self, ip: &IpPacket<'a>) -> Step {
        if let Some(Ok(end)) = self.ip_tunnel(ip) {
            return Ok(end);
        }
        // Unreadable inside, or no tunnel: what is known is that the two addresses talk.
        let segment = self.segment(
            ip,
            &Header {
                source_port: 0,
                destination_port: 0,
                transport: Transport::Other,
                payload_length: ip.payload_length,
                payload: ip.payload,
            },
        );
        self.push(segment);
        Ok(End::Flow)
    }

    #[inline(always)]
    fn segment(&self, ip: &IpPacket<'a>, header: &Header<'a>) -> Segment<'a> {
        let source = (ip.source, header.source_port);
        let destination = (ip.destination, header.destination_port);
        let (key, from_low) = FlowKey::new(source, destination, Protocol(ip.protocol), ip.is_v6);
        Segment {
            key,
            from_low,
            time: self.time,
            interface: self.interface,
            ip_bytes: ip.ip_bytes,
            payload_length: header.payload_length,
            payload: header.payload,
            transport: header.transport,
            wrapping: 0,
        }
    }
}

#[inline(always)]
fn tcp<'a>(ip: &IpPacket<'a>) -> Result<Header<'a>, SkipReason> {
    let Ok(header) = TcpHeaderSlice::from_slice(ip.payload) else { return snapped_tcp(ip) };
    let length = header.slice().len();
    Ok(Header {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        transport: Transport::Tcp {
            sequence: header.sequence_number(),
            acknowledgement: header.acknowledgment_number(),
            flags: TcpFlags::from_bits_retain(ip.payload[13]),
        },
        payload_length: ip.payload_length.saturating_sub(length as u32),
        payload: &ip.payload[length..],
    })
}

/// A TCP header that the capture cut behind its flags: enough for everything but options.
#[cold]
fn snapped_tcp<'a>(ip: &IpPacket<'a>) -> Result<Header<'a>, SkipReason> {
    let captured = ip.payload.len();
    if captured < 14 || captured >= ip.payload_length as usize {
        return Err(BAD);
    }
    let length = u32::from(ip.payload[12] >> 4) * 4;
    if length < 20 || length > ip.payload_length {
        return Err(BAD);
    }
    Ok(Header {
        source_port: be16(ip.payload, 0).ok_or(BAD)?,
        destination_port: be16(ip.payload, 2).ok_or(BAD)?,
        transport: Transport::Tcp {
            sequence: be32(ip.payload, 4).ok_or(BAD)?,
            acknowledgement: be32(ip.payload, 8).ok_or(BAD)?,
            flags: TcpFlags::from_bits_retain(ip.payload[13]),
        },
        payload_length: ip.payload_length - length,
        payload: &[],
    })
}

#[inline(always)]
fn udp<'a>(ip: &IpPacket<'a>) -> Result<Header<'a>, SkipReason> {
    let header = UdpHeaderSlice::from_slice(ip.payload).map_err(|_| BAD)?;
    let room = ip.payload_length.saturating_sub(8);
    // A length of 0 stands for a jumbogram or segmentation offload.
    let payload_length = match u32::from(header.length()) {
        0 => room,
        1..8 => return Err(BAD),
        length => room.min(length - 8),
    };
    let payload = &ip.payload[8..];
    Ok(Header {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        transport: Transport::Other,
        payload_length,
        payload: &payload[..payload.len().min(payload_length as usize)],
    })
}

/// SCTP (RFC 9260): ports, and the first chunk's type behind the 12 octets of the common header.
fn sctp<'a>(ip: &IpPacket<'a>) -> Result<Header<'a>, SkipReason> {
    Ok(Header {
        source_port: be16(ip.payload, 0).ok_or(BAD)?,
        destination_port: be16(ip.payload, 2).ok_or(BAD)?,
        transport: Transport::Sctp { first_chunk: ip.payload.get(12).copied().unwrap_or(u8::MAX) },
        payload_length: ip.payload_length.saturating_sub(12),
        payload: ip.payload.get(12..).unwrap_or_default(),
    })
}

/// ICMP: the sender's port is the type; the receiver's the type that answers it, or else the code.
fn icmp<'a>(ip: &IpPacket<'a>) -> Result<Header<'a>, SkipReason> {
    let [kind, code, ..] = *ip.payload else { return Err(BAD) };
    let protocol = Protocol(ip.protocol);
    let (error, unreachable) = match protocol {
        Protocol::ICMP => (matches!(kind, 3 | 4 | 5 | 11 | 12), kind == 3),
        _ => (kind < 128, kind == 1),
    };
    Ok(Header {
        source_port: u16::from(kind),
        destination_port: protocol.icmp_counterpart(kind).map_or(u16::from(code), u16::from),
        transport: if error { Transport::IcmpError { unreachable } } else { Transport::Other },
        payload_length: ip.payload_length.saturating_sub(8),
        payload: ip.payload.get(8..).unwrap_or_default(),
    })
}

/// The flow that an ICMP error is about, and whether the quoted packet was sent by its key's low end.
///
/// `quoted` starts with the IP header of the packet that could not be delivered, often cut short.
pub(crate) fn quoted_flow(quoted: &[u8]) -> Option<(FlowKey, bool)> {
    use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

    use crate::flow::Address;
    let (source, destination, protocol, rest, is_v6) = match quoted.first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(quoted).ok()?;
            let rest = &quoted[header.slice().len()..];
            (
                Address::v4(header.source_addr()),
                Address::v4(header.destination_addr()),
                header.protocol().0,
                rest,
                false,
            )
        }
        6 => {
            let header = Ipv6HeaderSlice::from_slice(quoted).ok()?;
            let rest = &quoted[header.slice().len()..];
            (
                Address::v6(header.source_addr()),
                Address::v6(header.destination_addr()),
                header.next_header().0,
                rest,
                true,
            )
        }
        _ => return None,
    };
    let protocol = Protocol(protocol);
    if !protocol.has_ports() {
        return None;
    }
    let (source_port, destination_port) = (be16(rest, 0)?, be16(rest, 2)?);
    Some(FlowKey::new((source, source_port), (destination, destination_port), protocol, is_v6))
}

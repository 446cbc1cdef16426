//! The flow table as a whole: against a naive one, and what holds whatever the packets are.

mod direction;

mod ends;

mod properties;

mod reference;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, TcpHeader};
use watershed_model::{FlowRecord, InterfaceId, TcpFlags, Timestamp};

use super::{FlowConfig, FlowTable};
use crate::decode::{DecodeConfig, Decoder, Segments};
use crate::source::{LinkType, Packet};

/// An address and a port.
pub(super) type End = (IpAddr, u16);

pub(super) const CLIENT: End = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);
pub(super) const SERVER: End = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 443);

/// What a TCP header says beside the ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) flags: TcpFlags,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
}

/// An IP packet, and when it is captured.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) time: Timestamp,
    pub(super) bytes: Vec<u8>,
}

impl Sent {
    pub(super) fn ip(seconds: f64, protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8]) -> Self {
        let length = payload.len() as u16;
        let headers = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = Ipv4Header::new(length, 64, IpNumber(protocol), from.octets(), to.octets());
                IpHeaders::Ipv4(header.expect("short enough"), Default::default())
            }
            (from, to) => {
                let octets = |address| match address {
                    IpAddr::V4(v4) => Ipv4Addr::to_ipv6_mapped(&v4),
                    IpAddr::V6(v6) => v6,
                };
                let header = Ipv6Header {
                    payload_length: length,
                    next_header: IpNumber(protocol),
                    source: Ipv6Addr::octets(&octets(from)),
                    destination: Ipv6Addr::octets(&octets(to)),
                    ..Default::default()
                };
                IpHeaders::Ipv6(header, Default::default())
            }
        };
        let mut bytes = Vec::new();
        headers.write(&mut bytes).expect("written");
        bytes.extend(payload);
        Self { time: Timestamp::from_nanos((seconds * 1e9).round() as i64), bytes }
    }

    pub(super) fn udp(seconds: f64, from: End, to: End, payload: &[u8]) -> Self {
        let length = payload.len() as u16 + 8;
        let header: Vec<u8> = [from.1, to.1, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
        Self::ip(seconds, 17, from.0, to.0, &[&header, payload].concat())
    }

    pub(super) fn tcp(seconds: f64, from: End, to: End, tcp: Tcp, payload: &[u8]) -> Self {
        let Tcp { flags, sequence, acknowledgement } = tcp;
        let mut header = TcpHeader::new(from.1, to.1, sequence, 1024).to_bytes();
        header[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
        header[13] = flags.bits();
        Self::ip(seconds, 6, from.0, to.0, &[&header[..], payload].concat())
    }

    /// An ICMP message of four octets and what it carries.
    pub(super) fn icmp(seconds: f64, from: IpAddr, to: IpAddr, kind: u8, code: u8, carried: &[u8]) -> Self {
        let protocol = if from.is_ipv4() { 1 } else { 58 };
        Self::ip(seconds, protocol, from, to, &[&[kind, code, 0, 0, 0, 0, 0, 0], carried].concat())
    }
}

/// A table that has followed these packets, so many at a time, up to the last.
pub(super) fn followed(config: &FlowConfig, sent: &[Sent], at_a_time: usize) -> FlowTable {
    let mut table = FlowTable::new(config.clone());
    let mut decoder = Decoder::new(&DecodeConfig::default());
    for batch in sent.chunks(at_a_time) {
        let mut segments = Segments::default();
        for Sent { time, bytes } in batch {
            let (time, link, interface) = (*time, LinkType::RAW, InterfaceId(0));
            let packet = Packet { time, link, interface, wire_length: bytes.len() as u32, data: bytes };
            decoder.decode(&packet, &mut segments);
        }
        table.observe(&segments);
    }
    table
}

/// Every record of these packets, from their beginning to the end of the capture.
pub(super) fn records(config: &FlowConfig, sent: &[Sent]) -> Vec<FlowRecord> {
    let mut table = followed(config, sent, 1);
    while table.finish(usize::MAX) {}
    table.take_records()
}

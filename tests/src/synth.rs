//! Synthesised traffic: what programs on a network would send, packet by packet, at stated times.
//!
//! [`ip`] writes single IP packets, [`payload`] what programs say, [`tcp`] and [`exchange`] whole
//! conversations, and [`link`] puts IP packets on a wire: Ethernet, VLANs, VXLAN, fragments.

pub mod ip;

pub mod payload;

pub mod tcp;

pub mod exchange;

pub mod link;

use std::net::IpAddr;

use watershed_model::Timestamp;

/// A packet, and when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it is captured.
    pub time: Timestamp,
    /// Who sends it.
    pub from: IpAddr,
    /// Whom it is sent to.
    pub to: IpAddr,
    /// From the first octet of the IP header on; on a wire, of the frame.
    pub bytes: Vec<u8>,
}

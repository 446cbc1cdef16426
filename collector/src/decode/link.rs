//! The link layer: from a captured frame to the IP packet in it.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};
use watershed_model::{InterfaceId, SkipReason};

use super::bytes::{after, be16, be32, le16};
use super::{Step, Walk};
use crate::source::LinkType;

/// EtherTypes (IEEE 802.3), also used by Linux cooked captures, GRE and Geneve.
pub(super) mod ether_type {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    /// Ethernet in a tunnel (RFC 1701).
    pub(crate) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub(crate) const RARP: u16 = 0x8035;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const PPP: u16 = 0x880b;
    pub(crate) const MPLS: u16 = 0x8847;
    pub(crate) const MPLS_UPSTREAM: u16 = 0x8848;
    pub(crate) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(crate) const PPPOE_SESSION: u16 = 0x8864;
    pub(crate) const PROVIDER_BRIDGE: u16 = 0x88a8;
    pub(crate) const MACSEC: u16 = 0x88e5;
    /// Tags that came before IEEE 802.1ad and are still met.
    pub(crate) const QINQ_OLD: u16 = 0x9100;
    pub(crate) const QINQ_OLDER: u16 = 0x9200;
    /// Smaller values are lengths of an IEEE 802.2 frame.
    pub(crate) const FIRST: u16 = 0x0600;
}

const CUT: SkipReason = SkipReason::BadLinkHeader;

impl<'a> Walk<'_, 'a> {
    #[inline]
    pub(super) fn link(&mut self, link: LinkType, data: &'a [u8]) -> Step {
        match link {
            LinkType::ETHERNET => self.ethernet(data),
            LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => self.ip(data),
            LinkType::LINUX_SLL => self.cooked(be16(data, 2), be16(data, 14), after(data, 16)),
            LinkType::LINUX_SLL2 => {
                // Captured on all interfaces: the header says on which of them.
                self.interface = be32(data, 4).map_or(self.interface, InterfaceId);
                self.cooked(be16(data, 8), be16(data, 0), after(data, 20))
            }
            LinkType::NULL | LinkType::LOOP => self.loopback(data),
            LinkType::IEEE802_11 => self.wifi(data),
            LinkType::IEEE802_11_RADIOTAP => {
                let length = le16(data, 2).ok_or(CUT)?;
                self.wifi(after(data, length.into()).ok_or(CUT)?)
            }
            LinkType::PPP | LinkType::PPP_HDLC => self.ppp(data),
            LinkType::PPPOE => self.pppoe(data),
            _ => Err(SkipReason::UnknownLinkType),
        }
    }

    pub(super) fn ethernet(&mut self, data: &'a [u8]) -> Step {
        let header = Ethernet2HeaderSlice::from_slice(data).map_err(|_| CUT)?;
        let payload = &data[header.slice().len()..];
        match header.ether_type().0 {
            length if length < ether_type::FIRST => self.llc(payload),
            kind => self.ether_payload(kind, payload),
        }
    }

    /// What an EtherType announces.
    pub(super) fn ether_payload(&mut self, mut kind: u16, mut data: &'a [u8]) -> Step {
        loop {
            match kind {
                ether_type::IPV4 => return self.ipv4(data),
                ether_type::IPV6 => return self.ipv6(data),
                ether_type::VLAN
                | ether_type::PROVIDER_BRIDGE
                | ether_type::QINQ_OLD
                | ether_type::QINQ_OLDER => {
                    let tag = SingleVlanHeaderSlice::from_slice(data).map_err(|_| CUT)?;
                    let id = tag.vlan_identifier().value();
                    self.wrapping.vlans.try_push(id).map_err(|_| SkipReason::TooDeep)?;
                    kind = tag.ether_type().0;
                    data = &data[tag.slice().len()..];
                    if kind < ether_type::FIRST {
                        return self.llc(data);
                    }
                }
                ether_type::MPLS | ether_type::MPLS_UPSTREAM => return self.mpls(data),
                ether_type::PPPOE_SESSION => return self.pppoe(data),
                ether_type::PPP => return self.ppp(data),
                ether_type::TRANSPARENT_ETHERNET => return self.ethernet(data),
                ether_type::PPPOE_DISCOVERY => return Err(SkipReason::LinkControl),
                ether_type::ARP | ether_type::RARP => return Err(SkipReason::Arp),
                ether_type::MACSEC => return Err(SkipReason::LinkEncrypted),
                _ => return Err(SkipReason::NotIp),
            }
        }
    }

    /// IEEE 802.2 logical link control; IP follows only in a SNAP header (RFC 1042).
    pub(super) fn llc(&mut self, data: &'a [u8]) -> Step {
        match data {
            [0xaa, 0xaa, 0x03, 0, 0, 0, high, low, payload @ ..] => {
                self.ether_payload(u16::from_be_bytes([*high, *low]), payload)
            }
            [0x06, 0x06, 0x03, payload @ ..] => self.ipv4(payload),
            [_, _, _, ..] => Err(SkipReason::NotIp),
            _ => Err(CUT),
        }
    }

    /// Linux cooked capture, either version: the header's hardware type and protocol.
    fn cooked(&mut self, hardware: Option<u16>, protocol: Option<u16>, payload: Option<&'a [u8]>) -> Step {
        const NETLINK: u16 = 824;
        let (Some(hardware), Some(protocol), Some(payload)) = (hardware, protocol, payload) else {
            return Err(CUT);
        };
        match (hardware, protocol) {
            (NETLINK, _) => Err(SkipReason::NotIp),
            // 802.2 frames carry one of these instead of an EtherType.
            (_, 1 | 4) => self.llc(payload),
            _ => self.ether_payload(protocol, payload),
        }
    }

    /// BSD loopback: an address family in either byte order; the values for IPv6 differ by system.
    fn loopback(&mut self, data: &'a [u8]) -> Step {
        let family = be32(data, 0).ok_or(CUT)?;
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        match family {
            2 => self.ipv4(&data[4..]),
            10 | 24 | 28 | 30 => self.ipv6(&data[4..]),
            _ => Err(SkipReason::NotIp),
        }
    }

    /// PPP (RFC 1661), with or without HDLC address and control, with or without protocol compression.
    pub(super) fn ppp(&mut self, data: &'a [u8]) -> Step {
        let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
        let (protocol, payload) = match data {
            [first, payload @ ..] if first & 1 == 1 => (u16::from(*first), payload),
            [high, low, payload @ ..] => (u16::from_be_bytes([*high, *low]), payload),
            _ => return Err(CUT),
        };
        match protocol {
            0x0021 => self.ipv4(payload),
            0x0057 => self.ipv6(payload),
            0x0281 | 0x0283 => self.mpls(payload),
            0x0053 => Err(SkipReason::LinkEncrypted),
            0x8000.. => Err(SkipReason::LinkControl),
            _ => Err(SkipReason::NotIp),
        }
    }

    /// PPPoE session (RFC 2516).
    fn pppoe(&mut self, data: &'a [u8]) -> Step {
        match data {
            [0x11, 0, _, _, _, _, payload @ ..] => self.ppp(payload),
            [0x11, _, _, _, _, _, ..] => Err(SkipReason::LinkControl),
            _ => Err(CUT),
        }
    }

    /// MPLS (RFC 3032): labels until the bottom of the stack, then IP, or Ethernet behind a control word.
    pub(super) fn mpls(&mut self, mut data: &'a [u8]) -> Step {
        loop {
            let entry = be32(data, 0).ok_or(CUT)?;
            data = &data[4..];
            self.wrapping.mpls.try_push(entry >> 12).map_err(|_| SkipReason::TooDeep)?;
            if entry & 0x100 != 0 {
                break;
            }
        }
        match data.first().ok_or(CUT)? >> 4 {
            4 => self.ipv4(data),
            6 => self.ipv6(data),
            0 => self.ethernet(after(data, 4).ok_or(CUT)?),
            _ => Err(SkipReason::NotIp),
        }
    }
}

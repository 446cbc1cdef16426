//! Tunnels: the inner flow is the flow.

use watershed_model::{SkipReason, Tunnel, TunnelKind};

use super::bytes::{after, be16, be32};
use super::ip::IpPacket;
use super::{Step, Walk};

const BAD: SkipReason = SkipReason::BadLinkHeader;

/// IP protocol numbers of tunnels.
mod ip_number {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
}

/// UDP ports on which tunnels are expected, at the destination or, for Teredo and GTP-U, at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPorts {
    /// VXLAN: 4789 (RFC 7348), 4790 with the generic protocol extension, 8472 in Linux and Flannel.
    pub vxlan: Vec<u16>,
    /// Geneve: 6081 (RFC 8926).
    pub geneve: Vec<u16>,
    /// GTP-U: 2152 (3GPP TS 29.281).
    pub gtpu: Vec<u16>,
    /// Teredo: 3544 (RFC 4380).
    pub teredo: Vec<u16>,
    /// GRE in UDP: 4754 (RFC 8086).
    pub gre: Vec<u16>,
    /// AYIYA: 5072.
    pub ayiya: Vec<u16>,
}

impl Default for TunnelPorts {
    fn default() -> Self {
        Self {
            vxlan: vec![4789, 4790, 8472],
            geneve: vec![6081],
            gtpu: vec![2152],
            teredo: vec![3544],
            gre: vec![4754],
            ayiya: vec![5072],
        }
    }
}

impl<'a> Walk<'_, 'a> {
    /// Follows IP in IP and GRE; `None` if the protocol is no tunnel.
    pub(super) fn ip_tunnel(&mut self, ip: &IpPacket<'a>) -> Option<Step> {
        let data = ip.payload;
        Some(match ip.protocol {
            ip_number::IPV4 => self.inside(ip, TunnelKind::Ipip, None, |walk| walk.ipv4(data)),
            ip_number::IPV6 => {
                let kind = if ip.is_v6 { TunnelKind::Ipip } else { TunnelKind::SixInFour };
                self.inside(ip, kind, None, |walk| walk.ipv6(data))
            }
            ip_number::GRE => self.gre(ip, data),
            _ => return None,
        })
    }

    /// Follows tunnels over UDP; what is not one after all stays a plain flow.
    pub(super) fn udp_tunnel(&mut self, ip: &IpPacket<'a>, source: u16, destination: u16, data: &'a [u8]) {
        // Every tunnel's port is above this; most traffic leaves here.
        const LOWEST: u16 = 2000;
        if destination < LOWEST || (source < LOWEST && destination >= 32768) {
            return;
        }
        let ports = self.tunnel_ports;
        let either = |list: &[u16]| list.contains(&destination) || list.contains(&source);
        // The outer flow is known; an error inside changes nothing.
        let _inner = if ports.vxlan.contains(&destination) {
            self.vxlan(ip, destination, data)
        } else if ports.geneve.contains(&destination) {
            self.geneve(ip, data)
        } else if either(&ports.gtpu) {
            self.gtpu(ip, data)
        } else if either(&ports.teredo) {
            self.teredo(ip, data)
        } else if ports.gre.contains(&destination) {
            self.gre(ip, data)
        } else if either(&ports.ayiya) {
            self.ayiya(ip, data)
        } else {
            return;
        };
    }

    /// Walks on inside a tunnel; on an error the tunnel is taken off again.
    fn inside(
        &mut self,
        ip: &IpPacket<'a>,
        kind: TunnelKind,
        id: Option<u32>,
        walk: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        let outer = self.wrapping.clone();
        let tunnel = Tunnel { kind, source: ip.source_ip(), destination: ip.destination_ip(), id };
        self.wrapping.tunnels.try_push(tunnel).map_err(|_| SkipReason::TooDeep)?;
        let step = walk(self);
        if step.is_err() {
            self.wrapping = outer;
        }
        step
    }

    /// VXLAN (RFC 7348): flags, reserved, VNI; the generic protocol extension says what follows.
    fn vxlan(&mut self, ip: &IpPacket<'a>, port: u16, data: &'a [u8]) -> Step {
        const VNI_PRESENT: u8 = 0x08;
        const NEXT_PROTOCOL_PRESENT: u8 = 0x04;
        const GENERIC: u16 = 4790;
        let [flags, _, _, next, a, b, c, _, frame @ ..] = data else { return Err(BAD) };
        if flags & VNI_PRESENT == 0 {
            return Err(BAD);
        }
        let vni = u32::from_be_bytes([0, *a, *b, *c]);
        let next = if port == GENERIC && flags & NEXT_PROTOCOL_PRESENT != 0 { *next } else { 3 };
        self.inside(ip, TunnelKind::Vxlan, Some(vni), |walk| match next {
            1 => walk.ipv4(frame),
            2 => walk.ipv6(frame),
            3 => walk.ethernet(frame),
            5 => walk.mpls(frame),
            _ => Err(SkipReason::NotIp),
        })
    }

    /// Geneve (RFC 8926): version and option length, protocol, VNI, options.
    fn geneve(&mut self, ip: &IpPacket<'a>, data: &'a [u8]) -> Step {
        let [lengths, _, high, low, a, b, c, _, rest @ ..] = data else { return Err(BAD) };
        if lengths >> 6 != 0 {
            return Err(BAD);
        }
        let options = usize::from(lengths & 0x3f) * 4;
        let payload = after(rest, options).ok_or(BAD)?;
        let vni = u32::from_be_bytes([0, *a, *b, *c]);
        let protocol = u16::from_be_bytes([*high, *low]);
        self.inside(ip, TunnelKind::Geneve, Some(vni), |walk| walk.ether_payload(protocol, payload))
    }

    /// GRE (RFC 2784, RFC 2890), PPTP's GRE (RFC 2637) and the ERSPAN headers in it.
    fn gre(&mut self, ip: &IpPacket<'a>, data: &'a [u8]) -> Step {
        const CHECKSUM: u16 = 0x8000;
        const KEY: u16 = 0x2000;
        const SEQUENCE: u16 = 0x1000;
        const ACKNOWLEDGEMENT: u16 = 0x0080;
        const ERSPAN: u16 = 0x88be;
        const ERSPAN_3: u16 = 0x22eb;
        let (flags, protocol) = (be16(data, 0).ok_or(BAD)?, be16(data, 2).ok_or(BAD)?);
        let version = flags & 0x7;
        if version > 1 || flags & 0x4000 != 0 {
            return Err(BAD);
        }
        let mut at = 4;
        at += if flags & CHECKSUM != 0 { 4 } else { 0 };
        let key = if flags & KEY != 0 { be32(data, at) } else { None };
        at += if flags & KEY != 0 { 4 } else { 0 };
        at += if flags & SEQUENCE != 0 { 4 } else { 0 };
        at += if version == 1 && flags & ACKNOWLEDGEMENT != 0 { 4 } else { 0 };
        let payload = after(data, at).ok_or(BAD)?;
        match protocol {
            // Type I has neither sequence number nor header; types II and III have both.
            ERSPAN if flags & SEQUENCE == 0 => {
                self.inside(ip, TunnelKind::Erspan, None, |walk| walk.ethernet(payload))
            }
            ERSPAN => self.erspan(ip, payload, 8),
            ERSPAN_3 => {
                let has_platform = payload.get(11).ok_or(BAD)? & 1 == 1;
                self.erspan(ip, payload, if has_platform { 20 } else { 12 })
            }
            _ => self.inside(ip, TunnelKind::Gre, key, |walk| walk.ether_payload(protocol, payload)),
        }
    }

    fn erspan(&mut self, ip: &IpPacket<'a>, data: &'a [u8], header: usize) -> Step {
        let session = be16(data, 2).map(|word| u32::from(word & 0x03ff));
        let frame = after(data, header).ok_or(BAD)?;
        self.inside(ip, TunnelKind::Erspan, session, |walk| walk.ethernet(frame))
    }

    /// GTP-U version 1 (3GPP TS 29.281 section 5): only G-PDUs carry packets.
    fn gtpu(&mut self, ip: &IpPacket<'a>, data: &'a [u8]) -> Step {
        const G_PDU: u8 = 255;
        let [flags, G_PDU, _, _, rest @ ..] = data else { return Err(BAD) };
        // Version 1, protocol type GTP.
        if flags & 0xf0 != 0x30 {
            return Err(BAD);
        }
        let teid = be32(rest, 0).ok_or(BAD)?;
        let mut payload = &rest[4..];
        if flags & 0x07 != 0 {
            let mut next_extension = *payload.get(3).ok_or(BAD)?;
            payload = &payload[4..];
            while flags & 0x04 != 0 && next_extension != 0 {
                let length = usize::from(*payload.first().ok_or(BAD)?) * 4;
                next_extension = *length.checked_sub(1).and_then(|last| payload.get(last)).ok_or(BAD)?;
                payload = &payload[length..];
            }
        }
        self.inside(ip, TunnelKind::Gtpu, Some(teid), |walk| walk.ip(payload))
    }

    /// Teredo (RFC 4380 section 5.1.1): authentication and origin indications, then IPv6.
    fn teredo(&mut self, ip: &IpPacket<'a>, mut data: &'a [u8]) -> Step {
        if let [0, 1, client, authentication, rest @ ..] = data {
            let skipped = usize::from(*client) + usize::from(*authentication) + 9;
            data = after(rest, skipped).ok_or(BAD)?;
        }
        if let [0, 0, _, _, _, _, _, _, rest @ ..] = data {
            data = rest;
        }
        self.inside(ip, TunnelKind::Teredo, None, |walk| walk.ipv6(data))
    }

    /// AYIYA (draft-massar-v6ops-ayiya): identity and signature lengths, then what is forwarded.
    fn ayiya(&mut self, ip: &IpPacket<'a>, data: &'a [u8]) -> Step {
        const FORWARD: u8 = 1;
        let [identity, signature, operation, next, rest @ ..] = data else { return Err(BAD) };
        if operation & 0x0f != FORWARD || *next != ip_number::IPV6 {
            return Err(BAD);
        }
        // An identity is a power of two long, a signature a number of words; before them, the epoch.
        let header = 4 + (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
        let payload = after(rest, header).ok_or(BAD)?;
        self.inside(ip, TunnelKind::Ayiya, None, |walk| walk.ipv6(payload))
    }
}

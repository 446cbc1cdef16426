//! What a flow's packets were wrapped in.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a flow's packets were wrapped in, outermost first; as of the flow's first packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Encapsulation {
    /// VLAN identifiers (IEEE 802.1Q, 12 bits); two for QinQ.
    pub vlans: Vec<u16>,
    /// MPLS labels (RFC 3032, 20 bits).
    pub mpls: Vec<u32>,
    /// Tunnels, outermost first.
    pub tunnels: Vec<Tunnel>,
}

/// One tunnel around a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    /// The kind of tunnel.
    pub kind: TunnelKind,
    /// The outer packet's source.
    pub source: IpAddr,
    /// The outer packet's destination.
    pub destination: IpAddr,
    /// VNI of VXLAN and Geneve, key of GRE, TEID of GTP-U, session of ERSPAN; where the packet has one.
    pub id: Option<u32>,
}

/// A kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// VXLAN (RFC 7348), also with the generic protocol extension.
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GRE (RFC 2784, RFC 2890), also PPTP's version 1 (RFC 2637).
    Gre,
    /// ERSPAN types I to III: mirrored Ethernet frames in GRE.
    Erspan,
    /// IPv4 or IPv6 in IPv4 or IPv6 (RFC 2003, RFC 2473).
    Ipip,
    /// IPv6 in IPv4 (RFC 4213).
    #[serde(rename = "6in4")]
    SixInFour,
    /// Teredo (RFC 4380): IPv6 in UDP.
    Teredo,
    /// GTP-U version 1 (3GPP TS 29.281).
    Gtpu,
    /// AYIYA: IPv6 in UDP with a signature.
    Ayiya,
}

impl TunnelKind {
    /// Whether the tunnel runs over UDP, so that the outer packet is a flow of its own.
    #[must_use]
    pub const fn over_udp(self) -> bool {
        matches!(self, Self::Vxlan | Self::Geneve | Self::Teredo | Self::Gtpu | Self::Ayiya)
    }
}

//! IP protocol numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An IP protocol number, as assigned by IANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4 (RFC 792).
    pub const ICMP: Self = Self(1);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// SCTP (RFC 9260).
    pub const SCTP: Self = Self(132);

    /// Whether its header starts with a source and a destination port.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP)
    }

    /// Whether it is ICMP, of either IP version; then a flow's ports hold types and codes.
    #[must_use]
    pub const fn is_icmp(self) -> bool {
        matches!(self, Self::ICMP | Self::ICMPV6)
    }

    /// The ICMP type that answers `kind`, or that `kind` answers; `None` where there is no such pair.
    ///
    /// Source: RFC 792, 950, 1256 for IPv4; RFC 4443, 2710, 4861, 4620, 6275 for IPv6; the pairs are those
    /// of Zeek and of the Community ID specification.
    #[must_use]
    pub fn icmp_counterpart(self, kind: u8) -> Option<u8> {
        const V4: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
        const V6: [(u8, u8); 6] = [(128, 129), (133, 134), (135, 136), (130, 131), (144, 145), (139, 140)];
        let pairs: &[(u8, u8)] = if self == Self::ICMP { &V4 } else { &V6 };
        pairs.iter().find_map(|&(ask, answer)| match kind {
            k if k == ask => Some(answer),
            k if k == answer => Some(ask),
            _ => None,
        })
    }

    /// Its IANA keyword in lower case, where it is one that networks commonly carry.
    #[must_use]
    pub const fn keyword(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "icmp",
            2 => "igmp",
            6 => "tcp",
            17 => "udp",
            33 => "dccp",
            46 => "rsvp",
            50 => "esp",
            51 => "ah",
            58 => "icmpv6",
            88 => "eigrp",
            89 => "ospf",
            103 => "pim",
            112 => "vrrp",
            115 => "l2tp",
            132 => "sctp",
            136 => "udplite",
            _ => return None,
        })
    }

    /// The protocol with this keyword or decimal number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = (0..=255).map(Self).find(|p| p.keyword().is_some_and(|k| k.eq_ignore_ascii_case(text)));
        named.or_else(|| text.parse().ok().map(Self))
    }
}

/// The keyword, else the number.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keyword() {
            Some(keyword) => f.pad(keyword),
            None => f.pad(&self.0.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_parses_back_from_what_it_displays() {
        for number in 0..=255 {
            assert_eq!(Protocol::parse(&Protocol(number).to_string()), Some(Protocol(number)));
        }
    }
}

//! What makes two packets part of the same flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watershed_model::{Endpoint, Protocol};

/// An address as a number: IPv6 as it is, IPv4 in the low 32 bits. The version is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    high: u64,
    low: u64,
}

impl Address {
    pub(crate) fn v4(address: Ipv4Addr) -> Self {
        Self { high: 0, low: u64::from(address.to_bits()) }
    }

    pub(crate) fn v6(address: Ipv6Addr) -> Self {
        let bits = address.to_bits();
        Self { high: (bits >> 64) as u64, low: bits as u64 }
    }

    pub(crate) fn to_ip(self, is_v6: bool) -> IpAddr {
        if is_v6 {
            Ipv6Addr::from_bits(u128::from(self.high) << 64 | u128::from(self.low)).into()
        } else {
            Ipv4Addr::from_bits(self.low as u32).into()
        }
    }
}

/// A flow's two endpoints in canonical order, and its protocol; equal for both directions.
///
/// Tags and tunnels are not part of it, as in Zeek: the same inner connection may be seen with and without
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: Address,
    high: Address,
    low_port: u16,
    high_port: u16,
    protocol: u8,
    is_v6: bool,
}

impl FlowKey {
    /// The key of no packet: its low end sorts last.
    pub(super) const NONE: Self = Self {
        low: Address { high: u64::MAX, low: u64::MAX },
        high: Address { high: 0, low: 0 },
        low_port: 0,
        high_port: 0,
        protocol: 0,
        is_v6: true,
    };

    /// The key of a packet, and whether its low end sent it.
    #[inline(always)]
    pub(crate) fn new(
        source: (Address, u16),
        destination: (Address, u16),
        protocol: Protocol,
        is_v6: bool,
    ) -> (Self, bool) {
        let order = |(address, port): (Address, u16)| address.low << 16 | u64::from(port);
        let from_low = if is_v6 { source <= destination } else { order(source) <= order(destination) };
        let (low, high) = if from_low { (source, destination) } else { (destination, source) };
        let key = Self {
            low: low.0,
            high: high.0,
            low_port: low.1,
            high_port: high.1,
            protocol: protocol.0,
            is_v6,
        };
        (key, from_low)
    }

    /// The endpoint that sorts first, or the other one.
    pub(crate) fn endpoint(&self, low: bool) -> Endpoint {
        let (address, port) = if low { (self.low, self.low_port) } else { (self.high, self.high_port) };
        Endpoint { address: address.to_ip(self.is_v6), port }
    }

    pub(crate) const fn port(&self, low: bool) -> u16 {
        if low { self.low_port } else { self.high_port }
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// Whether the endpoint stands for many: multicast, or the limited broadcast address.
    pub(crate) fn is_group(&self, low: bool) -> bool {
        match self.endpoint(low).address {
            IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
            IpAddr::V6(address) => address.is_multicast(),
        }
    }

    /// A keyed hash: multiplications of 64 by 64 bits, folded, as in wyhash.
    #[inline]
    pub(crate) fn hash(&self, key: u64) -> u32 {
        let ports = u64::from(self.low_port) << 48
            | u64::from(self.high_port) << 32
            | u64::from(self.protocol) << 8
            | u64::from(self.is_v6);
        let mut hash = fold(self.low.low ^ key, self.high.low ^ SECRET[0]);
        if self.is_v6 {
            hash ^= fold(self.low.high ^ key.rotate_left(32), self.high.high ^ SECRET[1]);
        }
        (fold(hash ^ ports, SECRET[2] ^ key) >> 16) as u32
    }
}

const SECRET: [u64; 3] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
    }

    fn number(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(v4) => Address::v4(v4),
            IpAddr::V6(v6) => Address::v6(v6),
        }
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(256))]

        #[test]
        fn both_directions_have_one_key(a in address(), b in address(), ports in any::<(u16, u16)>()) {
            prop_assume!(a.is_ipv6() == b.is_ipv6());
            let (source, destination) = ((number(a), ports.0), (number(b), ports.1));
            let (there, _) = FlowKey::new(source, destination, Protocol::TCP, a.is_ipv6());
            let (back, _) = FlowKey::new(destination, source, Protocol::TCP, a.is_ipv6());
            prop_assert_eq!(there, back);
            prop_assert_eq!(there.hash(7), back.hash(7));
        }

        #[test]
        fn endpoints_come_back(a in address(), b in address(), ports in any::<(u16, u16)>()) {
            prop_assume!(a.is_ipv6() == b.is_ipv6());
            let (key, from_low) =
                FlowKey::new((number(a), ports.0), (number(b), ports.1), Protocol::UDP, a.is_ipv6());
            prop_assert_eq!(key.endpoint(from_low), Endpoint { address: a, port: ports.0 });
            prop_assert_eq!(key.endpoint(!from_low), Endpoint { address: b, port: ports.1 });
        }
    }
}

//! Community ID: one name for a flow across tools.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::{Endpoint, Protocol};

/// A flow's Community ID, version 1, seed 0: equal for both directions and in every tool that has it.
///
/// Source: the Community ID flow hashing specification, github.com/corelight/community-id-spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommunityId([u8; 20]);

impl CommunityId {
    /// The identifier of the flow between two endpoints, in either order.
    #[must_use]
    pub fn of(a: Endpoint, b: Endpoint, protocol: Protocol) -> Self {
        let (a, b, directed) = if protocol.is_icmp() { icmp_ports(a, b, protocol) } else { (a, b, false) };
        let (low, high) = if directed || a <= b { (a, b) } else { (b, a) };

        let mut hash = Sha1::new();
        hash.update(0_u16.to_be_bytes());
        update_address(&mut hash, low.address);
        update_address(&mut hash, high.address);
        hash.update([protocol.0, 0]);
        if protocol.has_ports() || protocol.is_icmp() {
            hash.update(low.port.to_be_bytes());
            hash.update(high.port.to_be_bytes());
        }
        Self(hash.finalize().into())
    }
}

fn update_address(hash: &mut Sha1, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
}

/// ICMP types with a counterpart are hashed as a pair of ports; others are one-way, with type and code.
fn icmp_ports(a: Endpoint, b: Endpoint, protocol: Protocol) -> (Endpoint, Endpoint, bool) {
    match u8::try_from(a.port).ok().and_then(|kind| protocol.icmp_counterpart(kind)) {
        Some(reply) => (a, Endpoint { port: u16::from(reply), ..b }, false),
        None => (a, b, true),
    }
}

/// `1:` and the hash in base64.
impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}", STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(a: &str, a_port: u16, b: &str, b_port: u16, protocol: Protocol) -> String {
        let end = |address: &str, port| Endpoint { address: address.parse().expect("address"), port };
        CommunityId::of(end(a, a_port), end(b, b_port), protocol).to_string()
    }

    /// Values from the specification's baselines (seed 0).
    #[test]
    fn agrees_with_the_published_baselines() {
        assert_eq!(
            id("128.232.110.120", 34855, "66.35.250.204", 80, Protocol::TCP),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            id("66.35.250.204", 80, "128.232.110.120", 34855, Protocol::TCP),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(id("192.168.1.52", 54585, "8.8.8.8", 53, Protocol::UDP), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        assert_eq!(id("192.168.0.89", 8, "192.168.0.1", 0, Protocol::ICMP), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        assert_eq!(
            id("192.168.170.8", 7, "192.168.170.56", 7, Protocol::SCTP),
            "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="
        );
    }
}

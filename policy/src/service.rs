//! What a rule is about: a service, and one new connection to it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use watershed_model::{EdgeKey, Protocol};

/// What a server offers: a port, an ICMP message type that it answers, or a whole IP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// A port of TCP, UDP or SCTP.
    Port {
        /// TCP, UDP or SCTP.
        protocol: Protocol,
        /// The server's port.
        port: u16,
    },
    /// A message type of ICMP (RFC 792) or ICMPv6 (RFC 4443), with every code.
    Icmp {
        /// ICMP or ICMPv6.
        protocol: Protocol,
        /// The type that the client sends.
        message_type: u8,
    },
    /// A protocol without ports, whole.
    Protocol(Protocol),
}

impl Service {
    /// The service of an edge; `None` where its ICMP type is none that exists (above 255).
    #[must_use]
    pub fn of(edge: &EdgeKey) -> Option<Self> {
        Self::new(edge.protocol, edge.port)
    }

    /// What `port` means to `protocol`: a port, an ICMP type, or nothing.
    pub(crate) fn new(protocol: Protocol, port: u16) -> Option<Self> {
        if protocol.is_icmp() {
            return Some(Self::Icmp { protocol, message_type: port.try_into().ok()? });
        }
        Some(if protocol.has_ports() { Self::Port { protocol, port } } else { Self::Protocol(protocol) })
    }

    /// Its IP protocol.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Port { protocol, .. } | Self::Icmp { protocol, .. } | Self::Protocol(protocol) => protocol,
        }
    }

    /// Whether a connection between these addresses can exist: one IP version, and the one that the service
    /// belongs to (ICMP over IPv4 alone, ICMPv6 over IPv6 alone).
    #[must_use]
    pub fn connects(self, client: IpAddr, server: IpAddr) -> bool {
        client.is_ipv4() == server.is_ipv4()
            && match self.protocol() {
                Protocol::ICMP => client.is_ipv4(),
                Protocol::ICMPV6 => client.is_ipv6(),
                _ => true,
            }
    }
}

/// `tcp/443`, `icmp/8`, `esp`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { protocol, port } => write!(f, "{protocol}/{port}"),
            Self::Icmp { protocol, message_type } => write!(f, "{protocol}/{message_type}"),
            Self::Protocol(protocol) => protocol.fmt(f),
        }
    }
}

/// The first packet of a new connection, as a rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Who asks.
    pub client: IpAddr,
    /// Who is asked.
    pub server: IpAddr,
    /// For what.
    pub service: Service,
}

/// `10.0.0.1 -> 10.0.0.2:443 tcp`, `fd00::1 -> fd00::2 icmpv6/128`.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service {
            Service::Port { protocol, port } => {
                write!(f, "{} -> {} {protocol}", self.client, SocketAddr::new(self.server, port))
            }
            service => write!(f, "{} -> {} {service}", self.client, self.server),
        }
    }
}

//! What of a server a rule allows.

use std::fmt;
use std::ops::RangeInclusive;

use watershed_model::Protocol;

use crate::Service;

/// Ports of TCP, UDP and SCTP: what "anything" is at least.
pub(crate) const EVERY_PORT: u64 = 3 * 65_535;

/// Something that a rule allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowed {
    /// Everything.
    Anything,
    /// A message type of ICMP, or a protocol without ports.
    Service(Service),
    /// Ports of TCP, UDP or SCTP: the first and the last.
    Ports(Protocol, u16, u16),
}

impl Allowed {
    /// Ports of a protocol.
    #[must_use]
    pub const fn ports(protocol: Protocol, range: &RangeInclusive<u16>) -> Self {
        Self::Ports(protocol, *range.start(), *range.end())
    }

    /// One service.
    #[must_use]
    pub const fn only(service: Service) -> Self {
        match service {
            Service::Port { protocol, port } => Self::Ports(protocol, port, port),
            Service::Icmp { .. } | Service::Protocol(_) => Self::Service(service),
        }
    }

    /// The service, where it is one alone.
    #[must_use]
    pub fn service(&self) -> Option<Service> {
        match *self {
            Self::Service(service) => Some(service),
            Self::Ports(protocol, first, last) if first == last => {
                Some(Service::Port { protocol, port: first })
            }
            Self::Ports(..) | Self::Anything => None,
        }
    }

    /// Whether it includes a service.
    #[must_use]
    pub fn includes(&self, service: Service) -> bool {
        match (self, service) {
            (Self::Anything, _) => true,
            (Self::Service(allowed), service) => *allowed == service,
            (&Self::Ports(of, first, last), Service::Port { protocol, port }) => {
                of == protocol && (first..=last).contains(&port)
            }
            (Self::Ports(..), _) => false,
        }
    }
}

/// `tcp/80`, `tcp/8000-8080`, `icmp/8`, `esp`, `anything`.
impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("anything"),
            Self::Service(service) => service.fmt(f),
            Self::Ports(protocol, first, last) if first == last => write!(f, "{protocol}/{first}"),
            Self::Ports(protocol, first, last) => write!(f, "{protocol}/{first}-{last}"),
        }
    }
}

/// How many ports are allowed.
pub(crate) fn width<'a>(allowed: impl IntoIterator<Item = &'a Allowed>) -> u64 {
    let each = allowed.into_iter().map(|allowed| match allowed {
        Allowed::Anything => EVERY_PORT,
        Allowed::Service(_) => 1,
        Allowed::Ports(_, first, last) => u64::from(last - first) + 1,
    });
    each.sum()
}

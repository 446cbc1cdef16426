//! Names that traffic gives to addresses.

use std::net::IpAddr;
use std::time::Duration;

use crate::Timestamp;

/// Names that a flow's own packets gave to its server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameHints {
    /// Server name from a TLS or QUIC ClientHello (RFC 6066), lower case.
    pub tls_server_name: Option<Box<str>>,
    /// Host from an HTTP/1 request without its port (RFC 9112), lower case.
    pub http_host: Option<Box<str>>,
    /// First question name of a DNS query or response in this flow, lower case.
    pub dns_query: Option<Box<str>>,
}

impl NameHints {
    /// Names for the server, surest first. A DNS question does not name the server that is asked.
    pub fn server_names(&self) -> impl Iterator<Item = &str> {
        self.tls_server_name.iter().chain(&self.http_host).map(AsRef::as_ref)
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A DNS answer as one client saw it: from `seen` on and for `ttl`, this client knew `address` as `name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameObservation {
    /// When the answer was seen.
    pub seen: Timestamp,
    /// Who had asked: the destination of the response.
    pub client: IpAddr,
    /// The name asked for, lower case, without the final dot (CNAME chains keep the name that was asked).
    pub name: Box<str>,
    /// The answer's address.
    pub address: IpAddr,
    /// The smallest time to live along the answer's chain.
    pub ttl: Duration,
}

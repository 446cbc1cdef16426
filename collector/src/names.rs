//! Names in payloads: DNS, TLS, HTTP and QUIC.
//!
//! [`NameReader`] follows one connection and says what its payload calls the server and who speaks as the
//! client. Below it is one parser a protocol; each takes bytes and gives an answer, without state or I/O.
//! Whatever the bytes are, an answer comes back: nothing here fails, recurses or reads out of bounds.

mod reader;

pub mod tls;

pub mod http;

pub mod quic;

pub mod gquic;

pub mod dns;

mod assembly;

pub use reader::{Findings, NameReader, Payload, Progress, Side};

/// What the first bytes of a client's stream say about the server's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The client's opening holds this name.
    Name(Box<str>),
    /// It is a client's opening, and it holds no name.
    NoName,
    /// It is a client's opening, and the bytes end before a name.
    Partial,
    /// Too few bytes to tell what it is.
    NeedMore,
    /// It is something else.
    Other,
}

impl Reading {
    /// Whether the bytes are the opening of a client of this protocol.
    #[must_use]
    pub const fn recognised(&self) -> bool {
        matches!(self, Self::Name(_) | Self::NoName | Self::Partial)
    }

    /// Whether more bytes could change the answer.
    #[must_use]
    pub const fn open(&self) -> bool {
        matches!(self, Self::Partial | Self::NeedMore)
    }

    fn from_name(name: Option<Box<str>>) -> Self {
        name.map_or(Self::NoName, Self::Name)
    }
}

/// The longest host name: RFC 1035 section 2.3.4 allows 255 octets.
const MAX_HOST_NAME: usize = 255;

/// `bytes` in lower case, when they can be a host name or an address literal.
///
/// Underscores and other liberties of real names are let through; what could not be in any of them
/// (controls, spaces, quotes, bytes above ASCII) is not a name.
fn host_name(bytes: &[u8]) -> Option<Box<str>> {
    let plausible =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'%' | b'~');
    if bytes.is_empty() || bytes.len() > MAX_HOST_NAME || !bytes.iter().all(plausible) {
        return None;
    }
    let lower = bytes.iter().map(|&b| char::from(b.to_ascii_lowercase())).collect::<String>();
    Some(lower.into_boxed_str())
}

/// So many cases of a property, the same ones every time.
#[cfg(test)]
fn seeded(cases: u32) -> proptest::test_runner::Config {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(1);
    proptest::test_runner::Config { cases, rng_seed, failure_persistence: None, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_lower_case_and_plausible() {
        assert_eq!(host_name(b"Shop.Example").as_deref(), Some("shop.example"));
        assert_eq!(host_name(b"2001:db8::1").as_deref(), Some("2001:db8::1"));
        for wrong in [&b""[..], b"a b", b"a\"b", b"\x1b[31m", "ä".as_bytes(), &[b'a'; 256]] {
            assert_eq!(host_name(wrong), None);
        }
    }
}

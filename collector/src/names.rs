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

pub mod services;

mod assembly;

pub use reader::{Findings, Gathered, NameReader, Payload, Progress, Side};

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

/// What can be in a host name or an address literal. Underscores and other liberties of real names are
/// let through; controls, spaces, quotes, bytes above ASCII are not.
static IN_HOST_NAME: [u8; 256] =
    lower_cases(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:%~");

/// `bytes` in lower case, when they can be a host name or an address literal.
fn host_name(bytes: &[u8]) -> Option<Box<str>> {
    if bytes.is_empty() || bytes.len() > MAX_HOST_NAME {
        return None;
    }
    let mut name = Vec::with_capacity(bytes.len());
    let plausible = push_lower_case(&mut name, bytes, &IN_HOST_NAME);
    String::from_utf8(name).ok().filter(|_| plausible).map(String::into_boxed_str)
}

/// Appends the lower case of `bytes`; whether all of them are in the table.
fn push_lower_case(text: &mut Vec<u8>, bytes: &[u8], table: &[u8; 256]) -> bool {
    let mut known = true;
    text.extend(bytes.iter().map(|&byte| {
        let lower = table[usize::from(byte)];
        known &= lower != 0;
        lower
    }));
    known
}

/// The lower case of each of these octets in its place, 0 in the places of the others.
const fn lower_cases(octets: &[u8]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut next = 0;
    while next < octets.len() {
        table[octets[next] as usize] = octets[next].to_ascii_lowercase();
        next += 1;
    }
    table
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

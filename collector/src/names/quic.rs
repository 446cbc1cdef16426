//! The server name in a client's QUIC Initial packets: version 1 (RFC 9000, RFC 9001), version 2 (RFC 9369)
//! and the drafts and variants before them whose Initials look alike.

mod frames;

mod keys;

use super::assembly::Assembly;
use super::{Reading, gquic, tls};
use frames::{crypto_frames, variable_length_integer};
use keys::{Keys, Version};

/// CRYPTO frames kept ahead of their turn: clients that shuffle their hello on purpose send some twenty.
const MAX_FRAMES_AHEAD: usize = 64;

/// Longest connection id of these versions (RFC 9000 section 17.2).
const MAX_CONNECTION_ID: usize = 20;

/// Whether a datagram starts with a long header of a version that can be read.
#[must_use]
pub fn is_long_header(datagram: &[u8]) -> bool {
    LongHeader::parse(datagram).is_some()
}

/// What one client sent in its Initial packets so far.
#[derive(Debug)]
pub struct ClientInitials {
    keys: Option<Keys>,
    crypto: Assembly,
    limited: bool,
}

impl Default for ClientInitials {
    fn default() -> Self {
        Self { keys: None, crypto: Assembly::new(MAX_FRAMES_AHEAD), limited: false }
    }
}

impl ClientInitials {
    /// Reads the Initial packets of one datagram, and answers from all datagrams so far.
    ///
    /// [`Reading::Other`]: it held no Initial packet of the client that could be opened. Datagrams may
    /// come in any order after the first.
    pub fn read(&mut self, datagram: &[u8]) -> Reading {
        let mut opened = false;
        let mut rest = datagram;
        while let Some((packet, next)) = Packet::split(rest) {
            if packet.initial
                && let Some(plain) = self.open(&packet)
            {
                opened = true;
                for (offset, bytes) in crypto_frames(&plain) {
                    self.limited |= self.crypto.insert(offset, bytes).is_err();
                }
            }
            rest = next;
        }
        if opened { self.answer() } else { Reading::Other }
    }

    /// Whether a packet was opened: its sender is the client.
    #[must_use]
    pub const fn opened(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether a limit kept part of the client's hello from being read.
    #[must_use]
    pub const fn limited(&self) -> bool {
        self.limited
    }

    fn answer(&self) -> Reading {
        let hello = self.crypto.prefix();
        let reading = match gquic::server_name_in_message(hello) {
            Reading::Other => tls::server_name_in_handshake(hello),
            google => google,
        };
        // That the packet opened with the client's keys says whose it is.
        if reading == Reading::NeedMore { Reading::Partial } else { reading }
    }

    /// Opens a packet with the keys that worked before, else with those of its own connection id.
    ///
    /// The keys come from the first destination connection id that the client chose and stay when it
    /// takes up the server's; only after a Retry do they change (RFC 9001 section 5.2).
    fn open(&mut self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        if let Some(plain) = self.keys.as_ref().and_then(|keys| keys.open(packet)) {
            return Some(plain);
        }
        if self.keys.as_ref().is_some_and(|keys| keys.made_from(packet.header.dcid)) {
            return None;
        }
        let keys = Keys::of_client(packet.header.version, packet.header.dcid);
        let plain = keys.open(packet)?;
        self.keys = Some(keys);
        Some(plain)
    }
}

/// The part of a long header that all packet types share.
struct LongHeader<'a> {
    version: &'static Version,
    dcid: &'a [u8],
    /// Where the part of the packet's own type starts.
    length: usize,
}

impl<'a> LongHeader<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, v0, v1, v2, v3], rest) = bytes.split_first_chunk::<5>()?;
        if first & 0x80 == 0 {
            return None;
        }
        let version = Version::of(u32::from_be_bytes([v0, v1, v2, v3]))?;
        let (dcid, rest) = connection_id(rest)?;
        let (_scid, rest) = connection_id(rest)?;
        Some(Self { version, dcid, length: bytes.len() - rest.len() })
    }
}

fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let length = usize::from(length);
    if length > MAX_CONNECTION_ID { None } else { rest.split_at_checked(length) }
}

/// One packet of a datagram, header included, still protected.
struct Packet<'a> {
    header: LongHeader<'a>,
    initial: bool,
    bytes: &'a [u8],
    /// Where the packet number starts.
    number_at: usize,
}

impl<'a> Packet<'a> {
    /// The first packet of a datagram, and the packets that are coalesced behind it.
    fn split(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = LongHeader::parse(datagram)?;
        let kind = (datagram.first()? >> 4) & 3;
        let initial = kind == header.version.initial_type;
        let mut rest = &datagram[header.length..];
        if kind == header.version.retry_type {
            return None;
        }
        if initial {
            let (token, after) = variable_length_integer(rest)?;
            rest = after.get(token..)?;
        }
        let (length, after) = variable_length_integer(rest)?;
        let number_at = datagram.len() - after.len();
        let (bytes, next) = datagram.split_at_checked(number_at.checked_add(length)?)?;
        Some((Self { header, initial, bytes, number_at }, next))
    }
}

#[cfg(test)]
pub(super) mod tests;

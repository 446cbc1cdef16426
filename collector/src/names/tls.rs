//! The server name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3).

use super::{MAX_HOST_NAME, Reading, host_name};

/// Record type of handshake messages.
const HANDSHAKE: u8 = 22;
/// Longest record: 2^14 octets of plaintext and 2048 that TLS 1.2 allows on top.
const MAX_RECORD: usize = (1 << 14) + 2048;
/// Handshake message type of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Extension type of server_name.
const SERVER_NAME: u16 = 0;

/// Whether a ClientHello's record may begin with this octet.
#[must_use]
pub const fn may_begin_with(first: u8) -> bool {
    first == HANDSHAKE
}

/// The server name in the first bytes of a client's TCP stream, across TLS records.
///
/// An SSLv2-compatible ClientHello is [`Reading::Other`]: it has no extensions.
#[must_use]
pub fn server_name(stream: &[u8]) -> Reading {
    read(Handshake { piece: &[], rest: stream, message_left: usize::MAX })
}

/// The server name in the first bytes of a stream of handshake messages without records, as QUIC has it.
#[must_use]
pub fn server_name_in_handshake(stream: &[u8]) -> Reading {
    read(Handshake { piece: stream, rest: &[], message_left: usize::MAX })
}

fn read(mut hello: Handshake<'_>) -> Reading {
    match hello.open() {
        Err(Stop::More) => return Reading::NeedMore,
        Err(Stop::Wrong) => return Reading::Other,
        Ok(()) => {}
    }
    match hello.body() {
        Ok(name) => Reading::from_name(name),
        Err(Stop::More) => Reading::Partial,
        Err(Stop::Wrong) => Reading::NoName,
    }
}

/// Why reading stopped.
enum Stop {
    /// The bytes end here.
    More,
    /// This cannot be a ClientHello, or contradicts itself.
    Wrong,
}

/// A cursor over the bytes of the first handshake message, wherever record headers cut it.
struct Handshake<'a> {
    /// The message's next bytes, up to the end of the record.
    piece: &'a [u8],
    /// The records behind it.
    rest: &'a [u8],
    /// Octets of the message behind the piece, here or still to come.
    message_left: usize,
}

impl<'a> Handshake<'a> {
    /// Reads up to and including the message header.
    fn open(&mut self) -> Result<(), Stop> {
        let [kind] = self.array()?;
        if kind != CLIENT_HELLO {
            return Err(Stop::Wrong);
        }
        let [high, middle, low] = self.array()?;
        let length = usize::from(high) << 16 | usize::from(u16::from_be_bytes([middle, low]));
        self.piece = &self.piece[..self.piece.len().min(length)];
        self.message_left = length - self.piece.len();
        Ok(())
    }

    fn body(&mut self) -> Result<Option<Box<str>>, Stop> {
        // Version and random, then three vectors: session id, cipher suites, compression methods.
        self.skip(2 + 32)?;
        let [session_id] = self.array()?;
        self.skip(session_id.into())?;
        let cipher_suites = self.u16()?;
        self.skip(cipher_suites.into())?;
        let [compression_methods] = self.array()?;
        self.skip(compression_methods.into())?;
        if self.piece.is_empty() && self.message_left == 0 {
            return Ok(None);
        }
        let mut left = usize::from(self.u16()?);
        while left >= 4 {
            let (kind, length) = (self.u16()?, usize::from(self.u16()?));
            left = left.checked_sub(4 + length).ok_or(Stop::Wrong)?;
            if kind == SERVER_NAME {
                return self.server_name(length);
            }
            self.skip(length)?;
        }
        Ok(None)
    }

    /// The first entry of the extension's list; RFC 6066 knows no other type than host_name.
    fn server_name(&mut self, length: usize) -> Result<Option<Box<str>>, Stop> {
        if length < 5 {
            return Ok(None);
        }
        let ([_, _, kind], name) = (self.array()?, usize::from(self.u16()?));
        if kind != 0 || name > length - 5 || name > MAX_HOST_NAME {
            return Ok(None);
        }
        let mut buffer = [0; MAX_HOST_NAME];
        let buffer = &mut buffer[..name];
        self.fill(buffer)?;
        Ok(host_name(buffer))
    }

    fn u16(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        if let Some((&array, piece)) = self.piece.split_first_chunk() {
            self.piece = piece;
            return Ok(array);
        }
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Stop> {
        while !buffer.is_empty() {
            let run = self.run(buffer.len())?;
            let (filled, left) = buffer.split_at_mut(run.len());
            filled.copy_from_slice(run);
            buffer = left;
        }
        Ok(())
    }

    fn skip(&mut self, mut count: usize) -> Result<(), Stop> {
        if let Some(piece) = self.piece.get(count..) {
            self.piece = piece;
            return Ok(());
        }
        while count > 0 {
            count -= self.run(count)?.len();
        }
        Ok(())
    }

    /// The next bytes of the message, at least one and at most `most`, from within one record.
    fn run(&mut self, most: usize) -> Result<&'a [u8], Stop> {
        if self.piece.is_empty() {
            self.next_record()?;
        }
        let (run, piece) = self.piece.split_at(most.min(self.piece.len()));
        self.piece = piece;
        Ok(run)
    }

    /// Steps over a record header: type, version 3.x, length.
    fn next_record(&mut self) -> Result<(), Stop> {
        if self.message_left == 0 {
            return Err(Stop::Wrong);
        }
        if !matches!(self.rest, [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, ..=4, ..]) {
            return Err(Stop::Wrong);
        }
        let (header, behind) = self.rest.split_first_chunk::<5>().ok_or(Stop::More)?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > MAX_RECORD {
            return Err(Stop::Wrong);
        }
        let (record, rest) = behind.split_at(length.min(behind.len()));
        self.rest = rest;
        self.piece = &record[..record.len().min(self.message_left)];
        self.message_left -= self.piece.len();
        if self.piece.is_empty() { Err(Stop::More) } else { Ok(()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ClientHello message for `name`, with two other extensions around the server name.
    pub(in crate::names) fn hello(name: Option<&[u8]>) -> Vec<u8> {
        let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
        if let Some(name) = name {
            let length = u16::try_from(name.len()).unwrap();
            extensions.extend([0, 0]);
            extensions.extend((length + 5).to_be_bytes());
            extensions.extend((length + 3).to_be_bytes());
            extensions.push(0);
            extensions.extend(length.to_be_bytes());
            extensions.extend(name);
        }
        extensions.extend([0, 43, 0, 3, 2, 3, 4]);

        let mut body = vec![3, 3];
        body.extend([0xAB; 32]);
        body.extend([4, 1, 2, 3, 4]);
        body.extend([0, 4, 0x13, 1, 0x13, 2]);
        body.extend([1, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);

        let mut message = vec![CLIENT_HELLO, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
    }

    /// `message` in records of at most `size` octets.
    pub(in crate::names) fn records(message: &[u8], size: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for piece in message.chunks(size) {
            stream.extend([HANDSHAKE, 3, 1]);
            stream.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
            stream.extend(piece);
        }
        stream
    }

    fn name(text: &str) -> Reading {
        Reading::Name(text.into())
    }

    #[test]
    fn the_name_is_found_whatever_the_record_size() {
        let message = hello(Some(b"Shop.Example"));
        for size in 1..=message.len() {
            assert_eq!(server_name(&records(&message, size)), name("shop.example"), "records of {size}");
        }
        assert_eq!(server_name_in_handshake(&message), name("shop.example"));
    }

    #[test]
    fn a_cut_hello_is_partial_until_the_name_is_there() {
        let stream = records(&hello(Some(b"shop.example")), 1 << 14);
        let mut seen = Vec::new();
        for length in 0..=stream.len() {
            let reading = server_name(&stream[..length]);
            if seen.last() != Some(&reading) {
                seen.push(reading);
            }
        }
        assert_eq!(seen, [Reading::NeedMore, Reading::Partial, name("shop.example")]);
    }

    #[test]
    fn a_hello_without_a_usable_name_has_none() {
        for given in [None, Some(&b""[..]), Some(b"with space"), Some(&[b'a'; 256])] {
            assert_eq!(server_name(&records(&hello(given), 99)), Reading::NoName, "{given:?}");
        }
        let before_extensions = [&[1, 0, 0, 41, 3, 3][..], &[0; 32], &[0, 0, 2, 0, 5, 1, 0]].concat();
        assert_eq!(server_name_in_handshake(&before_extensions), Reading::NoName);
    }

    #[test]
    fn other_streams_are_told_from_their_first_bytes() {
        let server_hello = records(&[2, 0, 0, 1, 9], 9);
        let ssl2_hello = [0x80, 0x2E, 1, 3, 1, 0, 21, 0, 0, 0, 16];
        for other in
            [&b"GET / HTTP/1.1"[..], &server_hello, &ssl2_hello, &[23, 3, 3, 0, 9], &[22, 3, 1, 0, 0]]
        {
            assert_eq!(server_name(other), Reading::Other, "{other:?}");
        }
        assert_eq!(server_name(b""), Reading::NeedMore);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = server_name(&bytes);
            let _ = server_name_in_handshake(&bytes);
        }

        #[test]
        fn a_damaged_hello_gives_an_answer(at in 0_usize..150, byte in any::<u8>(), size in 1_usize..200) {
            let mut stream = records(&hello(Some(b"shop.example")), size);
            let length = stream.len();
            stream[at % length] = byte;
            let _ = server_name(&stream);
        }
    }
}

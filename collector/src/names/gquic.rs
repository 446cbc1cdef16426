//! The server name in Google's QUIC before the IETF's: versions Q009 to Q050.
//!
//! Source: "QUIC Wire Layout Specification" and "QUIC Crypto" by the Chromium project. The client's first
//! message, CHLO, is a table of tags that travels in the clear up to Q046; Q050 wraps it in an Initial.

use super::{Reading, host_name};

/// First tag of a client's first message.
const CHLO: &[u8; 4] = b"CHLO";
/// Tag of the server name.
const SNI: &[u8; 4] = b"SNI\0";
/// Most tags in a message: the format's own limit.
const MAX_TAGS: usize = 128;
/// CHLO starts at most here: public header (1 + 8 + 4 + 6), hash (12), private flags (1), stream frame
/// header (1 + 4 + 8 + 2), rounded up.
const MAX_HEADER: usize = 64;

/// Whether a datagram's header has a version of Google's QUIC whose handshake travels in the clear.
#[must_use]
pub fn is_versioned(datagram: &[u8]) -> bool {
    let version_at = match datagram.first() {
        Some(flags) if flags & 0x80 != 0 => 1,
        Some(flags) if flags & 0x09 == 0x09 => 9,
        _ => return false,
    };
    let version = datagram.get(version_at..version_at + 4);
    matches!(version, Some([b'Q', b'0', tens, ones]) if tens.is_ascii_digit() && ones.is_ascii_digit())
}

/// The server name in a client's datagram, which [`is_versioned`].
#[must_use]
pub fn server_name(datagram: &[u8]) -> Reading {
    let start = datagram.windows(CHLO.len()).take(MAX_HEADER).position(|tag| tag == CHLO);
    start.map_or(Reading::Other, |at| server_name_in_message(&datagram[at..]))
}

/// The server name in a CHLO message.
#[must_use]
pub fn server_name_in_message(message: &[u8]) -> Reading {
    if !message.starts_with(CHLO) {
        return if CHLO.starts_with(message) { Reading::NeedMore } else { Reading::Other };
    }
    let Some(&[low, high]) = message.get(4..6) else {
        return Reading::Partial;
    };
    let tags = usize::from(u16::from_le_bytes([low, high]));
    if tags > MAX_TAGS {
        return Reading::Other;
    }
    // Each entry: the tag, and where its value ends, counted from the end of the table.
    let Some(table) = message.get(8..8 + tags * 8) else {
        return Reading::Partial;
    };
    let values = &message[8 + tags * 8..];
    let mut start = 0;
    for entry in table.chunks_exact(8) {
        let end = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]) as usize;
        if entry.starts_with(SNI) {
            return match values.get(start..end) {
                Some(name) => Reading::from_name(host_name(name)),
                None if start > end => Reading::NoName,
                None => Reading::Partial,
            };
        }
        start = end;
    }
    Reading::NoName
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut message = CHLO.to_vec();
        message.extend([u8::try_from(tags.len()).unwrap(), 0, 0, 0]);
        let mut end = 0;
        for (tag, value) in tags {
            end += u32::try_from(value.len()).unwrap();
            message.extend(*tag);
            message.extend(end.to_le_bytes());
        }
        tags.iter().for_each(|(_, value)| message.extend(*value));
        message
    }

    #[test]
    fn the_name_is_found_behind_either_header() {
        let message = message(&[(b"PAD\0", &[b'-'; 9]), (b"SNI\0", b"Shop.Example"), (b"VER\0", b"Q035")]);
        for header in [&b"\x0d12345678Q035\x01"[..], b"\xc3Q046\x5012345678\0\0\0\x01"] {
            let datagram = [header, &[0; 12], b"\xa0\x01\x04\x00", &message].concat();
            assert!(is_versioned(&datagram));
            assert_eq!(server_name(&datagram), Reading::Name("shop.example".into()));
        }
    }

    #[test]
    fn what_is_missing_or_cut_is_told() {
        let whole = message(&[(b"SNI\0", b"shop.example")]);
        assert_eq!(server_name_in_message(&whole[..whole.len() - 1]), Reading::Partial);
        assert_eq!(server_name_in_message(&whole[..10]), Reading::Partial);
        assert_eq!(server_name_in_message(b"CH"), Reading::NeedMore);
        assert_eq!(server_name_in_message(&message(&[(b"VER\0", b"Q035")])), Reading::NoName);
        assert_eq!(server_name(b"\x0d12345678Q035\x01REJ\0"), Reading::Other);
        assert!(!is_versioned(b"\x0c12345678Q035"));
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_versioned(&bytes);
            let _ = server_name(&bytes);
            let _ = server_name_in_message(&[CHLO, &bytes[..]].concat());
        }
    }
}

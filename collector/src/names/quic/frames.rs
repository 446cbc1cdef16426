//! The frames of an Initial packet (RFC 9000 sections 16 and 19).

const PADDING: usize = 0x00;
const PING: usize = 0x01;
const ACK: usize = 0x02;
const ACK_ECN: usize = 0x03;
const CRYPTO: usize = 0x06;

/// Offset and data of the CRYPTO frames in an Initial packet's payload, in order of appearance.
///
/// It ends with the first frame that does not belong into an Initial packet or is cut short.
pub(super) fn crypto_frames(payload: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        loop {
            let (kind, after) = variable_length_integer(rest)?;
            rest = match kind {
                PADDING | PING => after,
                ACK | ACK_ECN => skip_ack(after, kind == ACK_ECN)?,
                CRYPTO => {
                    let (offset, after) = variable_length_integer(after)?;
                    let (length, after) = variable_length_integer(after)?;
                    let (data, after) = after.split_at_checked(length)?;
                    rest = after;
                    return Some((offset, data));
                }
                _ => return None,
            };
        }
    })
}

/// What follows an ACK frame: largest acknowledged, delay, ranges, and with ECN three counts.
fn skip_ack(bytes: &[u8], ecn: bool) -> Option<&[u8]> {
    let (_largest, rest) = variable_length_integer(bytes)?;
    let (_delay, rest) = variable_length_integer(rest)?;
    let (ranges, mut rest) = variable_length_integer(rest)?;
    let integers = ranges.checked_mul(2)?.checked_add(1)?.checked_add(if ecn { 3 } else { 0 })?;
    for _ in 0..integers {
        (_, rest) = variable_length_integer(rest)?;
    }
    Some(rest)
}

/// An integer of 1, 2, 4 or 8 octets, and what follows it.
pub(super) fn variable_length_integer(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (tail, rest) = rest.split_at_checked((1 << (first >> 6)) - 1)?;
    let value = tail.iter().fold(u64::from(first & 0x3F), |value, &byte| value << 8 | u64::from(byte));
    Some((usize::try_from(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 9000 section A.1.
    #[test]
    fn integers_are_read_as_published() {
        let long = [0xC2, 0x19, 0x7C, 0x5E, 0xFF, 0x14, 0xE8, 0x8C];
        assert_eq!(variable_length_integer(&long), Some((151_288_809_941_952_652, &[][..])));
        assert_eq!(variable_length_integer(&[0x9D, 0x7F, 0x3E, 0x7D]), Some((494_878_333, &[][..])));
        assert_eq!(variable_length_integer(&[0x7B, 0xBD, 9]), Some((15_293, &[9][..])));
        assert_eq!(variable_length_integer(&[0x25]), Some((37, &[][..])));
        assert_eq!(variable_length_integer(&[0x40, 0x25]), Some((37, &[][..])));
        assert_eq!(variable_length_integer(&[0x40]), None);
    }

    #[test]
    fn crypto_frames_are_found_among_the_others() {
        let payload = [
            &[0, 0, 1][..],
            &[2, 9, 0, 1, 3, 0, 0],
            &[6, 3, 2, 7, 8],
            &[3, 9, 0, 0, 3, 1, 1, 1],
            &[6, 0, 1, 5],
            &[0x1C, 6, 0, 1, 9],
        ]
        .concat();
        let frames: Vec<_> = crypto_frames(&payload).collect();
        assert_eq!(frames, [(3, &[7, 8][..]), (0, &[5][..])]);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn any_bytes_give_frames_within_them(bytes in proptest::collection::vec(0_u8..8, 0..200)) {
            let held: usize = crypto_frames(&bytes).map(|(_, data)| data.len()).sum();
            prop_assert!(held <= bytes.len());
        }
    }
}

//! The fields of pcapng blocks: numbers in a section's byte order, and options.

use super::super::capture::Stop;

/// The option that ends a list of options.
const END_OF_OPTIONS: u16 = 0;

/// The byte order of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// From the byte-order magic of a section header.
    pub(super) fn of_section(magic: [u8; 4]) -> Result<Self, Stop> {
        match u32::from_le_bytes(magic) {
            0x1a2b_3c4d => Ok(Self::Little),
            0x4d3c_2b1a => Ok(Self::Big),
            other => Err(Stop::Corrupt(format!("a section header with byte-order magic {other:#010x}"))),
        }
    }

    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets(bytes, at)),
            Self::Big => u16::from_be_bytes(octets(bytes, at)),
        }
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets(bytes, at)),
            Self::Big => u32::from_be_bytes(octets(bytes, at)),
        }
    }

    pub(super) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(octets(bytes, at)),
            Self::Big => u64::from_be_bytes(octets(bytes, at)),
        }
    }
}

/// The octets at `at`, whose presence the caller has checked; zeros beyond the end rather than a panic.
pub(super) fn octets<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// The options of a block; those after a malformed one are left out.
pub(super) struct Options<'a> {
    pub(super) order: Order,
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.rest.split_at_checked(4)?;
        let (code, length) = (self.order.u16(head, 0), usize::from(self.order.u16(head, 2)));
        let value = rest.get(..length)?;
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        (code != END_OF_OPTIONS).then_some((code, value))
    }
}

//! Reading numbers from bytes that may be too short.

/// The big-endian 16-bit number at `at`.
pub(super) fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes)
}

/// The big-endian 32-bit number at `at`.
pub(super) fn be32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes)
}

/// The little-endian 16-bit number at `at`.
pub(super) fn le16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes)
}

/// What follows the first `count` bytes.
pub(super) fn after(data: &[u8], count: usize) -> Option<&[u8]> {
    data.get(count..)
}

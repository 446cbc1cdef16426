//! The beginning of a byte stream that arrives in pieces, in any order.

/// Bytes of a stream that are kept: a ClientHello with post-quantum key shares takes about 2 KiB, the
/// headers of an HTTP request at most 8 KiB with common servers, a DNS message over TCP rarely 4 KiB.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// Pieces taken over the life of one assembly, so that a stream in single bytes stays cheap to re-read.
const MAX_PIECES: u16 = 256;

/// The first bytes of a stream without gaps, and pieces that arrived ahead of their turn.
///
/// Where pieces overlap, the one that is first in its turn stays.
#[derive(Debug)]
pub(super) struct Assembly {
    prefix: Vec<u8>,
    ahead: Vec<(usize, Box<[u8]>)>,
    max_ahead: usize,
    pieces: u16,
}

/// A limit of the assembly was reached: the piece was not kept, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Assembly {
    /// An empty assembly that keeps up to `max_ahead` pieces that arrived ahead of their turn.
    pub(super) const fn new(max_ahead: usize) -> Self {
        Self { prefix: Vec::new(), ahead: Vec::new(), max_ahead, pieces: 0 }
    }

    /// The stream's bytes up to the first gap.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Adds the bytes that start `offset` bytes into the stream.
    pub(super) fn insert(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Full> {
        let room = MAX_BYTES.saturating_sub(offset);
        if self.pieces == MAX_PIECES || room == 0 {
            return Err(Full);
        }
        self.pieces += 1;
        let kept = &bytes[..bytes.len().min(room)];
        if offset <= self.prefix.len() {
            self.extend(offset, kept);
            self.take_up_ahead();
        } else if !self.ahead.iter().any(|(at, piece)| *at == offset && piece.len() >= kept.len()) {
            let held: usize = self.ahead.iter().map(|(_, piece)| piece.len()).sum();
            if self.ahead.len() == self.max_ahead || held + kept.len() > MAX_BYTES {
                return Err(Full);
            }
            self.ahead.push((offset, kept.into()));
        }
        if kept.len() < bytes.len() { Err(Full) } else { Ok(()) }
    }

    /// Removes the first `count` bytes: the stream now starts behind them.
    pub(super) fn advance(&mut self, count: usize) {
        self.prefix.drain(..count.min(self.prefix.len()));
        let ahead = std::mem::take(&mut self.ahead);
        self.ahead.extend(ahead.into_iter().filter_map(|(offset, piece)| {
            let left = piece.get(count.saturating_sub(offset)..)?;
            (!left.is_empty()).then(|| (offset.saturating_sub(count), left.into()))
        }));
        self.pieces = 0;
        self.take_up_ahead();
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.ahead.is_empty()
    }

    fn extend(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(new) = bytes.get(self.prefix.len() - offset..) {
            self.prefix.extend_from_slice(new);
        }
    }

    /// Appends the pieces whose turn has come.
    fn take_up_ahead(&mut self) {
        while let Some(next) = self.ahead.iter().position(|(offset, _)| *offset <= self.prefix.len()) {
            let (offset, piece) = self.ahead.swap_remove(next);
            self.extend(offset, &piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_keep_what_is_first_in_turn() {
        let mut assembly = Assembly::new(4);
        assembly.insert(2, b"cdef").unwrap();
        assembly.insert(0, b"abXX").unwrap();
        assert_eq!(assembly.prefix(), b"abXXef");
        assembly.insert(1, b"zzzzzzzg").unwrap();
        assert_eq!(assembly.prefix(), b"abXXefzzg");
    }

    #[test]
    fn limits_hold_and_are_told() {
        let mut assembly = Assembly::new(1);
        assert_eq!(assembly.insert(MAX_BYTES, b"x"), Err(Full));
        assert_eq!(assembly.insert(5, b"x"), Ok(()));
        assert_eq!(assembly.insert(5, b"x"), Ok(()), "a duplicate takes no room");
        assert_eq!(assembly.insert(7, b"x"), Err(Full));
        assert_eq!(assembly.insert(0, &[7; MAX_BYTES + 1]), Err(Full));
        assert_eq!(assembly.prefix().len(), MAX_BYTES);
    }

    #[test]
    fn advancing_moves_the_pieces_that_wait() {
        let mut assembly = Assembly::new(4);
        assembly.insert(0, b"ab").unwrap();
        assembly.insert(4, b"ef").unwrap();
        assembly.advance(2);
        assert_eq!(assembly.prefix(), b"");
        assembly.insert(0, b"cd").unwrap();
        assert_eq!(assembly.prefix(), b"cdef");
        assembly.insert(6, b"ijkl").unwrap();
        assembly.advance(8);
        assert_eq!(assembly.prefix(), b"kl", "an advance into a waiting piece keeps its rest");
        assembly.advance(2);
        assert!(assembly.is_empty());
    }
}

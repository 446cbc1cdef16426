//! What a spool remembers beside its segments: up to where everything has arrived, and what was lost untold.
//!
//! One small file, written over in place so that a full disk cannot keep it from being written. Its lock keeps
//! a second process out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use watershed_model::Batch;

use super::segment::checksum;
use crate::error::SinkError;

/// The file's name.
const NAME: &str = "cursor";

/// Five numbers of 64 bits and their CRC-32, little endian.
const BYTES: usize = 5 * 8 + 4;

/// A place in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Octets before it in the segment.
    pub offset: u64,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Batches.
    pub batches: u64,
    /// Flow records in them.
    pub records: u64,
    /// Name observations in them.
    pub names: u64,
}

impl Dropped {
    /// Counts a batch.
    pub fn add(&mut self, batch: &Batch) {
        let one = Self { batches: 1, records: batch.records.len() as u64, names: batch.names.len() as u64 };
        *self = self.plus(one);
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            batches: self.batches.saturating_add(other.batches),
            records: self.records.saturating_add(other.records),
            names: self.names.saturating_add(other.names),
        }
    }

    /// What came on top of `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            batches: self.batches.saturating_sub(earlier.batches),
            records: self.records.saturating_sub(earlier.records),
            names: self.names.saturating_sub(earlier.names),
        }
    }
}

#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    done: Position,
    untold: Dropped,
}

impl Cursor {
    /// Opens and locks it; one that is torn or new says that nothing arrived.
    pub(super) fn open(directory: &Path) -> Result<Self, SinkError> {
        let failed = |error| SinkError::Spool { directory: directory.into(), error };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(directory.join(NAME)).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SinkError::SpoolInUse { directory: directory.into() },
            TryLockError::Error(error) => failed(error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (done, untold) = parse(&bytes).unwrap_or_default();
        let mut cursor = Self { file, done, untold };
        // Now, while it can be refused: later it is written over in place.
        cursor.write().map_err(failed)?;
        Ok(cursor)
    }

    pub(super) const fn done(&self) -> Position {
        self.done
    }

    pub(super) const fn untold(&self) -> Dropped {
        self.untold
    }

    pub(super) fn acknowledge(&mut self, position: Position) {
        if position > self.done {
            self.done = position;
            self.save();
        }
    }

    pub(super) fn note(&mut self, untold: Dropped) {
        if untold != self.untold {
            self.untold = untold;
            self.save();
        }
    }

    /// What cannot be saved costs a batch that comes twice after a crash, which its receiver drops.
    fn save(&mut self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "cannot write the spool's cursor");
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        let Dropped { batches, records, names } = self.untold;
        let numbers = [self.done.segment, self.done.offset, batches, records, names];
        let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.extend(checksum(&[&bytes]).to_le_bytes());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&bytes)
    }
}

fn parse(bytes: &[u8]) -> Option<(Position, Dropped)> {
    let (numbers, sum) = <&[u8; BYTES]>::try_from(bytes).ok()?.split_at(BYTES - 4);
    if sum != checksum(&[numbers]).to_le_bytes() {
        return None;
    }
    let number = |index: usize| Some(u64::from_le_bytes(numbers[index * 8..][..8].try_into().ok()?));
    let done = Position { segment: number(0)?, offset: number(1)? };
    Some((done, Dropped { batches: number(2)?, records: number(3)?, names: number(4)? }))
}

//! What waits on disk until its receiver has it.
//!
//! A queue of encoded batches in segment files, each with a checksum: append at the end, read in order,
//! acknowledge, and segments that are done with are removed. It survives the death of its process at any
//! point: what was appended is read again unless its acknowledgement was written, so that a batch may come
//! twice and never gets lost. It is not flushed to the disk batch by batch, so a power failure may cost the
//! last seconds; their batches are found torn, and counted.
//!
//! When it is full, what comes is refused, and not what is there dropped: old batches are as good as new
//! ones, they have numbers already, and an agent whose Kafka is away for long keeps how it began.

mod cursor;

mod segment;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use cursor::Cursor;
pub use cursor::{Dropped, Position};

use crate::error::SinkError;

/// A spool keeps at least so many octets: several of the largest batches.
pub const MIN_LIMIT: u64 = 8 << 20;

/// Octets of a segment at most: small enough that what is acknowledged soon leaves the disk, large enough that
/// a full spool is some dozens of files.
const MAX_SEGMENT: u64 = 16 << 20;

/// Segments that a small spool has at least, so that it can be used nearly to its limit.
const MIN_SEGMENTS: u64 = 8;

/// Where a spool is and how much it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Its directory, of this agent only; made if missing.
    pub directory: PathBuf,
    /// Octets on disk at most.
    pub limit: u64,
}

/// Batches on disk, in order.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    limit: u64,
    cursor: Cursor,
    /// Octets of each segment that can be read, by its number.
    segments: BTreeMap<u64, u64>,
    /// The newest segment; `None` until something is appended.
    writer: Option<(u64, File)>,
    reader: Option<(u64, File)>,
    /// Where the next batch to be read starts.
    read: Position,
    torn: u64,
}

/// Why a batch was not appended. It is as if it had never been tried.
#[derive(Debug)]
pub enum Refusal {
    /// The limit is reached.
    Full,
    /// The disk does not take it: it is full, or broken.
    Disk(io::Error),
}

impl Spool {
    /// Opens a directory, with what an earlier process left in it.
    ///
    /// # Errors
    ///
    /// The directory cannot be used, or another process uses it.
    pub fn open(config: &SpoolConfig) -> Result<Self, SinkError> {
        let directory = config.directory.clone();
        let failed = |error| SinkError::Spool { directory: directory.clone(), error };
        fs::create_dir_all(&directory).map_err(failed)?;
        let cursor = Cursor::open(&directory)?;
        let segments = segment::list(&directory).map_err(failed)?;
        let done = cursor.done();
        let mut spool = Self {
            limit: config.limit.max(MIN_LIMIT),
            cursor,
            segments,
            writer: None,
            reader: None,
            read: done,
            torn: 0,
            directory: config.directory.clone(),
        };
        spool.remove_before(done);
        Ok(spool)
    }

    /// Adds a batch at the end.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub fn append(&mut self, batch: &[u8]) -> Result<(), Refusal> {
        let entry = segment::entry(batch);
        let bytes = entry.len() as u64;
        if self.on_disk() + bytes > self.limit {
            return Err(Refusal::Full);
        }
        self.write(&entry).map_err(Refusal::Disk)
    }

    /// The next batch that was not read yet, and the place after it; `None` when all were.
    pub fn read_next(&mut self) -> Option<(Position, Vec<u8>)> {
        loop {
            let (&number, &length) = self.segments.range(self.read.segment..).next()?;
            if number > self.read.segment {
                self.read = Position { segment: number, offset: 0 };
            }
            if self.read.offset >= length {
                // On to the next segment, if there is one.
                self.segments.range(number + 1..).next()?;
                self.read = Position { segment: number + 1, offset: 0 };
                continue;
            }
            if let Some(batch) = self.read_here(length) {
                self.read.offset += segment::HEADER + batch.len() as u64;
                return Some((self.read, batch));
            }
            // Nothing behind a torn batch can be found: it was the last that was written, or the disk lies.
            self.torn += 1;
            self.segments.insert(number, self.read.offset);
        }
    }

    /// Everything up to `position` has arrived.
    pub fn acknowledge(&mut self, position: Position) {
        self.cursor.acknowledge(position);
        self.remove_before(position);
    }

    /// Reads again from what was acknowledged last.
    pub fn rewind(&mut self) {
        self.read = self.cursor.done();
    }

    /// Notes what was lost and not told yet, so that it is told even after the death of this process.
    pub fn note(&mut self, untold: Dropped) {
        self.cursor.note(untold);
    }

    /// What an earlier process lost and could not tell.
    #[must_use]
    pub const fn untold(&self) -> Dropped {
        self.cursor.untold()
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let read = |number: u64| if number == self.read.segment { self.read.offset } else { 0 };
        self.segments.range(self.read.segment..).all(|(&number, &length)| read(number) >= length)
    }

    /// Octets that wait for their acknowledgement.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let done = self.cursor.done();
        let of = |(&number, &length): (&u64, &u64)| match number {
            number if number == done.segment => length.saturating_sub(done.offset),
            _ => length,
        };
        self.segments.range(done.segment..).map(of).sum()
    }

    /// Batches that were found torn.
    #[must_use]
    pub const fn torn(&self) -> u64 {
        self.torn
    }

    fn on_disk(&self) -> u64 {
        self.segments.values().sum()
    }

    fn write(&mut self, entry: &[u8]) -> io::Result<()> {
        let most = MAX_SEGMENT.min(self.limit / MIN_SEGMENTS);
        let filled = self.writer.as_ref().map_or(0, |(number, _)| self.segments[number]);
        if filled > 0 && filled + entry.len() as u64 > most {
            self.writer = None;
        }
        if self.writer.is_none() {
            // Never again a number that was used: a cursor may point there.
            let newest = self.segments.last_key_value().map_or(0, |(&number, _)| number);
            let number = newest.max(self.cursor.done().segment) + 1;
            self.writer = Some((number, File::create_new(segment::path(&self.directory, number))?));
            self.segments.insert(number, 0);
        }
        let Some((number, file)) = &mut self.writer else { return Ok(()) };
        let length = self.segments.entry(*number).or_default();
        if let Err(error) = file.write_all(entry) {
            // A full disk may have taken half of it.
            if file.set_len(*length).and_then(|()| file.seek(SeekFrom::Start(*length))).is_err() {
                self.writer = None;
            }
            return Err(error);
        }
        *length += entry.len() as u64;
        Ok(())
    }

    /// The batch at the reading place; `None` if there is no whole one.
    fn read_here(&mut self, length: u64) -> Option<Vec<u8>> {
        let Position { segment: number, offset } = self.read;
        if self.reader.as_ref().is_none_or(|(open, _)| *open != number) {
            self.reader = Some((number, File::open(segment::path(&self.directory, number)).ok()?));
        }
        let (_, file) = self.reader.as_mut()?;
        segment::read(file, offset, length)
    }

    /// Removes the segments in which everything has arrived. One that cannot be removed now is tried again
    /// when the spool is opened next.
    fn remove_before(&mut self, done: Position) {
        let writing = self.writer.as_ref().map(|(number, _)| *number);
        while let Some((&number, &length)) = self.segments.first_key_value() {
            let passed = number < done.segment || (number == done.segment && done.offset >= length);
            if !passed || Some(number) == writing {
                break;
            }
            self.segments.remove(&number);
            remove(&segment::path(&self.directory, number));
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove a spool segment that is done with");
    }
}

#[cfg(test)]
mod tests;

//! Segment files: batches one after the other, each behind its length and checksum.
//!
//! An entry is the batch's length (32 bits, little endian, never 0), the CRC-32 of length and batch (32 bits,
//! little endian), and the batch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use watershed_model::wire::MAX_BYTES;

/// Octets before each batch.
pub(super) const HEADER: u64 = 8;

/// What segment files are called after their number.
const EXTENSION: &str = "batches";

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.{EXTENSION}"))
}

/// The segments in a directory, and their lengths. Other files are left alone.
pub(super) fn list(directory: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == EXTENSION)) {
            segments.insert(number, entry.metadata()?.len());
        }
    }
    Ok(segments)
}

/// A batch with its header.
pub(super) fn entry(batch: &[u8]) -> Vec<u8> {
    let length = u32::try_from(batch.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length, &checksum(&[&length, batch]).to_le_bytes(), batch].concat()
}

/// The batch whose entry starts at `offset` of a segment of this length; `None` if there is no whole one.
pub(super) fn read(file: &mut File, offset: u64, segment: u64) -> Option<Vec<u8>> {
    let mut header = [0; HEADER as usize];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.read_exact(&mut header).ok()?;
    let (length, sum) = header.split_at(4);
    let bytes = u32::from_le_bytes(length.try_into().ok()?) as usize;
    // A length that is none would have memory taken for it.
    if bytes == 0 || bytes > MAX_BYTES || offset + HEADER + bytes as u64 > segment {
        return None;
    }
    let mut batch = vec![0; bytes];
    file.read_exact(&mut batch).ok()?;
    (sum == checksum(&[length, &batch]).to_le_bytes()).then_some(batch)
}

pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

//! The octets of a file, a pipe or standard input, decompressed where they are compressed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Progress;

/// Octets decompressed at a time: what a damaged file may cost beyond the damage.
const DECOMPRESS_STEP: usize = 16 << 10;

/// Compressed octets read at a time: a system call costs little beside decompressing that much.
const COMPRESSED_BUFFER: usize = 128 << 10;

/// How many first octets tell how a file is compressed.
const MAGIC: u64 = 4;

/// Octets to be read once, front to back.
pub(super) struct Octets {
    decoder: Decoder,
    /// How many are stored, if that is known.
    total: Option<u64>,
}

enum Decoder {
    Plain(Stored),
    Gzip(Box<MultiGzDecoder<BufReader<Stored>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Stored>>>),
}

impl Octets {
    /// The octets of standard input.
    pub(super) fn stdin() -> io::Result<Self> {
        Self::new(Origin::Stdin(io::stdin()), None)
    }

    /// The octets of the file at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Self::new(Origin::File(file), metadata.is_file().then_some(metadata.len()))
    }

    fn new(origin: Origin, total: Option<u64>) -> io::Result<Self> {
        let stored = Stored::new(origin)?;
        let decoder = match stored.magic.get_ref().as_slice() {
            // RFC 1952; the third octet is the only compression method there is.
            [0x1f, 0x8b, 0x08, ..] => {
                let stored = BufReader::with_capacity(COMPRESSED_BUFFER, stored);
                Decoder::Gzip(Box::new(MultiGzDecoder::new(stored)))
            }
            // RFC 8878: a frame, or a skippable frame as parallel compressors put first. Its window is at most
            // 128 MiB, the decoder's own limit.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                let stored = BufReader::with_capacity(COMPRESSED_BUFFER, stored);
                Decoder::Zstd(Box::new(zstd::Decoder::with_buffer(stored)?))
            }
            _ => Decoder::Plain(stored),
        };
        Ok(Self { decoder, total })
    }

    /// Reads some octets into `buffer`: none at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = buffer.len().min(DECOMPRESS_STEP);
        match &mut self.decoder {
            Decoder::Plain(stored) => stored.read(buffer),
            Decoder::Gzip(gzip) => gzip.read(&mut buffer[..step]),
            Decoder::Zstd(zstd) => zstd.read(&mut buffer[..step]),
        }
    }

    /// Whether they come out of a decompressor.
    pub(super) const fn are_decompressed(&self) -> bool {
        !matches!(self.decoder, Decoder::Plain(_))
    }

    /// How many stored octets have been read.
    pub(super) fn progress(&self) -> Progress {
        let stored = match &self.decoder {
            Decoder::Plain(stored) => stored,
            Decoder::Gzip(gzip) => gzip.get_ref().get_ref(),
            Decoder::Zstd(zstd) => zstd.get_ref().get_ref(),
        };
        Progress { read: stored.read, total: self.total }
    }
}

/// Octets as they are stored; the first ones have been looked at and are read again. Counts what is read.
struct Stored {
    magic: io::Cursor<Vec<u8>>,
    origin: Origin,
    read: u64,
}

enum Origin {
    File(File),
    Stdin(io::Stdin),
}

impl Stored {
    fn new(mut origin: Origin) -> io::Result<Self> {
        let mut magic = Vec::new();
        origin.by_ref().take(MAGIC).read_to_end(&mut magic)?;
        Ok(Self { magic: io::Cursor::new(magic), origin, read: 0 })
    }
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = match self.magic.read(buffer)? {
            0 => self.origin.read(buffer)?,
            some => some,
        };
        self.read += octets as u64;
        Ok(octets)
    }
}

impl Read for Origin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stdin(stdin) => stdin.read(buffer),
        }
    }
}

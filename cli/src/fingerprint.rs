//! By what a capture is known again: its content, not its name.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use sha2::{Digest as _, Sha256};
use watershed_collector::source::{self, PacketBatch, PacketSource as _, SourceConfig};
use watershed_model::Timestamp;

use crate::failure::Failure;

/// When a capture started, made its own by its content: the second of its first packet, and in place of
/// nanoseconds a fingerprint of all octets of its files. So the same files in any order are the same start
/// of their agent, and others are another: two captures of one second are taken for the same once in 10⁹.
pub(crate) fn start_of(captures: &[PathBuf]) -> Result<Timestamp, Failure> {
    let digests = captures.iter().map(|path| digest(path));
    let mut digests = digests.collect::<Result<Vec<_>, _>>()?;
    digests.sort_unstable();
    let whole = Sha256::digest(digests.concat());
    let fingerprint = whole.iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet));

    let mut source = source::open(&SourceConfig { captures: captures.to_vec() })?;
    let mut packets = PacketBatch::new();
    // What cannot be read is told when the capture is read for its packets.
    let _ = source.fill(&mut packets);
    let first = packets.first().map_or_else(Timestamp::default, |packet| packet.time);
    let second = first.as_nanos().div_euclid(NANOS);
    Ok(Timestamp::from_parts(second, (fingerprint % NANOS.cast_unsigned()) as u32))
}

const NANOS: i64 = 1_000_000_000;

/// Octets read at a time.
const PART: usize = 256 * 1024;

fn digest(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = || path.display();
    if path == Path::new("-") {
        return Err(Failure::usage(anyhow!(
            "cannot add standard input to a store: it takes two readings to know a capture again; write it to a \
             file first"
        )));
    }
    let mut file = File::open(path).with_context(|| format!("cannot open {}", name()))?;
    let regular = file.metadata().with_context(|| format!("cannot open {}", name()))?.is_file();
    if !regular {
        return Err(Failure::usage(anyhow!(
            "cannot add {} to a store: it is no regular file, and it takes two readings to know a capture again",
            name()
        )));
    }
    let mut hash = Sha256::new();
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part).with_context(|| format!("cannot read {}", name()))? {
            0 => return Ok(hash.finalize().to_vec()),
            length => hash.update(&part[..length]),
        }
    }
}

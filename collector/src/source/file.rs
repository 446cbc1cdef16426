//! Packets from capture files, merged by time.

use std::path::PathBuf;

use watershed_model::Timestamp;

use super::capture::{Cursor, Head};
use super::input::Input;
use super::pcapng::MAX_INTERFACES;
use super::{PacketBatch, PacketSource, Progress};
use crate::error::SourceError;

/// How many captures can be merged: as many as leave each its own range of interface numbers.
const MAX_CAPTURES: usize = (u32::MAX / MAX_INTERFACES) as usize;

/// Packets from capture files, merged by time.
///
/// Packets of the same time come in the order of the captures. The packets of one capture stay in its order,
/// even where its time goes back. Interfaces of different captures and sections have different numbers: the
/// n-th capture's start at n × 65 536.
///
/// A capture ends with its first error, which does not concern the others.
pub struct FileSource {
    inputs: Vec<Input>,
    cursors: Vec<Cursor>,
}

impl FileSource {
    /// Opens `captures`; `-` is standard input. Reads their file headers.
    ///
    /// # Errors
    ///
    /// The first capture that cannot be read or is in no known format.
    pub fn open(captures: &[PathBuf]) -> Result<Self, SourceError> {
        if captures.len() > MAX_CAPTURES {
            return Err(SourceError::TooManyCaptures { given: captures.len(), limit: MAX_CAPTURES });
        }
        let mut source = Self { inputs: Vec::new(), cursors: Vec::new() };
        let mut first_interface = 0;
        for path in captures {
            let mut input = Input::open(path)?;
            source.cursors.push(Cursor::open(&mut input, first_interface)?);
            source.inputs.push(input);
            first_interface += MAX_INTERFACES;
        }
        Ok(source)
    }

    /// How far reading has come, over all captures.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let none = Progress { read: 0, total: Some(0) };
        self.inputs.iter().map(Input::progress).fold(none, |sum, one| Progress {
            read: sum.read + one.read,
            total: sum.total.zip(one.total).map(|(sum, one)| sum + one),
        })
    }

    /// The capture whose packet is next, and the time up to which no other one's comes before.
    fn earliest(&self) -> Option<(usize, Timestamp)> {
        let mut first: Option<(Timestamp, usize)> = None;
        let mut second: Option<(Timestamp, usize)> = None;
        for (index, cursor) in self.cursors.iter().enumerate() {
            let Head::At(time) = cursor.head() else { continue };
            let head = Some((time, index));
            if first.is_none() || head < first {
                (first, second) = (head, first);
            } else if second.is_none() || head < second {
                second = head;
            }
        }
        let (_, earliest) = first?;
        let limit = match second {
            None => Timestamp::MAX,
            Some((time, index)) if earliest < index => time,
            Some((time, _)) => Timestamp::from_nanos(time.as_nanos().saturating_sub(1)),
        };
        Some((earliest, limit))
    }
}

impl PacketSource for FileSource {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        // Windows move only here, before packets borrow from them.
        for (cursor, input) in self.cursors.iter_mut().zip(&mut self.inputs) {
            cursor.find_next(input)?;
        }
        while !batch.is_full() {
            let Some((earliest, limit)) = self.earliest() else { break };
            let cursor = &mut self.cursors[earliest];
            cursor.run(self.inputs[earliest].window(), limit, batch);
            if cursor.head() == Head::Unknown {
                break;
            }
        }
        Ok(())
    }

    fn kernel_dropped(&self) -> u64 {
        self.cursors.iter().map(Cursor::dropped).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::super::testing::{Order, drain, file, read, read_bytes};
    use super::super::{MemoryPacket, MemorySource};
    use super::*;

    /// A capture with one packet per (microsecond, name).
    fn capture(packets: &[(u32, &str)]) -> Vec<u8> {
        let mut bytes = Order::Little.pcap_header(0xa1b2_c3d4, 1);
        packets.iter().for_each(|(micros, name)| {
            bytes.extend(Order::Little.pcap_packet(0, *micros, name.as_bytes()));
        });
        bytes
    }

    /// More packets than a buffer holds, of sizes that straddle its ends.
    fn long_capture() -> Vec<u8> {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(5_000).collect();
        let mut bytes = Order::Little.pcap_header(0xa1b2_c3d4, 1);
        for number in 0..600 {
            bytes.extend(Order::Little.pcap_packet(number, 0, &data[..number as usize * 8]));
        }
        bytes.extend(Order::Little.pcap_packet(601, 0, &vec![7; 256 << 10]));
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("compressed")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("compressed")
    }

    fn names(packets: &[MemoryPacket]) -> Vec<&str> {
        packets.iter().map(|packet| std::str::from_utf8(&packet.data).expect("name")).collect()
    }

    #[test]
    fn captures_are_merged_by_time_and_ties_by_their_order() {
        let a = file(&capture(&[(1, "a1"), (5, "a5"), (5, "a5again"), (9, "a9")]));
        let b = file(&capture(&[(5, "b5"), (6, "b6"), (2, "b2late"), (7, "b7")]));
        let (packets, errors) = read(&[a.path(), b.path()]);
        assert!(errors.is_empty());
        assert_eq!(names(&packets), ["a1", "a5", "a5again", "b5", "b6", "b2late", "b7", "a9"]);
        let interfaces: Vec<u32> = packets.iter().map(|packet| packet.interface.0 >> 16).collect();
        assert_eq!(interfaces, [0, 0, 0, 1, 1, 1, 1, 0]);

        let (packets, _) = read(&[b.path(), a.path()]);
        assert_eq!(names(&packets)[..4], ["a1", "b5", "a5", "a5again"]);
    }

    #[test]
    fn one_damaged_capture_does_not_stop_the_others() {
        let whole = capture(&[(1, "a1"), (5, "a5"), (9, "a9")]);
        let (a, b) = (file(&whole[..whole.len() - 1]), file(&capture(&[(2, "b2"), (8, "b8"), (10, "b10")])));
        let (packets, errors) = read(&[a.path(), b.path()]);
        assert_eq!(names(&packets), ["a1", "b2", "a5", "b8", "b10"]);
        assert!(errors.len() == 1 && errors[0].is_cut(), "{errors:?}");
    }

    #[test]
    fn compressed_captures_give_the_same_packets() {
        let bytes = long_capture();
        let (expected, errors) = read_bytes(&bytes);
        assert!(errors.is_empty() && expected.len() == 601);
        // Members and frames follow each other without a gap.
        let (front, back) = bytes.split_at(100_001);
        for packed in [
            gzip(&bytes),
            zstd(&bytes),
            [gzip(front), gzip(back)].concat(),
            [zstd(front), zstd(back)].concat(),
        ] {
            let (packets, errors) = read_bytes(&packed);
            assert!(errors.is_empty(), "{errors:?}");
            assert!(packets == expected);
        }
    }

    #[test]
    fn a_compressed_capture_that_is_cut_or_damaged_keeps_what_was_readable() {
        let bytes = long_capture();
        let (expected, _) = read_bytes(&bytes);
        for packed in [gzip(&bytes), zstd(&bytes)] {
            let (packets, errors) = read_bytes(&packed[..packed.len() / 2]);
            assert!(errors.len() == 1 && errors[0].is_cut(), "{errors:?}");
            assert!(!packets.is_empty() && expected.starts_with(&packets));
        }
        let mut damaged = gzip(&bytes);
        let end = damaged.len();
        damaged[end - 8] ^= 1;
        let (packets, errors) = read_bytes(&damaged);
        assert!(matches!(errors[..], [SourceError::Decompress { .. }]), "{errors:?}");
        assert!(packets == expected, "only the checksum is wrong");
    }

    #[test]
    fn what_is_no_capture_is_told_on_opening() {
        let folder = tempfile::tempdir().expect("folder");
        let message = |path: &Path| match FileSource::open(&[path.to_path_buf()]) {
            Ok(_) => panic!("{} is no capture", path.display()),
            Err(error) => error.to_string(),
        };
        assert!(message(folder.path()).contains("is a directory"));
        assert!(message(&folder.path().join("none")).starts_with("cannot open"));
        assert!(message(file(b"").path()).contains("is empty"));
        assert!(message(file(&gzip(b"")).path()).contains("is empty"));
        let text = message(file(b"hello world\n").path());
        assert!(text.contains("68 65 6c 6c 6f 20 77 6f") && text.contains("looks like text"), "{text}");
        assert!(message(file(&gzip(b"{\"a\": 1}")).path()).contains("byte 0 of the decompressed data"));
        assert!(message(file(b"\xfd7zXZ\0\0\x04").path()).contains("xz: decompress it first"));
    }

    #[test]
    fn progress_ends_at_the_stored_size() {
        for bytes in [long_capture(), gzip(&long_capture())] {
            let file = file(&bytes);
            let mut source = FileSource::open(&[file.path().to_path_buf()]).expect("opens");
            drain(&mut source);
            let stored = bytes.len() as u64;
            assert_eq!(source.progress(), Progress { read: stored, total: Some(stored) });
        }
    }

    #[test]
    fn memory_gives_the_same_packets_as_a_file() {
        let file = file(&long_capture());
        let (expected, _) = read(&[file.path()]);
        let mut memory = MemorySource::new(expected.clone());
        let (packets, errors) = drain(&mut memory);
        assert!(errors.is_empty());
        assert!(packets == expected);
        assert_eq!(drain(&mut memory).0.len(), 0, "a source that ended stays ended");
    }
}

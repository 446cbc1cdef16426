//! Writes capture files: pcap with nanosecond timestamps, little endian.

use std::io::{self, Write};

use watershed_model::Timestamp;

/// The link type of Ethernet frames (LINKTYPE_ETHERNET).
pub const ETHERNET: u32 = 1;

/// Longest packet that is captured whole, as tcpdump has it by default, octets.
pub const WHOLE: u32 = 262_144;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);

/// Writes packets into a capture file as they come; nothing is buffered here.
///
/// Source: the Internet draft "PCAP Capture File Format" (draft-ietf-opsawg-pcap).
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    snap_length: u32,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the file header; packets of Ethernet follow, each cut at `snap_length` octets.
    pub fn new(mut out: W, snap_length: u32) -> io::Result<Self> {
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION.0.to_le_bytes());
        header[6..8].copy_from_slice(&VERSION.1.to_le_bytes());
        header[16..20].copy_from_slice(&snap_length.to_le_bytes());
        header[20..24].copy_from_slice(&ETHERNET.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, snap_length })
    }

    /// Writes one frame as captured at `time`, which must not lie before 1970 nor after 2106.
    pub fn write(&mut self, time: Timestamp, frame: &[u8]) -> io::Result<()> {
        let nanos = u64::try_from(time.as_nanos()).map_err(|_| out_of_range(time))?;
        let seconds = u32::try_from(nanos / 1_000_000_000).map_err(|_| out_of_range(time))?;
        let fraction = (nanos % 1_000_000_000) as u32;
        let captured = frame.len().min(self.snap_length as usize);

        let mut header = [0; 16];
        header[0..4].copy_from_slice(&seconds.to_le_bytes());
        header[4..8].copy_from_slice(&fraction.to_le_bytes());
        header[8..12].copy_from_slice(&(captured as u32).to_le_bytes());
        header[12..16].copy_from_slice(&(frame.len() as u32).to_le_bytes());
        self.out.write_all(&header)?;
        self.out.write_all(&frame[..captured])
    }

    /// Flushes, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn out_of_range(time: Timestamp) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("cannot write time {time} into a pcap file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_frame_is_cut_and_keeps_its_length() {
        let mut writer = CaptureWriter::new(Vec::new(), 4).unwrap();
        writer.write(Timestamp::from_parts(1, 2), &[7; 6]).unwrap();
        let file = writer.finish().unwrap();
        assert_eq!(file.len(), 24 + 16 + 4);
        assert_eq!(file[24..40], [1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn a_time_that_the_format_cannot_hold_is_an_error() {
        let mut writer = CaptureWriter::new(Vec::new(), WHOLE).unwrap();
        assert!(writer.write(Timestamp::from_nanos(-1), &[]).is_err());
    }
}

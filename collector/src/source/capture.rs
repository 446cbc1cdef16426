//! One capture: which format it is in, and where its next packet is.

use watershed_model::Timestamp;

use super::input::Input;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::{Packet, PacketBatch};
use crate::error::SourceError;

/// The largest packet accepted, octets: libpcap's own limit (`MAXIMUM_SNAPLEN`). A longer one means that the
/// file is damaged and what follows is not a packet.
pub(super) const MAX_PACKET: usize = 256 << 10;

/// How many first octets a message shows of what is no capture.
const SHOWN: usize = 8;

/// How many first octets are looked at to tell what it is instead.
const LOOKED_AT: usize = 64;

/// Why there is no packet.
#[derive(Debug)]
pub(super) enum Stop {
    /// The next packet needs this many octets from the current place.
    Need(usize),
    /// What is at the current place contradicts itself: what was found.
    Corrupt(String),
    /// The format's version is not supported.
    Version {
        /// The format.
        format: &'static str,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// It is no capture.
    Unknown,
}

/// A capture file format.
pub(super) trait Format {
    /// The next packet at or after `at`, and its size in the file. Moves `at` to where the packet starts.
    ///
    /// Asked again at the same place, it finds the same packet.
    fn next<'a>(&mut self, window: &'a [u8], at: &mut usize) -> Result<(Packet<'a>, usize), Stop>;
}

enum AnyFormat {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl AnyFormat {
    /// The format of what starts with `window`, and the size of its file header.
    fn detect(window: &[u8], first_interface: u32) -> Result<(Self, usize), Stop> {
        let Some(magic) = window.first_chunk() else { return Err(Stop::Need(4)) };
        if Pcapng::has_magic(*magic) {
            // The section header is its first block, which gets checked now and read again as a block.
            let mut format = Pcapng::new(first_interface);
            format.check_header(window)?;
            return Ok((Self::Pcapng(format), 0));
        }
        Pcap::open(window, *magic, first_interface).map(|(format, size)| (Self::Pcap(format), size))
    }
}

/// When a capture's next packet was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Not known before the capture is read on.
    Unknown,
    /// Then.
    At(Timestamp),
    /// There are no more packets.
    Ended,
}

/// A place in a capture.
///
/// The capture's bytes are held beside it rather than inside, so that packets can borrow from many captures
/// while their places move.
pub(super) struct Cursor {
    format: AnyFormat,
    /// Octets of the window that are behind.
    at: usize,
    head: Head,
}

impl Cursor {
    /// Finds out what format `input` is in. Its interfaces are numbered from `first_interface`.
    pub(super) fn open(input: &mut Input, first_interface: u32) -> Result<Self, SourceError> {
        loop {
            match AnyFormat::detect(input.window(), first_interface) {
                Ok((format, at)) => return Ok(Self { format, at, head: Head::Unknown }),
                Err(Stop::Need(need)) => {
                    if !input.more(need)? {
                        return Err(ends_in_header(input, need));
                    }
                }
                Err(stop) => {
                    // For the message; if there are no more, those that are there have to do.
                    let _ = input.more(LOOKED_AT);
                    return Err(error(stop, input));
                }
            }
        }
    }

    /// When the next packet was captured.
    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Reads `input` on as far as needed to know the next packet.
    ///
    /// An error ends this capture.
    pub(super) fn find_next(&mut self, input: &mut Input) -> Result<(), SourceError> {
        input.consume(std::mem::take(&mut self.at));
        while self.head == Head::Unknown {
            let found = match self.next(input.window()) {
                Ok(time) => Ok(Head::At(time)),
                Err(stop) => self.read_on(stop, input),
            };
            self.head = *found.as_ref().unwrap_or(&Head::Ended);
            if self.head == Head::Ended {
                input.close();
            }
            found?;
        }
        Ok(())
    }

    fn read_on(&mut self, stop: Stop, input: &mut Input) -> Result<Head, SourceError> {
        input.consume(std::mem::take(&mut self.at));
        match stop {
            Stop::Need(need) if input.more(need)? => Ok(Head::Unknown),
            Stop::Need(_) if input.window().is_empty() => Ok(Head::Ended),
            stop => Err(error(stop, input)),
        }
    }

    fn next(&mut self, window: &[u8]) -> Result<Timestamp, Stop> {
        let (packet, _) = match &mut self.format {
            AnyFormat::Pcap(pcap) => pcap.next(window, &mut self.at),
            AnyFormat::Pcapng(pcapng) => pcapng.next(window, &mut self.at),
        }?;
        Ok(packet.time)
    }

    /// Appends the packets of `window` to `batch` until one is later than `limit`, the batch is full, or the
    /// window has no complete packet left.
    pub(super) fn run<'a>(&mut self, window: &'a [u8], limit: Timestamp, batch: &mut PacketBatch<'a>) {
        self.head = match &mut self.format {
            AnyFormat::Pcap(pcap) => run(pcap, window, &mut self.at, limit, batch),
            AnyFormat::Pcapng(pcapng) => run(pcapng, window, &mut self.at, limit, batch),
        };
    }

    /// Packets that were lost while the capture was made, as far as it says so.
    pub(super) fn dropped(&self) -> u64 {
        match &self.format {
            AnyFormat::Pcap(_) => 0,
            AnyFormat::Pcapng(pcapng) => pcapng.dropped(),
        }
    }
}

fn run<'a>(
    format: &mut impl Format,
    window: &'a [u8],
    at: &mut usize,
    limit: Timestamp,
    batch: &mut PacketBatch<'a>,
) -> Head {
    loop {
        // What stops here is met again, and told, when the capture is read on.
        let Ok((packet, size)) = format.next(window, at) else { return Head::Unknown };
        if packet.time > limit || batch.is_full() {
            return Head::At(packet.time);
        }
        batch.push(packet);
        *at += size;
    }
}

fn ends_in_header(input: &Input, need: usize) -> SourceError {
    match input.window().len() {
        0 => SourceError::Empty { capture: input.place().capture },
        1..4 => error(Stop::Unknown, input),
        _ => error(Stop::Need(need), input),
    }
}

#[cold]
fn error(stop: Stop, input: &Input) -> SourceError {
    let place = input.place();
    let window = input.window();
    match stop {
        Stop::Need(need) => {
            let reason = format!("{} of at least {need} octets are there", window.len());
            SourceError::Cut { place, reason }
        }
        Stop::Corrupt(found) => SourceError::Corrupt { place, found },
        Stop::Version { format, major, minor } => SourceError::Version { place, format, major, minor },
        Stop::Unknown => {
            let shown: Vec<String> = window.iter().take(SHOWN).map(|octet| format!("{octet:02x}")).collect();
            SourceError::NotACapture { place, first_bytes: shown.join(" "), looks_like: looks_like(window) }
        }
    }
}

/// What a file that is no capture may be, and what to do with it.
fn looks_like(window: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\xfd7zXZ\0", "xz: decompress it first"),
        (b"BZh", "bzip2: decompress it first"),
        (b"\x04\x22\x4d\x18", "lz4: decompress it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"snoop\0", "a snoop capture: convert it first"),
        (b"GMBU", "a Network Monitor capture: convert it first"),
        (b"\x7fELF", "a program"),
        (b"{", "JSON text"),
        (b"<", "XML or HTML text"),
    ];
    let text = |octet: &u8| octet.is_ascii_graphic() || octet.is_ascii_whitespace();
    let known = KNOWN.iter().find(|(magic, _)| window.starts_with(magic)).map(|&(_, what)| what);
    known.or_else(|| window.iter().take(LOOKED_AT).all(text).then_some("text"))
}

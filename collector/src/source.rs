//! Where packets come from: the [`PacketSource`] seam.

mod file;
pub mod live;
mod memory;

mod capture;
mod pcap;
mod pcapng;

mod input;
mod octets;

#[cfg(test)]
mod testing;

use std::path::PathBuf;

use arrayvec::ArrayVec;
use watershed_model::{InterfaceId, Timestamp};

pub use self::file::FileSource;
use self::live::{InterfaceStatus, LiveConfig, LiveSource};
pub use self::memory::{MemoryPacket, MemorySource};
use crate::error::SourceError;

/// How many packets are handled at a time: enough to hide a cache miss per packet, few enough for the
/// first-level cache.
pub const BATCH: usize = 64;

/// Packets handled together. They borrow from the source until the next call.
pub type PacketBatch<'a> = ArrayVec<Packet<'a>, BATCH>;

/// One captured packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// How [`Packet::data`] starts.
    pub link: LinkType,
    /// Where it was captured.
    pub interface: InterfaceId,
    /// Its length on the wire, octets; `data` is shorter where the capture cut it.
    pub wire_length: u32,
    /// What was captured of it.
    pub data: &'a [u8],
}

/// A link-layer header type, as assigned by tcpdump.org/linktypes.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a four-octet address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP (RFC 1661), with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE session header without an Ethernet header.
    pub const PPPOE: Self = Self(51);
    /// Raw IPv4 or IPv6.
    pub const RAW: Self = Self(101);
    /// 802.11 without a radio header.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: a four-octet address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// 802.11 after a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// From the link type field of a capture file.
    ///
    /// In pcap the upper 16 bits hold the length of the frame check sequence and reserved flags. 12 and 14
    /// are what some systems call raw IP in memory; programs that write files without libpcap leave them so.
    #[must_use]
    pub const fn from_capture(field: u32) -> Self {
        match field & 0xffff {
            12 | 14 => Self::RAW,
            number => Self(number as u16),
        }
    }
}

/// A place that packets come from.
///
/// Conformance: packets come in the order of the source; a source that ended stays ended; an error
/// does not end a source unless every later call finds it empty.
pub trait PacketSource {
    /// Appends the next packets to `batch`, as many as are at hand and fit; none at the end. A source that
    /// waits for packets returns before long without any: then [`PacketSource::quiet_until`] tells that from
    /// the end.
    ///
    /// # Errors
    ///
    /// What could not be read, once; what was readable before it has been handed out already. The
    /// next call goes on behind it, or finds the end.
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError>;

    /// Packets that were dropped before the source could read them.
    fn kernel_dropped(&self) -> u64 {
        0
    }

    /// What is known of the interfaces behind it; nothing where there are none.
    fn tapped(&self) -> Tapped {
        Tapped::default()
    }

    /// After an empty batch: up to when there was no packet, though some may follow. `None` is the end.
    fn quiet_until(&self) -> Option<Timestamp> {
        None
    }
}

/// What is known of the interfaces behind a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// How many there are; 0 where packets come from capture files.
    pub interfaces: u64,
    /// Packets that the kernel received on them: read, dropped, or not read yet.
    pub received: u64,
    /// How often they went away.
    pub went_away: u64,
}

/// What to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceConfig {
    /// Capture files, merged by time; `-` is standard input.
    pub captures: Vec<PathBuf>,
}

/// Every kind of source.
pub enum Source {
    /// Capture files.
    Files(FileSource),
    /// Network interfaces.
    Live(Box<LiveSource>),
    /// Packets from memory.
    Memory(MemorySource),
}

/// Opens the source that `config` asks for and checks that each capture is one.
///
/// # Errors
///
/// The first capture that cannot be read or is in no known format. No packet has been read then.
pub fn open(config: &SourceConfig) -> Result<Source, SourceError> {
    FileSource::open(&config.captures).map(Source::Files)
}

/// Starts to capture on the interfaces that `config` names.
///
/// # Errors
///
/// The first interface that cannot be opened, or this build cannot capture at all.
pub fn open_live(config: &LiveConfig) -> Result<Source, SourceError> {
    LiveSource::open(config).map(Box::new).map(Source::Live)
}

impl Source {
    /// How far reading has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self {
            Self::Files(files) => files.progress(),
            Self::Live(_) => Progress::default(),
            Self::Memory(memory) => memory.progress(),
        }
    }
}

impl Source {
    /// What became of the packets of each interface; empty unless it is live.
    #[must_use]
    pub fn interfaces(&self) -> Vec<&InterfaceStatus> {
        match self {
            Self::Live(live) => live.interfaces().collect(),
            Self::Files(_) | Self::Memory(_) => Vec::new(),
        }
    }
}

impl PacketSource for Source {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        match self {
            Self::Files(files) => files.fill(batch),
            Self::Live(live) => live.fill(batch),
            Self::Memory(memory) => memory.fill(batch),
        }
    }

    fn kernel_dropped(&self) -> u64 {
        match self {
            Self::Files(files) => files.kernel_dropped(),
            Self::Live(live) => live.kernel_dropped(),
            Self::Memory(memory) => memory.kernel_dropped(),
        }
    }

    fn tapped(&self) -> Tapped {
        match self {
            Self::Files(files) => files.tapped(),
            Self::Live(live) => live.tapped(),
            Self::Memory(memory) => memory.tapped(),
        }
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        match self {
            Self::Files(files) => files.quiet_until(),
            Self::Live(live) => live.quiet_until(),
            Self::Memory(memory) => memory.quiet_until(),
        }
    }
}

/// How far reading has come, in octets of the captures as they are stored (compressed ones: compressed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Octets read so far.
    pub read: u64,
    /// Octets in all; unknown as soon as one capture is a stream.
    pub total: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_of_a_link_type_field_is_not_link_type() {
        assert_eq!(LinkType::from_capture(0x3000_0001), LinkType::ETHERNET);
        assert_eq!(LinkType::from_capture(0xf400_0071), LinkType::LINUX_SLL);
        assert_eq!(LinkType::from_capture(12), LinkType::RAW);
    }
}

//! Capture files built octet by octet, and sources read to their end, for tests.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;
use watershed_model::{InterfaceId, Timestamp};

use super::{FileSource, LinkType, MemoryPacket, PacketBatch, PacketSource};
use crate::error::SourceError;

/// A byte order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) const BOTH: [Self; 2] = [Self::Little, Self::Big];

    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(super) fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.u32(value)).collect()
    }

    pub(super) fn pcap_header(self, magic: u32, link: u32) -> Vec<u8> {
        let mut bytes = self.u32(magic).to_vec();
        bytes.extend([self.u16(2), self.u16(4)].concat());
        bytes.extend(self.u32s(&[0, 0, 65_535, link]));
        bytes
    }

    pub(super) fn pcap_packet(self, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
        let length = data.len() as u32;
        [&self.u32s(&[seconds, fraction, length, length + 4]), data].concat()
    }

    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let size = self.u32(body.len() as u32 + 12);
        [&self.u32(kind)[..], &size, &body, &size].concat()
    }

    pub(super) fn section(self) -> Vec<u8> {
        let version = [self.u16(1), self.u16(0)].concat();
        self.block(0x0a0d_0d0a, &[&self.u32(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat())
    }

    pub(super) fn interface(self, link: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
        let fixed = [self.u16(link), [0, 0]].concat();
        self.block(1, &[&fixed, &self.u32(snap_length)[..], options].concat())
    }

    pub(super) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [self.u16(code), self.u16(value.len() as u16)].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub(super) fn enhanced_packet(self, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
        let length = data.len() as u32;
        let fixed = [interface, (ticks >> 32) as u32, ticks as u32, length, length + 4];
        self.block(6, &[&self.u32s(&fixed), data].concat())
    }
}

/// What the builders above make of `data`: captured four octets short.
pub(super) fn packet(nanos: i64, link: LinkType, interface: u32, data: &[u8]) -> MemoryPacket {
    MemoryPacket {
        time: Timestamp::from_nanos(nanos),
        link,
        interface: InterfaceId(interface),
        wire_length: data.len() as u32 + 4,
        data: data.to_vec(),
    }
}

/// A file with these octets.
pub(super) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("temporary file");
    file.write_all(bytes).expect("written");
    file
}

/// Every packet of `source`, and every error.
pub(super) fn drain(source: &mut impl PacketSource) -> (Vec<MemoryPacket>, Vec<SourceError>) {
    let (mut packets, mut errors) = (Vec::new(), Vec::new());
    loop {
        let mut batch = PacketBatch::new();
        match source.fill(&mut batch) {
            Ok(()) if batch.is_empty() => return (packets, errors),
            Ok(()) => packets.extend(batch.iter().map(MemoryPacket::from)),
            Err(error) => {
                assert!(batch.is_empty(), "packets come before an error, not with it");
                errors.push(error);
            }
        }
    }
}

/// Every packet of the captures at `paths`, and every error, also that of opening.
pub(super) fn read(paths: &[&Path]) -> (Vec<MemoryPacket>, Vec<SourceError>) {
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    match FileSource::open(&paths) {
        Ok(mut source) => drain(&mut source),
        Err(error) => (Vec::new(), vec![error]),
    }
}

/// Every packet of a capture with these octets, and every error.
pub(super) fn read_bytes(bytes: &[u8]) -> (Vec<MemoryPacket>, Vec<SourceError>) {
    read(&[file(bytes).path()])
}

/// The packets of a capture in which nothing is wrong.
pub(super) fn packets(bytes: &[u8]) -> Vec<MemoryPacket> {
    let (packets, errors) = read_bytes(bytes);
    assert!(errors.is_empty(), "{errors:?}");
    packets
}

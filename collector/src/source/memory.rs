//! Packets from memory.

use watershed_model::{InterfaceId, Timestamp};

use super::{LinkType, Packet, PacketBatch, PacketSource, Progress};
use crate::error::SourceError;

/// A [`Packet`] that owns its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPacket {
    /// When it was captured.
    pub time: Timestamp,
    /// How `data` starts.
    pub link: LinkType,
    /// Where it was captured.
    pub interface: InterfaceId,
    /// Its length on the wire, octets.
    pub wire_length: u32,
    /// What was captured of it.
    pub data: Vec<u8>,
}

impl From<&Packet<'_>> for MemoryPacket {
    fn from(packet: &Packet<'_>) -> Self {
        let &Packet { time, link, interface, wire_length, data } = packet;
        Self { time, link, interface, wire_length, data: data.to_vec() }
    }
}

impl MemoryPacket {
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> Packet<'_> {
        let &Self { time, link, interface, wire_length, ref data } = self;
        Packet { time, link, interface, wire_length, data }
    }
}

/// Packets from memory, in the order given.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    packets: Vec<MemoryPacket>,
    next: usize,
}

impl MemorySource {
    /// A source of `packets`.
    #[must_use]
    pub const fn new(packets: Vec<MemoryPacket>) -> Self {
        Self { packets, next: 0 }
    }

    /// How far reading has come, in octets of packet data.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let octets = |packets: &[MemoryPacket]| packets.iter().map(|p| p.data.len() as u64).sum();
        Progress { read: octets(&self.packets[..self.next]), total: Some(octets(&self.packets)) }
    }
}

impl PacketSource for MemorySource {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        let ready = &self.packets[self.next..];
        let ready = &ready[..ready.len().min(batch.remaining_capacity())];
        self.next += ready.len();
        batch.extend(ready.iter().map(MemoryPacket::borrowed));
        Ok(())
    }
}

//! pcapng files.
//!
//! Source: draft-ietf-opsawg-pcapng (PCAP Next Generation Capture File Format).

mod clock;
mod fields;

use watershed_model::{InterfaceId, Timestamp};

use self::clock::{Clock, Unit};
use self::fields::{Options, Order, octets};
use super::capture::{Format, MAX_PACKET, Stop};
use super::{LinkType, Packet};

/// The largest block accepted, octets: libpcap's own limit; it bounds what a stream has to hold.
const MAX_BLOCK: usize = 16 << 20;

/// How many interfaces one file may declare, over all its sections: as many as older packet blocks can name.
/// It bounds memory, and lets interfaces of several files be told apart by number.
pub(super) const MAX_INTERFACES: u32 = 1 << 16;

/// Octets of a block that are not its body: type, length, and length again.
const FRAME: usize = 12;

mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const INTERFACE_STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

mod option {
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_TSOFFSET: u16 = 14;
    pub(super) const ISB_IFDROP: u16 = 5;
    pub(super) const ISB_OSDROP: u16 = 7;
}

/// How to read the packets of a pcapng file, as far as its blocks have said.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    /// The section's interfaces.
    interfaces: Vec<Interface>,
    /// The number of the section's first interface among all captures.
    first_interface: u32,
    /// One more than the number of the last interface that this file may have.
    interface_limit: u32,
    /// Simple packets have no time of their own: they get that of the packet before.
    last_time: Timestamp,
    /// What earlier sections said was dropped.
    dropped: u64,
}

#[derive(Debug)]
struct Interface {
    link: LinkType,
    snap_length: u32,
    clock: Clock,
    dropped: u64,
}

struct Block<'a> {
    kind: u32,
    body: &'a [u8],
    size: usize,
}

impl Pcapng {
    /// Whether a file with these first octets is a pcapng file.
    pub(super) fn has_magic(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == block::SECTION_HEADER
    }

    /// A file whose interfaces are numbered from `first_interface`.
    pub(super) const fn new(first_interface: u32) -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            first_interface,
            interface_limit: first_interface.saturating_add(MAX_INTERFACES),
            last_time: Timestamp::from_nanos(0),
            dropped: 0,
        }
    }

    /// Checks the section header that `window` starts with.
    pub(super) fn check_header(&mut self, window: &[u8]) -> Result<(), Stop> {
        let header = self.block(window)?;
        self.start_section(&header)
    }

    /// Packets that the capturing hosts dropped, as the file's interface statistics say.
    pub(super) fn dropped(&self) -> u64 {
        self.interfaces.iter().fold(self.dropped, |sum, interface| sum.saturating_add(interface.dropped))
    }

    /// The block at the start of `rest`.
    fn block<'a>(&mut self, rest: &'a [u8]) -> Result<Block<'a>, Stop> {
        let Some(head) = rest.first_chunk::<FRAME>() else { return Err(Stop::Need(FRAME)) };
        if u32::from_le_bytes(octets(head, 0)) == block::SECTION_HEADER {
            self.order = Order::of_section(octets(head, 8))?;
        }
        let kind = self.order.u32(head, 0);
        let size = self.order.u32(head, 4) as usize;
        if !(FRAME..=MAX_BLOCK).contains(&size) || !size.is_multiple_of(4) {
            return Err(Stop::Corrupt(format!(
                "a block of {size} octets, which is not a multiple of 4 from {FRAME} to {MAX_BLOCK}"
            )));
        }
        let Some(body) = rest.get(8..size - 4) else { return Err(Stop::Need(size)) };
        let Some(tail) = rest.get(size - 4..size) else { return Err(Stop::Need(size)) };
        let again = self.order.u32(tail, 0) as usize;
        if again != size {
            return Err(Stop::Corrupt(format!("a block of {size} octets that says {again} at its end")));
        }
        Ok(Block { kind, body, size })
    }

    fn start_section(&mut self, block: &Block<'_>) -> Result<(), Stop> {
        let body = sized(block, 16, "section header")?;
        let (major, minor) = (self.order.u16(body, 4), self.order.u16(body, 6));
        if major != 1 {
            return Err(Stop::Version { format: "pcapng", major, minor });
        }
        self.dropped = self.dropped();
        self.first_interface += self.interfaces.len() as u32;
        self.interfaces.clear();
        Ok(())
    }

    fn describe_interface(&mut self, block: &Block<'_>) -> Result<(), Stop> {
        let body = sized(block, 8, "interface description")?;
        if self.first_interface + self.interfaces.len() as u32 >= self.interface_limit {
            return Err(Stop::Corrupt(format!("more than {MAX_INTERFACES} interfaces; split the file")));
        }
        let link = LinkType::from_capture(u32::from(self.order.u16(body, 0)));
        let snap_length = self.order.u32(body, 4);
        let mut clock = Clock::MICROSECONDS;
        for (code, value) in (Options { order: self.order, rest: &body[8..] }) {
            match (code, value) {
                (option::IF_TSRESOL, &[resolution]) => clock.unit = Unit::of_resolution(resolution),
                (option::IF_TSOFFSET, value) if value.len() == 8 => {
                    clock.offset = self.order.u64(value, 0).cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(Interface { link, snap_length, clock, dropped: 0 });
        Ok(())
    }

    /// Statistics count from the start of the capture: the last ones hold.
    fn note_statistics(&mut self, block: &Block<'_>) -> Result<(), Stop> {
        let body = sized(block, 12, "interface statistics")?;
        let number = self.order.u32(body, 0);
        let dropped = Options { order: self.order, rest: &body[12..] }
            .filter(|(code, value)| {
                [option::ISB_IFDROP, option::ISB_OSDROP].contains(code) && value.len() == 8
            })
            .fold(0_u64, |sum, (_, value)| sum.saturating_add(self.order.u64(value, 0)));
        // Statistics of an interface that does not exist say nothing about packets.
        if let Some(interface) = self.interfaces.get_mut(number as usize) {
            interface.dropped = dropped;
        }
        Ok(())
    }

    /// The interface with this number in the section, and its number among all captures.
    fn interface(&self, number: u32) -> Result<(&Interface, InterfaceId), Stop> {
        match self.interfaces.get(number as usize) {
            Some(interface) => Ok((interface, InterfaceId(self.first_interface + number))),
            None => Err(Stop::Corrupt(format!(
                "a packet of interface {number}, but its section has declared {}",
                self.interfaces.len()
            ))),
        }
    }

    /// An enhanced packet, or an older packet block, whose interface number is shorter.
    fn timed_packet<'a>(&mut self, block: &Block<'a>) -> Result<Packet<'a>, Stop> {
        let body = sized(block, 20, "packet")?;
        let number = match block.kind {
            block::PACKET => u32::from(self.order.u16(body, 0)),
            _ => self.order.u32(body, 0),
        };
        let (interface, id) = self.interface(number)?;
        let ticks = u64::from(self.order.u32(body, 4)) << 32 | u64::from(self.order.u32(body, 8));
        let captured = self.order.u32(body, 12);
        let wire_length = self.order.u32(body, 16).max(captured);
        let data = packet_data(&body[20..], captured)?;
        let time = interface.clock.time(ticks);
        let link = interface.link;
        self.last_time = time;
        Ok(Packet { time, link, interface: id, wire_length, data })
    }

    fn simple_packet<'a>(&self, block: &Block<'a>) -> Result<Packet<'a>, Stop> {
        let body = sized(block, 4, "simple packet")?;
        let (interface, id) = self.interface(0)?;
        let wire_length = self.order.u32(body, 0);
        let snap_length = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let data = packet_data(&body[4..], wire_length.min(snap_length))?;
        Ok(Packet { time: self.last_time, link: interface.link, interface: id, wire_length, data })
    }
}

impl Format for Pcapng {
    fn next<'a>(&mut self, window: &'a [u8], at: &mut usize) -> Result<(Packet<'a>, usize), Stop> {
        loop {
            let block = self.block(window.get(*at..).unwrap_or_default())?;
            match block.kind {
                block::ENHANCED_PACKET | block::PACKET => {
                    return Ok((self.timed_packet(&block)?, block.size));
                }
                block::SIMPLE_PACKET => return Ok((self.simple_packet(&block)?, block.size)),
                block::SECTION_HEADER => self.start_section(&block)?,
                block::INTERFACE_DESCRIPTION => self.describe_interface(&block)?,
                block::INTERFACE_STATISTICS => self.note_statistics(&block)?,
                _ => {}
            }
            *at += block.size;
        }
    }
}

/// The body of `block`, if it has at least `least` octets.
fn sized<'a>(block: &Block<'a>, least: usize, name: &str) -> Result<&'a [u8], Stop> {
    match block.body.len() {
        length if length < least => {
            Err(Stop::Corrupt(format!("a {name} block with {length} octets, which needs {least} at least")))
        }
        _ => Ok(block.body),
    }
}

fn packet_data(body: &[u8], captured: u32) -> Result<&[u8], Stop> {
    match body.get(..captured as usize) {
        Some(data) if data.len() <= MAX_PACKET => Ok(data),
        _ => Err(Stop::Corrupt(format!(
            "a packet of {captured} octets in a block with room for {}; at most {MAX_PACKET} are possible",
            body.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{self, drain, file, packet, packets, read_bytes};
    use super::super::{FileSource, PacketSource as _};
    use super::*;
    use crate::error::SourceError;

    type Bytes = testing::Order;

    /// A section with every kind of block that says something about packets, and one that says nothing.
    fn section(order: Bytes) -> Vec<u8> {
        let nanoseconds =
            [order.option(9, &[9]), order.option(14, &order.u64(100)), order.option(0, b"")].concat();
        let old = [&order.u16(1)[..], &order.u16(0xffff), &order.u32s(&[0, 9, 3, 7]), b"old"].concat();
        let statistics =
            [order.u32s(&[1, 0, 0]), order.option(5, &order.u64(3)), order.option(7, &order.u64(4))];
        [
            order.section(),
            order.interface(1, 5, b""),
            order.interface(113, 0, &nanoseconds),
            order.enhanced_packet(0, 0x1_0000_0000, b"enhanced"),
            order.block(0x0bad, b"unknown"),
            order.block(2, &old),
            order.block(3, &[&order.u32(9)[..], b"simple"].concat()),
            order.block(5, &statistics.concat()),
        ]
        .concat()
    }

    fn section_packets(first_interface: u32) -> [super::super::MemoryPacket; 3] {
        let (first, second) = (first_interface, first_interface + 1);
        [
            packet(0x1_0000_0000 * 1_000, LinkType::ETHERNET, first, b"enhanced"),
            packet(100 * 1_000_000_000 + 9, LinkType::LINUX_SLL, second, b"old"),
            // As long as the first interface's snap length, with the time of the packet before.
            packet(100 * 1_000_000_000 + 9, LinkType::ETHERNET, first, b"simpl"),
        ]
    }

    #[test]
    fn sections_of_either_byte_order_follow_each_other() {
        let bytes = [section(Bytes::Little), section(Bytes::Big)].concat();
        assert_eq!(packets(&bytes), [section_packets(0), section_packets(2)].concat());
    }

    #[test]
    fn what_the_capturing_host_dropped_is_known_in_the_end() {
        let file = file(&[section(Bytes::Big), section(Bytes::Little)].concat());
        let mut source = FileSource::open(&[file.path().to_path_buf()]).expect("opens");
        drain(&mut source);
        assert_eq!(source.kernel_dropped(), 14);
    }

    #[test]
    fn a_cut_at_any_octet_keeps_every_packet_before() {
        let bytes = section(Bytes::Little);
        let (mut boundary, mut whole) = (0, 0);
        for length in 4..=bytes.len() {
            if length >= boundary + 12 {
                let size = u32::from_le_bytes(octets(&bytes, boundary + 4)) as usize;
                if length == boundary + size {
                    let kind = u32::from_le_bytes(octets(&bytes, boundary));
                    whole += usize::from([2, 3, 6].contains(&kind));
                    boundary = length;
                }
            }
            let (packets, errors) = read_bytes(&bytes[..length]);
            assert_eq!(packets.len(), whole, "{length}");
            match length == boundary {
                true => assert!(errors.is_empty(), "{length}: {errors:?}"),
                false => assert!(errors.len() == 1 && errors[0].is_cut(), "{length}: {errors:?}"),
            }
        }
        assert_eq!(whole, 3);
    }

    #[test]
    fn a_block_that_contradicts_itself_ends_the_capture_where_it_stands() {
        let order = Bytes::Little;
        let mut lying_tail = order.block(6, &[0; 20]);
        lying_tail[32 - 4] = 0xff;
        let too_much = order.block(6, &order.u32s(&[0, 0, 0, 5, 5, 0]));
        let no_interface = order.enhanced_packet(9, 0, b"");
        let odd = [&order.u32s(&[6, 33])[..], &[0; 64]].concat();
        let before = section(order);
        for bad in [lying_tail, too_much, no_interface, odd] {
            let (packets, errors) = read_bytes(&[&before[..], &bad, &before].concat());
            assert_eq!(packets.len(), 3);
            let [SourceError::Corrupt { place, .. }] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!(place.offset as usize, before.len());
        }
    }

    #[test]
    fn another_major_version_is_refused() {
        let mut bytes = section(Bytes::Big);
        bytes[13] = 2;
        let (_, errors) = read_bytes(&bytes);
        assert!(matches!(errors[..], [SourceError::Version { major: 2, minor: 0, .. }]), "{errors:?}");
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn any_blocks_after_a_section_header_are_read_to_their_end(
            blocks in proptest::collection::vec(
                (0_u32..8, proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..60)), 0..12),
        ) {
            let order = Bytes::Big;
            let mut bytes = [order.section(), order.interface(1, 0, b"")].concat();
            blocks.iter().for_each(|(kind, body)| bytes.extend(order.block(*kind, body)));
            let (packets, errors) = read_bytes(&bytes);
            prop_assert!(errors.len() <= 1);
            prop_assert!(packets.len() <= blocks.len());
        }
    }
}

//! From a packet to the flows it belongs to.
//!
//! [`Decoder::decode`] walks the headers once, outermost first, and writes one [`Segment`] for each flow
//! that the packet is part of: one for most packets, two or more inside UDP tunnels, whose outer packet
//! is a flow of its own. Nothing is copied and nothing allocated, except for fragments.

mod link;

mod wifi;

mod ip;

mod transport;

mod tunnel;

mod fragments;

mod bytes;

use arrayvec::ArrayVec;
use watershed_model::{Encapsulation, InterfaceId, Refused, SkipReason, TcpFlags, Timestamp, Tunnel};

use crate::flow::FlowKey;
use crate::source::{BATCH, Packet};

use fragments::Fragments;
pub use fragments::{Datagram, FragmentConfig};
pub(crate) use transport::quoted_flow;
pub use tunnel::TunnelPorts;

/// Tunnels within tunnels that are followed; deeper ones are built to exhaust decoders.
pub const MAX_TUNNELS: usize = 4;
/// VLAN tags and MPLS labels that are kept and followed, each.
pub const MAX_TAGS: usize = 4;

/// One packet's part in one flow.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The flow.
    pub key: FlowKey,
    /// Whether the key's low end sent it.
    pub from_low: bool,
    /// When it was captured.
    pub time: Timestamp,
    /// Where it was captured.
    pub interface: InterfaceId,
    /// IP total length, octets.
    pub ip_bytes: u32,
    /// Octets above the transport header as the headers tell, captured or not.
    pub payload_length: u32,
    /// What was captured of the payload.
    pub payload: &'a [u8],
    /// What its transport header says.
    pub transport: Transport,
    /// Its place in [`Segments::wrapping`], or 0.
    wrapping: u8,
}

/// What a transport header says beside the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
        /// Flags.
        flags: TcpFlags,
    },
    /// SCTP, with the type of the first chunk.
    Sctp {
        /// Chunk type (RFC 9260 section 3.2), 255 if none was captured.
        first_chunk: u8,
    },
    /// An ICMP error, whose payload holds the start of the packet it is about.
    IcmpError {
        /// Whether it says that a packet could not be delivered.
        unreachable: bool,
    },
    /// UDP, other ICMP, and protocols whose headers say no more.
    Other,
}

/// What a packet was wrapped in, while it is decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrapping {
    vlans: ArrayVec<u16, MAX_TAGS>,
    mpls: ArrayVec<u32, MAX_TAGS>,
    tunnels: ArrayVec<Tunnel, MAX_TUNNELS>,
}

impl Wrapping {
    fn is_empty(&self) -> bool {
        self.vlans.is_empty() && self.mpls.is_empty() && self.tunnels.is_empty()
    }

    pub(crate) fn to_encapsulation(&self) -> Encapsulation {
        Encapsulation { vlans: self.vlans.to_vec(), mpls: self.mpls.to_vec(), tunnels: self.tunnels.to_vec() }
    }
}

/// Frames that are read of those that 802.11 put into one. Each may have as many segments as a packet, and
/// all must fit; capturing drivers hand out the frames one by one, so that real packets have one.
const MAX_AGGREGATED: usize = 2;

/// The most segments that one packet can have: its own flow and one for each tunnel around it.
const SEGMENTS_PER_PACKET: usize = MAX_AGGREGATED * (MAX_TUNNELS + 1);
const SEGMENTS: usize = 2 * BATCH + SEGMENTS_PER_PACKET;

/// Segments that are handled together.
#[derive(Default)]
pub struct Segments<'a> {
    list: ArrayVec<Segment<'a>, SEGMENTS>,
    wrappings: ArrayVec<Wrapping, SEGMENTS>,
}

impl<'a> Segments<'a> {
    /// Whether another packet might not fit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.remaining_capacity() < SEGMENTS_PER_PACKET
    }

    /// The segments, in order of capture; a packet's outer flow before its inner.
    #[must_use]
    pub fn as_slice(&self) -> &[Segment<'a>] {
        &self.list
    }

    /// Forgets all segments.
    pub fn clear(&mut self) {
        self.list.clear();
        self.wrappings.clear();
    }

    /// What this segment was wrapped in.
    pub(crate) fn wrapping(&self, segment: &Segment<'_>) -> Option<&Wrapping> {
        self.wrappings.get(usize::from(segment.wrapping).checked_sub(1)?)
    }

    #[inline(always)]
    fn push(&mut self, segment: Segment<'a>, wrapping: &Wrapping) {
        let fits = self.list.try_push(segment);
        debug_assert!(fits.is_ok(), "the caller clears a full list before the next packet");
        if !wrapping.is_empty() {
            self.wrap(wrapping);
        }
    }

    fn wrap(&mut self, wrapping: &Wrapping) {
        if self.wrappings.try_push(wrapping.clone()).is_ok()
            && let Some(segment) = self.list.last_mut()
        {
            segment.wrapping = u8::try_from(self.wrappings.len()).unwrap_or(0);
        }
    }
}

/// What became of one packet.
#[derive(Debug)]
pub enum Decoded {
    /// It has segments.
    InFlow,
    /// It is part of no flow.
    Skipped(SkipReason),
    /// It is a fragment that waits for the others.
    Held,
    /// It was the last fragment missing: decode the whole with [`Decoder::decode_datagram`]. Its frames are
    /// counted there, but for this one where an outer flow has it already.
    Whole {
        /// The datagram that it completes.
        datagram: Box<Datagram>,
        /// Whether the packet has segments of its own, as inside a tunnel over UDP.
        in_flow: bool,
    },
}

/// Datagrams given up: at the end, after a timeout, or to make room.
#[derive(Debug)]
pub struct GivenUp {
    /// Frames that carried its fragments and are in no flow.
    pub frames: u64,
    /// The part that is known, if the first fragment was captured.
    pub partial: Option<Box<Datagram>>,
    /// The limit that it gave way to.
    pub refused: Option<Refused>,
}

/// How packets are decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodeConfig {
    /// UDP ports on which tunnels are expected.
    pub tunnel_ports: TunnelPorts,
    /// Limits for fragments.
    pub fragments: FragmentConfig,
}

/// Decodes packets; remembers only fragments.
#[derive(Debug)]
pub struct Decoder {
    tunnel_ports: TunnelPorts,
    fragments: Fragments,
}

impl Decoder {
    /// A decoder without any memory of packets.
    #[must_use]
    pub fn new(config: &DecodeConfig) -> Self {
        Self {
            tunnel_ports: config.tunnel_ports.clone(),
            fragments: Fragments::new(config.fragments.clone()),
        }
    }

    /// Appends the packet's segments to `segments`, which must not be full.
    pub fn decode<'a>(&mut self, packet: &Packet<'a>, segments: &mut Segments<'a>) -> Decoded {
        let mut walk = Walk {
            tunnel_ports: &self.tunnel_ports,
            fragments: &mut self.fragments,
            segments,
            time: packet.time,
            interface: packet.interface,
            wrapping: Wrapping::default(),
            in_flow: false,
            frames: 1,
            whole: None,
        };
        let step = walk.link(packet.link, packet.data);
        walk.conclude(step)
    }

    /// Appends the segments of a datagram that was put together from fragments.
    pub fn decode_datagram<'a>(&mut self, datagram: &'a Datagram, segments: &mut Segments<'a>) -> Decoded {
        let mut walk = Walk {
            tunnel_ports: &self.tunnel_ports,
            fragments: &mut self.fragments,
            segments,
            time: datagram.time,
            interface: datagram.interface,
            wrapping: datagram.wrapping.clone(),
            in_flow: false,
            frames: datagram.frames,
            whole: None,
        };
        let step = walk.transport(&datagram.packet());
        walk.conclude(step)
    }

    /// How many datagrams wait for fragments.
    #[must_use]
    pub fn fragments_held(&self) -> usize {
        self.fragments.len()
    }

    /// The oldest datagram that must be given up as of `now`, if any; call until there is none.
    pub fn give_up(&mut self, now: Timestamp) -> Option<GivenUp> {
        self.fragments.give_up(now)
    }
}

/// One packet on its way through the layers.
struct Walk<'w, 'a> {
    tunnel_ports: &'w TunnelPorts,
    fragments: &'w mut Fragments,
    segments: &'w mut Segments<'a>,
    time: Timestamp,
    interface: InterfaceId,
    wrapping: Wrapping,
    /// Whether an outer layer already made the packet part of a flow.
    in_flow: bool,
    /// Captured frames that carried it.
    frames: u64,
    /// The datagram of which it was the last fragment missing.
    whole: Option<Box<Datagram>>,
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At a flow.
    Flow,
    /// At a fragment that waits for others, or that completed [`Walk::whole`].
    Fragment,
}

type Step = Result<End, SkipReason>;

impl<'a> Walk<'_, 'a> {
    #[inline]
    fn conclude(&mut self, step: Step) -> Decoded {
        match (step, self.whole.take()) {
            (_, Some(datagram)) => Decoded::Whole { datagram, in_flow: self.in_flow },
            (Ok(End::Fragment), None) if !self.in_flow => Decoded::Held,
            (Err(reason), None) if !self.in_flow => Decoded::Skipped(reason),
            _ => Decoded::InFlow,
        }
    }

    #[inline(always)]
    fn push(&mut self, segment: Segment<'a>) {
        self.segments.push(segment, &self.wrapping);
        self.in_flow = true;
    }
}

#[cfg(test)]
mod tests;

//! What is known of the packets so far: decoded, and followed in their flows.

use watershed_model::{Counters, SkipReason, Timestamp};

use crate::config::CollectorConfig;
use crate::decode::{Datagram, Decoded, Decoder, Segments};
use crate::flow::FlowTable;
use crate::source::Packet;

/// What is known of the packets so far.
pub(crate) struct Collector {
    decoder: Decoder,
    pub(crate) flows: FlowTable,
    pub(crate) counters: Counters,
    /// Event time: that of the latest packet, or up to which none came.
    pub(crate) now: Timestamp,
}

impl Collector {
    pub(crate) fn new(config: &CollectorConfig) -> Self {
        Self {
            decoder: Decoder::new(&config.decode),
            flows: FlowTable::new(config.flow.clone()),
            counters: Counters::default(),
            now: Timestamp::MIN,
        }
    }

    /// Decodes packets together, then follows their flows together.
    pub(crate) fn take(&mut self, packets: &[Packet<'_>]) {
        let mut segments = Segments::default();
        for packet in packets {
            if segments.is_full() {
                self.follow(&mut segments);
            }
            if self.decoder.fragments_held() > 0 {
                self.give_up_fragments(packet.time, &mut segments);
            }
            self.now = self.now.max(packet.time);
            self.counters.packets += 1;
            self.counters.captured_bytes += packet.data.len() as u64;
            self.counters.snapped += u64::from(packet.data.len() < packet.wire_length as usize);
            match self.decoder.decode(packet, &mut segments) {
                Decoded::InFlow => self.counters.in_flows += 1,
                Decoded::Skipped(reason) => self.counters.skip(reason),
                Decoded::Held => {}
                Decoded::Whole { datagram, in_flow } => {
                    self.counters.in_flows += u64::from(in_flow);
                    self.follow(&mut segments);
                    self.take_datagram(datagram);
                }
            }
        }
        self.follow(&mut segments);
    }

    fn follow(&mut self, segments: &mut Segments<'_>) {
        self.flows.observe(segments);
        segments.clear();
    }

    /// A datagram made of fragments counts as many packets as carried it, and follows on its own, since it
    /// owns its bytes. It may be the last fragment of another that it carries.
    fn take_datagram(&mut self, datagram: Box<Datagram>) {
        let mut next = Some(datagram);
        while let Some(datagram) = next.take() {
            self.counters.reassembled += 1;
            let mut segments = Segments::default();
            match self.decoder.decode_datagram(&datagram, &mut segments) {
                Decoded::InFlow => self.counters.in_flows += datagram.frames,
                Decoded::Skipped(reason) => self.counters.skipped[reason as usize] += datagram.frames,
                Decoded::Held => {}
                Decoded::Whole { datagram: inner, in_flow } => {
                    self.counters.in_flows += if in_flow { datagram.frames } else { 0 };
                    next = Some(inner);
                }
            }
            self.flows.observe(&segments);
        }
    }

    /// Fragments that waited too long: the datagram's first fragment still tells its flow.
    pub(crate) fn give_up_fragments(&mut self, now: Timestamp, segments: &mut Segments<'_>) {
        while let Some(given_up) = self.decoder.give_up(now) {
            match (given_up.partial, given_up.refused) {
                (Some(datagram), _) => {
                    self.follow(segments);
                    self.take_datagram(datagram);
                }
                (None, Some(limit)) => self.counters.refused[limit as usize] += given_up.frames,
                (None, None) => {
                    let skipped = SkipReason::FragmentWithoutFirst as usize;
                    self.counters.skipped[skipped] += given_up.frames;
                }
            }
        }
    }

    /// There was no packet until `now`.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.give_up_fragments(now, &mut Segments::default());
        self.flows.pass(now);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use watershed_model::InterfaceId;

    use super::*;
    use crate::decode::{DecodeConfig, FragmentConfig};
    use crate::source::LinkType;

    /// A frame that is in its tunnel's flow may still hold a fragment: such fragments have the same limit.
    #[test]
    fn fragments_in_tunnels_are_bounded_too() {
        let config = CollectorConfig {
            decode: DecodeConfig {
                fragments: FragmentConfig { max_datagrams: 4, ..FragmentConfig::default() },
                ..DecodeConfig::default()
            },
            ..CollectorConfig::default()
        };
        let mut collector = Collector::new(&config);
        for identification in 0..100 {
            let inner = [
                &[0x45, 0, 0, 28, 0, identification, 0x20, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2][..],
                &[0; 8],
            ];
            let frame = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &[0; 12], &[8, 0], &inner.concat()].concat();
            let mut data = Vec::new();
            let packet = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(50_000, 4789);
            packet.write(&mut data, &frame).unwrap();
            collector.take(&[Packet {
                time: Timestamp::default(),
                link: LinkType::RAW,
                interface: InterfaceId(0),
                wire_length: 0,
                data: &data,
            }]);
            assert!(collector.decoder.fragments_held() <= 5, "{identification}");
        }
        assert_eq!(collector.counters.in_flows, 100);
    }
}

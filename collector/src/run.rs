//! The collector's data path, top to bottom.

use watershed_model::{Counters, SkipReason, Timestamp};

use crate::config::CollectorConfig;
use crate::decode::{Datagram, Decoded, Decoder, Segments};
use crate::error::{CollectorError, SourceError};
use crate::flow::FlowTable;
use crate::shipping::Shipping;
use crate::sink::FlowSink;
use crate::source::{Packet, PacketBatch, PacketSource, Tapped};

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was counted; balanced, since the run is over.
    pub counters: Counters,
    /// What could not be read. Everything that could be was kept.
    pub problems: Vec<SourceError>,
}

/// Collects until the source ends. `observe` is told the counters after every batch of packets.
///
/// # Errors
///
/// The sink takes no more batches. What a source cannot read is no error but in [`Report::problems`].
pub fn run(
    source: &mut impl PacketSource,
    sink: &mut impl FlowSink,
    config: &CollectorConfig,
    mut observe: impl FnMut(&Counters),
) -> Result<Report, CollectorError> {
    let mut collector = Collector::new(config);
    let mut shipping = Shipping::new(config);
    let mut problems = Vec::new();
    loop {
        let quiet = {
            // Read: as many packets as are at hand.
            let mut packets = PacketBatch::new();
            let quiet = match source.fill(&mut packets) {
                Ok(()) => packets.is_empty(),
                Err(problem) => {
                    problems.push(problem);
                    false
                }
            };
            // Decode and follow: into the flows that the packets belong to.
            collector.take(&packets);
            quiet
        };
        collector.counters.kernel_dropped = source.kernel_dropped();
        let Tapped { interfaces, received, went_away } = source.tapped();
        collector.counters.interfaces = interfaces;
        collector.counters.kernel_received = received;
        collector.counters.interfaces_away = went_away;
        // Wait: time passes without packets, too, unless this is the end.
        if quiet {
            let Some(now) = source.quiet_until() else { break };
            collector.pass(now);
        }
        // Ship: records of connections that ended.
        shipping.in_time(&mut collector, sink)?;
        observe(&collector.counters);
    }
    // End: what still waits for fragments or packets is all there will be.
    collector.give_up_fragments(Timestamp::MAX, &mut Segments::default());
    while collector.flows.finish(config.batch_records) {
        shipping.at_least(config.batch_records, &mut collector, sink)?;
    }
    shipping.rest(&mut collector, sink)?;
    Ok(Report { counters: collector.counters, problems })
}

/// What is known of the packets so far.
pub(crate) struct Collector {
    decoder: Decoder,
    pub(crate) flows: FlowTable,
    pub(crate) counters: Counters,
    /// Event time: that of the latest packet, or up to which none came.
    pub(crate) now: Timestamp,
}

impl Collector {
    fn new(config: &CollectorConfig) -> Self {
        Self {
            decoder: Decoder::new(&config.decode),
            flows: FlowTable::new(config.flow.clone()),
            counters: Counters::default(),
            now: Timestamp::MIN,
        }
    }

    /// Decodes packets together, then follows their flows together.
    fn take(&mut self, packets: &[Packet<'_>]) {
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
    fn give_up_fragments(&mut self, now: Timestamp, segments: &mut Segments<'_>) {
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
    fn pass(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.give_up_fragments(now, &mut Segments::default());
        self.flows.pass(now);
    }
}

#[cfg(test)]
mod tests;

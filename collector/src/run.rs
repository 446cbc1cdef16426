//! The collector's data path, top to bottom.

use watershed_model::{Counters, Timestamp};

use crate::collector::Collector;
use crate::config::CollectorConfig;
use crate::decode::Segments;
use crate::error::{CollectorError, SourceError};
use crate::shipping::Shipping;
use crate::sink::FlowSink;
use crate::source::{PacketBatch, PacketSource, Tapped};

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

#[cfg(test)]
mod tests;

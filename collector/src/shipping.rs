//! Batches: when they are shipped, and what they say.

use watershed_model::wire::{self, Part};
use watershed_model::{Batch, FlowRecord, Timestamp};

use crate::collector::Collector;
use crate::config::CollectorConfig;
use crate::error::CollectorError;
use crate::sink::FlowSink;
use crate::summary::Summaries;

/// Numbers batches and knows when the last one went.
pub(crate) struct Shipping<'c> {
    config: &'c CollectorConfig,
    sequence: u64,
    /// Event time of the last batch.
    shipped: Timestamp,
    summaries: Option<Summaries>,
}

impl<'c> Shipping<'c> {
    pub(crate) fn new(config: &'c CollectorConfig) -> Self {
        let summaries = config.summary.clone().map(Summaries::new);
        Self { config, sequence: 0, shipped: Timestamp::MIN, summaries }
    }

    /// Ships a batch that is full, or that has waited long enough.
    pub(crate) fn in_time(
        &mut self,
        collector: &mut Collector,
        sink: &mut impl FlowSink,
    ) -> Result<(), CollectorError> {
        let since = collector.now.since(self.shipped);
        let overdue = self.config.ship_every.is_some_and(|every| since >= every);
        self.at_least(if overdue { 0 } else { self.config.batch_records }, collector, sink)
    }

    /// Ships a batch if there are so many records; several if they do not fit in one.
    pub(crate) fn at_least(
        &mut self,
        records: usize,
        collector: &mut Collector,
        sink: &mut impl FlowSink,
    ) -> Result<(), CollectorError> {
        if collector.flows.records() < records {
            return Ok(());
        }
        let records = collector.flows.take_records();
        let records = match &mut self.summaries {
            Some(summaries) => summaries.add(records, collector.now),
            None => records,
        };
        self.ship(records, collector, sink)
    }

    /// Ships all that is left; even a run without a record tells its counters.
    pub(crate) fn rest(
        &mut self,
        collector: &mut Collector,
        sink: &mut impl FlowSink,
    ) -> Result<(), CollectorError> {
        let mut records = collector.flows.take_records();
        if let Some(summaries) = &mut self.summaries {
            records = summaries.add(records, collector.now);
            records.append(&mut summaries.take());
        }
        self.ship(records, collector, sink)
    }

    fn ship(
        &mut self,
        records: Vec<FlowRecord>,
        collector: &mut Collector,
        sink: &mut impl FlowSink,
    ) -> Result<(), CollectorError> {
        let Collector { flows, counters, now, .. } = collector;
        counters.flows_started = flows.started();
        counters.flows_evicted = flows.evicted();
        counters.names_limited = flows.names_limited();
        counters.repeated = flows.repeated();
        if let Some(summaries) = &self.summaries {
            counters.summarized = summaries.summarized();
            counters.summaries_cut = summaries.cut();
        }
        self.shipped = *now;
        // Many connections may end at once, so that one message would not hold them all.
        let listeners = self.config.flow.listening.take_news();
        for part in wire::cut(Part { records, names: flows.take_names(), listeners }) {
            let Part { records, names, listeners } = part;
            counters.records += records.len() as u64;
            counters.names += names.len() as u64;
            let batch = Batch {
                agent: self.config.agent.clone(),
                started: self.config.started,
                sequence: self.sequence,
                now: *now,
                records,
                names,
                listeners,
                counters: counters.clone(),
            };
            self.sequence += 1;
            sink.send(batch)?;
        }
        Ok(())
    }
}

//! What a process that captures tells: packets, flows, interfaces.

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use watershed_collector::listening::Look;
use watershed_collector::source::live::InterfaceStatus;
use watershed_model::{Batch, Counters, Refused, SkipReason};

use super::{Metrics, amount, follow, tell_time};

/// The collector's counters as metrics. Packets = in flows + skipped + refused, but for fragments that still wait.
#[derive(Clone, Debug)]
pub(crate) struct CaptureMetrics {
    packets: IntCounter,
    bytes: IntCounter,
    in_flows: IntCounter,
    repeated: IntCounter,
    skipped: [IntCounter; SkipReason::ALL.len()],
    refused: [IntCounter; Refused::ALL.len()],
    dropped: IntCounter,
    snapped: IntCounter,
    reassembled: IntCounter,
    started: IntCounter,
    evicted: IntCounter,
    names_limited: IntCounter,
    records: IntCounter,
    names: IntCounter,
    summarized: IntCounter,
    summaries_cut: IntCounter,
    batches: IntCounter,
    time: Gauge,
    interface_received: IntCounterVec,
    interface_packets: IntCounterVec,
    interface_dropped: IntCounterVec,
    interface_away: IntCounterVec,
    interface_up: IntGaugeVec,
    listening: IntGauge,
    listening_unknown: IntGauge,
}

impl CaptureMetrics {
    /// Registers them, all at zero.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.counter(name, help);
        let skipped =
            metrics.counters("packets_skipped_total", "Packets that are in no flow, by reason", "reason");
        let refused = metrics.counters("packets_refused_total", "Packets refused by a limit", "limit");
        let interface = |name: &str, help: &str| metrics.counters(name, help, "interface");
        Self {
            packets: counter("packets_total", "Packets read"),
            bytes: counter("captured_bytes_total", "Octets of packets read, as captured"),
            in_flows: counter("packets_in_flows_total", "Packets that became part of a flow"),
            repeated: counter(
                "packets_repeated_total",
                "Packets in flows that another interface had shown before, counted in no flow again",
            ),
            skipped: SkipReason::ALL.map(|reason| skipped.with_label_values(&[reason.as_str()])),
            refused: Refused::ALL.map(|limit| refused.with_label_values(&[limit.as_str()])),
            dropped: counter(
                "packets_dropped_total",
                "Packets lost before they could be read, in the kernel's buffer or on the interface",
            ),
            snapped: counter("packets_snapped_total", "Packets captured shorter than they were on the wire"),
            reassembled: counter("datagrams_reassembled_total", "Datagrams put together from fragments"),
            started: counter("flows_started_total", "Connections started"),
            evicted: counter("flows_evicted_total", "Connections cut in two because the flow table was full"),
            names_limited: counter(
                "names_limited_total",
                "How often a limit kept a name in a payload from being read",
            ),
            records: counter("flow_records_total", "Flow records written into batches"),
            names: counter("name_observations_total", "Name observations written into batches"),
            summarized: counter(
                "summarized_flow_records_total",
                "Flow records that became part of summaries (setting collect.summary)",
            ),
            summaries_cut: counter(
                "summaries_cut_total",
                "Summaries written before their time, because there were too many",
            ),
            batches: counter("batches_shipped_total", "Batches handed on by the collector"),
            time: metrics
                .time("capture_timestamp_seconds", "Time up to which the traffic was read and handed on"),
            interface_received: interface(
                "interface_packets_received_total",
                "Packets that the kernel received on the interface: read, dropped, or not read yet",
            ),
            interface_packets: interface("interface_packets_total", "Packets read from the interface"),
            interface_dropped: interface(
                "interface_packets_dropped_total",
                "Packets of the interface lost before they could be read",
            ),
            interface_away: interface("interface_away_total", "How often the interface went away"),
            interface_up: metrics.gauges("interface_up", "Whether the interface is there", "interface"),
            listening: metrics.gauge("listening_sockets", "Sockets that listen on the agent's host"),
            listening_unknown: metrics.gauge(
                "listening_sockets_unknown",
                "Of these, sockets of which the agent may not see who owns them (setting capture.owners)",
            ),
        }
    }

    /// The collector's counters by now.
    pub(crate) fn observe(&self, counters: &Counters) {
        let Counters {
            packets,
            captured_bytes,
            in_flows,
            repeated,
            skipped,
            refused,
            kernel_dropped,
            snapped,
            reassembled,
            flows_started,
            flows_evicted,
            records,
            names,
            names_limited,
            summarized,
            summaries_cut,
            // Of the interfaces, each has its own; of the spool, whoever ships tells.
            kernel_received: _,
            interfaces: _,
            interfaces_away: _,
            batches_dropped: _,
            records_dropped: _,
            names_dropped: _,
            spooled_bytes: _,
        } = counters;
        follow(&self.packets, *packets);
        follow(&self.bytes, *captured_bytes);
        follow(&self.in_flows, *in_flows);
        follow(&self.repeated, *repeated);
        self.skipped.iter().zip(skipped).for_each(|(metric, &count)| follow(metric, count));
        self.refused.iter().zip(refused).for_each(|(metric, &count)| follow(metric, count));
        follow(&self.dropped, *kernel_dropped);
        follow(&self.snapped, *snapped);
        follow(&self.reassembled, *reassembled);
        follow(&self.started, *flows_started);
        follow(&self.evicted, *flows_evicted);
        follow(&self.records, *records);
        follow(&self.names, *names);
        follow(&self.names_limited, *names_limited);
        follow(&self.summarized, *summarized);
        follow(&self.summaries_cut, *summaries_cut);
    }

    /// A batch that was handed on.
    pub(crate) fn shipped(&self, batch: &Batch) {
        self.batches.inc();
        // Between two looks the collector's own counters of flows stand still.
        self.observe(&batch.counters);
        tell_time(&self.time, batch.now);
    }

    /// What the host listens on.
    pub(crate) fn listening(&self, look: &Look) {
        self.listening.set(amount(look.listening));
        self.listening_unknown.set(amount(look.unknown));
    }

    /// What became of the packets of each interface.
    pub(crate) fn interfaces(&self, interfaces: &[&InterfaceStatus]) {
        for status in interfaces {
            let InterfaceStatus { name, present, packets, received, dropped, .. } = status;
            let InterfaceStatus { dropped_by_interface, went_away, .. } = status;
            let [came, read, lost, away] = [
                &self.interface_received,
                &self.interface_packets,
                &self.interface_dropped,
                &self.interface_away,
            ]
            .map(|metric| metric.with_label_values(&[name]));
            follow(&came, *received);
            follow(&read, *packets);
            follow(&lost, dropped + dropped_by_interface);
            follow(&away, *went_away);
            self.interface_up.with_label_values(&[name]).set(i64::from(*present));
        }
    }
}

//! Summaries of connections make the edges that the connections make, of far fewer records.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "how many fewer is worth a line")]

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use watershed_aggregator::{
    Aggregator, AggregatorConfig, FlowStore as _, MemoryStore, OpenInventory, StoreConfig,
};
use watershed_collector::flow::FlowConfig;
use watershed_collector::sink::Memory;
use watershed_collector::source::{self, LinkType, MemoryPacket, MemorySource, PacketSource, SourceConfig};
use watershed_collector::{CollectorConfig, SummaryConfig, run};
use watershed_model::{Edge, InterfaceId, wire};
use watershed_tests::traffic::{TrafficConfig, generate};

/// What was shipped of a capture, and what became of it.
struct Shipped {
    edges: Vec<Edge>,
    records: u64,
    octets: u64,
}

/// Collects, ships and aggregates.
fn shipped(source: &mut impl PacketSource, flow: &FlowConfig, summary: Option<SummaryConfig>) -> Shipped {
    let config = CollectorConfig { flow: flow.clone(), summary, ..CollectorConfig::default() };
    let mut sink = Memory::default();
    let counters = run(source, &mut sink, &config, |_| ()).unwrap().counters;
    assert!(counters.balanced());
    let store = MemoryStore::new(&StoreConfig::default());
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    let mut octets = 0;
    for batch in sink.0 {
        let message = wire::encode(&batch);
        octets += message.len() as u64;
        aggregator.ingest(wire::decode(&message).unwrap()).unwrap();
    }
    let edges = aggregator.finish().unwrap().snapshot(None).unwrap().edges;
    Shipped { edges, records: counters.records, octets }
}

fn recording() -> impl PacketSource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/recording/shop.pcapng");
    source::open(&SourceConfig { captures: vec![path] }).unwrap()
}

/// The traffic of the benchmark, less of it.
fn traffic(packets: u64, concurrent: u32, seed: u64) -> Vec<MemoryPacket> {
    let mut all = Vec::new();
    let config = TrafficConfig { packets, concurrent, seed };
    generate(config, |time, frame| {
        all.push(MemoryPacket {
            time,
            link: LinkType::ETHERNET,
            interface: InterfaceId(0),
            wire_length: frame.len() as u32,
            data: frame.to_vec(),
        });
        Ok(())
    })
    .unwrap();
    all
}

/// How many fewer, for a person.
fn told(name: &str, single: &Shipped, summed: &Shipped) {
    println!(
        "summaries of {name}: {} edges of {} records instead of {} ({:.1} times fewer), {} octets instead of {}",
        summed.edges.len(),
        summed.records,
        single.records,
        single.records as f64 / summed.records as f64,
        summed.octets,
        single.octets,
    );
}

#[test]
fn the_labs_edges_are_the_same() {
    let flow = FlowConfig { active_report: Some(Duration::from_secs(60)), ..FlowConfig::default() };
    let single = shipped(&mut recording(), &flow, None);
    let summed = shipped(&mut recording(), &flow, Some(SummaryConfig::default()));
    assert_eq!(summed.edges, single.edges);
    told("the lab", &single, &summed);
}

#[test]
fn the_benchmarks_edges_are_the_same() {
    let packets = traffic(400_000, 4_000, 1);
    let flow = FlowConfig { active_report: Some(Duration::from_secs(60)), ..FlowConfig::default() };
    let single = shipped(&mut MemorySource::new(packets.clone()), &flow, None);
    let summed = shipped(&mut MemorySource::new(packets), &flow, Some(SummaryConfig::default()));
    assert_eq!(summed.edges, single.edges);
    assert!(summed.records * 2 < single.records, "{} of {}", summed.records, single.records);
    told("the benchmark's traffic", &single, &summed);
}

proptest! {
    #![proptest_config(Config {
        cases: 24,
        rng_seed: RngSeed::Fixed(4),
        failure_persistence: None,
        ..Config::default()
    })]

    /// Whatever the interval and the limits are, connections of many parts and a full flow table among them.
    #[test]
    fn edges_are_the_same(
        every in 0..30_000_u64,
        max in 1..400_usize,
        report in prop::option::of(1..5_000_u64),
        max_flows in 20..2_000_usize,
    ) {
        let active_report = report.map(Duration::from_millis);
        let flow = FlowConfig { active_report, max_flows, ..FlowConfig::default() };
        let summary = SummaryConfig { every: Duration::from_millis(every), max };
        let single = shipped(&mut recording(), &flow, None);
        let summed = shipped(&mut recording(), &flow, Some(summary));
        prop_assert_eq!(summed.edges, single.edges);
        prop_assert!(summed.records <= single.records);
    }
}

//! `watershed aggregate`: from Kafka into a store.

use std::sync::Arc;

use anyhow::anyhow;
use axum::Router;
use watershed_aggregator::source::QUEUE_BATCHES;
use watershed_aggregator::source::kafka::{KafkaSource, KafkaStatus};
use watershed_aggregator::{
    Aggregator, AggregatorError, Delivery, FlowSource, StoreConfig, StoreError, StoreLocation, store,
};

use super::complain;
use super::watching::Watching;
use crate::args::aggregate::AggregateArguments;
use crate::failure::Failure;
use crate::input;
use crate::inventory;
use crate::output::text::plain;
use crate::settings::Settings;
use crate::telemetry::metrics::{KeepingMetrics, ReadingMetrics, WatchingMetrics};
use crate::telemetry::{Health, MeteredStore, Telemetry};

/// Reads until a signal comes.
pub(crate) fn run(arguments: &AggregateArguments, settings: &Settings) -> Result<(), Failure> {
    if settings.kafka.brokers.is_empty() {
        return Err(Failure::usage(anyhow!(
            "nowhere to read from: name Kafka with --kafka host:port, or the setting kafka.brokers"
        )));
    }
    if arguments.store == StoreLocation::Memory {
        return Err(Failure::usage(anyhow!(
            "a store in memory would be gone with this process: name one on disk, sqlite:PATH"
        )));
    }
    let mut telemetry = Telemetry::open(settings, "aggregate")?;
    let reading = ReadingMetrics::register(telemetry.metrics());
    let store = StoreConfig { location: arguments.store.clone(), ..settings.store.clone() };
    let keeping = KeepingMetrics::register(telemetry.metrics(), store.max_bytes, QUEUE_BATCHES);
    let inventory = inventory::Watch::open(settings, keeping.clone())?;
    let stop = input::stop_on_signals()?;
    let config = settings.aggregate.source(&settings.kafka, Arc::clone(&stop)).map_err(Failure::usage)?;
    let opened = store::open(&store)?;
    let mut inventory = inventory.start(&opened)?;
    let watching = WatchingMetrics::register(telemetry.metrics());
    let watching = Watching::start(settings, &mut inventory, watching, telemetry.health().clone())?;
    let store = MeteredStore::new(opened, &store, keeping.clone());
    let health = telemetry.health().clone();
    let source = KafkaSource::open_watched(config, watched(reading.clone(), health.clone()));
    let source = source.map_err(Failure::usage)?;
    let mut source = Metered { source, reading, keeping: keeping.clone(), health };
    let _server = telemetry.serve(Router::new())?;
    telemetry.health().ready();
    complain(&plain(&format!("watershed: reading from {} into {}", settings.kafka.brokers, arguments.store)));
    let mut aggregator = Aggregator::new(settings.aggregator.clone(), inventory, store);
    watershed_aggregator::run(&mut source, &mut aggregator, |progress| {
        keeping.inventory(progress.inventory);
        watching.tell();
    })?;

    let (status, progress) = (source.source.status(), aggregator.progress().clone());
    aggregator.finish()?;
    complain(&format!(
        "watershed: {} batches with {} records read; {} came again, {} put aside",
        progress.batches, progress.records, progress.repeated, status.dead_letters,
    ));
    Ok(())
}

/// Tells metrics and health how reading goes.
fn watched(
    metrics: ReadingMetrics,
    health: Health,
) -> impl FnMut(&KafkaStatus, Option<&str>) + Send + 'static {
    move |status, lost| {
        metrics.observe(status);
        match lost {
            Some(reason) => health.fault(KAFKA, reason),
            None => health.mend(KAFKA),
        }
    }
}

/// A source whose reading is counted, and which says when the store takes nothing.
struct Metered {
    source: KafkaSource,
    reading: ReadingMetrics,
    keeping: KeepingMetrics,
    health: Health,
}

/// The parts of the process that have a fault while the store takes nothing, and while no broker answers.
const PART: &str = "store";
const KAFKA: &str = "kafka";

impl FlowSource for Metered {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        let delivery = self.source.next()?;
        self.reading.observe(&self.source.status());
        Ok(delivery)
    }

    fn acknowledge(&mut self) -> Result<(), AggregatorError> {
        self.health.mend(PART);
        let acknowledged = self.source.acknowledge();
        self.reading.observe(&self.source.status());
        acknowledged
    }

    fn hold(&mut self, reason: StoreError) -> Result<bool, AggregatorError> {
        self.health.fault(PART, reason.to_string());
        self.keeping.refusing(true);
        self.source.hold(reason)
    }

    fn refuse(&mut self, index: usize, reason: StoreError) -> Result<(), AggregatorError> {
        self.source.refuse(index, reason)
    }
}

//! `watershed aggregate`: from Kafka into a store.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use watershed_aggregator::source::kafka::KafkaSource;
use watershed_aggregator::{Aggregator, StoreConfig, StoreLocation, store};

use super::complain;
use crate::args::aggregate::AggregateArguments;
use crate::failure::Failure;
use crate::input;
use crate::output::text::plain;
use crate::settings::Settings;

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
    let inventory = super::inventory(settings)?;
    let stop = input::stop_on_signals().context("cannot listen for signals")?;
    let config = settings.aggregate.source(&settings.kafka, Arc::clone(&stop)).map_err(Failure::usage)?;
    let store = store::open(&StoreConfig { location: arguments.store.clone(), ..settings.store.clone() })?;
    let mut source = KafkaSource::open(config).map_err(Failure::usage)?;
    complain(&plain(&format!("watershed: reading from {} into {}", settings.kafka.brokers, arguments.store)));
    let mut aggregator = Aggregator::new(settings.aggregator.clone(), &inventory, store);
    watershed_aggregator::run(&mut source, &mut aggregator, |_| ())?;

    let (status, progress) = (source.status(), aggregator.progress().clone());
    aggregator.finish()?;
    complain(&format!(
        "watershed: {} batches with {} records read; {} came again, {} put aside",
        progress.batches, progress.records, progress.repeated, status.dead_letters,
    ));
    Ok(())
}

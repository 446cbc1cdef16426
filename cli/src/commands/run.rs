//! `watershed run`: capture, join and keep in one process, for months.
//!
//! One thread captures, this one joins and keeps, a third serves metrics. Between the first two is a queue of a few
//! batches: when the store stands still, capturing does, and the kernel counts what its buffer cannot hold.

mod capture;
mod keeping;
mod patience;

use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::Context as _;
use axum::Router;
use tracing::info;
use watershed_aggregator::source::{QUEUE_BATCHES, channel};
use watershed_aggregator::{StoreLocation, store};
use watershed_collector::sink::Channel;
use watershed_collector::source::{self, Source, SourceConfig};
use watershed_collector::{CollectorConfig, Report};
use watershed_model::AgentId;

use self::capture::{Capture, Watch};
use self::keeping::Keeping;
use self::patience::PatientStore;
use super::serve;
use super::watching::Watching;
use crate::args::run::RunArguments;
use crate::clock;
use crate::failure::Failure;
use crate::fingerprint;
use crate::input;
use crate::inventory;
use crate::listening;
use crate::pipeline;
use crate::settings::Settings;
use crate::telemetry::metrics::{CaptureMetrics, KeepingMetrics, WatchingMetrics};
use crate::telemetry::{MeteredStore, Telemetry};
use crate::user;

/// Runs until the captures end or a signal comes.
pub(crate) fn run(arguments: &RunArguments, mut settings: Settings) -> Result<(), Failure> {
    settings.flow.active_report.get_or_insert(pipeline::ACTIVE_REPORT);
    settings.store.location = arguments.store.clone();
    if settings.store.location == StoreLocation::Memory {
        return Err(Failure::usage(anyhow::anyhow!(
            "run keeps what it sees on disk: name the store as sqlite:PATH"
        )));
    }
    user::become_configured(&arguments.live, &settings)?;
    let mut telemetry = Telemetry::open(&settings, "run")?;
    let capture_metrics = CaptureMetrics::register(telemetry.metrics());
    let metrics = KeepingMetrics::register(telemetry.metrics(), settings.store.max_bytes, QUEUE_BATCHES);

    // All that may need privileges comes before the interfaces are open.
    let inventory = inventory::Watch::open(&settings, metrics.clone())?;
    let config = collector_config(arguments, &settings)?;
    let store = store::open(&settings.store)?;
    let map = serve::routes(&settings, telemetry.address())?.unwrap_or_else(|| {
        info!("the map is not served: others reach metrics.listen, and there is no file serve.tokens");
        Router::new()
    });
    let stop = input::stop_on_signals()?;
    let source = open_source(arguments, &settings, Arc::clone(&stop))?;

    // Threads start once privileges are dropped.
    if !arguments.live.interface.is_empty() {
        listening::watch(&config.flow.listening, Some(capture_metrics.clone()))?;
    }
    let _server = telemetry.serve(map)?;
    let mut inventory = inventory.start(&store)?;
    let watching = WatchingMetrics::register(telemetry.metrics());
    let watching = Watching::start(&settings, &mut inventory, watching, telemetry.health().clone())?;
    let store = MeteredStore::new(store, &settings.store, metrics.clone());
    let store = PatientStore::new(store, telemetry.health().clone(), Arc::clone(&stop));
    let watch = Watch::new(telemetry.health().clone(), capture_metrics, metrics);
    let keeping = Keeping::new(&settings, inventory, watching, store);
    telemetry.health().ready();
    let report = capture_and_keep(Capture::new(source, stop, watch), &config, keeping)?;
    info!(packets = report.counters.packets, records = report.counters.records, "ended, all is kept");
    pipeline::complete(&report)
}

/// Captures on a thread of its own and keeps on this one until there is no more.
fn capture_and_keep(
    mut capture: Capture,
    config: &CollectorConfig,
    mut keeping: Keeping,
) -> Result<Report, Failure> {
    let (sender, batches) = channel();
    thread::scope(|scope| {
        let capturing = thread::Builder::new().name("capture".to_owned());
        let capturing = capturing
            .spawn_scoped(scope, move || capture.run(Channel(sender), config))
            .context("cannot start to capture")?;
        // Where keeping fails, the queue goes with it, and capturing ends at its next batch.
        let kept = keeping.all(batches);
        let report = capturing.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        kept?;
        let report = report?;
        keeping.finish(&report)?;
        Ok(report)
    })
}

/// Batches of interfaces are of this start of the agent; those of files are known again by what is in the files.
fn collector_config(arguments: &RunArguments, settings: &Settings) -> Result<CollectorConfig, Failure> {
    let captures = arguments.captures.as_slice();
    let streaming = captures.is_empty() || captures.contains(&Path::new("-").into());
    Ok(CollectorConfig {
        agent: arguments.agent.as_deref().map_or_else(|| pipeline::agent(settings), AgentId::from),
        started: if streaming { clock::now() } else { fingerprint::start_of(captures)? },
        ship_every: Some(pipeline::LIVE_SHIPS_EVERY),
        ..pipeline::collector_config(settings)
    })
}

fn open_source(
    arguments: &RunArguments,
    settings: &Settings,
    stop: Arc<AtomicBool>,
) -> Result<Source, Failure> {
    if arguments.live.interface.is_empty() {
        return Ok(source::open(&SourceConfig { captures: arguments.captures.clone() })?);
    }
    let source = input::open_live(&arguments.live, settings, stop)?;
    info!(interfaces = arguments.live.interface.join(", "), "capturing");
    Ok(source)
}

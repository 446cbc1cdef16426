//! `watershed collect`: the agent, which ships what it captures to Kafka.

use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use watershed_collector::sink::FlowSink as _;
use watershed_collector::sink::kafka::{KafkaConfig, KafkaSink, ShippingStatus, WhenFull};
use watershed_model::Batch;

use super::complain;
use crate::args::collect::CollectArguments;
use crate::clock;
use crate::failure::Failure;
use crate::input;
use crate::listening;
use crate::output::text::plain;
use crate::pipeline;
use crate::settings::Settings;
use crate::telemetry::metrics::{CaptureMetrics, ShippingMetrics};
use crate::telemetry::{Health, InterfaceWatch, Telemetry};
use crate::user;

/// How long to wait for Kafka at the end while nothing arrives: an orchestrator kills what takes 30 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// The parts of the process that have a fault while Kafka takes nothing, and while there is no room to wait for it.
const KAFKA: &str = "kafka";
const SPOOL: &str = "spool";

/// Ships until the source ends.
pub(crate) fn run(arguments: &CollectArguments, mut settings: Settings) -> Result<(), Failure> {
    user::become_configured_with(&settings.spool.directory, &arguments.capture.live, &settings)?;
    let mut telemetry = Telemetry::open(&settings, "collect")?;
    let metrics = CaptureMetrics::register(telemetry.metrics());
    let shipping = ShippingMetrics::register(telemetry.metrics(), settings.spool.limit);
    let agent = pipeline::agent(&settings);
    let mut config = config(&settings)?;
    let watch = InterfaceWatch::new(telemetry.health().clone(), metrics.clone());
    let mut source = input::open(&arguments.capture, &settings)?.watched_by(watch);
    if source.is_live() {
        settings.flow.active_report.get_or_insert(pipeline::ACTIVE_REPORT);
    }
    config.when_full = if source.is_live() { WhenFull::Drop } else { WhenFull::Wait };
    // Starts a thread, so it comes after the source has dropped privileges.
    let mut sink = KafkaSink::open_watched(&config, watched(shipping, telemetry.health().clone()))
        .map_err(Failure::usage)?;
    complain(&plain(&format!("watershed: shipping to {} as {agent}", config.brokers)));
    if source.is_live() {
        listening::watch(&settings.flow.listening, Some(metrics.clone()))?;
    }
    let started = clock::now();
    let _server = telemetry.serve(Router::new())?;
    telemetry.health().ready();
    let report = pipeline::collect(&mut source, &settings, settings.collect.summary(), |batch| {
        metrics.shipped(&batch);
        Ok(sink.send(Batch { agent: agent.clone(), started, ..batch })?)
    })?;
    tell(&sink.close()?);
    pipeline::complete(&report)
}

/// Tells metrics and health how shipping goes.
fn watched(metrics: ShippingMetrics, health: Health) -> impl FnMut(&ShippingStatus) + Send + 'static {
    let mut told = ShippingStatus::default();
    move |status| {
        metrics.observe(status);
        if status.away != told.away {
            match &status.away {
                Some(reason) => health.fault(KAFKA, reason.to_string()),
                None => health.mend(KAFKA),
            }
        }
        if status.full != told.full {
            if status.full {
                health.fault(SPOOL, "full: what is captured is dropped, and counted");
            } else {
                health.mend(SPOOL);
            }
        }
        told.clone_from(status);
    }
}

fn config(settings: &Settings) -> Result<KafkaConfig, Failure> {
    let kafka = &settings.kafka;
    if kafka.brokers.is_empty() {
        return Err(Failure::usage(anyhow!(
            "nowhere to ship to: name Kafka with --kafka host:port, or the setting kafka.brokers"
        )));
    }
    Ok(KafkaConfig {
        brokers: kafka.brokers.clone(),
        topic: kafka.topic.clone(),
        partitions: u16::try_from(kafka.partitions).unwrap_or(u16::MAX),
        replication: u16::try_from(kafka.replication).unwrap_or(u16::MAX),
        connection: kafka.connection().map_err(Failure::usage)?,
        spool: settings.spool.clone(),
        when_full: WhenFull::Drop,
        patience: PATIENCE,
    })
}

/// What became of the batches.
fn tell(status: &ShippingStatus) {
    let &ShippingStatus { acknowledged, spooled_bytes, dropped, torn, refused, .. } = status;
    complain(&format!("watershed: {acknowledged} batches shipped, {spooled_bytes} octets wait in the spool"));
    if dropped.batches > 0 {
        let (batches, records, names) = (dropped.batches, dropped.records, dropped.names);
        complain(&format!("watershed: {batches} batches dropped: {records} connections, {names} names"));
    }
    if torn + refused > 0 {
        complain(&format!("watershed: {torn} batches torn in the spool, {refused} refused by Kafka"));
    }
}

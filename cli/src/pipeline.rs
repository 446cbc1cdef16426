//! Wiring: which ends the collector and the aggregator get, and on which threads they run.
//!
//! With one thread the collector hands each batch straight on. With two, the collector has its own and a
//! bounded channel between. Batches are the same and arrive in the same order, so the output is the same.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use watershed_aggregator::source::{FlowSource as _, channel};
use watershed_aggregator::{Aggregator, FlowStore, OpenInventory};
use watershed_collector::sink::{Channel, FlowSink};
use watershed_collector::{CollectorConfig, Report, SinkError, SummaryConfig};
use watershed_model::{AgentId, Batch, Loss, Timestamp};

use crate::failure::Failure;
use crate::progress::Watched;
use crate::settings::Settings;

/// How often a live capture hands on what it has: often enough to watch it, seldom enough to cost nothing.
pub(crate) const LIVE_SHIPS_EVERY: Duration = Duration::from_secs(1);

/// How often a connection that goes on is reported where no setting says otherwise and the capture may last for long:
/// a map that is a minute old is new, and a record a minute is little beside a connection's packets.
pub(crate) const ACTIVE_REPORT: Duration = Duration::from_secs(60);

/// Reads `source` to its end and hands every batch to `take`; with `summary`, connections as summaries.
///
/// # Errors
///
/// `take` fails. What cannot be read is in the report.
pub(crate) fn collect(
    source: &mut Watched,
    settings: &Settings,
    summary: Option<SummaryConfig>,
    take: impl FnMut(Batch) -> anyhow::Result<()>,
) -> Result<Report, Failure> {
    let mut config = CollectorConfig { summary, ..collector_config(settings) };
    config.ship_every = source.is_live().then_some(LIVE_SHIPS_EVERY);
    let report = if settings.threads < 2 {
        on_one_thread(source, &config, take)
    } else {
        on_two_threads(source, &config, take)
    }?;
    source.tell_interfaces();
    Ok(report)
}

/// Under which name and start batches are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) agent: AgentId,
    pub(crate) started: Timestamp,
}

impl Default for Origin {
    fn default() -> Self {
        let CollectorConfig { agent, started, .. } = CollectorConfig::default();
        Self { agent, started }
    }
}

/// Reads `source` into `store`, with names from `inventory`; `tap` sees every batch first.
pub(crate) fn aggregate<S: FlowStore>(
    mut source: Watched,
    origin: &Origin,
    inventory: &OpenInventory,
    store: S,
    settings: &Settings,
    mut tap: impl FnMut(&Batch) -> anyhow::Result<()>,
) -> Result<(S, Report), Failure> {
    let mut aggregator = Aggregator::new(settings.aggregator.clone(), inventory, store);
    let mut last = (origin.agent.clone(), Timestamp::default());
    let report = collect(&mut source, settings, None, |batch| {
        let batch = Batch { agent: origin.agent.clone(), started: origin.started, ..batch };
        tap(&batch)?;
        last.1 = batch.now;
        Ok(aggregator.ingest(batch)?)
    })?;
    let cut = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
    if cut > 0 {
        aggregator.note(&last.0, last.1, Loss::CaptureCut, cut);
    }
    Ok((aggregator.finish()?, report))
}

/// This host's name as an agent: the one set, else the system's.
pub(crate) fn agent(settings: &Settings) -> AgentId {
    if settings.agent.is_empty() {
        return AgentId::from(gethostname::gethostname().to_string_lossy().as_ref());
    }
    AgentId::from(settings.agent.as_str())
}

/// The failure that a report's problems amount to, once everything that was readable is out.
pub(crate) fn complete(report: &Report) -> Result<(), Failure> {
    if report.problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    Err(Failure::Work(anyhow!(problems.join("\n"))))
}

/// How the collector works under these settings.
pub(crate) fn collector_config(settings: &Settings) -> CollectorConfig {
    let mut config = CollectorConfig { flow: settings.flow.clone(), ..CollectorConfig::default() };
    // Random, so that nobody can craft traffic that collides; no output depends on it.
    config.flow.hash_key = RandomState::new().build_hasher().finish();
    config
}

fn on_one_thread(
    source: &mut Watched,
    config: &CollectorConfig,
    take: impl FnMut(Batch) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    let mut sink = Direct { take, failure: None };
    let report = watershed_collector::run(source, &mut sink, config, |_| ());
    // The sink's own failure says more than that the sink is gone.
    sink.failure.map_or(Ok(()), Err)?;
    Ok(report?)
}

fn on_two_threads(
    source: &mut Watched,
    config: &CollectorConfig,
    mut take: impl FnMut(Batch) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    thread::scope(|scope| {
        let (sender, mut batches) = channel();
        let collector =
            scope.spawn(move || watershed_collector::run(source, &mut Channel(sender), config, |_| ()));
        let taken = (|| {
            while let Some(delivery) = batches.next()? {
                delivery.batches.into_iter().try_for_each(&mut take)?;
            }
            anyhow::Ok(())
        })();
        // Where taking failed, this lets the collector's next send fail too.
        drop(batches);
        let report = collector.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        taken?;
        Ok(report?)
    })
}

/// Hands each batch on at once.
struct Direct<F> {
    take: F,
    failure: Option<anyhow::Error>,
}

impl<F: FnMut(Batch) -> anyhow::Result<()>> FlowSink for Direct<F> {
    fn send(&mut self, batch: Batch) -> Result<(), SinkError> {
        (self.take)(batch).map_err(|failure| {
            self.failure = Some(failure);
            SinkError::Gone
        })
    }
}

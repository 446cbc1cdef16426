//! The thread that keeps: batches from the queue into the store, and old hours out of it in between.

use std::time::Duration;

use tracing::{error, info};
use watershed_aggregator::source::{Channel, FlowSource as _};
use watershed_aggregator::{Aggregator, AggregatorError, OpenInventory};
use watershed_collector::Report;
use watershed_model::{AgentId, Batch, Loss, Timestamp};

use super::patience::PatientStore;
use crate::clock::Stopwatch;
use crate::commands::kept;
use crate::commands::watching::Watching;
use crate::settings::Settings;

/// How often hours that are too old are deleted: whole hours are what is kept.
const DELETE_EVERY: Duration = Duration::from_secs(3600);

/// Joins and keeps batch after batch.
pub(super) struct Keeping {
    aggregator: Aggregator<OpenInventory, PatientStore>,
    watching: Watching,
    settings: Settings,
    deleted: Option<Stopwatch>,
    /// The agent and the time of the latest batch.
    last: Option<(AgentId, Timestamp)>,
}

impl Keeping {
    pub(super) fn new(
        settings: &Settings,
        inventory: OpenInventory,
        watching: Watching,
        store: PatientStore,
    ) -> Self {
        let aggregator = Aggregator::new(settings.aggregator.clone(), inventory, store);
        Self { aggregator, watching, settings: settings.clone(), deleted: None, last: None }
    }

    /// Keeps every batch until there is no more. A live capture ships one every second, if an empty one, so that
    /// all that is due between batches is done in time.
    pub(super) fn all(&mut self, mut batches: Channel) -> Result<(), AggregatorError> {
        while let Some(delivery) = batches.next()? {
            delivery.batches.into_iter().try_for_each(|batch| self.keep(batch))?;
            self.delete_old();
        }
        Ok(())
    }

    fn keep(&mut self, batch: Batch) -> Result<(), AggregatorError> {
        let (agent, now) = (batch.agent.clone(), batch.now);
        self.aggregator.ingest(batch)?;
        let inventory = self.aggregator.progress().inventory;
        let metrics = &self.aggregator.store_mut().inner.metrics;
        metrics.kept_until(now);
        metrics.inventory(inventory);
        self.watching.tell();
        self.last = Some((agent, now));
        Ok(())
    }

    /// What cannot be deleted now may be in an hour; nothing is lost meanwhile.
    fn delete_old(&mut self) {
        if self.deleted.is_some_and(|deleted| deleted.elapsed() < DELETE_EVERY) {
            return;
        }
        self.deleted = Some(Stopwatch::start());
        let store = &mut self.aggregator.store_mut().inner;
        match kept::delete_old(&mut store.store, &self.settings) {
            Ok(deleted) if deleted.hours == 0 => {}
            Ok(deleted) => {
                info!(
                    hours = deleted.hours,
                    edges = deleted.edge_hours,
                    "deleted as older than store.retention"
                );
                store.metrics.deleted(deleted);
            }
            Err(error) => {
                error!(%error, "cannot delete what is too old; trying again in an hour");
                store.metrics.errors.inc();
            }
        }
    }

    /// Keeps what is left once capturing has ended, and nothing that is too old by then.
    pub(super) fn finish(mut self, report: &Report) -> Result<(), AggregatorError> {
        let cut = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
        if let Some((agent, now)) = &self.last
            && cut > 0
        {
            self.aggregator.note(agent, *now, Loss::CaptureCut, cut);
        }
        self.deleted = None;
        self.delete_old();
        self.aggregator.finish().map(drop)
    }
}

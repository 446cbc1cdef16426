//! A store on disk beside the one in memory: what `discover --store` adds to.

use std::collections::BTreeMap;
use std::io::Write;

use watershed_aggregator::inventory::fronts::FrontChange;
use watershed_aggregator::{
    Block, Deleted, DeliveryToken, FlowStore, HistoryStore, MemoryStore, OpenStore, Run, StoreConfig,
    StoreError, StoreLocation, Told, Wanted, store,
};
use watershed_model::{AgentId, Snapshot, TimeRange, Timestamp};

use crate::args::DiscoverArguments;
use crate::clock;
use crate::failure::Failure;
use crate::fingerprint;
use crate::output::text::{counted, plain};
use crate::pipeline::Origin;
use crate::settings::Settings;

/// Every block goes to memory, from which the summary is made, and to the disk where there is one.
pub(super) struct Kept {
    pub(super) memory: MemoryStore,
    pub(super) disk: Option<OpenStore>,
}

/// Opens the store that the arguments name, and says by what the captures are known in it.
pub(super) fn open(
    arguments: &DiscoverArguments,
    settings: &Settings,
) -> Result<(Origin, Option<OpenStore>), Failure> {
    let mut origin = Origin::default();
    let Some(location) = arguments.store.clone().filter(|location| *location != StoreLocation::Memory) else {
        return Ok((origin, None));
    };
    if let Some(agent) = &arguments.agent {
        origin.agent = AgentId::from(agent.as_str());
    }
    // What is captured live is never read again: now is as good a name as any.
    origin.started = match arguments.capture.captures.as_slice() {
        [] => clock::now(),
        captures => fingerprint::start_of(captures)?,
    };
    let store = store::open(&StoreConfig { location, ..settings.store.clone() })?;
    Ok((origin, Some(store)))
}

impl HistoryStore for Kept {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        if let Some(disk) = &mut self.disk {
            disk.remember(told)?;
        }
        self.memory.remember(told)
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        self.memory.history(wanted)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        if let Some(disk) = &mut self.disk {
            disk.remember_fronts(changes)?;
        }
        self.memory.remember_fronts(changes)
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        self.memory.fronts(period)
    }
}

impl FlowStore for Kept {
    fn append(&mut self, delivery: &DeliveryToken, blocks: &[Block<'_>]) -> Result<(), StoreError> {
        if let Some(disk) = &mut self.disk {
            disk.append(delivery, blocks)?;
        }
        self.memory.append(delivery, blocks)
    }

    /// What the disk has from before goes into the summary, too, and is no repetition.
    fn run(&self, agent: &AgentId, started: Timestamp) -> Result<Option<Run>, StoreError> {
        self.memory.run(agent, started)
    }

    fn runs(&self, agent: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        self.memory.runs(agent)
    }

    fn snapshot(&self, period: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        self.memory.snapshot(period)
    }
}

impl Kept {
    /// Deletes from the disk what is too old, and says what became of it all.
    pub(super) fn finish(
        self,
        arguments: &DiscoverArguments,
        origin: &Origin,
        settings: &Settings,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let (Some(mut disk), Some(location)) = (self.disk, &arguments.store) else { return Ok(()) };
        let place = plain(&location.to_string()).into_owned();
        if disk.added() == 0 {
            writeln!(out, "\n{place} has these captures already: nothing was added")?;
        } else {
            let agent = plain(&origin.agent.to_string()).into_owned();
            writeln!(out, "\nAdded to {place} as seen by agent {agent}")?;
        }
        let deleted = delete_old(&mut disk, settings)?;
        if deleted.hours > 0 {
            let (hours, edges) = (counted(deleted.hours, "hour"), counted(deleted.edge_hours, "edge"));
            writeln!(out, "Deleted as older than store.retention: {hours} with {edges}")?;
        }
        Ok(())
    }
}

/// Deletes what lies longer before the newest packet than the setting says; a packet with a time to come makes
/// nothing old.
pub(super) fn delete_old(disk: &mut OpenStore, settings: &Settings) -> Result<Deleted, StoreError> {
    let (Some(age), Some(extent)) = (settings.retention, disk.extent()?) else {
        return Ok(Deleted::default());
    };
    disk.delete_before(extent.end.min(clock::now()).minus(age))
}

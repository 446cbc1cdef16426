//! What a store is given at once: one batch, joined.

use std::ops::Range;
use std::sync::Arc;

use watershed_model::{
    AgentId, Batch, Counters, FlowRecord, Listener, LossEntry, NameObservation, Timestamp, Workload,
};

/// What names a batch for good; a store that has it already keeps nothing of a second one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchToken {
    /// Who shipped the batch.
    pub agent: AgentId,
    /// When that agent started.
    pub started: Timestamp,
    /// The batch's number since then.
    pub sequence: u64,
}

impl BatchToken {
    /// The name of `batch`.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        Self { agent: batch.agent.clone(), started: batch.started, sequence: batch.sequence }
    }
}

/// One batch with its identities and names, and what the ledger has to say.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// The batch it was made of. Loss that came up outside any batch has no rows and counts as the batch
    /// after the agent's last, so that it counts once, too; `None` where no batch of the agent came.
    pub token: Option<BatchToken>,
    /// Event time up to which the agent had seen traffic.
    pub now: Timestamp,
    /// DNS answers.
    pub names: Vec<NameObservation>,
    /// What the agent's host listened on.
    pub listeners: Vec<Listener>,
    /// Entries for the loss ledger.
    pub loss: Vec<LossEntry>,
    /// The agent's counters since it started, as of this batch.
    pub counters: Counters,
    records: Vec<FlowRecord>,
    joins: Vec<Join<'a>>,
    joined_names: Vec<Arc<str>>,
}

/// What was found out about one record.
#[derive(Clone, Debug)]
pub(crate) struct Join<'a> {
    pub(crate) client: Option<&'a Arc<Workload>>,
    pub(crate) server: Option<&'a Arc<Workload>>,
    pub(crate) answered: u64,
    pub(crate) names: Range<usize>,
}

/// One flow record with what was found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The record.
    pub record: &'a FlowRecord,
    /// Who the client was, where it is known.
    pub client: Option<&'a Arc<Workload>>,
    /// Who the server was, where it is known.
    pub server: Option<&'a Arc<Workload>>,
    /// Connections of which this record is the first that shows an answer: each counts once.
    pub answered: u64,
    dns_names: &'a [Arc<str>],
}

impl<'a> Row<'a> {
    /// Names of the server, from the flow's own packets and from the DNS answers in force; may repeat.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let own = self.record.names.iter().flat_map(|hints| hints.server_names());
        own.chain(self.dns_names.iter().map(AsRef::as_ref))
    }
}

impl<'a> Block<'a> {
    /// A block of `batch`; `joins` has one element a record, each naming its part of `joined_names`.
    pub(crate) fn new(
        batch: Batch,
        joins: Vec<Join<'a>>,
        joined_names: Vec<Arc<str>>,
        loss: Vec<LossEntry>,
    ) -> Self {
        let Batch { agent, started, sequence, now, records, names, listeners, counters } = batch;
        let token = Some(BatchToken { agent, started, sequence });
        Self { token, now, names, listeners, loss, counters, records, joins, joined_names }
    }

    /// A block that only carries loss.
    pub(crate) fn of_loss(token: Option<BatchToken>, counters: Counters, loss: Vec<LossEntry>) -> Self {
        let now = loss.iter().map(|entry| entry.hour.start()).max().unwrap_or_default();
        Self {
            token,
            now,
            names: Vec::new(),
            listeners: Vec::new(),
            loss,
            counters,
            records: Vec::new(),
            joins: Vec::new(),
            joined_names: Vec::new(),
        }
    }

    /// The records with their joins, in the order in which the connections ended.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.records.iter().zip(&self.joins).map(|(record, join)| Row {
            record,
            client: join.client,
            server: join.server,
            answered: join.answered,
            dns_names: self.joined_names.get(join.names.clone()).unwrap_or_default(),
        })
    }
}

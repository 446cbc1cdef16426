//! What a store says of a period, made ready to answer with; kept for a while, since making it takes longer than
//! all answers from it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use watershed_aggregator::{FlowStore as _, store};
use watershed_model::Snapshot;

use super::answer::Problem;
use super::items::{EdgeItem, LossItem, NodeItem, RuleItem, ScanItem};
use crate::args::PeriodArguments;
use crate::clock::Stopwatch;
use crate::commands::discover::{self, Discovery};
use crate::failure::Failure;
use crate::output::text::plain;
use crate::period;
use crate::report::{self, Document, Subject};
use crate::settings::Settings;

/// For how long answers come from what was read last: a map that is some seconds old is new, and a page that is
/// loaded again at every keystroke reads the store no more often than this.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// Edges of a period that are made ready: some 500 MB of answers. More is asked for by shorter periods.
const MAX_EDGES: usize = 250_000;

/// Everything that there is to say of a period.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The document that the page reads.
    pub(super) map: Bytes,
    pub(super) nodes: Vec<NodeItem>,
    pub(super) edges: Vec<EdgeItem>,
    pub(super) scans: Vec<ScanItem>,
    pub(super) rules: Vec<RuleItem>,
    pub(super) loss: Vec<LossItem>,
}

/// Reads a store when that is needed, one period at a time.
#[derive(Clone, Debug)]
pub(super) struct Library(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: String,
    settings: Settings,
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    period: PeriodArguments,
    read: Stopwatch,
    loaded: Arc<Loaded>,
}

impl Library {
    /// Of the store in the settings; `source` is what to call it.
    pub(super) fn new(source: &str, settings: Settings) -> Self {
        let source = plain(source).into_owned();
        Self(Arc::new(Shared { source, settings, last: Mutex::new(None) }))
    }

    /// What there is to say of a period. Takes as long as reading the store: not for threads that answer.
    pub(super) fn read(&self, period: PeriodArguments) -> Result<Arc<Loaded>, Problem> {
        // Whoever comes meanwhile waits here, and then finds what was read. What is kept is whole or not there.
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) =
            last.as_ref().filter(|last| last.period == period && last.read.elapsed() < FRESH_FOR)
        {
            return Ok(Arc::clone(&last.loaded));
        }
        // The old one goes first, so that there are never two.
        *last = None;
        let loaded = Arc::new(self.load(&period)?);
        *last = Some(Last { period, read: Stopwatch::start(), loaded: Arc::clone(&loaded) });
        Ok(loaded)
    }

    fn load(&self, period: &PeriodArguments) -> Result<Loaded, Problem> {
        let Shared { source, settings, .. } = &*self.0;
        let store = store::open_existing(&settings.store).map_err(Problem::work)?;
        let period = period::of(period, &store).map_err(Problem::work)?;
        if period.is_some_and(|period| period.end < period.start) {
            return Err(Problem::wrong(
                "the period ends before it starts: write an earlier from or a later to",
            ));
        }
        let snapshot = store.snapshot(period).map_err(Problem::work)?;
        if snapshot.edges.len() > MAX_EDGES {
            let edges = snapshot.edges.len();
            return Err(Problem::wrong(&format!(
                "the period has {edges} edges, more than the {MAX_EDGES} that are served: ask for a shorter one by since, from or to"
            )));
        }
        let found = discover::discover(&snapshot, settings).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Work(error) => Problem::work(error),
        })?;
        Loaded::of(source, &snapshot, &found, settings)
    }
}

impl Loaded {
    fn of(
        source: &str,
        snapshot: &Snapshot,
        found: &Discovery<'_>,
        settings: &Settings,
    ) -> Result<Self, Problem> {
        let Discovery { graph, rules, certificate, .. } = found;
        let subject = Subject { source, snapshot, graph, rules, certificate, settings };
        let document = Document::of(subject).map_err(Problem::work)?;
        Ok(Self {
            map: report::json(&document).map_err(Problem::work)?.into(),
            nodes: graph.nodes().map(NodeItem::from).collect(),
            edges: graph.edges().map(|(edge, &verdict)| EdgeItem::new(edge, verdict)).collect(),
            scans: graph.scans().iter().map(ScanItem::from).collect(),
            rules: rules.rules.iter().map(RuleItem::from).collect(),
            loss: graph.loss().iter().map(LossItem::from).collect(),
        })
    }
}

//! What a store says of a period, made ready to answer with; kept for a while, since making it takes longer than
//! all answers from it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio::{task, time};
use watershed_aggregator::{FlowStore as _, OpenStore, StoreError, store};
use watershed_model::{Snapshot, TimeRange};

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

/// How long a question waits for the store to be read; whoever asks again finds what was read meanwhile. Less than
/// browsers and the server's own limits wait.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(50);

/// How often a question that waits looks by itself: what nobody fetched goes stale without a word.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Edges of a period that are made ready: some 500 MB of answers. More is asked for by shorter periods, or exported.
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
    /// Of the rules of every level.
    pub(super) rule_ids: BTreeSet<String>,
}

/// Reads a store when that is needed, one period at a time, whoever waits for it.
#[derive(Clone, Debug)]
pub(super) struct Library(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: String,
    settings: Settings,
    shelf: Mutex<Shelf>,
    /// Somebody has read something.
    changed: Notify,
    /// Exports at a time: each holds a period in memory.
    exports: Arc<Semaphore>,
}

/// What is read, and what was.
#[derive(Debug, Default)]
struct Shelf {
    reading: bool,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    period: PeriodArguments,
    read: Stopwatch,
    answer: Result<Arc<Loaded>, Problem>,
    /// Whether somebody who asked for it has got it.
    fetched: bool,
}

/// What a question does next.
enum Step {
    Answer(Result<Arc<Loaded>, Problem>),
    Read,
    Wait,
}

impl Library {
    /// Of the store in the settings; `source` is what to call it.
    pub(super) fn new(source: &str, mut settings: Settings) -> Self {
        settings.store.max_snapshot = MAX_EDGES;
        Self(Arc::new(Shared {
            source: plain(source).into_owned(),
            settings,
            shelf: Mutex::default(),
            changed: Notify::new(),
            exports: Arc::new(Semaphore::new(1)),
        }))
    }

    /// What there is to say of a period.
    pub(super) async fn read(&self, period: PeriodArguments) -> Result<Arc<Loaded>, Problem> {
        time::timeout(READ_WITHIN, self.wait_for(&period)).await.unwrap_or_else(|_| {
            Err(Problem::busy("the store is still being read: ask again soon, or for a shorter period"))
        })
    }

    /// Waits for as long as it takes. Reading goes on when whoever waited has gone.
    async fn wait_for(&self, period: &PeriodArguments) -> Result<Arc<Loaded>, Problem> {
        loop {
            let changed = self.0.changed.notified();
            match self.0.shelf().step(period) {
                Step::Answer(answer) => return answer,
                Step::Read => self.start(period.clone()),
                Step::Wait => {}
            }
            // Either way it looks again.
            let _ = time::timeout(LOOK_EVERY, changed).await;
        }
    }

    fn start(&self, period: PeriodArguments) {
        let (shared, asked) = (Arc::clone(&self.0), period.clone());
        tokio::spawn(async move {
            let reader = Arc::clone(&shared);
            let read = task::spawn_blocking(move || reader.load(&asked).map(Arc::new));
            let answer = read.await.map_err(Problem::work).and_then(|answer| answer);
            let last = Last { period, read: Stopwatch::start(), answer, fetched: false };
            *shared.shelf() = Shelf { reading: false, last: Some(last) };
            shared.changed.notify_waiters();
        });
    }

    /// Where exports wait for each other.
    pub(super) fn exports(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.exports)
    }

    /// The store, and which time of it is asked about. Takes a while: not for threads that answer.
    pub(super) fn open(&self, period: &PeriodArguments) -> Result<(OpenStore, Option<TimeRange>), Problem> {
        self.0.open(period)
    }
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // What is on it is whole or not there.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, period: &PeriodArguments) -> Result<(OpenStore, Option<TimeRange>), Problem> {
        let store = store::open_existing(&self.settings.store).map_err(Problem::work)?;
        let period = period::of(period, &store).map_err(Problem::work)?;
        Ok((store, period))
    }

    fn load(&self, period: &PeriodArguments) -> Result<Loaded, Problem> {
        let Self { source, settings, .. } = self;
        let (store, period) = self.open(period)?;
        let snapshot = store.snapshot(period).map_err(unreadable)?;
        let found = discover::discover(&snapshot, settings).map_err(|failure| match failure {
            Failure::Usage(error) | Failure::Work(error) => Problem::work(error),
        })?;
        Loaded::of(source, &snapshot, &found, settings)
    }
}

/// Why a store was not read: because of the question, or because of the store.
pub(super) fn unreadable(error: StoreError) -> Problem {
    let shorter = "ask for a shorter period by since, from or to";
    match error {
        StoreError::Period { .. } => {
            Problem::wrong("the period ends before it starts: write an earlier from or a later to")
        }
        StoreError::TooManyEdges { limit } => Problem::wrong(&format!(
            "the period has more than the {limit} edges that are served at once: {shorter}, or export them as /api/v1/edges.ndjson"
        )),
        StoreError::SnapshotTooLarge { limit } => Problem::wrong(&format!(
            "the period has more than {limit} edges, counted for each hour (setting store.max_edges): {shorter}"
        )),
        error => Problem::work(error),
    }
}

impl Shelf {
    fn step(&mut self, period: &PeriodArguments) -> Step {
        if let Some(last) = self.last.as_mut().filter(|last| last.period == *period && last.is_fresh()) {
            last.fetched = true;
            return Step::Answer(last.answer.clone());
        }
        // What somebody waited for stays until they came for it: else two who take turns would never get anything.
        let awaited = self.last.as_ref().is_some_and(|last| !last.fetched && last.is_fresh());
        if self.reading || awaited {
            return Step::Wait;
        }
        // The old one goes first, so that there are never two.
        *self = Self { reading: true, last: None };
        Step::Read
    }
}

impl Last {
    /// A failure is told to those who wait; whoever asks later has the store read again.
    fn is_fresh(&self) -> bool {
        let lasts = if self.answer.is_ok() { FRESH_FOR } else { LOOK_EVERY };
        self.read.elapsed() < lasts
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
            rule_ids: document.rule_ids().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(hours: u64) -> PeriodArguments {
        let since = Some(Duration::from_secs(hours * 3_600));
        PeriodArguments { since, from: None, to: None, now: None }
    }

    fn read(shelf: &mut Shelf, period: PeriodArguments) {
        assert!(matches!(shelf.step(&period), Step::Read));
        let answer = Err(Problem::wrong("as good as any"));
        *shelf = Shelf {
            reading: false,
            last: Some(Last { period, read: Stopwatch::start(), answer, fetched: false }),
        };
    }

    #[test]
    fn one_period_is_read_at_a_time_and_everybody_who_asked_gets_it() {
        let mut shelf = Shelf::default();
        assert!(matches!(shelf.step(&asked(1)), Step::Read));
        assert!(matches!(shelf.step(&asked(1)), Step::Wait));
        assert!(matches!(shelf.step(&asked(2)), Step::Wait));
        let mut shelf = Shelf::default();
        read(&mut shelf, asked(1));
        assert!(matches!(shelf.step(&asked(2)), Step::Wait), "it waits until the first one was fetched");
        assert!(matches!(shelf.step(&asked(1)), Step::Answer(_)));
        assert!(matches!(shelf.step(&asked(1)), Step::Answer(_)));
        assert!(matches!(shelf.step(&asked(2)), Step::Read));
        assert!(matches!(shelf.step(&asked(1)), Step::Wait));
    }

    #[test]
    fn a_period_that_is_too_large_is_for_the_asker_to_mend() {
        for error in [StoreError::TooManyEdges { limit: 7 }, StoreError::SnapshotTooLarge { limit: 7 }] {
            let problem = format!("{:?}", unreadable(error));
            for part in ["400", " 7 edges", "shorter period"] {
                assert!(problem.contains(part), "{problem}");
            }
        }
    }
}

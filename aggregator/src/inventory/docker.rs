//! An inventory from a Docker engine: whose an address is by its running containers, and what Compose calls them.
//!
//! A thread of its own lists the containers, waits until the engine says that something about them has changed, and
//! lists them again. What the engine last said stays good while it cannot be asked.

mod containers;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{EventsOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use crossbeam_channel::Sender;
use futures::StreamExt as _;
use tokio::sync::oneshot;
use tracing::{info, warn};
use watershed_model::Timestamp;

use self::containers::{Changed, Containers};
use super::fronts::FrontUpdate;
use super::offer::offer;
use super::{OpenInventory, Source, Update};
use crate::AggregatorError;

/// How long to wait for an answer of the engine, seconds.
const TIMEOUT: u64 = 30;

/// How long to wait after the engine failed, at first and at most; twice as long each time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How often to look without being told that something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long to wait after an event for others that come with it: a container that starts makes several.
const TOGETHER: Duration = Duration::from_millis(100);

/// How the watching goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerStatus {
    /// Running containers known.
    pub containers: usize,
    /// Lists read.
    pub lists: u64,
    /// Changes of whose an address is.
    pub changes: u64,
    /// Containers left out as such that no engine has, or for want of room.
    pub refused: u64,
    /// Times that the engine could not be asked, or said what cannot be read.
    pub failures: u64,
    /// Why it fails at present.
    pub failing: Option<String>,
}

/// A thread that watches an engine; it ends with this.
#[derive(Debug)]
pub struct DockerWatch {
    status: Arc<Mutex<DockerStatus>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DockerWatch {
    /// Starts to watch the engine at a socket, and tells `inventory` what there is. `now` is the clock. That the
    /// engine does not answer is no error: it will.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub fn start(
        socket: &Path,
        inventory: &mut OpenInventory,
        now: fn() -> Timestamp,
    ) -> Result<Self, AggregatorError> {
        let failed = |error: std::io::Error| AggregatorError::Docker {
            socket: socket.to_owned(),
            reason: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let status = Arc::<Mutex<DockerStatus>>::default();
        let watching = Watching {
            socket: socket.to_owned(),
            updates: inventory.follow(Source::Docker),
            fronts: inventory.follow_fronts(Source::Docker),
            status: Arc::clone(&status),
            now,
            containers: Containers::default(),
            first: true,
        };
        let thread = thread::Builder::new().name("docker".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = watching.run() => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { status, stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }

    /// How the watching goes.
    #[must_use]
    pub fn status(&self) -> DockerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DockerWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been told on standard error.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Watching {
    socket: PathBuf,
    updates: Sender<Update>,
    fronts: Sender<FrontUpdate>,
    status: Arc<Mutex<DockerStatus>>,
    now: fn() -> Timestamp,
    containers: Containers,
    first: bool,
}

/// Nobody listens any more.
struct Unheard;

impl Watching {
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            let lists = self.lists();
            match self.watch().await {
                Ok(Unheard) => return,
                Err(error) => self.failed(&error),
            }
            let went_well = self.lists() > lists;
            pause = if went_well { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Lists, and lists again whenever something has changed, until the engine fails.
    async fn watch(&mut self) -> Result<Unheard, bollard::errors::Error> {
        let socket = self.socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&socket, TIMEOUT, API_DEFAULT_VERSION)?;
        let of = [("type".to_owned(), vec!["container".to_owned(), "network".to_owned()])];
        let options = EventsOptions { filters: Some(of.into()), ..EventsOptions::default() };
        let mut events = Box::pin(docker.events(Some(options)).ready_chunks(1_000));
        loop {
            let listed = docker.list_containers(Some(ListContainersOptions::default())).await?;
            if !self.say(&listed).await {
                return Ok(Unheard);
            }
            match tokio::time::timeout(LOOK_EVERY, events.next()).await {
                // Nothing for a while: a look does no harm, and what was missed is found.
                Err(_) => {}
                Ok(None) => return Err(bollard::errors::Error::RequestTimeoutError),
                Ok(Some(chunk)) => chunk.into_iter().try_for_each(|event| event.map(drop))?,
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }

    /// Says what is different; false where nobody listens any more.
    async fn say(&mut self, listed: &[ContainerSummary]) -> bool {
        let now = (self.now)();
        let Changed { addresses, fronts } = self.containers.take(listed, now);
        let first = std::mem::take(&mut self.first);
        {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.lists += 1;
            status.containers = listed.len();
            status.changes += addresses.len() as u64;
            status.refused = self.containers.refused();
            if status.failing.take().is_some() {
                info!(socket = %self.socket.display(), "watching again");
            }
        }
        if first {
            return offer(&self.fronts, FrontUpdate::Everything { at: now, led: fronts }).await
                && offer(&self.updates, Update::Everything { at: now, owned: addresses }).await;
        }
        (fronts.is_empty() || offer(&self.fronts, FrontUpdate::Changes(fronts)).await)
            && (addresses.is_empty() || offer(&self.updates, Update::Changes(addresses)).await)
    }

    fn failed(&self, error: &bollard::errors::Error) {
        let reason = error.to_string();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.failures += 1;
        if status.failing.as_deref() != Some(reason.as_str()) {
            warn!(
                socket = %self.socket.display(), reason,
                "cannot ask the container engine; what is known stays in force, trying again"
            );
        }
        status.failing = Some(reason);
    }

    fn lists(&self) -> u64 {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).lists
    }
}

#[cfg(test)]
mod tests;

//! An inventory from a Kubernetes API server: whose an address is by pods, nodes and Services, and where Services lead.
//!
//! A thread of its own watches the server and says what changes. What the server last said stays good while it cannot
//! be reached, refuses, or sends what makes no sense; each is counted, and watching goes on with growing pauses.

mod client;
mod cluster;
mod identity;
mod objects;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Sender;
use futures::StreamExt as _;
use tokio::sync::oneshot;
use tracing::{info, warn};
use watershed_model::Timestamp;

use self::client::Opened;
use self::cluster::{Changed, Cluster};
use self::watch::Event;
use super::fronts::FrontUpdate;
use super::offer::offer;
use super::{OpenInventory, Source, Update};
use crate::AggregatorError;

pub use self::cluster::Kind;

/// Events that are worked through before anything is said.
const TOGETHER: usize = 512;

/// How long a Service may go on changing before it is said where it leads: one rollout changes it once for each pod.
const SETTLE_EVERY: Duration = Duration::from_millis(200);

/// A watch that was opened and did not fail for so long goes on again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(2);

/// How to reach an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the account of the pod that this runs in.
    InCluster,
    /// As a kubeconfig says, in its current context.
    Kubeconfig(PathBuf),
}

/// `the cluster that this runs in`, or the file.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InCluster => f.write_str("the cluster that this runs in"),
            Self::Kubeconfig(path) => path.display().fmt(f),
        }
    }
}

/// What can go wrong with an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// It cannot be reached, or broke off.
    Unreachable,
    /// It does not let this account look.
    Denied,
    /// It has forgotten what was since the last look, so that everything is listed again.
    Expired,
    /// It refused in another way.
    Refused,
    /// What it sent cannot be read.
    Malformed,
    /// What it sent is larger than anything that it can have.
    TooLarge,
}

impl Trouble {
    /// All of them, in declaration order.
    pub const ALL: [Self; 6] =
        [Self::Unreachable, Self::Denied, Self::Expired, Self::Refused, Self::Malformed, Self::TooLarge];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

/// How the watching goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesStatus {
    /// Whether every kind was listed, or may not be, and all of it was said: whoever takes over what waits knows it.
    pub synced: bool,
    /// Objects known, by [`Kind`].
    pub objects: [usize; Kind::ALL.len()],
    /// Events worked through.
    pub events: u64,
    /// Changes said.
    pub changes: u64,
    /// Complete lists read, by [`Kind`]: one each at the start, more where events were missed.
    pub lists: [u64; Kind::ALL.len()],
    /// What went wrong how often, by [`Trouble`].
    pub troubles: [u64; Trouble::ALL.len()],
    /// Objects refused as such that no API server lets pass, or for want of room.
    pub refused: u64,
    /// Kinds that fail at present, by [`Kind`], and why.
    pub failing: [Option<String>; Kind::ALL.len()],
}

impl KubernetesStatus {
    /// Whether there is nothing to wait for: what there is has been said, or no kind can be listed at present.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.synced || self.failing.iter().all(Option::is_some)
    }
}

/// A thread that watches an API server; it ends with this.
#[derive(Debug)]
pub struct KubernetesWatch {
    status: Arc<Mutex<KubernetesStatus>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KubernetesWatch {
    /// Starts to watch, and tells `inventory` what there is. `now` is the clock. That the server cannot be reached is no
    /// error: it will be.
    ///
    /// # Errors
    ///
    /// The settings are missing or wrong, or there is no thread to be had.
    pub fn start(
        access: &Access,
        inventory: &mut OpenInventory,
        now: fn() -> Timestamp,
    ) -> Result<Self, AggregatorError> {
        let failed = |reason: String| AggregatorError::Kubernetes { access: access.clone(), reason };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let opened = Opened::new(now);
        let (client, server) = runtime.block_on(client::open(access, &opened))?;
        let (stop, stopped) = oneshot::channel();
        let status = Arc::<Mutex<KubernetesStatus>>::default();
        let watching = Watching {
            addresses: inventory.follow(Source::Kubernetes),
            fronts: inventory.follow_fronts(Source::Kubernetes),
            status: Arc::clone(&status),
            server,
            now,
            opened,
            cluster: Cluster::default(),
            denied: [false; Kind::ALL.len()],
            failed: [Timestamp::MIN; Kind::ALL.len()],
        };
        let thread = thread::Builder::new().name("kubernetes".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = watching.run(client) => {}
                    _ = stopped => {}
                }
            });
        });
        let thread = thread.map_err(|error| failed(error.to_string()))?;
        Ok(Self { status, stop: Some(stop), thread: Some(thread) })
    }

    /// How the watching goes.
    #[must_use]
    pub fn status(&self) -> KubernetesStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for KubernetesWatch {
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
    addresses: Sender<Update>,
    fronts: Sender<FrontUpdate>,
    status: Arc<Mutex<KubernetesStatus>>,
    server: String,
    now: fn() -> Timestamp,
    cluster: Cluster,
    /// Kinds that this account may not see at present.
    denied: [bool; Kind::ALL.len()],
    opened: Opened,
    /// When watching a kind failed last.
    failed: [Timestamp; Kind::ALL.len()],
}

impl Watching {
    async fn run(mut self, client: kube::Client) {
        let mut events = Box::pin(watch::all(&client).ready_chunks(TOGETHER));
        let mut tick = tokio::time::interval(SETTLE_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changed = false;
        loop {
            tokio::select! {
                chunk = events.next() => {
                    let Some(chunk) = chunk else { return };
                    changed = true;
                    for (kind, event) in chunk {
                        self.take(kind, event);
                    }
                }
                _ = tick.tick() => {
                    self.forgive();
                    if std::mem::take(&mut changed) && !self.say().await {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, kind: Kind, event: Event) {
        let now = (self.now)();
        let index = kind as usize;
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.events += 1;
        let failed = matches!(event, Event::Failed(..));
        if !failed && !matches!(event, Event::Begin) && status.failing[index].take().is_some() {
            info!(kind = kind.as_str(), server = self.server, "watching again");
        }
        match event {
            Event::Begin => {
                self.cluster.begin(kind);
                self.denied[index] = false;
            }
            Event::Apply(object) => self.cluster.apply(&object, now),
            Event::Delete(object) => self.cluster.delete(&object, now),
            Event::End => {
                self.cluster.end(kind, now);
                status.lists[index] += 1;
            }
            Event::Failed(trouble, reason) => {
                status.troubles[trouble as usize] += 1;
                self.denied[index] = trouble == Trouble::Denied;
                self.failed[index] = now;
                // Said once for each stretch of trouble: the count tells how often.
                if status.failing[index].as_deref() != Some(reason.as_str()) {
                    warn!(
                        kind = kind.as_str(),
                        server = self.server,
                        trouble = trouble.as_str(),
                        reason,
                        "cannot watch; what is known stays in force, trying again"
                    );
                }
                status.failing[index] = Some(reason);
            }
        }
        status.objects[index] = self.cluster.count(kind);
        status.refused = self.cluster.refused();
    }

    /// A watch that goes on where it broke off says nothing before something changes: whether it does shows in that it was
    /// opened after it failed, and has not failed again.
    fn forgive(&self) {
        let now = (self.now)();
        let mut status = self.status();
        for kind in Kind::ALL {
            let (opened, failed) = (self.opened.last(kind), self.failed[kind as usize]);
            let goes_on = opened > failed && opened.plus(FORGIVEN_AFTER) < now;
            if goes_on && status.failing[kind as usize].take().is_some() {
                info!(kind = kind.as_str(), server = self.server, "watching again");
            }
        }
    }

    /// Says what is different; false where nobody listens any more.
    ///
    /// Nothing is said before each kind was listed once, or may not be: half of it would say that addresses are nobody's
    /// whose pods come later, and that Services lead to nobody.
    ///
    /// Fronts come before addresses: whoever finds a Service's address to be the Service's finds where it leads, too. That
    /// all is said is known only once it is there to be heard.
    async fn say(&mut self) -> bool {
        let now = (self.now)();
        let first = {
            let status = self.status();
            let mut kinds = status.lists.iter().zip(self.denied);
            let tried = kinds.all(|(lists, denied)| *lists > 0 || denied);
            // Nothing at all is known of a server that lets nothing be seen.
            if !status.synced && (!tried || status.lists.iter().all(|lists| *lists == 0)) {
                return true;
            }
            !status.synced
        };
        let Changed { addresses, fronts } =
            if first { self.cluster.everything(now) } else { self.cluster.settle(now) };
        let said = (addresses.len() + fronts.len()) as u64;
        let (addresses, fronts) = if first {
            (
                Update::Everything { at: now, owned: addresses },
                FrontUpdate::Everything { at: now, led: fronts },
            )
        } else {
            (Update::Changes(addresses), FrontUpdate::Changes(fronts))
        };
        let nothing_led = matches!(&fronts, FrontUpdate::Changes(changes) if changes.is_empty());
        let nothing_owned = matches!(&addresses, Update::Changes(changes) if changes.is_empty());
        let heard = (nothing_led || offer(&self.fronts, fronts).await)
            && (nothing_owned || offer(&self.addresses, addresses).await);
        let mut status = self.status();
        status.changes += said;
        status.synced = true;
        heard
    }

    fn status(&self) -> MutexGuard<'_, KubernetesStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What this host listens on, as its kernel tells: who is the server of a connection that was met in the middle; and
//! which process that is, as far as this one may see.

mod owners;

mod sockets;

mod host;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use watershed_model::Listener;

pub use host::{Host, Look};
pub use sockets::Sockets;

/// Listeners told of by a look at most, and waiting to be shipped: a host has tens, on a few addresses.
pub const MAX_LISTENERS: usize = 4_096;

/// What the host listens on by now, shared between who looks and who captures. Empty where nobody looks.
#[derive(Clone, Debug, Default)]
pub struct Listening(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    sockets: RwLock<Arc<Sockets>>,
    /// To be shipped.
    news: Mutex<Vec<Listener>>,
}

impl Listening {
    /// Says what the host listens on from now on, and what is to be shipped of that.
    ///
    /// While nothing is shipped, what finds no room is dropped: it is told of again.
    pub fn set(&self, sockets: Sockets, news: Vec<Listener>) {
        *self.0.sockets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sockets);
        let mut waiting = self.0.news.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_LISTENERS.saturating_sub(waiting.len());
        waiting.extend(news.into_iter().take(room));
    }

    /// What was not shipped yet; from now on it was.
    #[must_use]
    pub fn take_news(&self) -> Vec<Listener> {
        std::mem::take(&mut *self.0.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether anybody but who asks still heeds it.
    #[must_use]
    pub fn is_heeded(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// What the host listens on.
    #[must_use]
    pub fn get(&self) -> Arc<Sockets> {
        Arc::clone(&self.0.sockets.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is seen by now is no setting: two that are set up alike are alike.
impl PartialEq for Listening {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Listening {}

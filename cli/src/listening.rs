//! What this host listens on, looked up every few seconds while it captures: evidence for who is the server.
//!
//! Only that something listens is asked, which everybody may; which process that is would need the rights of all of
//! them, and those are given up.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing::warn;
use watershed_collector::listening::{Listening, Sockets};

use crate::failure::Failure;

/// Sockets of this process's network namespace (proc_pid_net(5)).
const NET: &str = "/proc/self/net";

/// How often they are looked up: a server that ended since has had its connections reported by then.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks now, and again and again for as long as somebody heeds it. Without such tables there is no such evidence.
///
/// # Errors
///
/// There is no thread to be had.
pub(crate) fn watch(listening: &Listening) -> Result<(), Failure> {
    if !look(listening) {
        return Ok(());
    }
    let listening = listening.clone();
    let watching = move || {
        while listening.is_heeded() && look(&listening) {
            thread::sleep(LOOK_EVERY);
        }
    };
    let thread = thread::Builder::new().name("listening".to_owned());
    thread.spawn(watching).context("cannot start to look what this host listens on")?;
    Ok(())
}

/// Whether it could be looked up.
fn look(listening: &Listening) -> bool {
    match Sockets::read(Path::new(NET)) {
        Ok(sockets) => listening.set(sockets),
        Err(error) => {
            warn!(%error, "cannot see what this host listens on: connections met in the middle have less evidence");
            return false;
        }
    }
    true
}

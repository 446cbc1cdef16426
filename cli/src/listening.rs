//! What this host listens on, looked up every few seconds while it captures: evidence for who is the server; and which
//! process owns each socket, as far as this one may see.
//!
//! That something listens everybody may ask. Which process it is takes being the same user, or the rights that the setting
//! `capture.owners` keeps; what could not be seen is counted and said.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing::{info, warn};
use watershed_collector::listening::{Host, Listening, Look, MAX_LISTENERS};

use crate::clock;
use crate::commands::complain;
use crate::failure::Failure;
use crate::telemetry::metrics::CaptureMetrics;

/// The kernel's view of processes (proc(5)), of which `self/net` is this process's network namespace.
const PROC: &str = "/proc";

/// How often they are looked up: a server that ended since has had its connections reported by then.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks now, and again and again for as long as somebody heeds it. Without such tables there is no such evidence. What
/// owners are not known goes into metrics and the log, or to the person where there are none.
///
/// # Errors
///
/// There is no thread to be had.
pub(crate) fn watch(listening: &Listening, metrics: Option<CaptureMetrics>) -> Result<(), Failure> {
    let mut watch =
        Watch { listening: listening.clone(), host: Host::new(Path::new(PROC)), metrics, said: false };
    if !watch.look() {
        return Ok(());
    }
    let watching = move || {
        while watch.listening.is_heeded() && watch.look() {
            thread::sleep(LOOK_EVERY);
        }
    };
    let thread = thread::Builder::new().name("listening".to_owned());
    thread.spawn(watching).context("cannot start to look what this host listens on")?;
    Ok(())
}

struct Watch {
    listening: Listening,
    host: Host,
    metrics: Option<CaptureMetrics>,
    /// Whether it was said that owners are not known; from then on the metrics tell how many.
    said: bool,
}

impl Watch {
    /// Whether it could be looked up.
    fn look(&mut self) -> bool {
        let look = match self.host.look(clock::now()) {
            Ok(look) => look,
            Err(error) => {
                warn!(%error, "cannot see what this host listens on: connections met in the middle have less evidence");
                return false;
            }
        };
        if let Some(metrics) = &self.metrics {
            metrics.listening(&look);
        }
        if let Some(line) = describe(&look).filter(|_| !self.said) {
            self.said = true;
            match self.metrics {
                Some(_) => info!("{line}"),
                None => complain(&format!("watershed: {line}")),
            }
        }
        self.listening.set(look.sockets, look.news);
        true
    }
}

/// What could not be seen, for a person; `None` where that is nothing.
fn describe(look: &Look) -> Option<String> {
    let Look { listening, unknown, refused, beyond, .. } = look;
    let mut lines = Vec::new();
    if *unknown > 0 {
        // Processes that a mount of proc hides are not refused.
        let why = if *refused { "not permitted" } else { "not seen from here" };
        lines.push(format!(
            "owners of {unknown} of {listening} listening sockets unknown: {why} (setting capture.owners)"
        ));
    }
    if *beyond > 0 {
        lines.push(format!(
            "{beyond} ports on addresses of this host, beyond {MAX_LISTENERS}, are not told of"
        ));
    }
    (!lines.is_empty()).then(|| lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_seen_is_said() {
        let look =
            |unknown, refused, beyond| Look { listening: 5, unknown, refused, beyond, ..Look::default() };
        for (look, expected) in [
            (look(0, true, 0), None),
            (
                look(1, false, 0),
                Some(
                    "owners of 1 of 5 listening sockets unknown: not seen from here (setting capture.owners)",
                ),
            ),
            (
                look(3, true, 0),
                Some("owners of 3 of 5 listening sockets unknown: not permitted (setting capture.owners)"),
            ),
            (look(0, false, 7), Some("7 ports on addresses of this host, beyond 4096, are not told of")),
        ] {
            assert_eq!(describe(&look).as_deref(), expected);
        }
    }
}

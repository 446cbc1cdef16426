//! A running `watershed aggregate`, and how far its store has come.

use std::process::Command;

use crate::place::Place;

/// A process, killed when it is dropped.
pub(crate) struct Process(watershed_tests::process::Process);

impl Process {
    pub(crate) fn start(command: Command) -> Self {
        Self(watershed_tests::process::Process::start(command))
    }

    /// Waits until the store has at least so many batches.
    pub(crate) fn until_kept(&mut self, store: &Place, batches: u64) {
        self.0.until(|| store.kept() >= batches, &format!("there were {batches} batches"));
    }

    /// Waits until it has said `text`.
    pub(crate) fn until_said(&mut self, text: &str) {
        self.0.until_said(text);
    }

    /// Waits until something holds.
    pub(crate) fn until(&mut self, holds: impl FnMut() -> bool, what: &str) {
        self.0.until(holds, what);
    }

    /// Kills it without a warning.
    pub(crate) fn kill(self) {
        self.0.kill();
    }

    /// Asks it to end, as service managers do; what it said.
    pub(crate) fn end(self) -> String {
        self.0.end()
    }
}

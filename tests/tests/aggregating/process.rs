//! A running `watershed aggregate`.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::kept;

/// How often a condition is looked at, and how many times: two minutes, on a busy machine.
const LOOK_EVERY: Duration = Duration::from_millis(4);
const LOOK_TIMES: u32 = 30_000;

/// A process, killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the store has at least so many batches.
    pub(crate) fn until_kept(&mut self, store: &Path, batches: u64) {
        self.until(|| kept(store) >= batches, &format!("{batches} batches"));
    }

    /// Waits until something holds while it runs.
    pub(crate) fn until(&mut self, holds: impl Fn() -> bool, what: &str) {
        for _ in 0..LOOK_TIMES {
            if holds() {
                return;
            }
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("it ended with {status} before there were {what}: {}", self.said());
            }
            thread::sleep(LOOK_EVERY);
        }
        panic!("there were never {what}");
    }

    /// Kills it without a warning.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end, as service managers do; what it said.
    pub(crate) fn end(mut self) -> String {
        let told = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = self.0.wait().unwrap();
        let said = self.said();
        assert!(status.success(), "{status}: {said}");
        said
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        self.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

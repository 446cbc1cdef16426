//! A running `watershed aggregate`.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::kept;

/// How often a condition is looked at, and how many times: two minutes and more, on a busy machine.
const LOOK_EVERY: Duration = Duration::from_millis(4);
const LOOK_TIMES: u32 = 30_000;

/// A process, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// What it says: a file, since a pipe that nobody reads would hold it up once it is full.
    said: File,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let said = tempfile::tempfile().unwrap();
        let child = command.stdin(Stdio::null()).stderr(said.try_clone().unwrap()).spawn().unwrap();
        Self { child, said }
    }

    /// Waits until the store has at least so many batches.
    pub(crate) fn until_kept(&mut self, store: &Path, batches: u64) {
        self.until(|| kept(store) >= batches, &format!("{batches} batches"));
    }

    /// Waits until something holds while it runs.
    fn until(&mut self, holds: impl Fn() -> bool, what: &str) {
        for _ in 0..LOOK_TIMES {
            if holds() {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status} before there were {what}: {}", self.said());
            }
            thread::sleep(LOOK_EVERY);
        }
        panic!("there were never {what}: {}", self.said());
    }

    /// Kills it without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as service managers do; what it said.
    pub(crate) fn end(mut self) -> String {
        let told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = self.ended();
        let said = self.said();
        assert!(status.is_some_and(|status| status.success()), "it ended with {status:?}: {said}");
        said
    }

    /// How it ended; `None` if it does not.
    fn ended(&mut self) -> Option<ExitStatus> {
        (0..LOOK_TIMES).find_map(|_| {
            let status = self.child.try_wait().unwrap();
            status.is_none().then(|| thread::sleep(LOOK_EVERY));
            status
        })
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        self.said.rewind().unwrap();
        self.said.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A program that runs beside a test, and what it says meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// How often a condition is looked at, and how many times: two minutes and more, on a busy machine. What takes long to look
/// at is looked at less often, so that looking does not keep from its work what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(4);
const REST: u32 = 3;
const LOOK_TIMES: u32 = 30_000;

/// A running program, killed when it is dropped. A test that it does not work for fails.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What it says on standard error: a file, since a pipe that nobody reads would hold it up once it is full.
    said: NamedTempFile,
}

impl Process {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let said = NamedTempFile::new().expect("a file for what it says");
        let stderr = said.reopen().expect("a second handle of that file");
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), said }
    }

    /// Waits until something holds while it runs.
    ///
    /// # Panics
    ///
    /// It ends before, or it never holds.
    #[expect(clippy::disallowed_methods, reason = "how long looking takes is no part of what is tested")]
    pub fn until(&mut self, mut holds: impl FnMut() -> bool, what: &str) {
        for _ in 0..LOOK_TIMES {
            let looking = Instant::now();
            if holds() {
                return;
            }
            let looked = looking.elapsed();
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status} before {what}: {}", self.said());
            }
            thread::sleep(LOOK_EVERY.max(looked * REST));
        }
        panic!("it never came that {what}: {}", self.said());
    }

    /// Waits until it has said `text` on standard error, and returns the line of it.
    ///
    /// # Panics
    ///
    /// It ends before, or never says it.
    pub fn until_said(&mut self, text: &str) -> String {
        let path = self.said.path().to_owned();
        let line = || {
            let said = read(&path);
            // Only whole lines: the rest of one may be yet to come.
            said.split_inclusive('\n').find(|l| l.ends_with('\n') && l.contains(text)).map(str::to_owned)
        };
        self.until(|| line().is_some(), &format!("it said `{text}`"));
        line().unwrap_or_default().trim_end().to_owned()
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a warning.
    ///
    /// # Panics
    ///
    /// It cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it is killed");
    }

    /// Asks it to end, as service managers do; what it said.
    ///
    /// # Panics
    ///
    /// It does not end, or not with success.
    pub fn end(self) -> String {
        let told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "it cannot be asked to end");
        self.ended_by_itself()
    }

    /// Waits until it has ended by itself; what it said.
    ///
    /// # Panics
    ///
    /// It does not end, or not with success.
    pub fn ended_by_itself(mut self) -> String {
        let status = self.ended();
        let said = self.said();
        assert!(status.is_some_and(|status| status.success()), "it ended with {status:?}: {said}");
        said
    }

    /// How it ended; `None` if it does not.
    fn ended(&mut self) -> Option<ExitStatus> {
        (0..LOOK_TIMES).find_map(|_| {
            let status = self.child.try_wait().ok()?;
            status.is_none().then(|| thread::sleep(LOOK_EVERY));
            status
        })
    }

    fn said(&self) -> String {
        read(self.said.path())
    }
}

fn read(path: &Path) -> String {
    let said = fs::read(path).expect("what it said can be read");
    String::from_utf8_lossy(&said).into_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

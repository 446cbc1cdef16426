//! A program that runs until it is told to end, and what it prints meanwhile.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running program; it ends with it.
pub(crate) struct Program {
    child: Child,
    stderr: BufReader<ChildStderr>,
    errors: String,
}

impl Program {
    /// Starts it and waits until it says so on standard error.
    pub(crate) fn start(command: Command, ready: &str) -> Self {
        let mut program = Self::spawn(command);
        program.wait_for(ready);
        program
    }

    /// Starts it and waits until it says so on standard output.
    pub(crate) fn start_heeding_stdout(command: Command, ready: &str) -> Self {
        let mut program = Self::spawn(command);
        let mut line = String::new();
        BufReader::new(program.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(ready), "{line}");
        program
    }

    /// Starts it without waiting for anything.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, errors: String::new() }
    }

    /// Reads standard error up to the line with `text`, which it returns.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.stderr.read_line(&mut line).unwrap();
            self.errors.push_str(&line);
            assert!(read > 0, "it ended without saying `{text}`:\n{}", self.errors);
        }
        line
    }

    /// Reads standard output up to `last`.
    pub(crate) fn read_until(&mut self, last: &[u8]) -> Vec<u8> {
        let stdout = self.child.stdout.as_mut().unwrap();
        let (mut all, mut some) = (Vec::new(), [0; 65_536]);
        while !all.windows(last.len()).any(|window| window == last) {
            let read = stdout.read(&mut some).unwrap();
            assert!(read > 0, "it ended without the last packet:\n{}", self.errors);
            all.extend_from_slice(&some[..read]);
        }
        all
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Kills it, so that it can tell nobody.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with a signal; what it printed on standard output and standard error.
    pub(crate) fn end(mut self, signal: &str) -> (String, String) {
        self.signal(signal);
        self.finish()
    }

    /// Waits until it ends, with success; what it printed on standard output and standard error.
    pub(crate) fn finish(&mut self) -> (String, String) {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        self.stderr.read_to_string(&mut self.errors).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{output}\n{}", self.errors);
        (output, self.errors.clone())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Network namespaces of tests: what runs in them, and their way to a port of this host.

use std::path::Path;
use std::process::Command;

use crate::process::Process;

/// Without offloads an interface shows the packets that a wire would: this, the interface, and [`OFFLOADS`].
pub const QUIET: &str = "ethtool -K";
/// What [`QUIET`] sets.
pub const OFFLOADS: &str = "tx off tso off gso off gro off";

/// Carries connections between a port and a socket in the file system, which every namespace has.
const CARRY: &str = "
import os, socket, sys, threading
port, path, outside = int(sys.argv[1]), sys.argv[2], sys.argv[3] == 'outside'
if outside:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
else:
    server = socket.create_server(('127.0.0.1', port))
def onward():
    if outside:
        return socket.create_connection(('127.0.0.1', port))
    far = socket.socket(socket.AF_UNIX)
    far.connect(path)
    return far
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
print('serving', file=sys.stderr, flush=True)
while True:
    near, _ = server.accept()
    far = onward()
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
";

/// A command that runs in a namespace.
#[must_use]
pub fn inside(namespace: &str, command: &[&str]) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", namespace]).args(command);
    inside
}

/// Runs a command that must succeed.
///
/// # Panics
///
/// It does not.
pub fn run(command: &[&str]) {
    done(Command::new(command[0]).args(&command[1..]));
}

/// Runs a command that must succeed, and returns what it printed.
///
/// # Panics
///
/// It does not.
pub fn done(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{command:?}: {errors}\nthese tests need root, network namespaces, and the packages of `make deps`"
    );
    String::from_utf8(done.stdout).expect("what it printed is text")
}

/// Starts a program, and waits until it has said that it is ready.
///
/// # Panics
///
/// It ends before, or never says it.
#[must_use]
pub fn started(command: Command, ready: &str) -> Process {
    let mut process = Process::start(command);
    process.until_said(ready);
    process
}

/// A way from a port of the loopback of each namespace to the same port of this host's, through a socket at `path`.
///
/// # Panics
///
/// It cannot be made.
#[must_use]
pub fn carry(port: &str, path: &Path, namespaces: &[String]) -> Vec<Process> {
    let path = path.to_str().expect("a path of letters");
    let mut outside = Command::new("python3");
    outside.args(["-u", "-c", CARRY, port, path, "outside"]);
    let mut carrying = vec![started(outside, "serving")];
    for namespace in namespaces {
        let carry = inside(namespace, &["python3", "-u", "-c", CARRY, port, path, "inside"]);
        carrying.push(started(carry, "serving"));
    }
    carrying
}

/// Deletes a namespace, if it is there: a test that fails has another message already.
pub fn delete(namespace: &str) {
    drop(Command::new("ip").args(["netns", "delete", namespace]).output());
}

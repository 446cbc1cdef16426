//! A shell as root of a user namespace, which anyone may be, with a network namespace of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a script prints.
///
/// # Panics
///
/// Where a command of it fails, with what it says.
pub(crate) fn run(script: &str) -> String {
    let mut child = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare is not installed: make deps");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("a script");
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

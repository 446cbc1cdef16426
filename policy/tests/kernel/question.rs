//! A program of `tests/support/nftables`, asked in a network namespace of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `script` answers to `question`.
pub(crate) fn answer(script: &str, question: String) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/support/nftables").join(script);
    let mut child = Command::new("unshare")
        // As root of a user namespace, which anyone may be.
        .args(["--map-root-user", "--net"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare and python3 are not installed: make deps");
    let mut input = child.stdin.take().expect("piped");
    // A judge that ends early says why on its standard error.
    let writer = std::thread::spawn(move || drop(input.write_all(question.as_bytes())));
    let output = child.wait_with_output().expect("an answer");
    writer.join().expect("a writer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

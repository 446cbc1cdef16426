//! The kernel asked what it does with the first packets of connections.

mod packet;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use watershed_policy::Tuple;

/// For each rule set with its connections: which of them pass the kernel.
pub(crate) fn ask(cases: &[(String, Vec<Tuple>)]) -> Vec<Vec<bool>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/support/nftables/ask-kernel.py");
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
    let question = |(rules, tuples): &(String, Vec<Tuple>)| -> Value {
        let packets = tuples.iter().enumerate().map(|(at, tuple)| packet::first(tuple, at as u16));
        let hex = packets.map(|packet| packet.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        json!({"rules": rules, "packets": hex.collect::<Vec<_>>()})
    };
    let lines: String = cases.iter().map(|case| format!("{}\n", question(case))).collect();
    // A judge that ends early says why on its standard error.
    let writer = std::thread::spawn(move || drop(input.write_all(lines.as_bytes())));
    let output = child.wait_with_output().expect("answers");
    writer.join().expect("a writer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Vec<bool>> =
        text.lines().map(|line| line.bytes().map(|digit| digit == b'1').collect()).collect();
    assert_eq!(answers.len(), cases.len(), "an answer for each rule set");
    answers
}

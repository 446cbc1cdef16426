//! Questions to a judge, and its answers: a line of JSON each.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The answers of the judge in `tests/support/NAME`, in the order of the questions. Builds it the first time.
///
/// # Panics
///
/// Where Go is missing, with what is needed: a judge that is not asked says nothing.
pub(crate) fn ask(name: &str, questions: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/support/go-judge");
    let built = Command::new(script).arg(name).output().expect("tests/support/go-judge runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = String::from_utf8(built.stdout).expect("a path");
    let mut child = Command::new(program.trim())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the judge starts");
    let mut input = child.stdin.take().expect("piped");
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).expect("questions"));
    let output = child.wait_with_output().expect("answers");
    writer.join().expect("a writer");
    assert!(output.status.success(), "the judge {name} ends with {}", output.status);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), questions.len(), "an answer for each question");
    answers
}

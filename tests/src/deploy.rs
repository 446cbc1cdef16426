//! What deploy/ says, as the programs read it that it is for; see tests/support/deploy.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// The repository.
///
/// # Panics
///
/// Never: the crate lies in it.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a repository").to_owned()
}

/// Runs the program of tests/support/deploy, which is built first.
///
/// # Panics
///
/// It cannot be built.
#[must_use]
pub fn judge(arguments: &[&str]) -> Output {
    static JUDGE: OnceLock<PathBuf> = OnceLock::new();
    let judge = JUDGE.get_or_init(|| {
        let made = Command::new(root().join("tests/support/go-judge")).arg("deploy").output();
        let made = made.unwrap_or_else(|error| panic!("tests/support/go-judge: {error}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8_lossy(&made.stdout).trim().into()
    });
    let output = Command::new(judge).current_dir(root()).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", judge.display()))
}

/// What it prints, a JSON value a line.
///
/// # Panics
///
/// It finds something wrong.
#[must_use]
pub fn judged(arguments: &[&str]) -> Vec<Value> {
    let output = judge(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.lines().map(|line| serde_json::from_str(line).expect("a JSON value a line")).collect()
}

//! The binary as a user meets it: what it prints, where, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod capture;

mod ahead;
mod bad_input;
mod clickhouse;
mod deciding;
mod discover;
mod export;
mod listings;
mod rules;
mod run;
mod serve;
mod settings;
mod shell;
mod stores;
mod top;
mod who;

use assert_cmd::Command;
use assert_cmd::assert::Assert;

/// The binary, in an empty directory and with nothing in the environment, so that no settings file of the
/// machine that tests matters.
fn watershed(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watershed"));
    command.env_clear().current_dir(folder.path());
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

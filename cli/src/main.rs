//! The `watershed` binary: from captures to a map of dependencies and the rules that would allow them.

mod args;
mod clock;
mod commands;
mod decisions;
mod directory;
mod failure;
mod fingerprint;
mod http;
mod input;
mod inventory;
mod listening;
mod output;
mod period;
mod pipeline;
mod progress;
mod report;
mod settings;
mod telemetry;
mod terminal;
mod user;

#[cfg(test)]
mod testing;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}

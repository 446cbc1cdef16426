//! One file for each command.

mod config;
mod discover;
mod edges;
mod flows;
mod shell;

use std::io::Write as _;
use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::settings::{self, Environment};
use crate::terminal::Style;

/// Octets gathered before a write to standard output: few system calls, little memory.
const BUFFER: usize = 256 * 1024;

/// Reads the command line, does what it says, and tells how that went.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (message, code) = failure.report();
            if let Some(message) = message {
                complain(&message);
            }
            code
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    let environment = Environment::read();
    let load = || settings::load(arguments, &environment).map_err(Failure::usage);
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    match &arguments.command {
        Command::Discover(discover) => {
            let settings = load()?.settings;
            let style = Style::of(settings.color, &environment);
            discover::run(discover, &settings, style, &mut out)?;
        }
        Command::Flows(flows) => flows::run(flows, &load()?.settings, &mut out)?,
        Command::Edges(edges) => edges::run(edges, &load()?.settings, &mut out)?,
        Command::Config { action } => config::run(*action, &load()?, &mut out)?,
        Command::Completions { shell } => shell::completions(*shell, &mut out)?,
        Command::Man { command } => shell::manual(command.as_deref(), &mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// Help and version go to standard output and are a success; everything else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that goes away has had what it wanted.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    complain(text.strip_prefix("error: ").map_or(text.clone(), |rest| format!("watershed: {rest}")).trim_end());
    ExitCode::from(2)
}

/// Says something on standard error; where that is closed, there is nobody to tell.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

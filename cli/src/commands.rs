//! One file for each command.

mod aggregate;
mod check;
mod collect;
mod config;
mod discover;
mod earlier;
mod edges;
mod export;
mod flows;
mod kept;
mod map;
mod policies;
mod rules;
mod run;
mod serve;
mod shell;
mod status;
mod top;
mod watching;
mod who;

use std::io::Write as _;
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::rules::{RulesAction, RulesRequest};
use crate::args::{Arguments, Command};
use crate::decisions;
use crate::failure::Failure;
use crate::settings::{self, Environment, Settings};
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
        Command::Run(run) => run::run(run, load()?.settings)?,
        Command::Collect(collect) => collect::run(collect, load()?.settings)?,
        Command::Aggregate(aggregate) => aggregate::run(aggregate, &load()?.settings)?,
        Command::Flows(flows) => flows::run(flows, &load()?.settings, &mut out)?,
        Command::Edges(edges) => edges::run(edges, &load()?.settings, &mut out)?,
        Command::Map(stored) => {
            let settings = load()?.settings;
            let style = Style::of(settings.color, &environment);
            map::run(stored, &settings, style, &mut out)?;
        }
        Command::Rules(arguments) => {
            let settings = load()?.settings;
            arguments.decisions().map_or(Ok(()), |path| decisions::named(Path::new(path)))?;
            let style = Style::of(settings.color, &environment);
            match arguments.request() {
                Some(RulesRequest::Act(action)) => act(action, &settings, style, &mut out)?,
                Some(RulesRequest::Propose(stored)) => rules::run(&stored, &settings, style, &mut out)?,
                None => {}
            }
        }
        Command::Status(stored) => {
            let settings = load()?.settings;
            let style = Style::of(settings.color, &environment);
            status::run(stored, &settings, style, &mut out)?;
        }
        Command::Serve(serve) => serve::run(serve, load()?.settings, &mut out)?,
        Command::Top(arguments) => {
            let settings = load()?.settings;
            let style = Style::of(settings.color, &environment);
            top::run(arguments, &settings, style, &mut out)?;
        }
        Command::Who(arguments) => {
            let settings = load()?.settings;
            let style = Style::of(settings.color, &environment);
            who::run(arguments, &settings, style, &mut out)?;
        }
        Command::Config { action } => config::run(action, &load()?, &mut out)?,
        Command::Completions { shell } => shell::completions(*shell, &mut out)?,
        Command::Man { command } => shell::manual(command.as_deref(), &mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// What `watershed rules` does beside proposing rules.
fn act(
    action: &RulesAction,
    settings: &Settings,
    style: Style,
    out: &mut impl io::Write,
) -> Result<(), Failure> {
    match action {
        RulesAction::Check(check) => check::run(check, settings, style, out),
        RulesAction::Confidence(asked) => rules::confidence::run(asked, settings, style, out),
        RulesAction::Diff(asked) => rules::diff::run(asked, out),
        RulesAction::WhatIf(asked) => rules::whatif::run(asked, settings, style, out),
        RulesAction::Reach(asked) => rules::reach::run(asked, settings, style, out),
        RulesAction::Rollout(asked) => rules::rollout::run(asked, settings, style, out),
        RulesAction::Export(asked) => export::run(asked, settings, style, out),
    }
}

/// Help and version go to standard output and are a success; everything else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that goes away has had what it wanted.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    complain(
        text.strip_prefix("error: ").map_or(text.clone(), |rest| format!("watershed: {rest}")).trim_end(),
    );
    ExitCode::from(2)
}

/// Says something on standard error; where that is closed, there is nobody to tell.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

//! What a command reads: capture files, network interfaces until the time is over or a signal comes, texts.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, anyhow, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use watershed_collector::SourceError;
use watershed_collector::source::live::{self, LiveConfig};
use watershed_collector::source::{self, Source, SourceConfig};

use crate::args::{CaptureArguments, LiveArguments};
use crate::clock;
use crate::commands::complain;
use crate::failure::Failure;
use crate::output::text::plain;
use crate::progress::Watched;
use crate::settings::Settings;

/// Larger texts are refused: no policies or decisions are that long, and the wrong file is soon noticed.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Exit code after a second signal: what shells say of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Opens what the arguments name.
///
/// Before interfaces are read, privileges are dropped; so whatever else needs them comes first, and threads are
/// started later.
///
/// # Errors
///
/// A capture or an interface cannot be opened.
pub(crate) fn open(arguments: &CaptureArguments, settings: &Settings) -> Result<Watched, Failure> {
    if arguments.live.interface.is_empty() {
        return open_captures(&arguments.captures);
    }
    let stop = stop_on_signals()?;
    let source = open_live(&arguments.live, settings, stop)?;
    complain(&plain(&format!("watershed: capturing on {}", arguments.live.interface.join(", "))));
    Ok(Watched::new(source))
}

/// Opens capture files.
///
/// # Errors
///
/// One of them cannot be opened.
pub(crate) fn open_captures(captures: &[PathBuf]) -> Result<Watched, Failure> {
    Ok(Watched::new(source::open(&SourceConfig { captures: captures.to_vec() })?))
}

/// Name and text of a file, of which a message says that it is a `what`.
pub(crate) fn text(what: &str, path: &Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {what} {name}"))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        bail!(
            "cannot use {what} {name}: it has more than {MAX_TEXT_BYTES} bytes; check that it is the right file"
        );
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| anyhow!("cannot use {what} {name}: it is not UTF-8; save it as UTF-8"))?;
    Ok((name, text))
}

/// What the arguments name, for a person: `a.pcap and 2 more captures`, `interface eth0`.
pub(crate) fn name(arguments: &CaptureArguments) -> String {
    let interfaces = &arguments.live.interface;
    let captures: Vec<_> = arguments.captures.iter().map(|path| path.display().to_string()).collect();
    let name = match (interfaces.as_slice(), captures.as_slice()) {
        ([one], _) => format!("interface {one}"),
        ([_, ..], _) => format!("interfaces {}", interfaces.join(", ")),
        ([], [one]) if one == "-" => "standard input".to_owned(),
        ([], [one]) => one.clone(),
        ([], [first, rest @ ..]) => format!("{first} and {} more captures", rest.len()),
        ([], []) => String::new(),
    };
    plain(&name).into_owned()
}

/// Opens interfaces that are read until `stop` is set, and drops privileges.
///
/// # Errors
///
/// One of them cannot be opened, or privileges cannot be dropped.
pub(crate) fn open_live(
    arguments: &LiveArguments,
    settings: &Settings,
    stop: Arc<AtomicBool>,
) -> Result<Source, Failure> {
    let config = LiveConfig {
        filter: arguments.filter.clone(),
        snap_length: arguments.snap,
        buffer: arguments.buffer << 20,
        threads: settings.capture_threads,
        promiscuous: !arguments.no_promiscuous,
        lasting: arguments.lasting,
        ..LiveConfig::new(arguments.interface.clone(), stop, clock::now)
    };
    let source = source::open_live(&config).map_err(|error| match error {
        SourceError::LiveDisabled { .. } | SourceError::NoInterface { .. } | SourceError::Filter { .. } => {
            Failure::usage(error)
        }
        other => Failure::from(other),
    })?;
    live::drop_privileges(settings.capture_owners)?;
    Ok(source)
}

/// A flag that Ctrl-C and SIGTERM set. A second one ends the program at once: a person who asks twice does not
/// want to wait.
pub(crate) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = |signal| {
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop)).map(drop)
    };
    [SIGINT, SIGTERM].into_iter().try_for_each(register).context("cannot listen for signals")?;
    Ok(stop)
}

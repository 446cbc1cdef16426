//! `watershed serve`: the map of a store in the browser, and for programs.

mod answer;
mod decide;
mod export;
mod guard;
mod items;
mod loaded;
mod routes;
mod tokens;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use watershed_aggregator::{StoreConfig, store};

use self::decide::Book;
use self::guard::Access;
use self::loaded::Library;
use self::tokens::Tokens;
use crate::args::serve::ServeArguments;
use crate::failure::Failure;
use crate::input;
use crate::settings::{Readers, ServeSettings, Settings};
use crate::telemetry::Telemetry;

/// How often it looks whether a signal asked it to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Serves until a signal comes.
pub(crate) fn run(
    arguments: &ServeArguments,
    mut settings: Settings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    settings.telemetry.listen = Some(arguments.listen);
    settings.store = StoreConfig { location: arguments.store.clone(), ..settings.store };
    // A store that is not there is told now rather than to the first who asks.
    drop(store::open_existing(&settings.store)?);
    let mut telemetry = Telemetry::open(&settings, "serve")?;
    let stop = input::stop_on_signals()?;
    let address = telemetry.address().unwrap_or(arguments.listen);
    let Some(routes) = routes(&settings, Some(address))? else {
        return Err(Failure::usage(anyhow!(
            "others reach {address}, and nobody has a token: name a file of tokens with --tokens, listen on \
             127.0.0.1, or let anybody read who reaches it (setting serve.readers)"
        )));
    };
    let _server = telemetry.serve(routes)?;
    telemetry.health().ready();
    writeln!(out, "http://{address}/")?;
    out.flush()?;
    wait(&stop);
    Ok(())
}

/// The page and the API over the store in the settings, for a server at this address; `None` where nobody may read.
///
/// # Errors
///
/// The file of tokens is wrong.
pub(super) fn routes(settings: &Settings, address: Option<SocketAddr>) -> Result<Option<Router>, Failure> {
    let ServeSettings { tokens, readers } = &settings.serve;
    let tokens = tokens.as_deref().map(Tokens::read).transpose().map_err(Failure::usage)?.unwrap_or_default();
    // Where nothing listens, nobody reaches it.
    let local = address.is_none_or(|address| address.ip().is_loopback());
    let closed = match readers {
        Readers::Local => !local,
        Readers::Tokens => true,
        Readers::Anyone => false,
    };
    if closed && tokens.is_empty() {
        return Ok(None);
    }
    let library = Library::new(&settings.store.location.to_string(), settings.clone());
    let access = Access { tokens: Arc::new(tokens), closed };
    Ok(Some(routes::router(library, Book::new(settings.decisions.clone()), access, local)))
}

fn wait(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK_EVERY);
    }
}

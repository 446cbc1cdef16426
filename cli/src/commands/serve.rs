//! `watershed serve`: the map of a store in the browser, and for programs.

mod answer;
mod items;
mod loaded;
mod routes;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use watershed_aggregator::{StoreConfig, store};

use self::loaded::Library;
use crate::args::serve::ServeArguments;
use crate::failure::Failure;
use crate::input;
use crate::settings::Settings;
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
    let _server = telemetry.serve(routes(&settings, Some(address)))?;
    telemetry.health().ready();
    writeln!(out, "http://{address}/")?;
    out.flush()?;
    wait(&stop);
    Ok(())
}

/// The page and the API over the store in the settings, for a server at this address.
pub(super) fn routes(settings: &Settings, address: Option<SocketAddr>) -> Router {
    let library = Library::new(&settings.store.location.to_string(), settings.clone());
    routes::router(library, address.is_some_and(|address| address.ip().is_loopback()))
}

fn wait(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK_EVERY);
    }
}

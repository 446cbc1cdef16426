//! `watershed who`: whose an address was, and as what it was seen.

use std::io::Write;

use anyhow::anyhow;
use watershed_aggregator::{FlowStore as _, StoreConfig, store};
use watershed_model::{Snapshot, TimeRange};

use crate::args::who::{WhoArguments, WhoFormat};
use crate::failure::Failure;
use crate::output::{json, who};
use crate::settings::Settings;
use crate::terminal::Style;

/// Asks the inventory and the store, those of them that are given.
pub(crate) fn run(
    arguments: &WhoArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if settings.inventory.is_none() && arguments.store.is_none() {
        let message =
            "there is nobody to ask; name an inventory (--inventory FILE) or a store (--store STORE)";
        return Err(Failure::usage(anyhow!(message)));
    }
    let inventory = super::inventory(settings)?;
    let snapshot = kept(arguments, settings)?;
    let seen = snapshot.iter().flat_map(|kept| who::Seen::of(arguments.address, kept)).collect();
    let answer = who::Answer {
        address: arguments.address,
        at: arguments.at,
        asked_inventory: !inventory.is_empty(),
        tenures: inventory.tenures(arguments.address),
        store: arguments.store.as_ref().map(ToString::to_string),
        seen,
        names: snapshot
            .iter()
            .flat_map(|kept| &kept.names)
            .filter(|n| n.address == arguments.address)
            .collect(),
    };
    match arguments.format {
        WhoFormat::Text => answer.write(out, style)?,
        WhoFormat::Json => json::line(out, &who::Mirror::of(&answer))?,
    }
    Ok(())
}

/// What the store holds: of the time asked about, or ever.
fn kept(arguments: &WhoArguments, settings: &Settings) -> Result<Option<Snapshot>, Failure> {
    let Some(location) = arguments.store.clone() else { return Ok(None) };
    let store = store::open_existing(&StoreConfig { location, ..settings.store.clone() })?;
    let period = arguments.at.map(|at| TimeRange { start: at, end: at });
    Ok(Some(store.snapshot(period)?))
}

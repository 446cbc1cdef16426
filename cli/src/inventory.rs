//! The inventory as the settings have it: read once, or watched for as long as the process runs.

mod watch;

use std::path::PathBuf;

use watershed_aggregator::{
    HistoryStore as _, InventoryConfig, OpenInventory, StoreConfig, Wanted, inventory, store,
};

pub(crate) use watch::Watch;

use crate::commands::complain;
use crate::failure::Failure;
use crate::output::text::plain;
use crate::settings::{InventoryPlace, Settings};

/// Opens the inventory and tells which of its entries lie inside others: allowed, but worth a look.
pub(crate) fn open(settings: &Settings) -> Result<OpenInventory, Failure> {
    /// Enough to see what is going on, few enough to see what comes after.
    const TOLD: usize = 3;
    let file = match &settings.inventory {
        Some(InventoryPlace::File(file)) => Some(file.clone()),
        Some(InventoryPlace::Kept(_)) | None => None,
    };
    let mut inventory = inventory::open(&config(settings, file)).map_err(Failure::usage)?;
    if let Some(InventoryPlace::Kept(location)) = &settings.inventory {
        let config = StoreConfig { location: location.clone(), ..settings.store.clone() };
        let store = store::open_existing(&config)?;
        inventory.restore(store.history(&Wanted::ALL)?);
        inventory.restore_fronts(store.fronts(Wanted::ALL.period)?);
    }
    let place = settings.inventory.as_ref().map_or(String::new(), ToString::to_string);
    let overlaps = inventory.overlaps();
    for overlap in overlaps.iter().take(TOLD) {
        complain(&plain(&format!("watershed: note: {place}, {overlap}")));
    }
    if overlaps.len() > TOLD {
        let more = overlaps.len() - TOLD;
        complain(&plain(&format!(
            "watershed: note: {place}: {more} more; `watershed config check` lists them"
        )));
    }
    Ok(inventory)
}

/// How the library is told what the settings say.
fn config(settings: &Settings, file: Option<PathBuf>) -> InventoryConfig {
    InventoryConfig { file, ranges: settings.ranges.clone(), labels: settings.labels.clone() }
}

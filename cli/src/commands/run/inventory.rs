//! An inventory that is read again when its file changes: a wrong one never takes the place of a good one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use tracing::{error, info, warn};
use watershed_aggregator::{InventoryConfig, OpenInventory, inventory};

use crate::clock::{self, Stopwatch};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::telemetry::metrics::KeepingMetrics;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The inventory's file, and what it looked like when it was read.
pub(super) struct Reloading {
    file: Option<PathBuf>,
    seen: Option<Look>,
    looked: Stopwatch,
    hangup: Arc<AtomicBool>,
    metrics: KeepingMetrics,
    /// What was read at first, until somebody takes it.
    first: Option<OpenInventory>,
}

/// By what a file that was changed is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Look {
    /// `None` where there is no file: one that is being replaced is there again at the next look.
    fn at(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self { modified: metadata.modified().ok(), bytes: metadata.len() })
    }
}

impl Reloading {
    /// Reads it for the first time; from now on SIGHUP is heeded.
    ///
    /// # Errors
    ///
    /// The inventory is wrong.
    pub(super) fn open(settings: &Settings, metrics: KeepingMetrics) -> Result<Self, Failure> {
        let hangup = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&hangup)).context("cannot listen for signals")?;
        let file = settings.inventory.clone();
        let seen = file.as_deref().and_then(Look::at);
        let first = read(file.clone()).map_err(Failure::usage)?;
        tell(&first);
        metrics.inventory_read(clock::now());
        Ok(Self { file, seen, looked: Stopwatch::start(), hangup, metrics, first: Some(first) })
    }

    /// What was read at first; nobody is known where it was taken before.
    pub(super) fn take_first(&mut self) -> OpenInventory {
        self.first.take().unwrap_or_default()
    }

    /// A new inventory, if it was asked for or its file has changed, and if it is right.
    pub(super) fn again(&mut self) -> Option<OpenInventory> {
        let asked = self.hangup.swap(false, Ordering::Relaxed);
        if !asked && self.looked.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked = Stopwatch::start();
        let file = self.file.as_deref()?;
        let look = Look::at(file);
        if !asked && (look.is_none() || look == self.seen) {
            return None;
        }
        self.seen = look;
        match read(self.file.clone()) {
            Ok(inventory) => {
                info!(file = %file.display(), "read the inventory again");
                tell(&inventory);
                self.metrics.inventory_again(Ok(clock::now()));
                Some(inventory)
            }
            Err(error) => {
                error!(file = %file.display(), %error, "the inventory is wrong; the one before stays in force");
                self.metrics.inventory_again(Err(()));
                None
            }
        }
    }
}

fn read(file: Option<PathBuf>) -> Result<OpenInventory, watershed_aggregator::AggregatorError> {
    inventory::open(&InventoryConfig { file })
}

fn tell(inventory: &OpenInventory) {
    match inventory.overlaps() {
        [] => {}
        overlaps => warn!(
            overlaps = overlaps.len(),
            "entries lie inside others; `watershed config check -i FILE` lists them"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    const GOOD: &str = "- address: 10.0.0.1\n  name: web\n";

    fn reloading(file: &Path) -> Reloading {
        let settings = Settings { inventory: Some(file.to_owned()), ..Settings::default() };
        Reloading::open(&settings, KeepingMetrics::register(&Metrics::new("test"), 0, 0)).unwrap()
    }

    #[test]
    fn a_wrong_inventory_is_refused_and_a_good_one_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        fs::write(&file, GOOD).unwrap();
        let mut reloading = reloading(&file);
        assert!(!reloading.take_first().is_empty());
        assert!(reloading.again().is_none(), "nobody asked");
        fs::write(&file, "- address: nowhere\n  name: web\n").unwrap();
        reloading.hangup.store(true, Ordering::Relaxed);
        assert!(reloading.again().is_none(), "it is wrong");
        fs::write(&file, GOOD).unwrap();
        reloading.hangup.store(true, Ordering::Relaxed);
        assert!(reloading.again().is_some());
    }

    #[test]
    fn a_file_looks_changed_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        assert_eq!(Look::at(&file), None);
        fs::write(&file, GOOD).unwrap();
        let before = Look::at(&file);
        assert_eq!(Look::at(&file), before);
        fs::write(&file, GOOD.repeat(2)).unwrap();
        assert_ne!(Look::at(&file), before);
    }
}

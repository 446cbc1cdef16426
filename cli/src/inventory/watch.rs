//! An inventory that is read again when its file changes: a wrong one never takes the place of a good one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use signal_hook::consts::SIGHUP;
use signal_hook::flag;
use tracing::{error, info, warn};
use watershed_aggregator::inventory::fronts::FrontUpdate;
use watershed_aggregator::inventory::{Overlap, Source, Update};
use watershed_aggregator::{FileInventory, HistoryStore, OpenInventory, StoreError, Wanted, inventory};
use watershed_model::{TimeRange, Timestamp};

use crate::clock;
use crate::failure::Failure;
use crate::settings::{InventoryPlace, Settings};
use crate::telemetry::metrics::KeepingMetrics;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often somebody who waits for the next look sees whether SIGHUP came.
const HEED_EVERY: Duration = Duration::from_millis(200);

/// How far back the inventory that the store kept is read at the start, at most: what a transport holds back for
/// longer is rare. Less where that is more than fits into memory; a flow from before is then nobody's.
const BACK: [Duration; 4] = [
    Duration::from_secs(7 * 86_400),
    Duration::from_secs(86_400),
    Duration::from_secs(2 * 3_600),
    Duration::ZERO,
];

/// The inventory of a process that runs for long: what the store kept of it before, and a file that is read again.
pub(crate) struct Watch {
    inventory: OpenInventory,
    file: Option<(PathBuf, FileInventory)>,
    look: Look,
    metrics: KeepingMetrics,
}

/// The file as it was when it was last looked at.
struct Look {
    seen: Option<Seen>,
    hangup: Arc<AtomicBool>,
}

/// By what a file that was changed is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Seen {
    /// `None` where there is no file: one that is being replaced is there again at the next look.
    fn at(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self { modified: metadata.modified().ok(), bytes: metadata.len() })
    }
}

impl Watch {
    /// Reads it for the first time; from now on SIGHUP is heeded.
    ///
    /// # Errors
    ///
    /// The inventory is wrong.
    pub(crate) fn open(settings: &Settings, metrics: KeepingMetrics) -> Result<Self, Failure> {
        let hangup = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&hangup)).context("cannot listen for signals")?;
        let inventory = inventory::open(&super::config(settings, None)).map_err(Failure::usage)?;
        let mut look = Look { seen: None, hangup };
        let file = match &settings.inventory {
            None => None,
            Some(InventoryPlace::File(file)) => {
                look.seen = Seen::at(file);
                let read = FileInventory::load(file).map_err(Failure::usage)?;
                tell(read.overlaps());
                Some((file.clone(), read))
            }
            Some(InventoryPlace::Kept(location)) => {
                return Err(Failure::usage(anyhow::anyhow!(
                    "the inventory that {location} kept is of times past: name a file, or none; what the process's \
                     own store kept is used anyway"
                )));
            }
        };
        metrics.inventory_read(clock::now());
        Ok(Self { inventory, file, look, metrics })
    }

    /// The inventory as of now, with what `store` kept of it before. A thread of its own reads the file again from now
    /// on, and ends with the inventory.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or no thread can be started.
    pub(crate) fn start(self, store: &impl HistoryStore) -> Result<OpenInventory, Failure> {
        let Self { mut inventory, file, mut look, metrics } = self;
        let now = clock::now();
        inventory.restore(kept(now, |period| store.history(&Wanted { period, address: None }))?);
        inventory.restore_fronts(kept(now, |period| store.fronts(period))?);
        let Some((file, read)) = file else { return Ok(inventory) };
        let updates = inventory.follow(Source::File);
        let declared = inventory.follow_fronts(Source::File);
        let say = move |read: &FileInventory, at: Timestamp| {
            let led = read.declared().to_vec();
            declared.send(FrontUpdate::Everything { at, led }).is_ok()
                && updates.send(Update::Everything { at, owned: read.changes() }).is_ok()
        };
        // Taken over, and kept, with the first delivery.
        let _ = say(&read, now);
        let watching = move || {
            loop {
                look.wait();
                if let Some((read, at)) = look.again(&file, &metrics)
                    && !say(&read, at)
                {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("inventory".to_owned());
        thread.spawn(watching).context("cannot start to watch the inventory's file")?;
        Ok(inventory)
    }
}

/// What a store kept of the inventory, as far back as fits.
fn kept<T>(
    now: Timestamp,
    read: impl Fn(TimeRange) -> Result<Vec<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let since = |back| read(TimeRange { start: now.minus(back), end: Timestamp::MAX });
    let mut kept = since(BACK[0]);
    for back in BACK.into_iter().skip(1) {
        if !matches!(kept, Err(StoreError::HistoryTooLarge { .. })) {
            break;
        }
        warn!(hours = back.as_secs() / 3_600, "the inventory changed too often: going back less far");
        kept = since(back);
    }
    kept
}

impl Look {
    /// Waits for the next look; not longer once SIGHUP came.
    fn wait(&self) {
        let mut waited = Duration::ZERO;
        while waited < LOOK_EVERY && !self.hangup.load(Ordering::Relaxed) {
            thread::sleep(HEED_EVERY);
            waited += HEED_EVERY;
        }
    }

    /// What the file says as of now, if it was asked for or the file has changed, and if it is right.
    fn again(&mut self, file: &Path, metrics: &KeepingMetrics) -> Option<(FileInventory, Timestamp)> {
        let asked = self.hangup.swap(false, Ordering::Relaxed);
        let seen = Seen::at(file);
        if !asked && (seen.is_none() || seen == self.seen) {
            return None;
        }
        self.seen = seen;
        match FileInventory::load(file) {
            Ok(read) => {
                info!(file = %file.display(), "read the inventory again");
                tell(read.overlaps());
                let now = clock::now();
                metrics.inventory_again(Ok(now));
                Some((read, now))
            }
            Err(error) => {
                error!(file = %file.display(), %error, "the inventory is wrong; the one before stays in force");
                metrics.inventory_again(Err(()));
                None
            }
        }
    }
}

fn tell(overlaps: &[Overlap]) {
    if !overlaps.is_empty() {
        warn!(
            overlaps = overlaps.len(),
            "entries lie inside others; `watershed config check -i FILE` lists them"
        );
    }
}

#[cfg(test)]
mod tests {
    use watershed_aggregator::{Inventory as _, MemoryStore, StoreConfig};

    use super::*;
    use crate::telemetry::metrics::Metrics;

    const GOOD: &str = "- address: 10.0.0.1\n  name: web\n";

    fn watch(file: &Path) -> Watch {
        let settings =
            Settings { inventory: Some(InventoryPlace::File(file.to_owned())), ..Settings::default() };
        Watch::open(&settings, KeepingMetrics::register(&Metrics::new("test"), 0, 0)).unwrap()
    }

    #[test]
    fn a_wrong_inventory_is_refused_and_a_good_one_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        fs::write(&file, GOOD).unwrap();
        let Watch { mut look, metrics, .. } = watch(&file);
        assert!(look.again(&file, &metrics).is_none(), "nobody asked");
        fs::write(&file, "- address: nowhere\n  name: web\n").unwrap();
        look.hangup.store(true, Ordering::Relaxed);
        assert!(look.again(&file, &metrics).is_none(), "it is wrong");
        fs::write(&file, GOOD).unwrap();
        look.hangup.store(true, Ordering::Relaxed);
        assert!(look.again(&file, &metrics).is_some());
    }

    #[test]
    fn a_process_that_starts_again_goes_on_with_what_the_store_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        let mut store = MemoryStore::new(&StoreConfig::default());
        for name in ["web", "shop"] {
            fs::write(&file, GOOD.replace("web", name)).unwrap();
            let mut inventory = watch(&file).start(&store).unwrap();
            store.remember(&inventory.catch_up().told).unwrap();
        }
        let told = store.history(&Wanted::ALL).unwrap();
        let names = told.iter().map(|told| told.change.workload.as_ref().unwrap().name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["web", "shop"]);
        assert!(told[0].change.at == Timestamp::MIN && told[1].change.at > Timestamp::MIN);
    }

    #[test]
    fn a_file_looks_changed_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.yaml");
        assert_eq!(Seen::at(&file), None);
        fs::write(&file, GOOD).unwrap();
        let before = Seen::at(&file);
        assert_eq!(Seen::at(&file), before);
        fs::write(&file, GOOD.repeat(2)).unwrap();
        assert_ne!(Seen::at(&file), before);
    }
}

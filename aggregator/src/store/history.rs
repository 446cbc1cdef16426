//! What a store keeps of the inventory: whose addresses were, so that flows can be joined again as they were then.

use std::net::IpAddr;

use ipnet::IpNet;
use watershed_model::{TimeRange, Timestamp};

use crate::StoreError;
use crate::inventory::fronts::{FrontChange, MAX_FRONT_CHANGES};
use crate::inventory::{MAX_CHANGES, Told};

/// Keeps what the sources of an inventory tell, and tells it again.
pub trait HistoryStore {
    /// Keeps changes. They are kept for good once it returns; those that are there already change nothing, and of
    /// two of the same source, prefix and time the later told one stays.
    ///
    /// # Errors
    ///
    /// When they could not all be kept; they may then be given again.
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError>;

    /// The changes that are wanted, in order of source, prefix and time.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or there are more than [`MAX_CHANGES`].
    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError>;

    /// Keeps where Services led, as [`remember`](Self::remember) keeps whose addresses were.
    ///
    /// # Errors
    ///
    /// When the changes could not all be kept; they may then be given again.
    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError>;

    /// Where Services led in a time, and for each front the last change before, in order of front and time.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or there are more than [`MAX_FRONT_CHANGES`].
    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError>;
}

/// Which changes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Those in this time, and for each source and prefix the last one before, which tells whose it was when the time
    /// began.
    pub period: TimeRange,
    /// Only those of prefixes that cover this address.
    pub address: Option<IpAddr>,
}

impl Wanted {
    /// Every change.
    pub const ALL: Self =
        Self { period: TimeRange { start: Timestamp::MIN, end: Timestamp::MAX }, address: None };

    /// The prefixes that cover the address, where there is one.
    pub(super) fn prefixes(&self) -> Option<Vec<IpNet>> {
        self.address.map(|address| {
            let host = IpNet::from(address);
            let prefixes = (0..=host.max_prefix_len()).filter_map(|length| IpNet::new(address, length).ok());
            prefixes.map(|prefix| prefix.trunc()).collect()
        })
    }

    /// A list for SQL's `IN`: prefixes are made of digits, letters, dots, colons and a slash.
    pub(super) fn network_condition(&self) -> String {
        self.prefixes().map_or_else(String::new, |prefixes| {
            let prefixes: Vec<String> = prefixes.iter().map(|prefix| format!("'{prefix}'")).collect();
            format!("AND network IN ({})", prefixes.join(", "))
        })
    }
}

/// In the order of every store, unless there are too many.
pub(super) fn in_order(mut told: Vec<Told>) -> Result<Vec<Told>, StoreError> {
    if told.len() > MAX_CHANGES {
        return Err(StoreError::HistoryTooLarge { limit: MAX_CHANGES });
    }
    told.sort_by_key(|told| (told.source, told.change.prefix, told.change.at));
    Ok(told)
}

/// The same of fronts.
pub(super) fn fronts_in_order(mut changes: Vec<FrontChange>) -> Result<Vec<FrontChange>, StoreError> {
    if changes.len() > MAX_FRONT_CHANGES {
        return Err(StoreError::HistoryTooLarge { limit: MAX_FRONT_CHANGES });
    }
    changes.sort_by_key(|change| (change.front, change.at));
    Ok(changes)
}

//! Who is asked whose addresses are.

use std::fmt;
use std::path::{Path, PathBuf};

use watershed_aggregator::StoreLocation;
use watershed_aggregator::inventory::NamePattern;

/// Where the inventory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InventoryPlace {
    /// In a file that somebody wrote.
    File(PathBuf),
    /// In a store, which kept it as it was from time to time.
    Kept(StoreLocation),
}

impl InventoryPlace {
    /// None if empty; file names are relative to `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if !text.starts_with("sqlite:") && !text.contains("://") {
            return Ok(Some(Self::File(base.join(text))));
        }
        let location: StoreLocation = text.parse().map_err(|error| format!("{error}"))?;
        Ok(Some(Self::Kept(location)))
    }
}

impl fmt::Display for InventoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Kept(location) => location.fmt(f),
        }
    }
}

/// Patterns of names, separated by commas.
pub(super) fn parse_patterns(text: &str) -> Result<Vec<NamePattern>, String> {
    let patterns = super::value::parse_list(text).into_iter();
    patterns.map(|pattern| pattern.parse().map_err(|error| format!("{error}"))).collect()
}

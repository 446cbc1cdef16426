//! An inventory from a file: addresses and CIDRs, names and labels, and when they held.

mod builder;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use watershed_model::TimeRange;

use builder::Builder;

use super::entry::{InventoryProblems, Place, RawFile};
use super::fronts::FrontChange;
use super::{Change, History, Identity, Inventory, csv, yaml};
use crate::AggregatorError;

/// Larger files are refused: 64 MiB hold half a million entries, and the wrong file is soon noticed.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A list of mappings.
    Yaml,
    /// A header and a row for each address.
    Csv,
}

/// The workloads of one file; the longest prefix that covers an address, and that somebody had then, wins.
#[derive(Debug, Default)]
pub struct FileInventory {
    history: History,
    overlaps: Vec<Overlap>,
    declared: Vec<FrontChange>,
}

/// An entry inside the entry of another workload: allowed, and the inner one wins, but worth a look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// Line of the inner entry.
    pub line: usize,
    /// The longer prefix.
    pub inner: IpNet,
    /// Who has it.
    pub inner_name: String,
    /// Line of the outer entry.
    pub outer_line: usize,
    /// The shorter prefix.
    pub outer: IpNet,
    /// Who has it.
    pub outer_name: String,
}

/// `line 7: 10.0.0.5/32 (web1) lies in 10.0.0.0/24 (dmz) of line 2; the longer prefix wins`.
impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, inner, inner_name, outer_line, outer, outer_name } = self;
        write!(
            f,
            "line {line}: {inner} ({inner_name}) lies in {outer} ({outer_name}) of line {outer_line}; the longer prefix wins"
        )
    }
}

impl FileInventory {
    /// Reads the file at `path`; its extension tells the format.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is too large, or lines of it are wrong: one wrong line fails the file.
    pub fn load(path: &Path) -> Result<Self, AggregatorError> {
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let format = match extension.as_deref() {
            Some("yaml" | "yml") => FileFormat::Yaml,
            Some("csv") => FileFormat::Csv,
            _ => return Err(AggregatorError::InventoryFormat { path: path.to_owned() }),
        };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|source| AggregatorError::ReadInventory { path: path.to_owned(), source })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(AggregatorError::InventoryTooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
        }
        Ok(Self::parse(&path.display().to_string(), format, &bytes)?)
    }

    /// Reads `bytes`; `file` is what problems call it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the lines.
    pub fn parse(file: &str, format: FileFormat, bytes: &[u8]) -> Result<Self, InventoryProblems> {
        let mut raw = match text(bytes) {
            Ok(text) => match format {
                FileFormat::Yaml => yaml::read(text),
                FileFormat::Csv => csv::read(text),
            },
            Err(place) => {
                let mut raw = RawFile::default();
                raw.problem(place, "this is not UTF-8; save the file as UTF-8");
                raw
            }
        };
        if raw.entries.is_empty() && raw.problems.is_empty() {
            raw.problem(
                Place { line: 1, column: 1 },
                "there are no entries; add one, or leave the inventory out",
            );
        }
        let builder = Builder::new(raw);
        if builder.raw.problems.is_empty() {
            Ok(builder.finish())
        } else {
            Err(InventoryProblems::new(file, builder.raw.problems))
        }
    }

    /// Who had what when.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// All that the file says, as one says it who watches: from the least time on where it gives no other.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.history.changes()
    }

    /// The ports that entries declare, in order; for all times, since another's port says nothing wrong of a client.
    #[must_use]
    pub fn declared(&self) -> &[FrontChange] {
        &self.declared
    }

    pub(super) fn into_overlaps(self) -> Vec<Overlap> {
        self.overlaps
    }

    /// Entries that lie inside another workload's, in order of line.
    #[must_use]
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }
}

impl Inventory for FileInventory {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        self.history.identify(address, during)
    }
}

/// The text without a byte order mark, or the place of the first byte that is no text.
fn text(bytes: &[u8]) -> Result<&str, Place> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.split('\n').count();
        Place { line, column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1 }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests;

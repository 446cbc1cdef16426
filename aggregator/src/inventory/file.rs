//! An inventory from a file: addresses and CIDRs, names and labels.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use watershed_model::{Labels, Timestamp, Workload, WorkloadKind};

use super::entry::{InventoryProblems, Place, RawEntry, RawFile, Text};
use super::table::PrefixTable;
use super::{Inventory, csv, yaml};
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

/// The workloads of one file; the longest prefix that covers an address wins.
#[derive(Debug, Default)]
pub struct FileInventory {
    workloads: Vec<Arc<Workload>>,
    /// From prefix to index in `workloads`.
    table: PrefixTable,
    overlaps: Vec<Overlap>,
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

    /// The workloads, in order of their first mention.
    #[must_use]
    pub fn workloads(&self) -> &[Arc<Workload>] {
        &self.workloads
    }

    /// Entries that lie inside another workload's, in order of line.
    #[must_use]
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }
}

impl Inventory for FileInventory {
    fn identify(&self, address: IpAddr, _at: Timestamp) -> Option<&Arc<Workload>> {
        self.workloads.get(self.table.longest(address)? as usize)
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

/// Checks entries against each other.
struct Builder {
    raw: RawFile,
    members: Vec<Member>,
    /// Index in `members` by namespace and name.
    by_name: BTreeMap<(Option<String>, String), usize>,
    prefixes: Vec<Prefix>,
    /// From prefix to index in `prefixes`.
    table: PrefixTable,
}

/// A workload to be.
struct Member {
    line: usize,
    namespace: Option<String>,
    name: String,
    labels: Labels,
    is_network: bool,
}

struct Prefix {
    net: IpNet,
    line: usize,
    member: usize,
}

impl Builder {
    fn new(mut raw: RawFile) -> Self {
        let entries = std::mem::take(&mut raw.entries);
        let mut builder = Self {
            raw,
            members: Vec::new(),
            by_name: BTreeMap::new(),
            prefixes: Vec::new(),
            table: PrefixTable::default(),
        };
        entries.iter().for_each(|entry| builder.add(entry));
        builder
    }

    fn add(&mut self, entry: &RawEntry) {
        let Some(name) = &entry.name else {
            return self.raw.problem(entry.place, "this entry has no name; add one, such as `web1`");
        };
        if entry.addresses.is_empty() {
            let message =
                format!("`{}` has no address; add one, such as 192.0.2.1 or 192.0.2.0/24", name.value);
            self.raw.problem(entry.place, message);
        }
        let member = self.member(entry, name);
        for address in &entry.addresses {
            match prefix(&address.value) {
                Ok(net) => self.assign(net, address, member),
                Err(message) => self.raw.problem(address.place, message),
            }
        }
    }

    /// The index of the workload that the entry is about.
    fn member(&mut self, entry: &RawEntry, name: &Text) -> usize {
        let namespace = entry.namespace.as_ref().map(|text| text.value.clone());
        let index =
            *self.by_name.entry((namespace.clone(), name.value.clone())).or_insert(self.members.len());
        match self.members.get(index) {
            None => self.members.push(Member {
                line: entry.place.line,
                namespace,
                name: name.value.clone(),
                labels: entry.labels.clone(),
                is_network: false,
            }),
            Some(member) if member.labels != entry.labels => {
                let message = format!(
                    "`{}` has other labels here than in line {}; give both the same labels, or different names",
                    name.value, member.line
                );
                self.raw.problem(name.place, message);
            }
            Some(_) => {}
        }
        index
    }

    fn assign(&mut self, net: IpNet, address: &Text, member: usize) {
        self.members[member].is_network |= net.prefix_len() < net.max_prefix_len();
        let Some(earlier) = self.table.insert(net, self.prefixes.len() as u32) else {
            return self.prefixes.push(Prefix { net, line: address.place.line, member });
        };
        let earlier = &self.prefixes[earlier as usize];
        if earlier.member != member {
            let message = format!(
                "{} is `{}` here and `{}` in line {}; keep one of them",
                address.value, self.members[member].name, self.members[earlier.member].name, earlier.line
            );
            self.raw.problem(address.place, message);
        }
    }

    fn finish(self) -> FileInventory {
        let Self { members, prefixes, table, .. } = self;
        let outer = |inner: &Prefix| {
            let outer = table.longest_below(inner.net.addr(), inner.net.prefix_len())?;
            prefixes.get(outer as usize).filter(|outer| outer.member != inner.member)
        };
        let mut overlaps: Vec<Overlap> = prefixes
            .iter()
            .filter_map(|inner| outer(inner).map(|outer| (inner, outer)))
            .map(|(inner, outer)| Overlap {
                line: inner.line,
                inner: inner.net,
                inner_name: members[inner.member].name.clone(),
                outer_line: outer.line,
                outer: outer.net,
                outer_name: members[outer.member].name.clone(),
            })
            .collect();
        overlaps.sort();

        let mut of_members = PrefixTable::default();
        for prefix in &prefixes {
            of_members.insert(prefix.net, prefix.member as u32);
        }
        let workload = |member: Member| {
            let kind = if member.is_network { WorkloadKind::Network } else { WorkloadKind::Host };
            Arc::new(Workload { kind, name: member.name, namespace: member.namespace, labels: member.labels })
        };
        let workloads = members.into_iter().map(workload).collect();
        FileInventory { workloads, table: of_members, overlaps }
    }
}

/// An address or a CIDR.
fn prefix(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let net: IpNet = text.parse().map_err(|_| {
        format!("`{text}` is no address and no network; write it like 192.0.2.1, 2001:db8::1 or 192.0.2.0/24")
    })?;
    if net.addr() == net.network() {
        return Ok(net);
    }
    let (network, host) = (net.trunc(), net.addr());
    Err(format!(
        "`{text}` has bits set behind its prefix; write {network} for the network, or {host} for the host"
    ))
}

#[cfg(test)]
mod tests;

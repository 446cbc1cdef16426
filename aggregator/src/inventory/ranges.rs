//! Names for networks of others, such as clouds and providers: from files that the user has.
//!
//! A MaxMind DB (`.mmdb`: by autonomous system, provider or country) or a list with a network a line. What they name is
//! a network, not a workload of one's own, and they are asked last.

mod intervals;
mod mmdb;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;
use watershed_model::{Labels, Workload, WorkloadKind};

use intervals::Intervals;

use super::entry::{InventoryProblems, Place, Problem, prefix};
use crate::AggregatorError;

/// Larger files are refused: four times the largest databases that providers give away.
const MAX_BYTES: u64 = 512 << 20;

/// Networks of all files together; beyond it a file is refused. Several times what a database by autonomous system
/// has; about 100 MB.
pub const MAX_RANGES: usize = 4_000_000;

/// Names of networks; of several files the first that knows an address is believed.
#[derive(Debug, Default)]
pub struct Ranges {
    files: Vec<RangeFile>,
}

/// What one file names.
#[derive(Debug, Default)]
struct RangeFile {
    workloads: Vec<Arc<Workload>>,
    v4: Intervals,
    v6: Intervals,
}

impl Ranges {
    /// Reads the files; their extension tells the format.
    ///
    /// # Errors
    ///
    /// When one cannot be read, is too large, or lines of it are wrong.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, AggregatorError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut count = 0;
        for path in paths.iter().map(AsRef::as_ref) {
            let named = read(path)?;
            count += named.len();
            if count > MAX_RANGES {
                return Err(AggregatorError::TooManyRanges { path: path.to_owned(), limit: MAX_RANGES });
            }
            files.push(RangeFile::of(named));
        }
        Ok(Self { files })
    }

    /// Who has `address`.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.files.iter().find_map(|file| {
            let number = match address {
                IpAddr::V4(v4) => file.v4.find(v4.to_bits().into()),
                IpAddr::V6(v6) => file.v6.find(v6.to_bits()),
            };
            file.workloads.get(number? as usize)
        })
    }
}

/// A network, and what names it.
type Named = (IpNet, Arc<Workload>);

impl RangeFile {
    fn of(named: Vec<Named>) -> Self {
        let mut file = Self::default();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut numbers: HashMap<Arc<Workload>, u32> = HashMap::new();
        for (network, workload) in named {
            let number = *numbers.entry(workload).or_insert_with_key(|workload| {
                file.workloads.push(Arc::clone(workload));
                file.workloads.len() as u32 - 1
            });
            match network {
                IpNet::V4(net) => {
                    v4.push((net.network().to_bits().into(), net.broadcast().to_bits().into(), number));
                }
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits(), number)),
            }
        }
        (file.v4, file.v6) = (Intervals::of(v4), Intervals::of(v6));
        file
    }
}

fn read(path: &Path) -> Result<Vec<Named>, AggregatorError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| AggregatorError::ReadInventory { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AggregatorError::InventoryTooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mmdb")) {
        return mmdb::read(bytes)
            .map_err(|reason| AggregatorError::RangeDatabase { path: path.to_owned(), reason });
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let (named, problems) = list(&String::from_utf8_lossy(&bytes), &stem);
    if problems.is_empty() {
        Ok(named)
    } else {
        Err(InventoryProblems::new(&path.display().to_string(), problems).into())
    }
}

/// A network a line, and behind it, after a space or a comma, its name; without one it is called as the file is.
/// What follows a `#` is a comment.
fn list(text: &str, stem: &str) -> (Vec<Named>, Vec<Problem>) {
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    let mut last: Option<Arc<Workload>> = None;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let separates = |c: char| c.is_whitespace() || c == ',' || c == ';';
        let (network, name) = line.split_once(separates).unwrap_or((line, ""));
        let name = name.trim_matches(|c: char| separates(c) || c == '"');
        if network.is_empty() {
            continue;
        }
        match prefix(network.trim_matches('"')) {
            Ok(network) => {
                let name = if name.is_empty() { stem } else { name };
                let same = last.take().filter(|last| last.name == name);
                let workload = same.unwrap_or_else(|| Arc::new(network_of(name, Labels::new())));
                named.push((network, Arc::clone(&workload)));
                last = Some(workload);
            }
            Err(message) => problems.push(Problem { place: Place { line: index + 1, column: 1 }, message }),
        }
    }
    if named.is_empty() && problems.is_empty() {
        let message = "there are no networks; write one a line, such as 192.0.2.0/24".to_owned();
        problems.push(Problem { place: Place { line: 1, column: 1 }, message });
    }
    (named, problems)
}

fn network_of(name: &str, labels: Labels) -> Workload {
    Workload { kind: WorkloadKind::Network, name: name.to_owned(), namespace: None, labels }
}

#[cfg(test)]
mod tests;

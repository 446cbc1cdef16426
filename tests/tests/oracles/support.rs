//! What the oracles share: where they are, and what Watershed makes of a capture.

use std::path::{Path, PathBuf};

use watershed_collector::sink::Memory;
use watershed_collector::source::{self, SourceConfig};
use watershed_collector::{CollectorConfig, Report, run};
use watershed_model::{Endpoint, FlowRecord, Protocol};

/// The folder of one kind of oracle, or `None` where there are none.
pub(crate) fn oracle(kind: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where the oracles are is a matter of the machine")]
    let root = std::env::var_os("WATERSHED_ORACLES");
    let Some(root) = root else {
        eprintln!("SKIPPED {kind}: set WATERSHED_ORACLES to the folder of the oracles to run this test");
        return None;
    };
    let folder = Path::new(&root).join(kind);
    assert!(folder.is_dir(), "WATERSHED_ORACLES has no folder {}", folder.display());
    Some(folder)
}

/// What one capture holds.
pub(crate) struct Collected {
    pub(crate) records: Vec<FlowRecord>,
    pub(crate) report: Report,
}

/// Collects a capture from beginning to end.
pub(crate) fn collect(capture: &Path) -> Result<Collected, String> {
    let config = SourceConfig { captures: vec![capture.to_path_buf()] };
    let mut source = source::open(&config).map_err(|error| error.to_string())?;
    let mut sink = Memory::default();
    let report = run(&mut source, &mut sink, &CollectorConfig::default(), |_| {})
        .map_err(|error| error.to_string())?;
    let records = sink.0.into_iter().flat_map(|batch| batch.records).collect();
    Ok(Collected { records, report })
}

/// A table of tab-separated values with a header line: a map from column to value for each row.
pub(crate) fn table(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .quoting(false)
        .from_path(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader
        .deserialize()
        .map(|row| row.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

/// Two endpoints in order, whatever the direction.
pub(crate) type Pair = (u8, Endpoint, Endpoint);

pub(crate) fn pair(protocol: Protocol, a: Endpoint, b: Endpoint) -> Pair {
    if a <= b { (protocol.0, a, b) } else { (protocol.0, b, a) }
}

pub(crate) fn show(&(protocol, a, b): &Pair) -> String {
    format!("{} {a} {b}", Protocol(protocol))
}

/// The captures of a folder, by name.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut captures: Vec<PathBuf> = std::fs::read_dir(folder.join("pcap"))
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    captures.sort();
    captures
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

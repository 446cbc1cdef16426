//! Settings of the aggregator and their defaults.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::inventory::LabelRules;
use crate::store::NoLocation;
use crate::{ClickHouseConfig, ClickHouseLocation, StoreError};

/// How batches are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatorConfig {
    /// How long a name stays in force at least, however short its time to live: clients keep addresses
    /// longer than they should. 60 s is what common browsers and stub resolvers hold on to.
    pub name_floor: Duration,
    /// How much later than a flow's first packet an answer may be and still name it: packets of several
    /// interfaces and files are only in order up to their clocks. 100 ms.
    pub name_slack: Duration,
    /// How long the latest answer stands after its time is over, where no later one is in force: long-lived
    /// runtimes never ask again, and what was not asked for a day is no name to rely on. 24 h.
    pub name_memory: Duration,
    /// Names remembered for the join, of all agents; beyond it new ones count as `NamesRefused`.
    /// One million take about 200 MB.
    pub max_names: usize,
    /// Unanswered connections that are still open, remembered of all agents until their answer comes; beyond it
    /// a late answer goes uncounted and the connection counts as `EdgesRefused`. As many as a flow table holds.
    pub max_unanswered: usize,
}

impl Default for AggregatorConfig {
    fn default() -> Self {
        Self {
            name_floor: Duration::from_secs(60),
            name_slack: Duration::from_millis(100),
            name_memory: Duration::from_secs(24 * 60 * 60),
            max_names: 1_000_000,
            max_unanswered: 1_000_000,
        }
    }
}

/// Which inventory to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryConfig {
    /// A YAML or CSV file, told apart by its extension; without one every address stays an address.
    pub file: Option<PathBuf>,
    /// Files that name networks of others, the first that knows an address is believed: MaxMind DBs (`.mmdb`) and lists
    /// with a network a line.
    pub ranges: Vec<PathBuf>,
    /// How workloads get the labels that people segment by.
    pub labels: LabelRules,
}

/// Where edges are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreLocation {
    /// In memory, for as long as the process runs: `memory`.
    #[default]
    Memory,
    /// In an SQLite database file: `sqlite:PATH`.
    Sqlite(PathBuf),
    /// On a ClickHouse server: `clickhouse://USER@HOST:PORT/DATABASE`.
    ClickHouse(ClickHouseLocation),
}

/// As it is written.
impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::ClickHouse(location) => location.fmt(f),
        }
    }
}

impl FromStr for StoreLocation {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            _ => match ClickHouseLocation::parse(text) {
                Ok(location) => Ok(Self::ClickHouse(location)),
                // Not even in an error.
                Err(NoLocation::Password) => Err(StoreError::PasswordInLocation),
                Err(NoLocation::Other) => Err(StoreError::Location { text: text.to_owned() }),
            },
        }
    }
}

/// Which store to use, and how much it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where it is.
    pub location: StoreLocation,
    /// Edges held in memory, counted as address pair, service, agent and hour; beyond it connections count as
    /// `EdgesRefused`. Four million take about 700 MB. A snapshot of a store on disk goes through memory; one
    /// of more edges is an error.
    pub max_edges: usize,
    /// Edges of a snapshot, each whole with its names and addresses, some 2 KB; one of more is an error. No limit of
    /// its own by default: whoever answers strangers sets one.
    pub max_snapshot: usize,
    /// Names held in memory, counted as pairs of address and name and as pairs of edge and name, each; beyond
    /// it names count as `NamesRefused`. One million take about 200 MB.
    pub max_names: usize,
    /// How a ClickHouse server is asked.
    pub clickhouse: ClickHouseConfig,
    /// Octets that a store in a file takes on disk; a block that would take more is an error. 64 GiB are about half a
    /// billion edges.
    pub max_bytes: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            location: StoreLocation::Memory,
            max_edges: 4_000_000,
            max_snapshot: usize::MAX,
            max_names: 1_000_000,
            clickhouse: ClickHouseConfig::default(),
            max_bytes: 64 << 30,
        }
    }
}

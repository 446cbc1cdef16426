//! The validated settings and their defaults.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use watershed_aggregator::inventory::LabelRules;
use watershed_aggregator::inventory::kubernetes::Access;
use watershed_aggregator::{AggregatorConfig, StoreConfig};
use watershed_collector::flow::FlowConfig;
use watershed_collector::sink::spool::SpoolConfig;
use watershed_collector::source::live::Keep;
use watershed_graph::GraphConfig;
use watershed_model::Labels;
use watershed_policy::confidence::ReadyRule;

use super::aggregate::AggregateSettings;
use super::collect::CollectSettings;
use super::inventory::InventoryPlace;
use super::kafka::KafkaSettings;
use super::serve::ServeSettings;
use crate::telemetry::TelemetryConfig;

/// The validated settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Threads that read a capture: 1 or 2.
    pub(crate) threads: usize,
    /// The Kubernetes API server to watch.
    pub(crate) kubernetes: Option<Access>,
    /// The socket of the container engine to watch.
    pub(crate) docker: Option<PathBuf>,
    /// Where the inventory is.
    pub(crate) inventory: Option<InventoryPlace>,
    /// How workloads get the labels that people segment by.
    pub(crate) labels: LabelRules,
    /// Files that name networks of others.
    pub(crate) ranges: Vec<PathBuf>,
    /// When to use colours.
    pub(crate) color: ColorChoice,
    /// Lines in each table of the summary.
    pub(crate) rows: usize,
    /// How connections are followed.
    pub(crate) flow: FlowConfig,
    /// How names are joined.
    pub(crate) aggregator: AggregatorConfig,
    /// How much the store may hold.
    pub(crate) store: StoreConfig,
    /// How long a store on disk keeps what was seen; `None`: for good.
    pub(crate) retention: Option<Duration>,
    /// What the graph is told rather than finds out.
    pub(crate) graph: GraphConfig,
    /// What a process that runs for long tells about itself.
    pub(crate) telemetry: TelemetryConfig,
    /// Whom a command that captures becomes; empty: nobody else.
    pub(crate) capture_user: String,
    /// Which processes are looked at for who owns a listening socket, by what is kept for that.
    pub(crate) capture_owners: Keep,
    /// Threads that capture.
    pub(crate) capture_threads: NonZero<usize>,
    /// Who may read and decide what is served.
    pub(crate) serve: ServeSettings,
    /// The agent's name; empty: the host's.
    pub(crate) agent: String,
    /// How to reach Kafka.
    pub(crate) kafka: KafkaSettings,
    /// How what is in Kafka is read.
    pub(crate) aggregate: AggregateSettings,
    /// What an agent ships.
    pub(crate) collect: CollectSettings,
    /// Where an agent keeps what Kafka does not have yet.
    pub(crate) spool: SpoolConfig,
    /// When rules are sure enough to be enforced.
    pub(crate) ready: ReadyRule,
    /// Labels of what is most worth protecting.
    pub(crate) crown_jewels: Labels,
    /// What people decided about rules.
    pub(crate) decisions: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 1,
            inventory: None,
            kubernetes: None,
            docker: None,
            labels: LabelRules::default(),
            ranges: Vec::new(),
            color: ColorChoice::Auto,
            rows: 10,
            flow: FlowConfig::default(),
            aggregator: AggregatorConfig::default(),
            store: StoreConfig::default(),
            retention: None,
            graph: GraphConfig::default(),
            telemetry: TelemetryConfig::default(),
            capture_user: String::new(),
            capture_owners: Keep::Capturing,
            capture_threads: NonZero::<usize>::MIN,
            serve: ServeSettings::default(),
            agent: String::new(),
            kafka: KafkaSettings::default(),
            aggregate: AggregateSettings::default(),
            collect: CollectSettings::default(),
            // A day of a busy agent, 10 KB/s; its directory is the usual one of a service.
            spool: SpoolConfig { directory: "/var/lib/watershed/spool".into(), limit: 1 << 30 },
            ready: ReadyRule::default(),
            crown_jewels: Labels::from([("crown-jewel".to_owned(), "true".to_owned())]),
            decisions: None,
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    pub(super) const ALL: [(&str, Self); 3] =
        [("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

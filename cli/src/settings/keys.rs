//! Every setting there is: name, purpose, default, check.
//!
//! Defaults are those of the stage that uses the setting; why they are what they are stands there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;
use watershed_aggregator::{AggregatorConfig, StoreConfig};
use watershed_collector::flow::FlowConfig;
use watershed_graph::GraphConfig;

use super::value;
use crate::telemetry::{LogFormat, LogLevel, TelemetryConfig};

/// The validated settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Threads that read a capture: 1 or 2.
    pub(crate) threads: usize,
    /// The inventory file.
    pub(crate) inventory: Option<PathBuf>,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 1,
            inventory: None,
            color: ColorChoice::Auto,
            rows: 10,
            flow: FlowConfig::default(),
            aggregator: AggregatorConfig::default(),
            store: StoreConfig::default(),
            retention: None,
            graph: GraphConfig::default(),
            telemetry: TelemetryConfig::default(),
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
    const ALL: [(&str, Self); 3] = [("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

/// One setting.
pub(crate) struct Key {
    /// Its name, with a dot after its table: `summary.rows`.
    pub(crate) name: &'static str,
    /// What it is for, a few lines.
    pub(crate) help: &'static str,
    /// Its value as TOML.
    pub(crate) read: fn(&Settings) -> Value,
    /// Sets it from text; file names are relative to the path given. The error says what is expected.
    pub(crate) write: fn(&mut Settings, &str, &Path) -> Result<(), String>,
}

impl Key {
    /// The environment variable that sets it: `WATERSHED_SUMMARY_ROWS`.
    pub(crate) fn variable(&self) -> String {
        format!("WATERSHED_{}", self.name.to_uppercase().replace('.', "_"))
    }
}

/// Every setting, in the order in which they are printed: keys of the same table stand together.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "threads",
        help: "Threads that read a capture: 1, or 2 to decode and to aggregate at the same time. The output is\n\
               the same.",
        read: |s| value::integer(s.threads),
        write: |s, text, _| value::parse_integer(text, 1..=2).map(|n| s.threads = n),
    },
    Key {
        name: "inventory",
        help: "Who is which address: a YAML or CSV file. Empty: addresses stay addresses.",
        read: |s| Value::String(s.inventory.as_ref().map_or(String::new(), |p| p.display().to_string())),
        write: |s, text, base| {
            s.inventory = (!text.is_empty()).then(|| base.join(text));
            Ok(())
        },
    },
    Key {
        name: "color",
        help: "Colours: \"auto\" (on a terminal, unless NO_COLOR is set), \"always\" or \"never\".",
        read: |s| {
            let name =
                ColorChoice::ALL.iter().find(|(_, choice)| *choice == s.color).map_or("", |(name, _)| name);
            Value::String(name.into())
        },
        write: |s, text, _| {
            let choice = ColorChoice::ALL.iter().find(|(name, _)| *name == text);
            s.color = choice.ok_or("write auto, always or never")?.1;
            Ok(())
        },
    },
    Key {
        name: "summary.rows",
        help: "Lines in each table of the summary that discover prints; the files have everything.",
        read: |s| value::integer(s.rows),
        write: |s, text, _| value::parse_integer(text, 1..=10_000).map(|n| s.rows = n),
    },
    Key {
        name: "flow.max_flows",
        help: "Connections followed at a time; beyond, the one whose timeout is nearest is reported early.",
        read: |s| value::integer(s.flow.max_flows),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 28).map(|n| s.flow.max_flows = n),
    },
    Key {
        name: "flow.tcp_idle",
        help: "A TCP connection without a packet for this long is over.",
        read: |s| value::duration(s.flow.tcp_idle),
        write: |s, text, _| value::parse_duration(text).map(|d| s.flow.tcp_idle = d),
    },
    Key {
        name: "flow.idle",
        help: "Any other flow without a packet for this long is over.",
        read: |s| value::duration(s.flow.idle),
        write: |s, text, _| value::parse_duration(text).map(|d| s.flow.idle = d),
    },
    Key {
        name: "flow.after_close",
        help: "A TCP connection that was closed or reset is kept this long for late packets.",
        read: |s| value::duration(s.flow.after_close),
        write: |s, text, _| value::parse_duration(text).map(|d| s.flow.after_close = d),
    },
    Key {
        name: "flow.active_report",
        help: "A connection that goes on is reported this often; \"never\": once, when it is over.",
        read: |s| s.flow.active_report.map_or(Value::String("never".into()), value::duration),
        write: |s, text, _| {
            let never = text == "never";
            s.flow.active_report = if never { None } else { Some(value::parse_duration(text)?) };
            Ok(())
        },
    },
    Key {
        name: "names.floor",
        help: "A DNS answer names its address for at least this long, however short its time to live: clients\n\
               keep addresses longer than they should.",
        read: |s| value::duration(s.aggregator.name_floor),
        write: |s, text, _| value::parse_duration(text).map(|d| s.aggregator.name_floor = d),
    },
    Key {
        name: "names.slack",
        help: "An answer may be seen this much later than the flow that it names, since packets of several\n\
               captures are only in order up to their clocks.",
        read: |s| value::duration(s.aggregator.name_slack),
        write: |s, text, _| value::parse_duration(text).map(|d| s.aggregator.name_slack = d),
    },
    Key {
        name: "names.max_names",
        help: "DNS answers remembered.",
        read: |s| value::integer(s.aggregator.max_names),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 30).map(|n| s.aggregator.max_names = n),
    },
    Key {
        name: "store.retention",
        help: "How long a store on disk keeps what was seen, such as 30d, in whole hours before the newest;\n\
               \"never\": nothing is deleted.",
        read: |s| s.retention.map_or(Value::String("never".into()), value::duration),
        write: |s, text, _| {
            s.retention = if text == "never" { None } else { Some(value::parse_duration(text)?) };
            Ok(())
        },
    },
    Key {
        name: "store.max_bytes",
        help: "Bytes that a store takes on disk; what would take more is refused.",
        read: |s| Value::Integer(i64::try_from(s.store.max_bytes).unwrap_or(i64::MAX)),
        write: |s, text, _| {
            let bytes = value::parse_integer(text, 1 << 20..=1 << 44)?;
            s.store.max_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            Ok(())
        },
    },
    Key {
        name: "store.max_edges",
        help: "Edges held in memory, counted for each hour.",
        read: |s| value::integer(s.store.max_edges),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 30).map(|n| s.store.max_edges = n),
    },
    Key {
        name: "store.max_names",
        help: "Names held in memory.",
        read: |s| value::integer(s.store.max_names),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 30).map(|n| s.store.max_names = n),
    },
    Key {
        name: "graph.internal",
        help: "Networks that are one's own; every other unicast address is public. Hosts of the inventory are\n\
               internal wherever they are.",
        read: |s| value::networks(&s.graph.internal),
        write: |s, text, _| value::parse_networks(text).map(|n| s.graph.internal = n),
    },
    Key {
        name: "graph.port_scan_ports",
        help: "So many ports of one host, tried in vain by one source, make a port scan.",
        read: |s| value::integer(s.graph.port_scan_ports),
        write: |s, text, _| value::parse_integer(text, 2..=65_536).map(|n| s.graph.port_scan_ports = n),
    },
    Key {
        name: "graph.host_sweep_hosts",
        help: "So many hosts, tried in vain on one port by one source, make a host sweep.",
        read: |s| value::integer(s.graph.host_sweep_hosts),
        write: |s, text, _| value::parse_integer(text, 2..=1 << 30).map(|n| s.graph.host_sweep_hosts = n),
    },
    Key {
        name: "graph.shared_min_dependants",
        help: "So many internal clients make a shared service, such as DNS or NTP ...",
        read: |s| value::integer(s.graph.shared_min_dependants),
        write: |s, text, _| {
            value::parse_integer(text, 1..=1 << 30).map(|n| s.graph.shared_min_dependants = n)
        },
    },
    Key {
        name: "graph.shared_min_share",
        help: "... if they are at least this share of all internal clients, from 0 to 1 ...",
        read: |s| Value::Float(s.graph.shared_min_share),
        write: |s, text, _| value::parse_share(text).map(|x| s.graph.shared_min_share = x),
    },
    Key {
        name: "graph.shared_max_dependencies",
        help: "... and it has at most so many dependencies for each dependant, from 0 to 1.",
        read: |s| Value::Float(s.graph.shared_max_dependencies),
        write: |s, text, _| value::parse_share(text).map(|x| s.graph.shared_max_dependencies = x),
    },
    Key {
        name: "metrics.listen",
        help: "Where a command that runs for long serves /metrics, /healthz and /readyz: an address and a port,\n\
               0 for one that the kernel chooses, or \"none\". They need no password: keep them on loopback.",
        read: |s| Value::String(s.telemetry.listen.map_or("none".into(), |address| address.to_string())),
        write: |s, text, _| {
            let none = text == "none";
            let hint = |_| "write an address with its port, such as 127.0.0.1:9464, or none".to_owned();
            s.telemetry.listen = if none { None } else { Some(text.parse().map_err(hint)?) };
            Ok(())
        },
    },
    Key {
        name: "log.level",
        help: "What a command that runs for long logs: \"error\", \"warn\", \"info\" or \"debug\".",
        read: |s| value::choice(s.telemetry.level, &LogLevel::ALL),
        write: |s, text, _| value::parse_choice(text, &LogLevel::ALL).map(|level| s.telemetry.level = level),
    },
    Key {
        name: "log.format",
        help: "How it writes that to standard error: \"text\", or \"json\", one object a line.",
        read: |s| value::choice(s.telemetry.format, &LogFormat::ALL),
        write: |s, text, _| {
            value::parse_choice(text, &LogFormat::ALL).map(|format| s.telemetry.format = format)
        },
    },
];

//! Every setting there is: name, purpose, default, check.
//!
//! Defaults are those of the stage that uses the setting; why they are what they are stands there.

use std::path::{Path, PathBuf};

use toml::Value;
use watershed_aggregator::inventory::kubernetes::Access;
use watershed_collector::sink::spool::MIN_LIMIT;

use super::collect::SummaryChoice;
use super::kafka::{Mechanism, Security};
use super::serve::Readers;
use super::{ColorChoice, InventoryPlace, Settings, inventory, value};
use crate::telemetry::{LogFormat, LogLevel};

fn path(path: Option<&PathBuf>) -> Value {
    Value::String(path.map_or(String::new(), |path| path.display().to_string()))
}

/// A file name; none if empty.
fn parse_path(text: &str, base: &Path) -> Option<PathBuf> {
    (!text.is_empty()).then(|| base.join(text))
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

/// The smallest spool.
const MIN_SPOOL: usize = MIN_LIMIT as usize;

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
        help: "Who is which address: a YAML or CSV file, or what a store kept of it (sqlite:PATH, clickhouse://HOST).\n\
               Empty: addresses stay addresses.",
        read: |s| Value::String(s.inventory.as_ref().map_or(String::new(), ToString::to_string)),
        write: |s, text, base| InventoryPlace::parse(text, base).map(|place| s.inventory = place),
    },
    Key {
        name: "kubernetes",
        help: "Who is which pod, node and Service, in commands that run for long: \"cluster\", the one that it runs in,\n\
               or a kubeconfig. Empty: nobody is asked.",
        read: |s| {
            Value::String(match &s.kubernetes {
                None => String::new(),
                Some(Access::InCluster) => "cluster".to_owned(),
                Some(Access::Kubeconfig(path)) => path.display().to_string(),
            })
        },
        write: |s, text, base| {
            s.kubernetes = match text {
                "" => None,
                "cluster" => Some(Access::InCluster),
                file => Some(Access::Kubeconfig(base.join(file))),
            };
            Ok(())
        },
    },
    Key {
        name: "docker",
        help: "Who is which container, in commands that run for long: the socket of a Docker engine, such as\n\
               /var/run/docker.sock. Who may use it may do anything to the host. Empty: nobody is asked.",
        read: |s| path(s.docker.as_ref()),
        write: |s, text, base| {
            s.docker = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "agent",
        help: "The name under which an agent ships what it captures: its own in the whole deployment. Empty: the\n\
               host's name.",
        read: |s| Value::String(s.agent.clone()),
        write: |s, text, _| value::parse_agent(text).map(|agent| s.agent = agent),
    },
    Key {
        name: "color",
        help: "Colours: \"auto\" (on a terminal, unless NO_COLOR is set), \"always\" or \"never\".",
        read: |s| value::choice(s.color, &ColorChoice::ALL),
        write: |s, text, _| value::parse_choice(text, &ColorChoice::ALL).map(|color| s.color = color),
    },
    Key {
        name: "capture.user",
        help: "Whom a command that captures becomes before it begins, keeping CAP_NET_RAW and nothing else: a name,\n\
               or UID:GID. Empty: nobody else; it then gives up the rest once the interfaces are open.",
        read: |s| Value::String(s.capture_user.clone()),
        write: |s, text, _| {
            text.clone_into(&mut s.capture_user);
            Ok(())
        },
    },
    Key {
        name: "labels.role",
        help: "Labels that stand for a workload's role where it has no label `role`; the first that it has counts.",
        read: |s| value::list(&s.labels.from[0]),
        write: |s, text, _| {
            s.labels.from[0] = value::parse_list(text);
            Ok(())
        },
    },
    Key {
        name: "labels.app",
        help: "The same for its application, `app` ...",
        read: |s| value::list(&s.labels.from[1]),
        write: |s, text, _| {
            s.labels.from[1] = value::parse_list(text);
            Ok(())
        },
    },
    Key {
        name: "labels.env",
        help: "... its environment, `env` ...",
        read: |s| value::list(&s.labels.from[2]),
        write: |s, text, _| {
            s.labels.from[2] = value::parse_list(text);
            Ok(())
        },
    },
    Key {
        name: "labels.loc",
        help: "... and where it is, `loc`.",
        read: |s| value::list(&s.labels.from[3]),
        write: |s, text, _| {
            s.labels.from[3] = value::parse_list(text);
            Ok(())
        },
    },
    Key {
        name: "labels.names",
        help: "How names tell what labels do not; the first pattern that matches a whole name counts. {role}, {app}, {env}\n\
               and {loc} stand for letters and digits, {env:prod|test} for one of these words, {#} for a number, {*} for\n\
               anything; with a / it is about namespace/name.",
        read: |s| value::list(&s.labels.names),
        write: |s, text, _| inventory::parse_patterns(text).map(|patterns| s.labels.names = patterns),
    },
    Key {
        name: "ranges.files",
        help: "Files that name networks of others, such as clouds: MaxMind DBs (.mmdb) and lists with a network a line.\n\
               The first that knows an address is believed, after all that the inventory says.",
        read: |s| value::list(&s.ranges.iter().map(|path| path.display()).collect::<Vec<_>>()),
        write: |s, text, base| {
            s.ranges = value::parse_list(text).into_iter().map(|path| base.join(path)).collect();
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
        name: "names.memory",
        help: "The latest DNS answer goes on naming its address for this long after its time is over.",
        read: |s| value::duration(s.aggregator.name_memory),
        write: |s, text, _| value::parse_duration(text).map(|d| s.aggregator.name_memory = d),
    },
    Key {
        name: "names.max_names",
        help: "DNS answers remembered, of all agents.",
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
        name: "clickhouse.password_file",
        help: "File with the password of the store's user on ClickHouse; empty: no password.",
        read: |s| path(s.store.clickhouse.password_file.as_ref()),
        write: |s, text, base| {
            s.store.clickhouse.password_file = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "clickhouse.timeout",
        help: "How long to wait for an answer of ClickHouse.",
        read: |s| value::duration(s.store.clickhouse.timeout),
        write: |s, text, _| value::parse_duration(text).map(|d| s.store.clickhouse.timeout = d),
    },
    Key {
        name: "clickhouse.cluster",
        help: "Cluster whose servers have the tables, replicated and distributed; empty: one server.",
        read: |s| Value::String(s.store.clickhouse.cluster.clone().unwrap_or_default()),
        write: |s, text, _| {
            s.store.clickhouse.cluster = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
    },
    Key {
        name: "clickhouse.flow_retention",
        help: "How long ClickHouse keeps flow records, such as 30d; edges stay. \"never\": nothing is deleted.",
        read: |s| s.store.clickhouse.flow_retention.map_or(Value::String("never".into()), value::duration),
        write: |s, text, _| {
            let retention = if text == "never" { None } else { Some(value::parse_duration(text)?) };
            s.store.clickhouse.flow_retention = retention;
            Ok(())
        },
    },
    Key {
        name: "graph.internal",
        help: "Networks that are one's own; every other unicast address is public. Hosts of the inventory are\n\
               internal wherever they are.",
        read: |s| value::networks(&s.graph.internal),
        write: |s, text, _| value::parse_networks(text).map(|n| s.graph.internal = n),
    },
    Key {
        name: "graph.min_direction_probability",
        help: "How sure it must be which end is the client before there is a rule, from 0.5 to 1.",
        read: |s| Value::Float(s.graph.min_direction_probability),
        write: |s, text, _| value::parse_probability(text).map(|x| s.graph.min_direction_probability = x),
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
        name: "serve.tokens",
        help: "Who may decide, and read beyond loopback: a file with a line for each, a name and a token, or its\n\
               SHA-256 as sha256:HEX; then `read` for who may only read. Others must not be able to read the file.",
        read: |s| path(s.serve.tokens.as_ref()),
        write: |s, text, base| {
            s.serve.tokens = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "serve.readers",
        help: "Who may read the map and the API: \"local\", without a token on loopback and with one beyond; \"tokens\",\n\
               with one everywhere; \"anyone\" who reaches the address.",
        read: |s| value::choice(s.serve.readers, &Readers::ALL),
        write: |s, text, _| value::parse_choice(text, &Readers::ALL).map(|readers| s.serve.readers = readers),
    },
    Key {
        name: "serve.decisions",
        help: "Where what people decide about rules is kept: a file that is made with the first decision. Empty:\n\
               nothing can be decided over HTTP.",
        read: |s| path(s.serve.decisions.as_ref()),
        write: |s, text, base| {
            s.serve.decisions = parse_path(text, base);
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
    Key {
        name: "kafka.brokers",
        help: "Where Kafka is: \"host:port\", several separated by commas.",
        read: |s| Value::String(s.kafka.brokers.clone()),
        write: |s, text, _| value::parse_brokers(text).map(|brokers| s.kafka.brokers = brokers),
    },
    Key {
        name: "kafka.topic",
        help: "The topic that agents write to and aggregators read from. It is made if there is none ...",
        read: |s| Value::String(s.kafka.topic.clone()),
        write: |s, text, _| value::parse_topic(text).map(|topic| s.kafka.topic = topic),
    },
    Key {
        name: "kafka.partitions",
        help: "... with so many partitions: at most so many aggregators share the work. An agent's batches stay\n\
               in one partition.",
        read: |s| value::integer(s.kafka.partitions),
        write: |s, text, _| value::parse_integer(text, 1..=10_000).map(|n| s.kafka.partitions = n),
    },
    Key {
        name: "kafka.replication",
        help: "... and so many copies of each: 3 on a cluster that may lose brokers.",
        read: |s| value::integer(s.kafka.replication),
        write: |s, text, _| value::parse_integer(text, 1..=100).map(|n| s.kafka.replication = n),
    },
    Key {
        name: "kafka.security",
        help: "How to connect: \"plaintext\", \"tls\", \"sasl\" or \"sasl_tls\".",
        read: |s| value::choice(s.kafka.security, &Security::ALL),
        write: |s, text, _| {
            value::parse_choice(text, &Security::ALL).map(|security| s.kafka.security = security)
        },
    },
    Key {
        name: "kafka.ca_file",
        help: "Certificates of the authorities to trust, in PEM. Empty: the system's.",
        read: |s| path(s.kafka.ca_file.as_ref()),
        write: |s, text, base| {
            s.kafka.ca_file = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "kafka.certificate_file",
        help: "The client's own certificate, in PEM, where brokers want one ...",
        read: |s| path(s.kafka.certificate_file.as_ref()),
        write: |s, text, base| {
            s.kafka.certificate_file = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "kafka.key_file",
        help: "... and its key, in PEM.",
        read: |s| path(s.kafka.key_file.as_ref()),
        write: |s, text, base| {
            s.kafka.key_file = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "kafka.mechanism",
        help: "How SASL proves who the client is: \"PLAIN\", \"SCRAM-SHA-256\" or \"SCRAM-SHA-512\" ...",
        read: |s| value::choice(s.kafka.mechanism, &Mechanism::ALL),
        write: |s, text, _| {
            value::parse_choice(text, &Mechanism::ALL).map(|mechanism| s.kafka.mechanism = mechanism)
        },
    },
    Key {
        name: "kafka.user",
        help: "... as this user ...",
        read: |s| Value::String(s.kafka.user.clone()),
        write: |s, text, _| {
            text.clone_into(&mut s.kafka.user);
            Ok(())
        },
    },
    Key {
        name: "kafka.password_file",
        help: "... with the password in this file.",
        read: |s| path(s.kafka.password_file.as_ref()),
        write: |s, text, base| {
            s.kafka.password_file = parse_path(text, base);
            Ok(())
        },
    },
    Key {
        name: "aggregate.group",
        help: "Kafka's consumer group: aggregators of one group share the work.",
        read: |s| Value::String(s.aggregate.group.clone()),
        write: |s, text, _| value::parse_topic(text).map(|group| s.aggregate.group = group),
    },
    Key {
        name: "aggregate.instance",
        help: "A name that this aggregator keeps from one start to the next, its own in the group: it then goes\n\
               on at once after a restart, and others take over 10 s after it ends. Empty: none.",
        read: |s| Value::String(s.aggregate.instance.clone()),
        write: |s, text, _| {
            s.aggregate.instance = if text.is_empty() { String::new() } else { value::parse_topic(text)? };
            Ok(())
        },
    },
    Key {
        name: "aggregate.dead_letters",
        help: "The topic for messages that cannot be read; made if missing.",
        read: |s| Value::String(s.aggregate.dead_letters.clone()),
        write: |s, text, _| value::parse_topic(text).map(|topic| s.aggregate.dead_letters = topic),
    },
    Key {
        name: "aggregate.max_records",
        help: "Records that are stored together; twice as many may wait in memory.",
        read: |s| value::integer(s.aggregate.max_records),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 24).map(|n| s.aggregate.max_records = n),
    },
    Key {
        name: "aggregate.max_wait",
        help: "How long records wait for others to be stored with them.",
        read: |s| value::duration(s.aggregate.max_wait),
        write: |s, text, _| value::parse_duration(text).map(|d| s.aggregate.max_wait = d),
    },
    Key {
        name: "collect.summary",
        help: "\"service\": an agent ships one record for each client, service and interval instead of one for each\n\
               connection, for the same edges. \"none\": each connection has its own.",
        read: |s| value::choice(s.collect.summary, &SummaryChoice::ALL),
        write: |s, text, _| value::parse_choice(text, &SummaryChoice::ALL).map(|it| s.collect.summary = it),
    },
    Key {
        name: "collect.summary_interval",
        help: "The interval: how long connections that end are gathered.",
        read: |s| value::duration(s.collect.summaries.every),
        write: |s, text, _| value::parse_duration(text).map(|d| s.collect.summaries.every = d),
    },
    Key {
        name: "collect.max_summaries",
        help: "Summaries gathered at a time, 700 bytes each; at more, all are shipped early, and counted.",
        read: |s| value::integer(s.collect.summaries.max),
        write: |s, text, _| value::parse_integer(text, 1..=1 << 28).map(|n| s.collect.summaries.max = n),
    },
    Key {
        name: "spool.directory",
        help: "Where an agent keeps what Kafka does not have yet; of this agent only, made if missing.",
        read: |s| path(Some(&s.spool.directory)),
        write: |s, text, base| {
            s.spool.directory = parse_path(text, base).ok_or("name a directory")?;
            Ok(())
        },
    },
    Key {
        name: "spool.max_bytes",
        help: "Bytes that it may take on disk; beyond, what comes is dropped, counted and told.",
        read: |s| Value::Integer(i64::try_from(s.spool.limit).unwrap_or(i64::MAX)),
        write: |s, text, _| {
            let bytes = value::parse_integer(text, MIN_SPOOL..=1 << 44)?;
            s.spool.limit = u64::try_from(bytes).unwrap_or(u64::MAX);
            Ok(())
        },
    },
    Key {
        name: "rules.ready_coverage",
        help: "Rules are ready to be enforced with at least this coverage, from 0 to 1 ...",
        read: |s| Value::Float(s.ready.coverage),
        write: |s, text, _| value::parse_share(text).map(|x| s.ready.coverage = x),
    },
    Key {
        name: "rules.ready_weekly_cycles",
        help: "... after so many weeks watched whole ...",
        read: |s| Value::Integer(i64::try_from(s.ready.weekly_cycles).unwrap_or(i64::MAX)),
        write: |s, text, _| value::parse_integer(text, 0..=520).map(|n| s.ready.weekly_cycles = n as u64),
    },
    Key {
        name: "rules.ready_monthly_cycles",
        help: "... and so many months (31 days) ...",
        read: |s| Value::Integer(i64::try_from(s.ready.monthly_cycles).unwrap_or(i64::MAX)),
        write: |s, text, _| value::parse_integer(text, 0..=120).map(|n| s.ready.monthly_cycles = n as u64),
    },
    Key {
        name: "rules.ready_hidden",
        help: "... of which loss has hidden at most this share, from 0 to 1.",
        read: |s| Value::Float(s.ready.hidden),
        write: |s, text, _| value::parse_share(text).map(|x| s.ready.hidden = x),
    },
    Key {
        name: "rules.crown_jewels",
        help: "Workloads with one of these labels are most worth protecting: key=value, separated by commas.",
        read: |s| value::labels(&s.crown_jewels),
        write: |s, text, _| value::parse_labels(text).map(|labels| s.crown_jewels = labels),
    },
    Key {
        name: "rules.decisions",
        help: "What people decided about rules: approvals, rejections, exclusions and rules of their own, in a YAML\n\
               file. Empty: nothing was decided.",
        read: |s| {
            Value::String(s.decisions.as_ref().map_or(String::new(), |path| path.display().to_string()))
        },
        write: |s, text, base| {
            s.decisions = (!text.is_empty()).then(|| base.join(text));
            Ok(())
        },
    },
];

//! Settings of what is kept and of the graph over it.

use toml::Value;

use super::{Key, parse_path, path};
use crate::settings::value;

pub(super) const KEYS: &[Key] = &[
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
];

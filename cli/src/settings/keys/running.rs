//! Settings of processes: what they serve, send and read, and when rules are ready.

use toml::Value;

use super::{Key, MIN_SPOOL, parse_path, path};
use crate::settings::collect::SummaryChoice;
use crate::settings::kafka::{Mechanism, Security};
use crate::settings::serve::Readers;
use crate::settings::value;
use crate::telemetry::{LogFormat, LogLevel};

pub(super) const KEYS: &[Key] = &[
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
        help: "What people decide about rules: approvals, rejections, exclusions and rules of their own, in a YAML\n\
               file that is made with the first decision over HTTP. Empty: nothing is decided, and can be there.",
        read: |s| path(s.decisions.as_ref()),
        write: |s, text, base| {
            s.decisions = parse_path(text, base);
            Ok(())
        },
    },
];

//! Settings of what is seen: sources, who is who, flows and their names.

use std::num::NonZero;

use toml::Value;
use watershed_aggregator::inventory::kubernetes::Access;
use watershed_collector::source::live::Keep;

use super::{Key, parse_path, path};
use crate::settings::{ColorChoice, InventoryPlace, inventory, value};

/// What is kept to see the owners of listening sockets.
const OWNERS: [(&str, Keep); 2] = [("own", Keep::Capturing), ("all", Keep::CapturingAndOwners)];

pub(super) const KEYS: &[Key] = &[
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
        name: "capture.owners",
        help: "Which processes are looked at for who owns the listening sockets of an agent's host: \"own\", those of its\n\
               own user, or \"all\", for which it keeps CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, too. These are nearly\n\
               root's: whoever takes over such an agent can take over any process of the host.",
        read: |s| value::choice(s.capture_owners, &OWNERS),
        write: |s, text, _| value::parse_choice(text, &OWNERS).map(|keep| s.capture_owners = keep),
    },
    Key {
        name: "capture.threads",
        help: "Threads that capture, for a host with more packets than one thread can copy (Linux): 1 to 64. The kernel\n\
               gives each connection to one of them; each has a buffer of --buffer for each interface.",
        read: |s| value::integer(s.capture_threads.get()),
        write: |s, text, _| {
            let threads = value::parse_integer(text, 1..=64)?;
            s.capture_threads = NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN);
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
];

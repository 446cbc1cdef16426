//! The command line as it is typed. What it means is decided in [`settings`].

pub(crate) mod aggregate;
pub(crate) mod ahead;
pub(crate) mod collect;
pub(crate) mod export;
mod period;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod top;
pub(crate) mod who;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint, value_parser};
use clap_complete::Shell;
use watershed_aggregator::StoreLocation;

pub(crate) use period::PeriodArguments;

use crate::settings::{self, Given};

/// Heading of the flags that set what a settings file can set too.
const SETTINGS: &str = "Settings";

const EXAMPLES: &str = "\
Examples:
  watershed discover capture.pcap
      Who talks to whom in this capture, and the rules that would allow exactly that
  watershed discover *.pcapng --inventory hosts.yaml --out map/
      The same with names instead of addresses; the graph, the flows and the rules go to map/
  watershed discover --interface eth0 --for 10m
      The same for what passes an interface now, with a view of it while it runs
  tcpdump -i eth0 -w - | watershed edges - --format json
      One JSON object per dependency, read from another program
  watershed flows capture.pcap.gz --format zeek | zeek-cut id.orig_h id.resp_h service
      A conn.log for the tools that read Zeek's

Exit codes:
  0  done
  1  failed at work: what could be read was read, and what could not is on standard error
  2  wrong usage or configuration: nothing was read

Settings come from, each over the one before:
  defaults; one file, the first of --config, $WATERSHED_CONFIG, ./watershed.toml and
  /etc/watershed/watershed.toml; WATERSHED_* environment variables; flags.
`watershed config print` shows them all and where each one comes from.";

const DISCOVER_EXAMPLES: &str = "\
Examples:
  watershed discover capture.pcap
  watershed discover node1.pcap.gz node2.pcap.gz --inventory hosts.yaml --out map/
  watershed discover --interface eth0 --interface eth1 --filter 'not port 22'
  watershed discover monday.pcap --store sqlite:edges.db
      Add to what earlier captures gave; `watershed map`, `rules` and `status` read it

A store takes a capture once: what is added is known by the content of its files (those given
together count as one capture), so adding it again changes nothing, and adding it after a crash adds
what is missing.

Capturing needs root or CAP_NET_RAW, and a build with `--features live`. Once the interfaces are
open, every other capability is given up: DIR has to belong to whoever runs this, or not exist yet.
With --user root is given up at the very start, and DIR and all files in it are that user's.
It ends with --for, Ctrl-C or SIGTERM, each with the whole summary. On a terminal, connections that
go on are reported every 5 s, so that the view can show them (setting flow.active_report).

Files written with --out:
  report.html              the map, in one file for a browser
  summary.txt              what is printed
  graph.json .dot .graphml .mmd
                           the dependency graph, for programs, Graphviz, Gephi, Mermaid
  flows.jsonl              one connection a line
  edges.jsonl edges.csv    one dependency a line
  groups.yaml              applications and roles by behaviour: an inventory to edit and feed back
  rules.json rules.csv     the rules that allow what was observed, with their evidence
  rules.nft                the same for nftables, read back and proven before it is written
  default-deny.nft         drops what the rules do not allow; load it last
  default-deny-revert.nft  takes default deny back
  certificate.json         what was proven about rules.nft

An inventory is a YAML list, or CSV with the header address,name and a column for each label:
  - address: 10.20.0.11    # or a network such as 10.20.0.0/24; the longest match wins
    name: web1
    labels: {role: web, app: shop, env: prod, loc: zurich}";

const MAP_EXAMPLES: &str = "\
Examples:
  watershed map --store sqlite:edges.db
  watershed map --store sqlite:edges.db --since 7d --out map/

Files written with --out: report.html (the map, in one file for a browser), summary.txt,
graph.json .dot .graphml .mmd, edges.jsonl, edges.csv, groups.yaml

--since counts back from the newest packet in the store, so that the same store gives the same map
whenever it is asked; with --now from the time given. Edges are kept by hour: an edge with a packet
in the period comes with its totals of the hours that the period touches.";

const RULES_EXAMPLES: &str = "\
Examples:
  watershed rules --store sqlite:edges.db --since 30d --out rules/
  watershed rules --store sqlite:edges.db --from 2026-01-01 --to 2026-01-31T23:59:59Z

Files written with --out: rules.json, rules.csv, rules.nft, default-deny.nft,
default-deny-revert.nft, certificate.json";

const STATUS_EXAMPLES: &str = "\
Examples:
  watershed status --store sqlite:edges.db
  watershed status --store sqlite:edges.db --since 24h --out status/

A period limits the loss ledger that is shown. Files written with --out: status.txt, status.json";

const FLOWS_EXAMPLES: &str = "\
Examples:
  watershed flows capture.pcap --format zeek > conn.log
  watershed flows capture.pcap --format json | jq 'select(.state == \"REJ\") | .server'

Formats:
  json   one object a line
  csv    the same, with a header line
  zeek   Zeek's conn.log, with community_id as last column";

const EDGES_EXAMPLES: &str = "\
Examples:
  watershed edges capture.pcap
  watershed edges capture.pcap --format json | jq 'select(.port == 5432) | .client'

An edge is who used which service of whom. Fields: client, server, protocol, port (ICMP: type),
direction (how probable it is that the client is the client), connections, packets_to_server,
packets_to_client, bytes_to_server, bytes_to_client (IP bytes), first_seen, last_seen, states (how
the connections went, in Zeek's words), names (what clients called the server).";

const CONFIG_EXAMPLES: &str = "\
Examples:
  watershed config print --defaults > watershed.toml
      Start a settings file
  watershed config print
      What is in force, and where it comes from
  watershed config check --config new.toml
      Is every key known and every value valid?";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  watershed completions bash > /etc/bash_completion.d/watershed
  watershed completions zsh > ~/.zfunc/_watershed";

/// See who talks to whom on a network, and get the rules that would allow exactly that.
///
/// Watershed reads packet captures, finds the connections in them, and makes of them a map of dependencies
/// and a set of allow rules, each with its evidence. It changes nothing on the network.
#[derive(Debug, Parser)]
#[command(name = "watershed", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Read settings from this file
    #[arg(long, value_name = "FILE", global = true, help_heading = SETTINGS, value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Set one setting, such as `flow.tcp_idle=10m`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true, help_heading = SETTINGS, value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,

    /// Colours: auto, always or never [setting: color]
    #[arg(long, value_name = "WHEN", global = true, help_heading = SETTINGS)]
    pub(crate) color: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Map the dependencies in captures and propose the rules that allow them
    #[command(after_help = DISCOVER_EXAMPLES)]
    Discover(DiscoverArguments),

    /// Capture, join and keep for as long as it runs, in one process
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArguments),
    /// Capture, and ship what was seen to Kafka: the agent
    #[command(after_help = collect::EXAMPLES)]
    Collect(collect::CollectArguments),

    /// Read what agents ship to Kafka, and keep the edges in a store
    #[command(after_help = aggregate::EXAMPLES)]
    Aggregate(aggregate::AggregateArguments),

    /// Map the dependencies that a store holds
    #[command(after_help = MAP_EXAMPLES)]
    Map(StoredArguments),

    /// Show the map that a store holds in the browser, and serve it to programs
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArguments),

    /// Propose the rules that allow what a store holds, or check policies that people wrote
    #[command(after_help = RULES_EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Rules(rules::RulesArguments),

    /// Tell what a store holds: period, agents, losses, size
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StoredArguments),

    /// Show the edges of a store as they come: new ones, the busiest, what is lost
    #[command(after_help = top::EXAMPLES)]
    Top(top::TopArguments),

    /// Tell whose an address was, and as what it was seen
    #[command(after_help = who::EXAMPLES)]
    Who(who::WhoArguments),

    /// List connections, one a line
    #[command(after_help = FLOWS_EXAMPLES)]
    Flows(FlowsArguments),

    /// List dependencies: who used which service of whom
    #[command(after_help = EDGES_EXAMPLES)]
    Edges(EdgesArguments),

    /// Show or check the settings
    #[command(after_help = CONFIG_EXAMPLES)]
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },

    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page, in roff: `watershed man | man -l -`
    Man {
        /// The command whose page to print; without it, the page of watershed itself
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CaptureArguments {
    /// Capture files: pcap or pcapng, plain, gzip or zstd; `-` is standard input. Several are merged by time
    #[arg(value_name = "CAPTURE", required_unless_present = "interface", value_hint = ValueHint::FilePath)]
    pub(crate) captures: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) live: LiveArguments,

    /// Threads that read: 1, or 2 to decode and to aggregate at the same time [setting: threads]
    #[arg(long, value_name = "N", help_heading = SETTINGS)]
    pub(crate) threads: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Live capture")]
pub(crate) struct LiveArguments {
    /// Capture on this network interface instead of reading files; may be repeated; `any` is all of them
    #[arg(long, value_name = "IF", conflicts_with = "captures")]
    pub(crate) interface: Vec<String>,

    /// Capture for so long, such as 60s or 10m; without it, until Ctrl-C or SIGTERM
    #[arg(long = "for", value_name = "DURATION", requires = "interface", value_parser = settings::parse_duration)]
    pub(crate) lasting: Option<Duration>,

    /// Capture only what matches, in tcpdump's language: `port 53 or host 10.0.0.1`
    #[arg(long, value_name = "EXPR", requires = "interface", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,

    /// Octets captured of each packet; names may need the first 3000
    #[arg(long, value_name = "N", default_value_t = 65_535, value_parser = value_parser!(u32).range(64..=262_144))]
    pub(crate) snap: u32,

    /// MiB that the kernel may hold for each interface until they are read; beyond, it drops and counts
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u32).range(1..=2_047))]
    pub(crate) buffer: u32,

    /// Leave out what is not addressed to this host
    #[arg(long, requires = "interface")]
    pub(crate) no_promiscuous: bool,

    /// Become this user first, with the right to capture and no other: a name or UID:GID [setting: capture.user]
    #[arg(long, value_name = "USER", requires = "interface")]
    pub(crate) user: Option<String>,

    /// Threads that capture, where one cannot copy all that comes; each has a buffer [setting: capture.threads]
    #[arg(long, value_name = "N", requires = "interface")]
    pub(crate) capture_threads: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    /// Who is which address: a YAML or CSV file [setting: inventory]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) inventory: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchingArguments {
    /// Who is which pod, node and Service: `cluster` for the one that this runs in, or a kubeconfig
    /// [setting: kubernetes]
    #[arg(long, value_name = "WHERE")]
    pub(crate) kubernetes: Option<String>,

    /// Who is which container: the socket of a Docker engine, such as /var/run/docker.sock [setting: docker]
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    pub(crate) docker: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiscoverArguments {
    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    /// Write graph, flows, edges and rules to this directory; made if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,

    /// Add the edges to this store too: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE, made if missing
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreLocation>,

    /// Where the captures were taken: those of one agent add up in the store, several agents see the same
    #[arg(long, value_name = "NAME", requires = "store", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) agent: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StoredArguments {
    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE, as `discover --store` fills it
    #[arg(long, value_name = "STORE", required = true)]
    pub(crate) store: StoreLocation,

    #[command(flatten)]
    pub(crate) period: PeriodArguments,

    /// Write files to this directory; made if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FlowsArguments {
    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    /// How to write them
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: FlowFormat,
}

#[derive(Debug, Args)]
pub(crate) struct EdgesArguments {
    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    #[command(flatten)]
    pub(crate) inventory: InventoryArguments,

    /// How to write them
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: EdgeFormat,
}

/// How to write flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlowFormat {
    /// One object a line
    Json,
    /// Comma-separated, with a header line
    Csv,
    /// Zeek's conn.log
    Zeek,
}

/// How to write edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EdgeFormat {
    /// Aligned columns, for reading
    Table,
    /// One object a line
    Json,
    /// Comma-separated, with a header line
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print every setting in force, with what it is for and where it comes from, as TOML
    Print {
        /// Print the defaults instead: a settings file to start from
        #[arg(long)]
        defaults: bool,
    },
    /// Check that every key is known and every value valid, the inventory's too
    Check {
        #[command(flatten)]
        inventory: InventoryArguments,
    },
}

impl Arguments {
    /// The settings among the arguments, in the order in which later ones win.
    pub(crate) fn given(&self) -> Vec<Given> {
        let mut given = Vec::new();
        let mut flag = |key: &str, value: Option<&String>| {
            given.extend(value.map(|text| Given {
                key: key.into(),
                text: text.clone(),
                flag: format!("--{key}"),
            }));
        };
        flag("color", self.color.as_ref());
        let (capture, inventory) = match &self.command {
            Command::Discover(discover) => (Some(&discover.capture), Some(&discover.inventory)),
            Command::Run(run) => (None, Some(&run.inventory)),
            Command::Collect(collect) => (Some(&collect.capture), None),
            Command::Aggregate(aggregate) => (None, Some(&aggregate.inventory)),
            Command::Flows(flows) => (Some(&flows.capture), None),
            Command::Edges(edges) => (Some(&edges.capture), Some(&edges.inventory)),
            Command::Rules(rules) => (None, rules.inventory()),
            Command::Config { action: ConfigAction::Check { inventory } } => (None, Some(inventory)),
            Command::Who(who) => (None, Some(&who.inventory)),
            Command::Map(_) | Command::Serve(_) | Command::Status(_) | Command::Top(_) => (None, None),
            Command::Config { .. } | Command::Completions { .. } | Command::Man { .. } => (None, None),
        };
        let live = match &self.command {
            Command::Run(run) => Some(&run.live),
            _ => capture.map(|capture| &capture.live),
        };
        if let Some(user) = live.and_then(|live| live.user.clone()) {
            given.push(Given { key: "capture.user".into(), text: user, flag: "--user".into() });
        }
        if let Some(threads) = live.and_then(|live| live.capture_threads.clone()) {
            let flag = "--capture-threads".to_owned();
            given.push(Given { key: "capture.threads".into(), text: threads, flag });
        }
        let mut flag = |key: &str, value: Option<&String>| {
            given.extend(value.map(|text| Given {
                key: key.into(),
                text: text.clone(),
                flag: format!("--{key}"),
            }));
        };
        flag("threads", capture.and_then(|c| c.threads.as_ref()));
        flag("inventory", inventory.and_then(|i| i.inventory.as_ref()));
        let watching = match &self.command {
            Command::Run(run) => Some(&run.watching),
            Command::Aggregate(aggregate) => Some(&aggregate.watching),
            _ => None,
        };
        flag("kubernetes", watching.and_then(|w| w.kubernetes.as_ref()));
        flag("docker", watching.and_then(|w| w.docker.as_ref()));
        if let Command::Rules(rules) = &self.command {
            given.extend(rules.decisions().map(|text| Given {
                key: "rules.decisions".into(),
                text: text.clone(),
                flag: "--decisions".into(),
            }));
        }
        if let Command::Collect(collect) = &self.command {
            given.extend(collect.given());
        }
        if let Command::Aggregate(aggregate) = &self.command {
            given.extend(aggregate.given());
        }
        if let Command::Serve(serve) = &self.command {
            given.extend(serve.given());
        }
        let set = self.set.iter().cloned();
        given.extend(set.map(|(key, text)| Given { flag: format!("--set {key}"), key, text }));
        given
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as flow.tcp_idle=10m")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests;

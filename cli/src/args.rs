//! The command line as it is typed. What it means is decided in [`settings`](crate::settings).

pub(crate) mod rules;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::settings::Given;

/// Heading of the flags that set what a settings file can set too.
const SETTINGS: &str = "Settings";

const EXAMPLES: &str = "\
Examples:
  watershed discover capture.pcap
      Who talks to whom in this capture, and the rules that would allow exactly that
  watershed discover *.pcapng --inventory hosts.yaml --out map/
      The same with names instead of addresses; the graph, the flows and the rules go to map/
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

Files written with --out:
  summary.txt              what is printed
  graph.json .dot .graphml .mmd
                           the dependency graph, for programs, Graphviz, Gephi, Mermaid
  flows.jsonl              one connection a line
  edges.jsonl edges.csv    one dependency a line
  rules.json rules.csv     the rules that allow what was observed, with their evidence
  rules.nft                the same for nftables, read back and proven before it is written
  default-deny.nft         drops what the rules do not allow; load it last
  default-deny-revert.nft  takes default deny back
  certificate.json         what was proven about rules.nft

An inventory is a YAML list, or CSV with the header address,name and a column for each label:
  - address: 10.20.0.11    # or a network such as 10.20.0.0/24; the longest match wins
    name: web1
    labels: {role: web, app: shop, env: prod, loc: zurich}";

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
connections, packets_to_server, packets_to_client, bytes_to_server, bytes_to_client (IP bytes),
first_seen, last_seen, states (how the connections went, in Zeek's words), names (what clients
called the server).";

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

    /// List connections, one a line
    #[command(after_help = FLOWS_EXAMPLES)]
    Flows(FlowsArguments),

    /// List dependencies: who used which service of whom
    #[command(after_help = EDGES_EXAMPLES)]
    Edges(EdgesArguments),

    /// Check policies against what was observed
    Rules {
        #[command(subcommand)]
        action: rules::RulesAction,
    },

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
    #[arg(value_name = "CAPTURE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) captures: Vec<PathBuf>,

    /// Threads that read: 1, or 2 to decode and to aggregate at the same time [setting: threads]
    #[arg(long, value_name = "N", help_heading = SETTINGS)]
    pub(crate) threads: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    /// Who is which address: a YAML or CSV file [setting: inventory]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) inventory: Option<String>,
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
            Command::Flows(flows) => (Some(&flows.capture), None),
            Command::Edges(edges) => (Some(&edges.capture), Some(&edges.inventory)),
            Command::Rules { action: rules::RulesAction::Check(check) } => (None, Some(&check.inventory)),
            Command::Config { action: ConfigAction::Check { inventory } } => (None, Some(inventory)),
            Command::Config { .. } | Command::Completions { .. } | Command::Man { .. } => (None, None),
        };
        flag("threads", capture.and_then(|c| c.threads.as_ref()));
        flag("inventory", inventory.and_then(|i| i.inventory.as_ref()));
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
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_become_settings_in_order() {
        let line =
            ["watershed", "edges", "a.pcap", "--threads", "2", "--set", "threads=1", "-i", "hosts.csv"];
        let given = Arguments::parse_from(line).given();
        let pairs: Vec<_> =
            given.iter().map(|g| (g.key.as_str(), g.text.as_str(), g.flag.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("threads", "2", "--threads"),
                ("inventory", "hosts.csv", "--inventory"),
                ("threads", "1", "--set threads")
            ]
        );
    }

    #[test]
    fn help_is_no_wider_than_a_terminal() {
        for command in
            std::iter::once(Arguments::command()).chain(Arguments::command().get_subcommands().cloned())
        {
            for text in [command.get_after_help(), command.get_about()].into_iter().flatten() {
                assert!(text.to_string().lines().all(|line| line.len() <= 100), "{text}");
            }
        }
    }
}

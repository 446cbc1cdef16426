//! `serve` on the command line.

use std::net::SocketAddr;

use clap::{Args, ValueHint};
use watershed_aggregator::StoreLocation;

use super::SETTINGS;
use crate::settings::Given;

pub(crate) const EXAMPLES: &str = "\
Examples:
  watershed serve --store sqlite:edges.db
      The map of all that the store holds, on http://127.0.0.1:9465/
  watershed serve --store sqlite:edges.db --listen 127.0.0.1:8080
      On a port of your choice; ?since=7d behind the address shows the last seven days

  watershed serve --store sqlite:edges.db --tokens tokens --decisions decisions.yaml
      People whose tokens are in the file approve and reject rules

The page is the one that report.html holds. The same is there for programs: /api/v1/openapi.json
describes it. Without a token nothing can be changed. On loopback anybody may read, and requests by
any other name of this machine are refused; beyond loopback reading needs a token too, as bearer or
as the password that a browser asks for (setting serve.readers). There is no TLS: put what adds it
before an address that others reach.

A file of tokens has a line for each person: a name and a token of 16 characters or more, or its
SHA-256 as sha256:HEX, and the word `read` where that is all that it is for. It is read once.

/metrics, /healthz and /readyz are served there too, logs go to standard error (settings log.*).
It ends with Ctrl-C or SIGTERM.";

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The store: sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "STORE")]
    pub(crate) store: StoreLocation,

    /// Where to listen; port 0 is one that the kernel chooses. The address is printed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9465")]
    pub(crate) listen: SocketAddr,

    /// Who may decide, and read beyond loopback: a file with a name and a token a line [setting: serve.tokens]
    #[arg(long, value_name = "FILE", help_heading = SETTINGS, value_hint = ValueHint::FilePath)]
    pub(crate) tokens: Option<String>,

    /// Where to keep what people decide about rules; made if missing [setting: rules.decisions]
    #[arg(long, value_name = "FILE", help_heading = SETTINGS, value_hint = ValueHint::FilePath)]
    pub(crate) decisions: Option<String>,
}

impl ServeArguments {
    /// The settings among the arguments.
    pub(super) fn given(&self) -> impl Iterator<Item = Given> {
        let flags =
            [("serve.tokens", "--tokens", &self.tokens), ("rules.decisions", "--decisions", &self.decisions)];
        flags.into_iter().filter_map(|(key, flag, value)| {
            Some(Given { key: key.into(), text: value.clone()?, flag: flag.into() })
        })
    }
}

//! `serve` on the command line.

use std::net::SocketAddr;

use clap::Args;
use watershed_aggregator::StoreLocation;

pub(crate) const EXAMPLES: &str = "\
Examples:
  watershed serve --store sqlite:edges.db
      The map of all that the store holds, on http://127.0.0.1:9465/
  watershed serve --store sqlite:edges.db --listen 127.0.0.1:8080
      On a port of your choice; ?since=7d behind the address shows the last seven days

The page is the one that report.html holds. The same is there for programs: /api/v1/openapi.json
describes it. Nothing can be changed through it, and nothing asks for a password: whoever reaches
the address reads the map, so keep it on loopback, or put something that asks before it. On
loopback, requests by any other name of this machine are refused.

/metrics, /healthz and /readyz are served there too, logs go to standard error (settings log.*).
It ends with Ctrl-C or SIGTERM.";

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The store: sqlite:PATH, as `run` and `discover --store` fill it
    #[arg(long, value_name = "STORE")]
    pub(crate) store: StoreLocation,

    /// Where to listen; port 0 is one that the kernel chooses. The address is printed
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9465")]
    pub(crate) listen: SocketAddr,
}

//! What was driven: `truth.json`, as `lab/README.md` describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

/// Everything that a recording holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Truth {
    /// Not there where nothing was recorded.
    #[serde(default)]
    pub(crate) recording: Recording,
    pub(crate) edges: Vec<Edge>,
    pub(crate) names: BTreeMap<String, Vec<String>>,
    pub(crate) refused: Vec<Attempt>,
    pub(crate) unanswered: Vec<Attempt>,
    pub(crate) scans: Vec<Scan>,
    background: Vec<Background>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Recording {
    pub(crate) packets: u64,
}

/// A service of a server, used by a client; the ends are addresses, or names of workloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Use {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    #[serde(flatten)]
    pub(crate) usage: Use,
    pub(crate) answered: bool,
    pub(crate) minimum_connections: u64,
    pub(crate) names: BTreeSet<String>,
    pub(crate) vni: Option<u32>,
    pub(crate) client_name: String,
    pub(crate) server_name: String,
    pub(crate) succeeded: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    #[serde(flatten)]
    pub(crate) usage: Use,
    pub(crate) succeeded: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Scan {
    pub(crate) source: String,
    pub(crate) protocol: String,
    targets: Vec<String>,
    ports: Vec<u16>,
    open: Vec<Open>,
}

#[derive(Debug, Deserialize)]
struct Open {
    target: String,
    port: u16,
}

/// What kernels say by themselves.
#[derive(Debug, Deserialize)]
struct Background {
    protocol: String,
    ports: BTreeSet<u16>,
}

/// The type of an echo request, which is what a ping sweep sends.
const ECHO_REQUEST: u16 = 8;

impl Truth {
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    pub(crate) fn parse(text: &str) -> Self {
        // The lab says `icmp6`, as nftables and tcpdump do; IANA's keyword has a v.
        serde_json::from_str(&text.replace("\"icmp6\"", "\"icmpv6\"")).unwrap()
    }

    /// Whether it is something that hosts say without being asked to.
    pub(crate) fn is_background(&self, usage: &Use) -> bool {
        self.background.iter().any(|b| b.protocol == usage.protocol && b.ports.contains(&usage.port))
    }

    /// What was tried in vain, outside the scans.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Use> {
        self.refused.iter().chain(&self.unanswered).map(|attempt| &attempt.usage)
    }

    /// What may become a rule: used, and answered.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.answered)
    }
}

impl Scan {
    /// Everything that it probed.
    pub(crate) fn probes(&self) -> impl Iterator<Item = Use> {
        let ports = if self.ports.is_empty() { vec![ECHO_REQUEST] } else { self.ports.clone() };
        self.targets
            .iter()
            .flat_map(move |target| ports.clone().into_iter().map(move |port| self.probe(target, port)))
    }

    /// Those that found something.
    pub(crate) fn open(&self) -> impl Iterator<Item = Use> {
        self.open.iter().map(|open| self.probe(&open.target, open.port))
    }

    fn probe(&self, target: &str, port: u16) -> Use {
        let (client, protocol) = (self.source.clone(), self.protocol.clone());
        Use { client, server: target.to_owned(), protocol, port }
    }
}

impl Use {
    /// Whether both ends are addresses of the same family, as a packet's are.
    pub(crate) fn is_possible(&self) -> bool {
        let is_ipv4 = |end: &str| end.parse::<IpAddr>().map(|address| address.is_ipv4());
        matches!((is_ipv4(&self.client), is_ipv4(&self.server)), (Ok(client), Ok(server)) if client == server)
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, server, protocol, port } = self;
        write!(f, "{client} -> {server} {protocol}/{port}")
    }
}

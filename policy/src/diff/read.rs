//! What `mined.json` or `rules.json` says is allowed.

use std::fmt;

use ipnet::IpNet;
use serde::Deserialize;

use super::spans::Spans;
use crate::decisions;
use crate::k8s::Direction;

/// The version of both files that is read.
const SCHEMA_VERSION: u32 = 1;

/// The rules of one export, with the workloads that they meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    pub(super) rules: Vec<Flat>,
}

/// A rule without why it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flat {
    pub(super) direction: Direction,
    /// In order.
    pub(super) subjects: Vec<End>,
    /// In order.
    pub(super) peers: Vec<End>,
    pub(super) ports: Spans,
}

/// An end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    Workload(Box<str>),
    Network(IpNet),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(name) => f.write_str(name),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// Why a file says nothing of what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is neither.
    #[error(
        "cannot read {file} as rules: {source}; name a mined.json or a rules.json, or a directory that has one"
    )]
    Json {
        /// Its name, as the caller gave it.
        file: String,
        /// What is wrong, with the line.
        source: serde_json::Error,
    },
    /// It is one that this program does not know, or is not as it was written.
    #[error("cannot read {file} as rules: {what}; export the rules again")]
    Content {
        /// Its name, as the caller gave it.
        file: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct File {
    schema_version: u32,
    rules: Vec<FileRule>,
    #[serde(default)]
    by_hand: Vec<ByHand>,
}

/// A mined rule has a `peer` and `ports`, an exact one `peers` and a `service`.
#[derive(Deserialize)]
struct FileRule {
    id: String,
    direction: String,
    subject: FileWhom,
    peer: Option<FileWhom>,
    ports: Option<Vec<String>>,
    peers: Option<Vec<FileWhom>>,
    service: Option<FileService>,
}

#[derive(Deserialize)]
struct FileWhom {
    workloads: Option<Vec<String>>,
    host: Option<String>,
    networks: Option<Vec<String>>,
    /// Of an exact rule.
    name: Option<String>,
}

#[derive(Deserialize)]
struct FileService {
    protocol: String,
    port: Option<u16>,
    icmp_type: Option<u16>,
}

/// A rule that a person made, by address: it counts as one between those whom the person named, where they have
/// addresses.
#[derive(Deserialize)]
struct ByHand {
    id: String,
    client: String,
    clients: Vec<String>,
    server: String,
    servers: Vec<String>,
    ports: Vec<String>,
}

impl Allowances {
    /// Reads `mined.json` or `rules.json`; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`Unreadable`], with what is wrong.
    pub fn read(name: &str, text: &str) -> Result<Self, Unreadable> {
        let file: File = serde_json::from_str(text)
            .map_err(|source| Unreadable::Json { file: name.to_owned(), source })?;
        let wrong = |what: String| Unreadable::Content { file: name.to_owned(), what };
        if file.schema_version != SCHEMA_VERSION {
            return Err(wrong(format!("its schema_version is {} and not 1", file.schema_version)));
        }
        let mut rules = Vec::with_capacity(file.rules.len());
        for rule in &file.rules {
            rules.extend(flat(rule).map_err(|what| wrong(format!("rule {:?} has {what}", rule.id)))?);
        }
        for ByHand { id, client, clients, server, servers, ports } in &file.by_hand {
            let ports = spans(ports).map_err(|what| wrong(format!("rule {id:?} has {what}")))?;
            let end = |name: &String| vec![End::Workload(name.as_str().into())];
            if !clients.is_empty() && !servers.is_empty() {
                rules.extend(at_both_ends(end(server), end(client), ports));
            }
        }
        Ok(Self { rules })
    }
}

fn flat(rule: &FileRule) -> Result<Vec<Flat>, String> {
    let direction = match rule.direction.as_str() {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        other => return Err(format!("the direction {other:?}, neither ingress nor egress")),
    };
    let subjects = ends(&rule.subject)?;
    match (&rule.peer, &rule.ports, &rule.peers, &rule.service) {
        (Some(peer), Some(ports), None, None) => {
            Ok(vec![Flat { direction, subjects, peers: ends(peer)?, ports: spans(ports)? }])
        }
        (None, None, Some(peers), Some(service)) => {
            let mut all = Vec::with_capacity(peers.len());
            for peer in peers {
                all.extend(ends(peer)?);
            }
            all.sort();
            all.dedup();
            Ok(at_both_ends(subjects, all, spans(&[service.to_string()])?).into())
        }
        _ => Err("neither a `peer` with `ports` nor `peers` with a `service`".to_owned()),
    }
}

/// A rule by address stands at the server, and binds no client: what it allows is allowed at both ends.
fn at_both_ends(servers: Vec<End>, clients: Vec<End>, ports: Spans) -> [Flat; 2] {
    let (subjects, peers) = (clients.clone(), servers.clone());
    [
        Flat { direction: Direction::Ingress, subjects: servers, peers: clients, ports: ports.clone() },
        Flat { direction: Direction::Egress, subjects, peers, ports },
    ]
}

fn spans(ports: &[String]) -> Result<Spans, String> {
    let port = |text: &String| decisions::port(text).ok_or_else(|| format!("no port in {text:?}"));
    Ok(Spans::of(&ports.iter().map(port).collect::<Result<Vec<_>, _>>()?))
}

/// As rules show it: `tcp/443`, `icmp/8`, `esp`.
impl fmt::Display for FileService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        self.port.or(self.icmp_type).map_or(Ok(()), |number| write!(f, "/{number}"))
    }
}

fn ends(whom: &FileWhom) -> Result<Vec<End>, String> {
    let mut ends: Vec<End> = match (&whom.workloads, &whom.host, &whom.networks, &whom.name) {
        (Some(names), None, None, None) => {
            names.iter().map(|name| End::Workload(name.as_str().into())).collect()
        }
        (None, Some(name), None, None) | (None, None, None, Some(name)) => {
            vec![End::Workload(name.as_str().into())]
        }
        (None, None, Some(networks), None) => {
            let network =
                |text: &String| text.parse().map(End::Network).map_err(|_| format!("no network in {text:?}"));
            networks.iter().map(network).collect::<Result<_, _>>()?
        }
        _ => return Err("no `workloads`, `host`, `networks` or `name` of an end".to_owned()),
    };
    ends.sort();
    ends.dedup();
    Ok(ends)
}

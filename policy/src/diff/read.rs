//! What `mined.json` says is allowed.

use std::fmt;

use ipnet::IpNet;
use serde::Deserialize;

use super::spans::Spans;
use crate::decisions;
use crate::k8s::Direction;

/// The version of the file that is read.
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
    /// It is no `mined.json`.
    #[error("cannot read {file} as mined rules: {source}; name a mined.json, or a directory that has one")]
    Json {
        /// Its name, as the caller gave it.
        file: String,
        /// What is wrong, with the line.
        source: serde_json::Error,
    },
    /// It is one that this program does not know, or is not as it was written.
    #[error("cannot read {file} as mined rules: {what}; export the rules again")]
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
}

#[derive(Deserialize)]
struct FileRule {
    id: String,
    direction: String,
    subject: FileWhom,
    peer: FileWhom,
    ports: Vec<String>,
}

#[derive(Deserialize)]
struct FileWhom {
    workloads: Option<Vec<String>>,
    host: Option<String>,
    networks: Option<Vec<String>>,
}

impl Allowances {
    /// Reads `mined.json`; `name` is what an error calls it.
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
        let rule =
            |rule: &FileRule| flat(rule).map_err(|what| wrong(format!("rule {:?} has {what}", rule.id)));
        Ok(Self { rules: file.rules.iter().map(rule).collect::<Result<_, _>>()? })
    }
}

fn flat(rule: &FileRule) -> Result<Flat, String> {
    let direction = match rule.direction.as_str() {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        other => return Err(format!("the direction {other:?}, neither ingress nor egress")),
    };
    let port = |text: &String| decisions::port(text).ok_or_else(|| format!("no port in {text:?}"));
    let ports: Vec<_> = rule.ports.iter().map(port).collect::<Result<_, _>>()?;
    let (subjects, peers) = (ends(&rule.subject)?, ends(&rule.peer)?);
    Ok(Flat { direction, subjects, peers, ports: Spans::of(&ports) })
}

fn ends(whom: &FileWhom) -> Result<Vec<End>, String> {
    let mut ends: Vec<End> = match (&whom.workloads, &whom.host, &whom.networks) {
        (Some(names), None, None) => names.iter().map(|name| End::Workload(name.as_str().into())).collect(),
        (None, Some(name), None) => vec![End::Workload(name.as_str().into())],
        (None, None, Some(networks)) => {
            let network =
                |text: &String| text.parse().map(End::Network).map_err(|_| format!("no network in {text:?}"));
            networks.iter().map(network).collect::<Result<_, _>>()?
        }
        _ => return Err("no `workloads`, `host` or `networks` of an end".to_owned()),
    };
    ends.sort();
    ends.dedup();
    Ok(ends)
}

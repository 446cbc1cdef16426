//! Entries of an inventory file as they are written, and what can be wrong with them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;
use watershed_model::{Labels, Protocol};

/// Problems that are told of one file: enough to mend it in a few rounds, few enough to read.
pub const MAX_PROBLEMS: usize = 20;

/// A place in a file, both numbers from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in a YAML file, the field in a CSV file.
    pub column: usize,
}

/// `line 3, column 5`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, with the offending value and what to do.
    pub message: String,
}

/// `line 3, column 5: what is wrong`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong with an inventory file, in order of place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct InventoryProblems {
    /// The file.
    pub file: String,
    /// The first [`MAX_PROBLEMS`] of them.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub omitted: usize,
}

impl InventoryProblems {
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        let omitted = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        Self { file: file.to_owned(), problems, omitted }
    }
}

/// One line for one problem; for several a line for each.
impl fmt::Display for InventoryProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use inventory {}: ", self.file)?;
        match self.problems.as_slice() {
            [only] => return only.fmt(f),
            several => write!(f, "{} problems", several.len() + self.omitted)?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))?;
        if self.omitted > 0 {
            write!(f, "\n  and {} more", self.omitted)?;
        }
        Ok(())
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: Place,
}

/// An entry as it is written, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawEntry {
    pub(super) place: Place,
    pub(super) addresses: Vec<Text>,
    pub(super) name: Option<Text>,
    pub(super) namespace: Option<Text>,
    /// From when on it holds, and up to when; without them always.
    pub(super) valid_from: Option<Text>,
    pub(super) valid_to: Option<Text>,
    pub(super) labels: Labels,
    /// What is offered there.
    pub(super) ports: Vec<Text>,
}

/// What a reader made of a file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub(super) entries: Vec<RawEntry>,
    pub(super) problems: Vec<Problem>,
}

impl RawFile {
    pub(super) fn problem(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem { place, message: message.into() });
    }
}

/// An address or a CIDR.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let net: IpNet = text.parse().map_err(|_| {
        format!("`{text}` is no address and no network; write it like 192.0.2.1, 2001:db8::1 or 192.0.2.0/24")
    })?;
    if net.addr() == net.network() {
        return Ok(net);
    }
    let (network, host) = (net.trunc(), net.addr());
    Err(format!(
        "`{text}` has bits set behind its prefix; write {network} for the network, or {host} for the host"
    ))
}

/// A port that is offered: of TCP where no protocol is said.
pub(super) fn port(text: &str) -> Result<(Protocol, u16), String> {
    let (protocol, number) = text.split_once('/').unwrap_or(("tcp", text));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        "sctp" => Some(Protocol::SCTP),
        _ => None,
    };
    let number = number.parse::<u16>().ok().filter(|&number| number > 0);
    protocol
        .zip(number)
        .ok_or_else(|| format!("`{text}` is no port; write it like 443, tcp/443, udp/53 or sctp/3868"))
}

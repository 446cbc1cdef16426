//! Edges: who used which service of whom.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentId, ConnState, EvidenceCounts, Protocol, Timestamp, Workload};

/// One end of an edge: a known workload, or the address itself where the inventory has no entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A workload of the inventory.
    Workload(Arc<Workload>),
    /// An address that no inventory entry covers.
    Address(IpAddr),
}

impl Party {
    /// The workload, where it is known.
    #[must_use]
    pub fn workload(&self) -> Option<&Workload> {
        match self {
            Self::Workload(workload) => Some(workload),
            Self::Address(_) => None,
        }
    }
}

/// The workload's name or the address.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(workload) => workload.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What makes an edge: client, server and service. The order is the order of every listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// Who asked.
    pub client: Party,
    /// Who was asked.
    pub server: Party,
    /// The IP protocol.
    pub protocol: Protocol,
    /// The server's port; for ICMP the type that the client sent; else 0.
    pub port: u16,
}

/// `client -> server tcp/443`.
impl fmt::Display for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}/{}", self.client, self.server, self.protocol, self.port)
    }
}

/// Everything seen on one edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// What makes this edge.
    pub key: EdgeKey,
    /// Connections seen, answered or not.
    pub connections: u64,
    /// Connections that the server answered; only these may become rules.
    pub answered: u64,
    /// What clients sent.
    pub to_server: EdgeTraffic,
    /// What servers sent.
    pub to_client: EdgeTraffic,
    /// First packet seen.
    pub first_seen: Timestamp,
    /// Last packet seen.
    pub last_seen: Timestamp,
    /// How the connections went.
    pub states: StateCounts,
    /// Why the client is taken for the client, over all connections.
    pub evidence: EvidenceCounts,
    /// Names that clients used for the server, from TLS, HTTP and DNS.
    pub names: BTreeSet<Box<str>>,
    /// The hours in which it was seen.
    pub hours: BTreeSet<Hour>,
    /// The addresses that clients had.
    pub client_addresses: BTreeSet<IpAddr>,
    /// The addresses that servers had.
    pub server_addresses: BTreeSet<IpAddr>,
    /// The agents that saw it.
    pub observers: BTreeSet<AgentId>,
}

/// What one side of an edge sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeTraffic {
    /// IP packets.
    pub packets: u64,
    /// Their IP total lengths, octets.
    pub ip_bytes: u64,
}

/// A block of time: whole hours since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i64);

impl Hour {
    const NANOS: i64 = 3600 * 1_000_000_000;

    /// The hour in which `time` lies.
    #[must_use]
    pub const fn of(time: Timestamp) -> Self {
        Self(time.as_nanos().div_euclid(Self::NANOS))
    }

    /// When it starts.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp::from_nanos(self.0.saturating_mul(Self::NANOS))
    }

    /// How long it is.
    pub const LENGTH: Duration = Duration::from_secs(3600);
}

/// How many connections ended in each [`ConnState`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; ConnState::ALL.len()]);

impl StateCounts {
    /// Counts one connection.
    pub const fn add(&mut self, state: ConnState) {
        self.0[state as usize] += 1;
    }

    /// Counts so many connections; the count saturates.
    pub const fn add_many(&mut self, state: ConnState, count: u64) {
        self.0[state as usize] = self.0[state as usize].saturating_add(count);
    }

    /// Adds the counts of `other`; each count saturates.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine = mine.saturating_add(theirs));
    }

    /// How many connections ended in `state`.
    #[must_use]
    pub const fn of(&self, state: ConnState) -> u64 {
        self.0[state as usize]
    }

    /// The states seen, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (ConnState, u64)> {
        ConnState::ALL.into_iter().zip(self.0).filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_the_index_of_its_count() {
        let mut counts = StateCounts::default();
        for state in ConnState::ALL {
            counts.add(state);
        }
        assert_eq!(counts.iter().count(), ConnState::ALL.len());
    }

    #[test]
    fn hours_before_the_epoch_are_whole_too() {
        assert_eq!(Hour::of(Timestamp::from_nanos(-1)), Hour(-1));
        assert_eq!(Hour::of(Timestamp::from_parts(7_200, 0)), Hour(2));
        assert_eq!(Hour(2).start(), Timestamp::from_parts(7_200, 0));
    }
}

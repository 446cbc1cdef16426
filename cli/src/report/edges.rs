//! Edges as rows of numbers: what 100,000 of them take is what the page takes to load.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use watershed_graph::{Direction, Service, Verdict};
use watershed_model::{ConnState, Edge, Hour, Timestamp};

use super::confidence::rounded;
use super::tables::Table;

/// The columns of a row, in order. `hours` has the first and last hour of each run, counted from the document's
/// `first_hour`; `states` and `evidence` are pairs of an index and a count; times are milliseconds since the
/// Unix epoch; `direction` is the probability that the client is the client; everything else that is no count is an
/// index.
pub(super) const COLUMNS: [&str; 20] = [
    "client",
    "server",
    "service",
    "verdict",
    "connections",
    "answered",
    "packets_to_server",
    "packets_to_client",
    "bytes_to_server",
    "bytes_to_client",
    "first_seen",
    "last_seen",
    "hours",
    "states",
    "evidence",
    "names",
    "client_addresses",
    "server_addresses",
    "observers",
    "direction",
];

/// One edge.
#[derive(Debug)]
pub(super) struct Row<'a> {
    edge: &'a Edge,
    nodes: [usize; 2],
    service: usize,
    verdict: usize,
    hours: Vec<i64>,
    evidence: Vec<u64>,
    names: Vec<usize>,
    addresses: [Vec<usize>; 2],
    observers: Vec<usize>,
    direction: f64,
}

/// What rows point to.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    pub(super) services: Table<Service>,
    pub(super) verdicts: Table<Verdict>,
    pub(super) evidence: Table<&'static str>,
    pub(super) names: Table<&'a str>,
    pub(super) addresses: Table<IpAddr>,
    pub(super) agents: Table<&'a str>,
}

impl<'a> Tables<'a> {
    /// The row of an edge between these nodes; hours are counted from `first_hour`.
    pub(super) fn row(
        &mut self,
        edge: &'a Edge,
        (verdict, direction): (Verdict, &Direction),
        nodes: [usize; 2],
        first_hour: Hour,
    ) -> Row<'a> {
        let service = Service { protocol: edge.key.protocol, port: edge.key.port };
        let evidence = edge.evidence.iter().flat_map(|(kind, count)| {
            let index = self.evidence.index(kind);
            [index as u64, u64::from(count)]
        });
        let evidence = evidence.collect();
        let mut addresses =
            |all: &BTreeSet<IpAddr>| all.iter().map(|&address| self.addresses.index(address)).collect();
        Row {
            edge,
            nodes,
            service: self.services.index(service),
            verdict: self.verdicts.index(verdict),
            hours: runs(&edge.hours, first_hour),
            evidence,
            names: edge.names.iter().map(|name| self.names.index(name)).collect(),
            addresses: [addresses(&edge.client_addresses), addresses(&edge.server_addresses)],
            observers: edge.observers.iter().map(|agent| self.agents.index(&agent.0)).collect(),
            direction: rounded(direction.probability()),
        }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { edge, .. } = self;
        let states: Vec<u64> =
            edge.states.iter().flat_map(|(state, count)| [state_index(state), count]).collect();
        let mut row = serializer.serialize_seq(Some(COLUMNS.len()))?;
        for index in [self.nodes[0], self.nodes[1], self.service, self.verdict] {
            row.serialize_element(&index)?;
        }
        for count in [
            edge.connections,
            edge.answered,
            edge.to_server.packets,
            edge.to_client.packets,
            edge.to_server.ip_bytes,
            edge.to_client.ip_bytes,
        ] {
            row.serialize_element(&count)?;
        }
        row.serialize_element(&milliseconds(edge.first_seen))?;
        row.serialize_element(&milliseconds(edge.last_seen))?;
        row.serialize_element(&self.hours)?;
        row.serialize_element(&states)?;
        row.serialize_element(&self.evidence)?;
        row.serialize_element(&self.names)?;
        row.serialize_element(&self.addresses[0])?;
        row.serialize_element(&self.addresses[1])?;
        row.serialize_element(&self.observers)?;
        row.serialize_element(&self.direction)?;
        row.end()
    }
}

/// Where a state stands in [`ConnState::ALL`], which the document lists.
fn state_index(state: ConnState) -> u64 {
    ConnState::ALL.iter().position(|&each| each == state).map_or(0, |index| index as u64)
}

/// Milliseconds since the Unix epoch: what JavaScript counts time in.
pub(super) fn milliseconds(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000)
}

/// First and last of each run of consecutive hours.
fn runs(hours: &BTreeSet<Hour>, first_hour: Hour) -> Vec<i64> {
    let mut runs: Vec<i64> = Vec::new();
    for hour in hours {
        let hour = hour.0.saturating_sub(first_hour.0);
        match runs.last_mut() {
            Some(last) if *last + 1 == hour => *last = hour,
            _ => runs.extend([hour, hour]),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_become_runs() {
        let of = |hours: &[i64]| runs(&hours.iter().map(|&hour| Hour(hour)).collect(), Hour(100));
        assert_eq!(of(&[]), Vec::<i64>::new());
        assert_eq!(of(&[100]), [0, 0]);
        assert_eq!(of(&[101, 102, 103, 110, 120, 121]), [1, 3, 10, 10, 20, 21]);
    }
}

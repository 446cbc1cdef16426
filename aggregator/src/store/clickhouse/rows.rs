//! Rows as ClickHouse has them: mirrors of the tables' columns, and what stands in them.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Deref;

use clickhouse::Row;
use serde::{Deserialize, Serialize, Serializer};
use watershed_model::{Evidence, FlowRecord, History, NameObservation, Summary, Timestamp};

use crate::BatchToken;
use crate::Row as Joined;

/// A row of `flows`; what it can it borrows, since there are many.
#[derive(Clone, Debug, Row, Serialize)]
pub(super) struct FlowRow<'a> {
    first_seen: i64,
    duration: u64,
    #[serde(serialize_with = "octets")]
    client_address: IpAddr,
    client_port: u16,
    #[serde(serialize_with = "octets")]
    server_address: IpAddr,
    server_port: u16,
    protocol: u8,
    pub(super) client_workload: u64,
    pub(super) server_workload: u64,
    packets_to_server: u64,
    bytes_to_server: u64,
    payload_to_server: u64,
    retransmitted_to_server: u32,
    flags_to_server: u8,
    packets_to_client: u64,
    bytes_to_client: u64,
    payload_to_client: u64,
    retransmitted_to_client: u32,
    flags_to_client: u8,
    state: &'static str,
    #[serde(serialize_with = "letters")]
    history: History,
    handshake_rtt: u64,
    evidence: u32,
    answered: u64,
    names: Vec<&'a str>,
    #[serde(serialize_with = "text")]
    dns_query: Option<&'a str>,
    #[serde(serialize_with = "text")]
    encapsulation: Option<Box<str>>,
    interface: u32,
    part: u32,
    end: &'static str,
    agent: &'a str,
    started: i64,
    sequence: u64,
    /// Of a summary only.
    connections: u64,
    states: (Vec<&'static str>, Vec<u64>),
    evidence_counts: (Vec<u8>, Vec<u64>),
}

/// What stands in `end` where the row stands for several connections.
const SUMMARY: &str = "summary";

impl<'a> FlowRow<'a> {
    /// The row of a record in the batch that `token` names; workloads by their numbers, 0 for none.
    pub(super) fn of(row: &Joined<'a>, token: &'a BatchToken, workloads: (u64, u64)) -> Self {
        let record = row.record;
        let (client_workload, server_workload) = workloads;
        let encapsulation = record.encapsulation.as_ref().filter(|wrapped| ***wrapped != Default::default());
        Self {
            first_seen: record.first_seen.as_nanos(),
            duration: duration(record),
            client_address: record.client.address,
            client_port: record.client.port,
            server_address: record.server.address,
            server_port: record.server.port,
            protocol: record.protocol.0,
            client_workload,
            server_workload,
            packets_to_server: record.to_server.packets,
            bytes_to_server: record.to_server.ip_bytes,
            payload_to_server: record.to_server.payload_bytes,
            retransmitted_to_server: record.to_server.retransmissions,
            flags_to_server: record.to_server.flags.bits(),
            packets_to_client: record.to_client.packets,
            bytes_to_client: record.to_client.ip_bytes,
            payload_to_client: record.to_client.payload_bytes,
            retransmitted_to_client: record.to_client.retransmissions,
            flags_to_client: record.to_client.flags.bits(),
            state: record.state.as_str(),
            history: record.history,
            handshake_rtt: record
                .handshake_rtt
                .map_or(0, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX)),
            evidence: record.evidence.bits(),
            answered: row.answered,
            names: names(row),
            dns_query: record.names.as_ref().and_then(|hints| hints.dns_query.as_deref()),
            encapsulation: encapsulation
                .and_then(|wrapped| serde_json::to_string(wrapped).ok())
                .map(String::into_boxed_str),
            interface: record.interface.0,
            part: record.part,
            end: if record.summary.is_some() { SUMMARY } else { record.end.as_str() },
            agent: &token.agent.0,
            started: token.started.as_nanos(),
            sequence: token.sequence,
            connections: record.summary.as_ref().map_or(0, |summary| summary.connections),
            states: record.summary.as_deref().map(states).unwrap_or_default(),
            evidence_counts: record.summary.as_deref().map(evidence).unwrap_or_default(),
        }
    }
}

/// Names of the server, in order, each once.
fn names<'a>(row: &Joined<'a>) -> Vec<&'a str> {
    let mut names: Vec<_> = row.names().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// States and how many connections ended in each.
fn states(summary: &Summary) -> (Vec<&'static str>, Vec<u64>) {
    summary.states.iter().map(|(state, count)| (state.as_str(), count)).unzip()
}

/// Numbers of bits of evidence and how many connections had each.
fn evidence(summary: &Summary) -> (Vec<u8>, Vec<u64>) {
    let counts = Evidence::all().iter().map(|flag| (flag, summary.evidence.of(flag)));
    let seen = counts.filter(|&(_, count)| count > 0);
    seen.map(|(flag, count)| (flag.bits().trailing_zeros() as u8, u64::from(count))).unzip()
}

/// From the first packet to the last, nanoseconds; so that first and duration never add up to more than a time can
/// be.
fn duration(record: &FlowRecord) -> u64 {
    let (first, last) = (record.first_seen.as_nanos(), record.last_seen.as_nanos());
    u64::try_from(last.saturating_sub(first)).unwrap_or(0)
}

/// A row of `workloads`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct WorkloadRow {
    pub(super) id: u64,
    pub(super) json: String,
}

/// A row of `names`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct NameRow {
    pub(super) address: Ipv6Addr,
    pub(super) name: String,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
}

impl NameRow {
    pub(super) fn of(answer: &NameObservation) -> Self {
        let seen = answer.seen.as_nanos();
        let name = answer.name.as_ref().to_owned();
        Self { address: address(answer.address), name, first_seen: seen, last_seen: seen }
    }
}

/// A row of `listeners`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct ListenerRow {
    pub(super) address: Ipv6Addr,
    pub(super) protocol: u8,
    pub(super) port: u16,
    pub(super) agent: String,
    pub(super) first_seen: i64,
    pub(super) user: u32,
    pub(super) process: String,
    pub(super) unit: String,
    pub(super) last_seen: i64,
}

/// A row of `losses`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct LossRow {
    pub(super) hour: i64,
    pub(super) agent: String,
    pub(super) kind: String,
    pub(super) count: i64,
}

/// A row of `runs`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct RunRow {
    pub(super) agent: String,
    pub(super) started: i64,
    /// How many batches, which, and the counters.
    pub(super) state: (u64, String, String),
    pub(super) last_seen: Option<i64>,
}

/// A row of `deleted`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct DeletedRow {
    pub(super) what: String,
    pub(super) count: u64,
}

/// A row of `inventory`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct InventoryRow {
    pub(super) network: String,
    pub(super) source: String,
    pub(super) at: i64,
    pub(super) workload: u64,
}

/// A row of `fronts`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct FrontRow {
    pub(super) address: String,
    pub(super) protocol: u8,
    pub(super) port: u16,
    pub(super) at: i64,
    /// Workload, service, address, port, and whether the address is rewritten.
    pub(super) leads: (u64, String, String, u16, bool),
}

/// The column of an address.
pub(super) fn address(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The address in its column, all octets at once.
fn octets<S: Serializer>(column: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(u128::from_le_bytes(address(*column).octets()))
}

/// The address in its column.
pub(super) fn read_address(column: Ipv6Addr) -> IpAddr {
    column.to_ipv4_mapped().map_or(IpAddr::V6(column), IpAddr::V4)
}

/// A time in its column.
pub(super) fn time(column: i64) -> Timestamp {
    Timestamp::from_nanos(column)
}

fn letters<S: Serializer>(history: &History, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(history.as_str())
}

fn text<S: Serializer, T: Deref<Target = str>>(text: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.as_deref().unwrap_or_default())
}

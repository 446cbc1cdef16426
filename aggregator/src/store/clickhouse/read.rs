//! From rows to snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use clickhouse::Row;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use watershed_model::{
    AgentId, ConnState, Counters, EdgeTraffic, Evidence, EvidenceCounts, Hour, KnownName, Loss, LossEntry,
    Protocol, Snapshot, StateCounts, TimeRange, Timestamp, Workload,
};

use super::connection::Connection;
use super::rows::{DeletedRow, LossRow, NameRow, RunRow, WorkloadRow, read_address, time};
use super::{READ, listeners};
use crate::store::memory::{KeptEntry, MemoryStore, Totals, times};
use crate::store::runs::{self, Run};
use crate::store::sqlite::codec;
use crate::store::status::{AgentStatus, Deleted, StoreStatus};
use crate::{StoreConfig, StoreError};

/// The key of an edge's row.
pub(super) const KEY: &str =
    "hour, server_address, port, protocol, client_address, agent, client_workload, server_workload";

/// Every time there is.
const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

/// Hours as ClickHouse's tables have them, seconds since the epoch: those that `span` touches.
const HOURS: &str = "hour BETWEEN fromUnixTimestamp64Second(toInt64(?), 'UTC')
    AND fromUnixTimestamp64Second(toInt64(?), 'UTC')";

type Runs = BTreeMap<(AgentId, Timestamp), Run>;

/// What was observed in `period`. Table is asked after table: what comes in meanwhile may be in one and not yet
/// in another.
pub(super) fn snapshot(
    connection: &Connection,
    config: &StoreConfig,
    period: Option<TimeRange>,
) -> Result<Snapshot, StoreError> {
    let span = period.unwrap_or(ALWAYS);
    let nothing = TimeRange { start: Timestamp::default(), end: Timestamp::default() };
    let mut counters = Counters::default();
    let runs = all_runs(connection)?;
    runs.values().for_each(|run| counters.merge(&run.counters));
    Ok(Snapshot {
        period: match period {
            Some(period) => period,
            None => extent(connection)?.unwrap_or(nothing),
        },
        edges: edges(connection, config, span)?.whole_edges(None, config.max_snapshot)?,
        names: names(connection, span)?,
        listeners: listeners::read(connection, span)?,
        loss: losses(connection, span, &runs)?,
        counters,
    })
}

/// The edges with a packet in `period`, in the form in which memory holds them.
pub(super) fn held(
    connection: &Connection,
    config: &StoreConfig,
    period: Option<TimeRange>,
) -> Result<MemoryStore, StoreError> {
    edges(connection, config, period.unwrap_or(ALWAYS))
}

/// What the store holds.
pub(super) fn status(connection: &Connection) -> Result<StoreStatus, StoreError> {
    let number = |sql: &str| -> Result<u64, StoreError> {
        let rows: Vec<u64> = connection.all(READ, connection.query(sql))?;
        Ok(rows.first().copied().unwrap_or(0))
    };
    let runs = all_runs(connection)?;
    let bytes = "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND active";
    Ok(StoreStatus {
        period: extent(connection)?,
        hours: number("SELECT uniqExact(hour) FROM edges_hourly")?,
        edge_hours: number(&format!("SELECT count() FROM (SELECT 1 FROM edges_hourly GROUP BY {KEY})"))?,
        names: number("SELECT count() FROM (SELECT 1 FROM names GROUP BY address, name)")?,
        agents: AgentStatus::of(runs.iter().map(|((agent, _), run)| (agent, run))),
        loss: losses(connection, ALWAYS, &runs)?,
        deleted: deleted(connection)?,
        bytes: Some(number(bytes)?),
    })
}

/// What retention has deleted so far.
fn deleted(connection: &Connection) -> Result<Deleted, StoreError> {
    let query = connection.query("SELECT what, sum(count) AS count FROM deleted GROUP BY what");
    let rows: Vec<DeletedRow> = connection.all(READ, query)?;
    let of = |what: &str| rows.iter().find(|row| row.what == what).map_or(0, |row| row.count);
    Ok(Deleted { hours: of("hours"), edge_hours: of("edge_hours"), names: of("names") })
}

const RUNS: &str = "SELECT agent, started, max(state) AS state, max(last_seen) AS last_seen FROM runs";

/// Every run of every agent.
pub(super) fn all_runs(connection: &Connection) -> Result<Runs, StoreError> {
    let rows = connection.all(READ, connection.query(&format!("{RUNS} GROUP BY agent, started")))?;
    read_runs(connection, rows)
}

/// Those of these runs that there are.
pub(super) fn runs_of<'a>(
    connection: &Connection,
    keys: impl IntoIterator<Item = &'a (AgentId, Timestamp)>,
) -> Result<Runs, StoreError> {
    let (mut agents, mut starts): (Vec<&str>, Vec<i64>) =
        keys.into_iter().map(|(agent, started)| (&*agent.0, started.as_nanos())).unzip();
    if agents.is_empty() {
        return Ok(Runs::new());
    }
    agents.sort_unstable();
    agents.dedup();
    starts.sort_unstable();
    starts.dedup();
    let sql =
        format!("{RUNS} WHERE agent IN ? AND toUnixTimestamp64Nano(started) IN ? GROUP BY agent, started");
    let rows = connection.all(READ, connection.query(&sql).bind(agents).bind(starts))?;
    read_runs(connection, rows)
}

/// All runs of an agent, by when each began.
pub(super) fn runs_of_agent(
    connection: &Connection,
    agent: &AgentId,
) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
    let sql = format!("{RUNS} WHERE agent = ? GROUP BY agent, started");
    let runs = read_runs(connection, connection.all(READ, connection.query(&sql).bind(&*agent.0))?)?;
    Ok(runs.into_iter().map(|((_, started), run)| (started, run)).collect())
}

fn read_runs(connection: &Connection, rows: Vec<RunRow>) -> Result<Runs, StoreError> {
    let runs = rows.into_iter().map(|row| {
        let (_, kept, counters) = &row.state;
        let run = Run {
            kept: codec::read_ranges(kept)
                .ok_or_else(|| connection.damaged("the ranges of a run's batches make no sense"))?,
            counters: codec::read_counters(counters)
                .ok_or_else(|| connection.damaged("the counters of a run make no sense"))?,
            last_seen: row.last_seen.map(time),
        };
        Ok(((AgentId::from(row.agent.as_str()), time(row.started)), run))
    });
    runs.collect()
}

#[derive(Row, Deserialize)]
struct Extent {
    rows: u64,
    start: i64,
    end: i64,
}

/// From the first packet to the last; the hours at the ends are all that is read for it.
pub(super) fn extent(connection: &Connection) -> Result<Option<TimeRange>, StoreError> {
    let sql = "SELECT count() AS rows, min(first_seen) AS start, max(last_seen) AS end FROM edges_hourly
        WHERE hour IN (SELECT min(hour) FROM edges_hourly UNION ALL SELECT max(hour) FROM edges_hourly)";
    let ends: Vec<Extent> = connection.all(READ, connection.query(sql))?;
    let ends = ends.first().filter(|ends| ends.rows > 0);
    Ok(ends.map(|ends| TimeRange { start: time(ends.start), end: time(ends.end) }))
}

/// What one agent saw between two addresses on one service in one hour.
#[derive(Row, Deserialize)]
struct EdgeRow {
    hour: i64,
    client_address: std::net::Ipv6Addr,
    client_workload: u64,
    server_address: std::net::Ipv6Addr,
    server_workload: u64,
    protocol: u8,
    port: u16,
    agent: String,
    start: i64,
    end: i64,
    connections: u64,
    answered: u64,
    packets_to_server: u64,
    bytes_to_server: u64,
    packets_to_client: u64,
    bytes_to_client: u64,
    states: (Vec<String>, Vec<u64>),
    evidence: (Vec<u8>, Vec<u64>),
    names: Vec<String>,
}

/// One row for each entry of the memory store; the order of the table lets the server put it together as it reads.
const EDGES: &str = "SELECT hour, client_address, client_workload, server_address, server_workload, protocol, port,
    agent, min(first_seen) AS start, max(last_seen) AS end, sum(connections) AS connections,
    sum(answered) AS answered, sum(packets_to_server) AS packets_to_server, sum(bytes_to_server) AS bytes_to_server,
    sum(packets_to_client) AS packets_to_client, sum(bytes_to_client) AS bytes_to_client, sumMap(states) AS states,
    sumMap(evidence) AS evidence, groupUniqArrayArray(names) AS names
    FROM edges_hourly";

/// The entries with a packet in `span`, in memory.
fn edges(connection: &Connection, config: &StoreConfig, span: TimeRange) -> Result<MemoryStore, StoreError> {
    let too_large = || StoreError::SnapshotTooLarge { limit: config.max_edges };
    let workloads = workloads(connection, span)?;
    // An edge may have several names: those of the edges that fit must fit, too.
    let mut store = MemoryStore::new(&StoreConfig { max_names: usize::MAX, ..config.clone() });
    let sql = format!(
        "{EDGES} WHERE {HOURS} GROUP BY {KEY}
        HAVING start <= fromUnixTimestamp64Nano(toInt64(?), 'UTC') AND end >= fromUnixTimestamp64Nano(toInt64(?), 'UTC')
        LIMIT ? SETTINGS optimize_aggregation_in_order = 1"
    );
    let (first, last) = hours(span);
    let limit = config.max_edges.saturating_add(1) as u64;
    let query = connection.query(&sql).bind(first).bind(last);
    let query = query.bind(span.end.as_nanos()).bind(span.start.as_nanos()).bind(limit);
    connection.each(READ, query, |row: EdgeRow| {
        let mut member = |address, workload: u64| {
            let workload = match workload {
                0 => None,
                id => Some(
                    workloads
                        .get(&id)
                        .ok_or_else(|| connection.damaged("a workload of an edge is missing"))?,
                ),
            };
            store.restore_member(read_address(address), workload).ok_or_else(too_large)
        };
        let entry = KeptEntry {
            client: member(row.client_address, row.client_workload)?,
            server: member(row.server_address, row.server_workload)?,
            agent: store.restore_agent(&AgentId::from(row.agent.as_str())).ok_or_else(too_large)?,
            hour: Hour(row.hour.div_euclid(3_600)),
            protocol: Protocol(row.protocol),
            port: row.port,
            seen: TimeRange { start: time(row.start), end: time(row.end) },
            totals: totals(&row).ok_or_else(|| connection.damaged("the counts of an edge make no sense"))?,
        };
        let number = store.restore(&entry).ok_or_else(too_large)?;
        let fits = row.names.iter().all(|name| store.restore_name(number, name));
        if fits { Ok(()) } else { Err(too_large()) }
    })?;
    Ok(store)
}

fn hours(span: TimeRange) -> (i64, i64) {
    (Hour::of(span.start).0.saturating_mul(3_600), Hour::of(span.end).0.saturating_mul(3_600))
}

fn totals(row: &EdgeRow) -> Option<Totals> {
    let (mut states, mut evidence) = (StateCounts::default(), EvidenceCounts::default());
    for (name, &count) in row.states.0.iter().zip(&row.states.1) {
        let mut one = StateCounts::default();
        one.add(ConnState::ALL.into_iter().find(|state| state.as_str() == name)?);
        states.merge(&times(one, count, StateCounts::merge));
    }
    for (&bit, &count) in row.evidence.0.iter().zip(&row.evidence.1) {
        let mut one = EvidenceCounts::default();
        one.add(Evidence::from_bits(1_u32.checked_shl(u32::from(bit))?)?);
        evidence.merge(&times(one, count, EvidenceCounts::merge));
    }
    Some(Totals {
        connections: row.connections,
        answered: row.answered,
        to_server: EdgeTraffic { packets: row.packets_to_server, ip_bytes: row.bytes_to_server },
        to_client: EdgeTraffic { packets: row.packets_to_client, ip_bytes: row.bytes_to_client },
        states,
        evidence,
    })
}

/// The workloads that edges of these hours have, by number.
fn workloads(connection: &Connection, span: TimeRange) -> Result<HashMap<u64, Arc<Workload>>, StoreError> {
    let sql = format!(
        "SELECT id, any(json) AS json FROM workloads WHERE id IN (
            SELECT arrayJoin([client_workload, server_workload]) FROM edges_hourly WHERE {HOURS})
        GROUP BY id"
    );
    let (first, last) = hours(span);
    let mut workloads = HashMap::new();
    connection.each(READ, connection.query(&sql).bind(first).bind(last), |row: WorkloadRow| {
        let workload = serde_json::from_str(&row.json);
        let workload = workload.map_err(|_| connection.damaged("a workload makes no sense"))?;
        workloads.insert(row.id, Arc::new(workload));
        Ok(())
    })?;
    Ok(workloads)
}

fn names(connection: &Connection, span: TimeRange) -> Result<Vec<KnownName>, StoreError> {
    let sql = "SELECT address, name, min(first_seen) AS first_seen, max(last_seen) AS last_seen
        FROM names GROUP BY address, name HAVING first_seen <= fromUnixTimestamp64Nano(toInt64(?), 'UTC')";
    let mut names = Vec::new();
    connection.each(READ, connection.query(sql).bind(span.end.as_nanos()), |row: NameRow| {
        names.push(KnownName {
            address: read_address(row.address),
            name: row.name.into(),
            first_seen: time(row.first_seen),
            last_seen: time(row.last_seen),
        });
        Ok(())
    })?;
    names.sort_unstable();
    Ok(names)
}

fn losses(connection: &Connection, span: TimeRange, runs: &Runs) -> Result<Vec<LossEntry>, StoreError> {
    let sql = "SELECT hour, agent, kind, sum(count) AS count FROM losses GROUP BY hour, agent, kind";
    let mut ledger = BTreeMap::new();
    connection.each(READ, connection.query(sql), |row: LossRow| {
        let kind = IntoDeserializer::<ValueError>::into_deserializer(row.kind.as_str());
        let loss =
            Loss::deserialize(kind).map_err(|_| connection.damaged("a kind of loss makes no sense"))?;
        let key = (AgentId::from(row.agent.as_str()), Hour(row.hour.div_euclid(3_600)), loss);
        ledger.insert(key, u64::try_from(row.count).unwrap_or(0));
        Ok(())
    })?;
    runs::add_missing(&mut ledger, runs.iter().map(|((agent, _), run)| (agent, run)));
    let (first, last) = (Hour::of(span.start), Hour::of(span.end));
    let entries = ledger.into_iter().filter(|((_, hour, _), _)| (first..=last).contains(hour));
    Ok(entries.map(|((agent, hour, loss), count)| LossEntry { agent, hour, loss, count }).collect())
}

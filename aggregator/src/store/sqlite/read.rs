//! From rows to snapshots.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use watershed_model::{
    AgentId, Counters, EdgeTraffic, Hour, KnownName, Loss, LossEntry, Protocol, Snapshot, TimeRange,
    Timestamp, Workload,
};

use super::{Failure, codec, damaged, listeners};
use crate::store::memory::{KeptEntry, MemoryStore, Totals};
use crate::store::runs::{self, Run};
use crate::store::status::{AgentStatus, Deleted, StoreStatus};
use crate::{StoreConfig, StoreError};

const EDGES: &str =
    "SELECT hour, client, server, protocol, port, agent, first_seen, last_seen, connections, answered,
    packets_to_server, bytes_to_server, packets_to_client, bytes_to_client, states, evidence FROM edge
    WHERE hour BETWEEN ?1 AND ?2 AND first_seen <= ?4 AND last_seen >= ?3
    ORDER BY hour, client, server, protocol, port, agent";

const EDGE_NAMES: &str = "SELECT name FROM edge_name
    WHERE hour = ?1 AND client = ?2 AND server = ?3 AND protocol = ?4 AND port = ?5 AND agent = ?6";

const ADDRESS_NAMES: &str = "SELECT address, text, first_seen, last_seen FROM address_name
    JOIN name ON name.id = address_name.name WHERE first_seen <= ?1";

const LOSSES: &str = "SELECT agent.name, hour, kind, count FROM loss JOIN agent ON agent.id = loss.agent
    WHERE hour BETWEEN ?1 AND ?2";

const RUNS: &str = "SELECT kept, counters, last_seen, name FROM run JOIN agent ON agent.id = run.agent";

const EXTENT: &str = "SELECT (SELECT min(first_seen) FROM edge WHERE hour = (SELECT min(hour) FROM edge)),
    (SELECT max(last_seen) FROM edge WHERE hour = (SELECT max(hour) FROM edge))";

/// Every time there is.
const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

/// What was observed in `period`, all of it as of one moment.
pub(super) fn snapshot(
    database: &Connection,
    config: &StoreConfig,
    period: Option<TimeRange>,
) -> Result<Snapshot, Failure> {
    let moment = database.unchecked_transaction()?;
    let span = period.unwrap_or(ALWAYS);
    let nothing = TimeRange { start: Timestamp::default(), end: Timestamp::default() };
    let mut counters = Counters::default();
    let runs = runs(&moment)?;
    runs.iter().for_each(|(_, run)| counters.merge(&run.counters));
    Ok(Snapshot {
        period: match period {
            Some(period) => period,
            None => extent(&moment)?.unwrap_or(nothing),
        },
        edges: edges(&moment, config, span)?.whole_edges(None, config.max_snapshot)?,
        names: names(&moment, span)?,
        listeners: listeners::read(&moment, span)?,
        loss: losses(&moment, span, &runs)?,
        counters,
    })
}

/// The edges with a packet in `period`, in the form in which memory holds them.
pub(super) fn held(
    database: &Connection,
    config: &StoreConfig,
    period: Option<TimeRange>,
) -> Result<MemoryStore, Failure> {
    let moment = database.unchecked_transaction()?;
    edges(&moment, config, period.unwrap_or(ALWAYS))
}

/// What the store holds.
pub(super) fn status(database: &Connection) -> rusqlite::Result<StoreStatus> {
    let moment = database.unchecked_transaction()?;
    let number = |sql: &str| moment.query_row(sql, [], |row| row.get(0)).map(codec::count);
    let runs = runs(&moment)?;
    let pages = number("SELECT page_count FROM pragma_page_count")?;
    let page = number("SELECT page_size FROM pragma_page_size")?;
    Ok(StoreStatus {
        period: extent(&moment)?,
        hours: number("SELECT count(DISTINCT hour) FROM edge")?,
        edge_hours: number("SELECT count(*) FROM edge")?,
        names: number("SELECT count(*) FROM address_name")?,
        agents: AgentStatus::of(runs.iter().map(|(agent, run)| (agent, run))),
        loss: losses(&moment, ALWAYS, &runs)?,
        deleted: deleted(&moment)?,
        bytes: Some(pages.saturating_mul(page)),
    })
}

/// What retention has deleted so far.
pub(super) fn deleted(database: &Connection) -> rusqlite::Result<Deleted> {
    let of = |what: &str| {
        let find = database.query_row("SELECT count FROM deleted WHERE what = ?1", [what], |row| row.get(0));
        find.optional().map(|found| found.map_or(0, codec::count))
    };
    Ok(Deleted { hours: of("hours")?, edge_hours: of("edge_hours")?, names: of("names")? })
}

/// One run of an agent; `None` where there is none yet.
pub(super) fn run(database: &Connection, agent: i64, started: Timestamp) -> rusqlite::Result<Option<Run>> {
    let find = "SELECT kept, counters, last_seen FROM run WHERE agent = ?1 AND started = ?2";
    let mut find = database.prepare_cached(find)?;
    find.query_row(params![agent, started.as_nanos()], read_run).optional()
}

/// The same of an agent by its name.
pub(super) fn run_of(
    database: &Connection,
    agent: &AgentId,
    started: Timestamp,
) -> rusqlite::Result<Option<Run>> {
    let mut find = database.prepare_cached("SELECT id FROM agent WHERE name = ?1")?;
    let id = find.query_row([&*agent.0], |row| row.get(0)).optional()?;
    id.map_or(Ok(None), |id| run(database, id, started))
}

/// All runs of an agent, by when each began.
pub(super) fn runs_of(database: &Connection, agent: &AgentId) -> rusqlite::Result<BTreeMap<Timestamp, Run>> {
    let find = "SELECT kept, counters, last_seen, started FROM run
        WHERE agent = (SELECT id FROM agent WHERE name = ?1)";
    let mut find = database.prepare_cached(find)?;
    let runs = find.query_map([&*agent.0], |row| Ok((Timestamp::from_nanos(row.get(3)?), read_run(row)?)))?;
    runs.collect()
}

fn runs(database: &Connection) -> rusqlite::Result<Vec<(AgentId, Run)>> {
    let mut find = database.prepare_cached(RUNS)?;
    let runs = find.query_map([], |row| Ok((agent(row, 3)?, read_run(row)?)))?;
    runs.collect()
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let kept = codec::read_ranges(row.get_ref(0)?.as_str()?);
    let counters = codec::read_counters(row.get_ref(1)?.as_str()?);
    Ok(Run {
        kept: kept.ok_or_else(|| damaged("the ranges of a run's batches make no sense"))?,
        counters: counters.ok_or_else(|| damaged("the counters of a run make no sense"))?,
        last_seen: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_nanos),
    })
}

/// From the first packet to the last.
pub(super) fn extent(database: &Connection) -> rusqlite::Result<Option<TimeRange>> {
    let ends = database.query_row(EXTENT, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(start), Some(end)) = ends else { return Ok(None) };
    Ok(Some(TimeRange { start: Timestamp::from_nanos(start), end: Timestamp::from_nanos(end) }))
}

/// The totals in the columns from `first` on.
pub(super) fn totals(row: &Row<'_>, first: usize) -> rusqlite::Result<Totals> {
    let count = |column: usize| row.get(first + column).map(codec::count);
    let states = codec::read_states(row.get_ref(first + 6)?.as_blob()?);
    let evidence = codec::read_evidence(row.get_ref(first + 7)?.as_blob()?);
    Ok(Totals {
        connections: count(0)?,
        answered: count(1)?,
        to_server: EdgeTraffic { packets: count(2)?, ip_bytes: count(3)? },
        to_client: EdgeTraffic { packets: count(4)?, ip_bytes: count(5)? },
        states: states.ok_or_else(|| damaged("the states of an edge make no sense"))?,
        evidence: evidence.ok_or_else(|| damaged("the evidence of an edge makes no sense"))?,
    })
}

/// The entries with a packet in `span`, in memory.
fn edges(database: &Connection, config: &StoreConfig, span: TimeRange) -> Result<MemoryStore, Failure> {
    let too_large = || StoreError::SnapshotTooLarge { limit: config.max_edges };
    let mut known = Known::new(database, config);
    let mut find = database.prepare_cached(EDGES)?;
    let mut find_names = database.prepare_cached(EDGE_NAMES)?;
    let (first, last) = (Hour::of(span.start).0, Hour::of(span.end).0);
    let mut rows = find.query(params![first, last, span.start.as_nanos(), span.end.as_nanos()])?;
    while let Some(row) = rows.next()? {
        let (hour, protocol, port): (i64, u8, u16) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let (client, server, agent): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(5)?);
        let entry = KeptEntry {
            client: known.party(client)?.ok_or_else(too_large)?,
            server: known.party(server)?.ok_or_else(too_large)?,
            agent: known.agent(agent)?.ok_or_else(too_large)?,
            hour: Hour(hour),
            protocol: Protocol(protocol),
            port,
            seen: TimeRange {
                start: Timestamp::from_nanos(row.get(6)?),
                end: Timestamp::from_nanos(row.get(7)?),
            },
            totals: totals(row, 8)?,
        };
        let restored = known.store.restore(&entry).ok_or_else(too_large)?;
        let mut names = find_names.query(params![hour, client, server, protocol, port, agent])?;
        while let Some(row) = names.next()? {
            let name = known.name(row.get(0)?)?;
            if !known.store.restore_name(restored, &name) {
                return Err(too_large().into());
            }
        }
    }
    Ok(known.store)
}

/// What the numbers in the tables stand for, each looked up once.
struct Known<'c> {
    database: &'c Connection,
    store: MemoryStore,
    parties: HashMap<i64, u32>,
    agents: HashMap<i64, u32>,
    workloads: HashMap<i64, Arc<Workload>>,
    names: HashMap<i64, Arc<str>>,
}

impl<'c> Known<'c> {
    fn new(database: &'c Connection, config: &StoreConfig) -> Self {
        // An edge may have several names: those of the edges that fit must fit, too.
        let config = StoreConfig { max_names: usize::MAX, ..config.clone() };
        Self {
            database,
            store: MemoryStore::new(&config),
            parties: HashMap::new(),
            agents: HashMap::new(),
            workloads: HashMap::new(),
            names: HashMap::new(),
        }
    }

    fn party(&mut self, id: i64) -> rusqlite::Result<Option<u32>> {
        if let Some(&number) = self.parties.get(&id) {
            return Ok(Some(number));
        }
        let mut find = self.database.prepare_cached("SELECT address, workload FROM party WHERE id = ?1")?;
        let (address, workload) =
            find.query_row([id], |row| Ok((address(row, 0)?, row.get::<_, Option<i64>>(1)?)))?;
        let workload = workload.map(|id| workload_of(self.database, &mut self.workloads, id)).transpose()?;
        let number = self.store.restore_member(address, workload.as_ref());
        self.parties.extend(number.map(|number| (id, number)));
        Ok(number)
    }

    fn agent(&mut self, id: i64) -> rusqlite::Result<Option<u32>> {
        if let Some(&number) = self.agents.get(&id) {
            return Ok(Some(number));
        }
        let mut find = self.database.prepare_cached("SELECT name FROM agent WHERE id = ?1")?;
        let number = self.store.restore_agent(&find.query_row([id], |row| agent(row, 0))?);
        self.agents.extend(number.map(|number| (id, number)));
        Ok(number)
    }

    fn name(&mut self, id: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.names.get(&id) {
            return Ok(Arc::clone(name));
        }
        let mut find = self.database.prepare_cached("SELECT text FROM name WHERE id = ?1")?;
        let name: Arc<str> = find.query_row([id], |row| Ok(row.get_ref(0)?.as_str()?.into()))?;
        self.names.insert(id, Arc::clone(&name));
        Ok(name)
    }
}

/// The workload with this number, looked up once.
pub(super) fn workload_of(
    database: &Connection,
    known: &mut HashMap<i64, Arc<Workload>>,
    id: i64,
) -> rusqlite::Result<Arc<Workload>> {
    if let Some(workload) = known.get(&id) {
        return Ok(Arc::clone(workload));
    }
    let mut find = database.prepare_cached("SELECT json FROM workload WHERE id = ?1")?;
    let json: String = find.query_row([id], |row| row.get(0))?;
    let workload: Workload = serde_json::from_str(&json).map_err(|_| damaged("a workload makes no sense"))?;
    let workload = Arc::new(workload);
    known.insert(id, Arc::clone(&workload));
    Ok(workload)
}

fn names(database: &Connection, span: TimeRange) -> rusqlite::Result<Vec<KnownName>> {
    let mut find = database.prepare_cached(ADDRESS_NAMES)?;
    let known = find.query_map([span.end.as_nanos()], |row| {
        Ok(KnownName {
            address: address(row, 0)?,
            name: row.get_ref(1)?.as_str()?.into(),
            first_seen: Timestamp::from_nanos(row.get(2)?),
            last_seen: Timestamp::from_nanos(row.get(3)?),
        })
    })?;
    let mut known = known.collect::<rusqlite::Result<Vec<_>>>()?;
    known.sort_unstable();
    Ok(known)
}

fn losses(
    database: &Connection,
    span: TimeRange,
    runs: &[(AgentId, Run)],
) -> rusqlite::Result<Vec<LossEntry>> {
    let (first, last) = (Hour::of(span.start), Hour::of(span.end));
    let mut find = database.prepare_cached(LOSSES)?;
    let entries = find.query_map([first.0, last.0], |row| {
        let kind = row.get_ref(2)?.as_str()?;
        let loss = Loss::deserialize(IntoDeserializer::<ValueError>::into_deserializer(kind));
        let loss = loss.map_err(|_| damaged("a kind of loss makes no sense"))?;
        Ok(((agent(row, 0)?, Hour(row.get(1)?), loss), codec::count(row.get(3)?)))
    })?;
    let mut ledger = entries.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
    runs::add_missing(&mut ledger, runs.iter().map(|(agent, run)| (agent, run)));
    let entries = ledger.into_iter().filter(|((_, hour, _), _)| (first..=last).contains(hour));
    Ok(entries.map(|((agent, hour, loss), count)| LossEntry { agent, hour, loss, count }).collect())
}

pub(super) fn agent(row: &Row<'_>, column: usize) -> rusqlite::Result<AgentId> {
    Ok(AgentId::from(row.get_ref(column)?.as_str()?))
}

fn address(row: &Row<'_>, column: usize) -> rusqlite::Result<IpAddr> {
    codec::address(row.get_ref(column)?.as_blob()?).ok_or_else(|| damaged("an address makes no sense"))
}

//! From a block to rows.

use rusqlite::{Connection, OptionalExtension as _, Statement, params};
use watershed_model::{AgentId, Hour, LossEntry, NameObservation, TimeRange, Timestamp, Workload};

use super::read::{run, totals};
use super::{Failure, codec, damaged, listeners};
use crate::store::memory::{KeptEntry, MemoryStore};
use crate::store::runs::Run;
use crate::{BatchToken, Block};

const UPDATE_RUN: &str = "INSERT INTO run (agent, started, kept, counters, last_seen) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET kept = excluded.kept, counters = excluded.counters, last_seen = excluded.last_seen";

const FIND_EDGE: &str =
    "SELECT first_seen, last_seen, connections, answered, packets_to_server, bytes_to_server,
    packets_to_client, bytes_to_client, states, evidence FROM edge
    WHERE hour = ?1 AND client = ?2 AND server = ?3 AND protocol = ?4 AND port = ?5 AND agent = ?6";

const REPLACE_EDGE: &str = "REPLACE INTO edge (hour, client, server, protocol, port, agent, first_seen, last_seen,
    connections, answered, packets_to_server, bytes_to_server, packets_to_client, bytes_to_client, states, evidence)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

const ADD_EDGE_NAME: &str =
    "INSERT OR IGNORE INTO edge_name (hour, client, server, protocol, port, agent, name)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const ADD_ADDRESS_NAME: &str = "INSERT INTO address_name (address, name, first_seen, last_seen)
    VALUES (?1, ?2, ?3, ?3)
    ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)";

/// The sum stays an integer: SQLite would turn one that overflows into a floating-point number.
const ADD_LOSS: &str = "INSERT INTO loss (hour, agent, kind, count) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET count = CASE WHEN count > 9223372036854775807 - excluded.count
    THEN 9223372036854775807 ELSE count + excluded.count END";

/// Adds a block; false where it was there before and nothing has changed.
pub(super) fn append(database: &Connection, block: &Block<'_>) -> Result<bool, Failure> {
    if let Some(token) = &block.token {
        let agent = agent_id(database, &token.agent)?;
        if !take(database, agent, token, block)? {
            return Ok(false);
        }
        add_edges(database, agent, &MemoryStore::of_block(block))?;
        add_answers(database, &block.names)?;
        listeners::keep(database, agent, &block.listeners)?;
    }
    for LossEntry { agent, hour, loss, count } in &block.loss {
        let agent = agent_id(database, agent)?;
        let kind = serde_json::to_value(loss).map_err(json)?;
        let mut add = database.prepare_cached(ADD_LOSS)?;
        add.execute(params![hour.0, agent, kind.as_str(), codec::integer(*count)])?;
    }
    Ok(true)
}

/// Whether the batch is new; from now on it is known.
fn take(database: &Connection, agent: i64, token: &BatchToken, block: &Block<'_>) -> Result<bool, Failure> {
    let mut run = run(database, agent, token.started)?.unwrap_or_default();
    if !run.take(token, block)? {
        return Ok(false);
    }
    update_run(database, agent, token.started, &run)?;
    Ok(true)
}

fn update_run(database: &Connection, agent: i64, started: Timestamp, run: &Run) -> rusqlite::Result<()> {
    let (kept, counters) =
        (codec::ranges(&run.kept).map_err(json)?, codec::counters(&run.counters).map_err(json)?);
    let last_seen = run.last_seen.map(Timestamp::as_nanos);
    let mut update = database.prepare_cached(UPDATE_RUN)?;
    update.execute(params![agent, started.as_nanos(), kept, counters, last_seen])?;
    Ok(())
}

/// Forgets what is missing of hours before `hour`.
pub(super) fn close_gaps_before(database: &Connection, hour: Hour) -> rusqlite::Result<()> {
    let mut find = database.prepare("SELECT agent, started FROM run WHERE kept NOT LIKE '[[0,%null]]'")?;
    let runs = find.query_map([], |row| Ok((row.get(0)?, Timestamp::from_nanos(row.get(1)?))))?;
    for (agent, started) in runs.collect::<rusqlite::Result<Vec<(i64, Timestamp)>>>()? {
        let Some(mut run) = run(database, agent, started)? else { continue };
        let before = run.kept.len();
        run.close_gaps_before(hour);
        if run.kept.len() != before {
            update_run(database, agent, started, &run)?;
        }
    }
    Ok(())
}

/// Adds a block's entries to those that are there, in the order of the table.
fn add_edges(database: &Connection, agent: i64, block: &MemoryStore) -> Result<(), Failure> {
    let parties = block.members().map(|(address, workload)| {
        let workload = workload.map(|workload| workload_id(database, workload)).transpose()?;
        party_id(database, &codec::octets(address), workload)
    });
    let parties = parties.collect::<Result<Vec<i64>, Failure>>()?;
    let entries: Vec<(EdgeId, KeptEntry)> =
        block.kept_entries().map(|entry| (EdgeId::of(&entry, &parties, agent), entry)).collect();
    let mut order: Vec<&(EdgeId, KeptEntry)> = entries.iter().collect();
    order.sort_unstable_by_key(|(id, _)| *id);

    let mut find = database.prepare_cached(FIND_EDGE)?;
    let mut replace = database.prepare_cached(REPLACE_EDGE)?;
    for (id, entry) in order {
        add_edge(&mut find, &mut replace, *id, entry)?;
    }
    let mut add_name = database.prepare_cached(ADD_EDGE_NAME)?;
    for (entry, name) in block.entry_names() {
        let EdgeId { hour, client, server, protocol, port, agent } = entries[entry].0;
        add_name.execute(params![hour, client, server, protocol, port, agent, name_id(database, name)?])?;
    }
    Ok(())
}

/// The key of an edge's row, ordered as the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EdgeId {
    hour: i64,
    client: i64,
    server: i64,
    protocol: u8,
    port: u16,
    agent: i64,
}

impl EdgeId {
    fn of(entry: &KeptEntry, parties: &[i64], agent: i64) -> Self {
        Self {
            hour: entry.hour.0,
            client: parties[entry.client as usize],
            server: parties[entry.server as usize],
            protocol: entry.protocol.0,
            port: entry.port,
            agent,
        }
    }
}

fn add_edge(
    find: &mut Statement<'_>,
    replace: &mut Statement<'_>,
    id: EdgeId,
    entry: &KeptEntry,
) -> Result<(), Failure> {
    let EdgeId { hour, client, server, protocol, port, agent } = id;
    let known = find.query_row(params![hour, client, server, protocol, port, agent], |row| {
        let seen =
            TimeRange { start: Timestamp::from_nanos(row.get(0)?), end: Timestamp::from_nanos(row.get(1)?) };
        Ok((seen, totals(row, 2)?))
    });
    let (mut seen, mut all) = (entry.seen, entry.totals.clone());
    if let Some((before, totals)) = known.optional()? {
        seen = TimeRange { start: seen.start.min(before.start), end: seen.end.max(before.end) };
        all.add(&totals);
    }
    replace.execute(params![
        hour,
        client,
        server,
        protocol,
        port,
        agent,
        seen.start.as_nanos(),
        seen.end.as_nanos(),
        codec::integer(all.connections),
        codec::integer(all.answered),
        codec::integer(all.to_server.packets),
        codec::integer(all.to_server.ip_bytes),
        codec::integer(all.to_client.packets),
        codec::integer(all.to_client.ip_bytes),
        codec::states(&all.states),
        codec::evidence(&all.evidence),
    ])?;
    Ok(())
}

fn add_answers(database: &Connection, answers: &[NameObservation]) -> Result<(), Failure> {
    let mut add = database.prepare_cached(ADD_ADDRESS_NAME)?;
    for answer in answers {
        let name = name_id(database, &answer.name)?;
        add.execute(params![codec::octets(answer.address), name, answer.seen.as_nanos()])?;
    }
    Ok(())
}

fn agent_id(database: &Connection, agent: &AgentId) -> Result<i64, Failure> {
    text_id(
        database,
        "SELECT id FROM agent WHERE name = ?1",
        "INSERT INTO agent (name) VALUES (?1) RETURNING id",
        &agent.0,
    )
}

fn name_id(database: &Connection, name: &str) -> Result<i64, Failure> {
    text_id(
        database,
        "SELECT id FROM name WHERE text = ?1",
        "INSERT INTO name (text) VALUES (?1) RETURNING id",
        name,
    )
}

pub(super) fn workload_id(database: &Connection, workload: &Workload) -> Result<i64, Failure> {
    text_id(
        database,
        "SELECT id FROM workload WHERE json = ?1",
        "INSERT INTO workload (json) VALUES (?1) RETURNING id",
        &serde_json::to_string(workload).map_err(json)?,
    )
}

/// The number of a text, which gets one if it has none.
fn text_id(database: &Connection, find: &str, insert: &str, text: &str) -> Result<i64, Failure> {
    let known = database.prepare_cached(find)?.query_row([text], |row| row.get(0)).optional()?;
    Ok(match known {
        Some(id) => id,
        None => database.prepare_cached(insert)?.query_row([text], |row| row.get(0))?,
    })
}

fn party_id(database: &Connection, address: &[u8], workload: Option<i64>) -> Result<i64, Failure> {
    let mut find = database
        .prepare_cached("SELECT id FROM party WHERE address = ?1 AND ifnull(workload, 0) = ifnull(?2, 0)")?;
    let known = find.query_row(params![address, workload], |row| row.get(0)).optional()?;
    Ok(match known {
        Some(id) => id,
        None => {
            let insert = "INSERT INTO party (address, workload) VALUES (?1, ?2) RETURNING id";
            database.prepare_cached(insert)?.query_row(params![address, workload], |row| row.get(0))?
        }
    })
}

/// None of what is kept as JSON can fail to become JSON, but the type says so.
fn json(_: serde_json::Error) -> rusqlite::Error {
    damaged("a value is not to be had as JSON")
}

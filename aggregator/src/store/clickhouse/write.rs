//! From the blocks of a delivery to rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use clickhouse::RowWrite;
use clickhouse::error::Error;
use sha2::{Digest as _, Sha256};
use watershed_model::{AgentId, LossEntry, Timestamp, Workload};

use super::connection::Connection;
use super::rows::{FlowRow, LossRow, NameRow, RunRow, WorkloadRow};
use super::{ClickHouseConfig, listeners, read};
use crate::source::DeliveryToken;
use crate::store::runs::Run;
use crate::store::sqlite::codec;
use crate::{Block, StoreError};

const KEEP: &str = "keep a block in the store";

/// Flow records in one insert. ClickHouse takes up to about a million rows as one block, which is there whole or
/// not at all, and knows its token; the views make at most two rows of each.
const MAX_ROWS: usize = 250_000;

/// Workloads remembered with their numbers; more of them are looked up again.
const MAX_WORKLOADS: usize = 1_000_000;

/// The largest loss that one entry may say: sums of these do not overflow, and nothing loses so much.
const MAX_LOSS: u64 = 1 << 48;

/// Settings of ClickHouse's that every insert needs, whatever the user's profile says.
pub(super) fn prepare(connection: &mut Connection, config: &ClickHouseConfig) {
    // What is acknowledged is on the disk.
    connection.set("async_insert", "0");
    connection.set("insert_deduplicate", "1");
    connection.set("deduplicate_blocks_in_dependent_materialized_views", "1");
    // A capture may hold any time, and one insert many days.
    connection.set("max_partitions_per_insert_block", "0");
    if config.cluster.is_some() {
        connection.set("distributed_foreground_insert", "1");
        connection.set("insert_quorum", "auto");
        connection.set("insert_quorum_parallel", "0");
        connection.set("select_sequential_consistency", "1");
    }
}

/// Adds what is new of a delivery; how many blocks that was.
pub(super) fn append(
    connection: &Connection,
    workloads: &mut Workloads,
    delivery: &DeliveryToken,
    blocks: &[Block<'_>],
) -> Result<u64, StoreError> {
    let keys: Vec<_> = blocks.iter().filter_map(|block| block.token.as_ref()).collect();
    let keys: Vec<_> = keys.into_iter().map(|token| (token.agent.clone(), token.started)).collect();
    let mut runs = read::runs_of(connection, &keys)?;
    let mut new = Vec::with_capacity(blocks.len());
    for block in blocks {
        let Some(token) = &block.token else {
            new.push(block);
            continue;
        };
        let run = runs.entry((token.agent.clone(), token.started)).or_default();
        if run.take(token, block)? {
            new.push(block);
        }
    }
    if !new.is_empty() {
        connection.wait(KEEP, insert_all(connection, workloads, delivery, &new, &runs))?;
    }
    Ok(new.len() as u64)
}

/// Table by table, in the order that makes a delivery that is given again the same.
async fn insert_all(
    connection: &Connection,
    workloads: &mut Workloads,
    delivery: &DeliveryToken,
    blocks: &[&Block<'_>],
    runs: &BTreeMap<(AgentId, Timestamp), Run>,
) -> Result<(), Error> {
    let rows = blocks.iter().flat_map(|block| block.rows());
    insert_workloads(connection, workloads, rows.flat_map(|row| row.client.into_iter().chain(row.server)))
        .await?;

    let mut flows = blocks
        .iter()
        .filter_map(|block| Some((block, block.token.as_ref()?)))
        .flat_map(|(block, token)| block.rows().map(move |row| (row, token)))
        .map(|(row, token)| {
            let numbers = (workloads.number(row.client), workloads.number(row.server));
            FlowRow::of(&row, token, numbers)
        })
        .peekable();
    let mut part = 0;
    while flows.peek().is_some() {
        let token = format!("{delivery}/{part}");
        insert::<FlowRow<'_>>(connection, "flows", Some(&token), flows.by_ref().take(MAX_ROWS)).await?;
        part += 1;
    }

    insert::<NameRow>(connection, "names", None, names(blocks)).await?;
    listeners::insert(connection, blocks).await?;
    let (counted, noted): (Vec<&&Block<'_>>, _) = blocks.iter().partition(|block| block.token.is_some());
    insert::<LossRow>(connection, "losses", Some(&delivery.0), losses(&counted)).await?;
    // What came up outside any batch has no name: better twice than not at all.
    insert::<LossRow>(connection, "losses", None, losses(&noted)).await?;
    let changed = blocks.iter().filter_map(|block| block.token.as_ref());
    let changed = changed.map(|token| (token.agent.clone(), token.started));
    let changed: BTreeMap<_, _> = changed.filter_map(|key| runs.get_key_value(&key)).collect();
    insert_runs(connection, changed).await
}

/// Writes those of `all` that the server may not have; from now on all of them have numbers.
pub(super) async fn insert_workloads<'a>(
    connection: &Connection,
    workloads: &mut Workloads,
    all: impl Iterator<Item = &'a Arc<Workload>>,
) -> Result<(), Error> {
    let unknown = workloads.unknown(all)?;
    let known: Vec<u64> = unknown.iter().map(|row| row.id).collect();
    insert::<WorkloadRow>(connection, "workloads", None, unknown).await?;
    workloads.written.extend(known);
    Ok(())
}

/// Writes what is known of runs.
pub(super) async fn insert_runs<'a>(
    connection: &Connection,
    runs: impl IntoIterator<Item = (&'a (AgentId, Timestamp), &'a Run)>,
) -> Result<(), Error> {
    let rows = runs.into_iter().map(|((agent, started), run)| {
        let json = |error: serde_json::Error| Error::Custom(error.to_string());
        Ok(RunRow {
            agent: agent.to_string(),
            started: started.as_nanos(),
            state: (
                run.batches(),
                codec::ranges(&run.kept).map_err(json)?,
                codec::counters(&run.counters).map_err(json)?,
            ),
            last_seen: run.last_seen.map(Timestamp::as_nanos),
        })
    });
    insert::<RunRow>(connection, "runs", None, rows.collect::<Result<Vec<_>, Error>>()?).await
}

/// One insert: all of the rows or none, and nothing where the table has one with this token; none without rows.
///
/// The client does not check each value of each row against its column, which costs as much as writing it: that they
/// fit is for the tests of the tables of this version, and of no other version a store is opened.
pub(super) async fn insert<'a, T: RowWrite>(
    connection: &Connection,
    table: &str,
    token: Option<&str>,
    rows: impl IntoIterator<Item = T::Value<'a>>,
) -> Result<(), Error> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let timeout = Some(connection.timeout());
    let client = connection.client().clone().with_validation(false);
    let insert = connection.in_time(client.insert::<T>(table)).await?;
    let mut insert = insert.with_timeouts(timeout, timeout);
    insert = match token {
        Some(token) => insert.with_setting("insert_deduplication_token", token),
        None => insert.with_setting("insert_deduplicate", "0"),
    };
    for row in rows {
        insert.write(&row).await?;
    }
    insert.end().await
}

/// Names that answers gave, each once.
fn names(blocks: &[&Block<'_>]) -> Vec<NameRow> {
    let mut names: BTreeMap<_, NameRow> = BTreeMap::new();
    for answer in blocks.iter().flat_map(|block| &block.names) {
        let seen = answer.seen.as_nanos();
        let row = names.entry((answer.address, &answer.name)).or_insert_with(|| NameRow::of(answer));
        row.first_seen = row.first_seen.min(seen);
        row.last_seen = row.last_seen.max(seen);
    }
    names.into_values().collect()
}

fn losses(blocks: &[&&Block<'_>]) -> Vec<LossRow> {
    let entries = blocks.iter().flat_map(|block| &block.loss);
    entries
        .map(|LossEntry { agent, hour, loss, count }| LossRow {
            hour: hour.0.saturating_mul(3_600),
            agent: agent.to_string(),
            kind: serde_json::to_value(loss)
                .ok()
                .and_then(|kind| Some(kind.as_str()?.to_owned()))
                .unwrap_or_default(),
            count: (*count).min(MAX_LOSS).cast_signed(),
        })
        .collect()
}

/// Numbers of workloads.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    /// By place in memory, which no other workload can take while the object is held.
    numbers: HashMap<usize, (Arc<Workload>, u64)>,
    /// Those that the server has.
    written: HashSet<u64>,
}

impl Workloads {
    /// Those of these workloads that the server may not have; from now on all of them have numbers.
    fn unknown<'a>(
        &mut self,
        all: impl Iterator<Item = &'a Arc<Workload>>,
    ) -> Result<Vec<WorkloadRow>, Error> {
        if self.numbers.len() >= MAX_WORKLOADS {
            self.numbers.clear();
            self.written.clear();
        }
        let mut unknown = BTreeMap::new();
        for workload in all {
            let place = Arc::as_ptr(workload).addr();
            if let Some((_, number)) = self.numbers.get(&place)
                && self.written.contains(number)
            {
                continue;
            }
            let json =
                serde_json::to_string(&**workload).map_err(|error| Error::Custom(error.to_string()))?;
            let id = number_of(&json);
            self.numbers.insert(place, (Arc::clone(workload), id));
            if !self.written.contains(&id) {
                unknown.insert(id, WorkloadRow { id, json });
            }
        }
        Ok(unknown.into_values().collect())
    }

    /// The number of a workload of those last asked about; 0 for none.
    pub(super) fn number(&self, workload: Option<&Arc<Workload>>) -> u64 {
        let place = workload.map(|workload| Arc::as_ptr(workload).addr());
        place.and_then(|place| self.numbers.get(&place)).map_or(0, |&(_, number)| number)
    }
}

/// 64 bits of SHA-256: a million workloads share a number with a chance of one in forty million.
fn number_of(json: &str) -> u64 {
    let digest = Sha256::digest(json.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first).max(1)
}

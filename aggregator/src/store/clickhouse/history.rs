//! Whose addresses were, on a ClickHouse server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use watershed_model::{TimeRange, Timestamp, Workload};

use super::connection::Connection;
use super::rows::{InventoryRow, WorkloadRow};
use super::{ClickHouseConfig, ClickHouseStore, READ, fronts, schema, write};
use crate::inventory::fronts::FrontChange;
use crate::inventory::{MAX_CHANGES, Source, Told};
use crate::store::history::{HistoryStore, Wanted, in_order};
use crate::{Change, StoreError};

const KEEP: &str = "keep the inventory in the store";

/// For each network and source the last change up to a time.
const STATE: &str = "SELECT network, source, max(at) FROM inventory WHERE at <= ? GROUP BY network, source";

const WORKLOADS: &str = "SELECT id, any(json) AS json FROM workloads
    WHERE id GLOBAL IN (SELECT workload FROM inventory WHERE at <= ?) GROUP BY id";

impl HistoryStore for ClickHouseStore {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        let Self { connection, workloads, .. } = self;
        // Of one insert the server could not tell which came later.
        let last = told.iter().map(|told| ((told.change.prefix, told.source, told.change.at), told));
        let last: BTreeMap<_, &Told> = last.collect();
        connection.wait(KEEP, async {
            let all = last.values().filter_map(|told| told.change.workload.as_ref());
            write::insert_workloads(connection, workloads, all).await?;
            let rows = last.values().map(|Told { source, change }| InventoryRow {
                network: change.prefix.to_string(),
                source: source.as_str().to_owned(),
                at: change.at.as_nanos(),
                workload: workloads.number(change.workload.as_ref()),
            });
            write::insert::<InventoryRow>(connection, "inventory", None, rows).await
        })
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        let connection = &self.connection;
        let (start, end) = (wanted.period.start.as_nanos(), wanted.period.end.as_nanos());
        let workloads = workloads(connection, end)?;
        let sql = format!(
            "SELECT network, source, at, argMax(workload, told) AS workload FROM inventory
            WHERE at <= ? AND (at >= ? OR (network, source, at) GLOBAL IN ({STATE})) {}
            GROUP BY network, source, at LIMIT {}",
            wanted.network_condition(),
            MAX_CHANGES + 1
        );
        let mut told = Vec::new();
        let query = connection.query(&sql).bind(end).bind(start).bind(start);
        connection.each(READ, query, |row: InventoryRow| {
            told.push(change(&row, &workloads).map_err(|reason| connection.damaged(reason))?);
            Ok(())
        })?;
        in_order(told)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        fronts::remember(self, changes)
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        fronts::read(self, period)
    }
}

/// The workloads that changes up to `end` speak of, by number.
fn workloads(connection: &Connection, end: i64) -> Result<HashMap<u64, Arc<Workload>>, StoreError> {
    let mut workloads = HashMap::new();
    connection.each(READ, connection.query(WORKLOADS).bind(end), |row: WorkloadRow| {
        let workload = serde_json::from_str(&row.json);
        let workload = workload.map_err(|_| connection.damaged("a workload makes no sense"))?;
        workloads.insert(row.id, Arc::new(workload));
        Ok(())
    })?;
    Ok(workloads)
}

fn change(row: &InventoryRow, workloads: &HashMap<u64, Arc<Workload>>) -> Result<Told, &'static str> {
    let source = Source::named(&row.source);
    let workload = match row.workload {
        0 => None,
        id => Some(workloads.get(&id).cloned().ok_or("a workload of the inventory is missing")?),
    };
    Ok(Told {
        source: source.ok_or("a source of the inventory is unknown")?,
        change: Change {
            at: Timestamp::from_nanos(row.at),
            prefix: row.network.parse().map_err(|_| "a network of the inventory makes no sense")?,
            workload,
        },
    })
}

/// Deletes what was over before `time`; whose each network was then stays.
pub(super) fn forget_before(
    connection: &Connection,
    config: &ClickHouseConfig,
    time: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "ALTER TABLE inventory{{local}}{{on_cluster}} DELETE WHERE at < ?
        AND (workload = 0 OR (network, source, at) NOT IN ({})) SETTINGS mutations_sync = 2,
        allow_nondeterministic_mutations = 1",
        STATE.replace("FROM inventory", "FROM inventory{local}")
    );
    let nanos = time.as_nanos();
    let query = connection.query(&schema::render(&sql, config)).bind(nanos).bind(nanos);
    connection.execute("delete old hours from the store", query)
}

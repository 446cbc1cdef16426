//! Where Services led, on a ClickHouse server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use watershed_model::{TimeRange, Timestamp, Workload};

use super::connection::Connection;
use super::rows::{FrontRow, WorkloadRow};
use super::{ClickHouseConfig, ClickHouseStore, READ, schema, write};
use crate::StoreError;
use crate::inventory::fronts::{FrontChange, MAX_FRONT_CHANGES};
use crate::store::fronts::{self, Columns};
use crate::store::history::fronts_in_order;

/// For each front the last change up to a time.
const STATE: &str =
    "SELECT address, protocol, port, max(at) FROM fronts WHERE at <= ? GROUP BY address, protocol, port";

const WORKLOADS: &str = "SELECT id, any(json) AS json FROM workloads
    WHERE id GLOBAL IN (SELECT leads.1 FROM fronts WHERE at <= ?) GROUP BY id";

pub(super) fn remember(store: &mut ClickHouseStore, changes: &[FrontChange]) -> Result<(), StoreError> {
    let ClickHouseStore { connection, workloads, .. } = store;
    // Of one insert the server could not tell which came later.
    let last: BTreeMap<_, _> = changes.iter().map(|change| ((change.front, change.at), change)).collect();
    connection.wait("keep where Services lead in the store", async {
        let all = last.values().filter_map(|change| fronts::workload(change));
        write::insert_workloads(connection, workloads, all).await?;
        let rows = last.values().map(|change| {
            let Columns { address, protocol, port, at, service, server, server_port, rewritten } =
                Columns::of(change);
            let workload = workloads.number(fronts::workload(change));
            FrontRow {
                address,
                protocol,
                port,
                at,
                leads: (workload, service, server, server_port, rewritten),
            }
        });
        write::insert::<FrontRow>(connection, "fronts", None, rows).await
    })
}

pub(super) fn read(store: &ClickHouseStore, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
    let connection = &store.connection;
    let (start, end) = (period.start.as_nanos(), period.end.as_nanos());
    let mut workloads: HashMap<u64, Arc<Workload>> = HashMap::new();
    connection.each(READ, connection.query(WORKLOADS).bind(end), |row: WorkloadRow| {
        let workload = serde_json::from_str(&row.json);
        let workload = workload.map_err(|_| connection.damaged("a workload makes no sense"))?;
        workloads.insert(row.id, Arc::new(workload));
        Ok(())
    })?;
    let sql = format!(
        "SELECT address, protocol, port, at, argMax(leads, told) AS leads FROM fronts
        WHERE at <= ? AND (at >= ? OR (address, protocol, port, at) GLOBAL IN ({STATE}))
        GROUP BY address, protocol, port, at LIMIT {}",
        MAX_FRONT_CHANGES + 1
    );
    let mut changes = Vec::new();
    let query = connection.query(&sql).bind(end).bind(start).bind(start);
    connection.each(READ, query, |row: FrontRow| {
        changes.push(change(row, &workloads).map_err(|reason| connection.damaged(reason))?);
        Ok(())
    })?;
    fronts_in_order(changes)
}

fn change(row: FrontRow, workloads: &HashMap<u64, Arc<Workload>>) -> Result<FrontChange, &'static str> {
    let FrontRow { address, protocol, port, at, leads: (workload, service, server, server_port, rewritten) } =
        row;
    let workload = match workload {
        0 => None,
        id => Some(workloads.get(&id).cloned().ok_or("a workload of a front is missing")?),
    };
    Columns { address, protocol, port, at, service, server, server_port, rewritten }.into_change(workload)
}

/// Deletes what was over before `time`; where each front led then stays.
pub(super) fn forget_before(
    connection: &Connection,
    config: &ClickHouseConfig,
    time: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "ALTER TABLE fronts{{local}}{{on_cluster}} DELETE WHERE at < ?
        AND (address, protocol, port, at) NOT IN ({}) SETTINGS mutations_sync = 2,
        allow_nondeterministic_mutations = 1",
        STATE.replace("FROM fronts", "FROM fronts{local}")
    );
    let nanos = time.as_nanos();
    let query = connection.query(&schema::render(&sql, config)).bind(nanos).bind(nanos);
    connection.execute("delete old hours from the store", query)
}

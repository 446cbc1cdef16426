//! Deleting what is too old.

use watershed_model::{Hour, Timestamp};

use super::connection::Connection;
use super::rows::DeletedRow;
use super::{ClickHouseConfig, READ, fronts, history, listeners, read, schema, write};
use crate::StoreError;
use crate::store::runs::Run;
use crate::store::status::Deleted;

const DELETE: &str = "delete old hours from the store";

/// Hours before the one in the brackets.
const OLD_EDGES: &str = "hour < fromUnixTimestamp64Second(toInt64(?), 'UTC')";

/// Deletes whole hours that end by `before`; flow records with them, and days once all their hours are gone.
pub(super) fn delete_before(
    connection: &Connection,
    config: &ClickHouseConfig,
    before: Timestamp,
) -> Result<Deleted, StoreError> {
    // The hour in which `before` lies has not been over before it.
    let end = Hour::of(before);
    let second = end.0.saturating_mul(3_600);
    let count = |sql: &str, bound: i64| -> Result<u64, StoreError> {
        let rows: Vec<u64> = connection.all(READ, connection.query(sql).bind(bound))?;
        Ok(rows.first().copied().unwrap_or(0))
    };
    let hours = format!(
        "SELECT uniqExact(hour) FROM (SELECT hour FROM edges_hourly UNION ALL SELECT hour FROM losses)
        WHERE {OLD_EDGES}"
    );
    let edges =
        format!("SELECT count() FROM (SELECT 1 FROM edges_hourly WHERE {OLD_EDGES} GROUP BY {})", read::KEY);
    let old_names = "SELECT address, name FROM names{local} GROUP BY address, name
        HAVING max(last_seen) < fromUnixTimestamp64Second(toInt64(?), 'UTC')";
    let names = format!("SELECT count() FROM ({})", old_names.replace("{local}", ""));
    let deleted = Deleted {
        hours: count(&hours, second)?,
        edge_hours: count(&edges, second)?,
        names: count(&names, second)?,
    };
    if deleted.hours == 0 {
        return Ok(Deleted::default());
    }
    let delete = |table: &str, condition: &str| {
        let sql = format!(
            "ALTER TABLE {table}{{local}}{{on_cluster}} DELETE WHERE {condition}
            SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
        );
        connection.execute(DELETE, connection.query(&schema::render(&sql, config)).bind(second))
    };
    delete("flows", "first_seen < fromUnixTimestamp64Second(toInt64(?), 'UTC')")?;
    delete("edges_daily", "day + INTERVAL 1 DAY <= fromUnixTimestamp64Second(toInt64(?), 'UTC')")?;
    delete("names", &format!("(address, name) IN ({old_names})"))?;
    delete("losses", OLD_EDGES)?;
    delete("edges_hourly", OLD_EDGES)?;
    history::forget_before(connection, config, end.start())?;
    fronts::forget_before(connection, config, end.start())?;
    listeners::forget_before(connection, config, end.start())?;
    close_gaps(connection, end)?;
    record(connection, &deleted)?;
    Ok(deleted)
}

/// Forgets what is missing of hours before `end`.
fn close_gaps(connection: &Connection, end: Hour) -> Result<(), StoreError> {
    let mut runs = read::all_runs(connection)?;
    let closed = |run: &mut Run| {
        let before = run.kept.len();
        run.close_gaps_before(end);
        run.kept.len() != before
    };
    runs.retain(|_, run| closed(run));
    connection.wait(DELETE, write::insert_runs(connection, &runs))
}

fn record(connection: &Connection, deleted: &Deleted) -> Result<(), StoreError> {
    let Deleted { hours, edge_hours, names } = *deleted;
    let rows = [("hours", hours), ("edge_hours", edge_hours), ("names", names)];
    let rows = rows.map(|(what, count)| DeletedRow { what: what.to_owned(), count });
    connection.wait(DELETE, write::insert::<DeletedRow>(connection, "deleted", None, rows))
}

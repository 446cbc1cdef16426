//! Deleting what is too old.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use watershed_model::{Hour, Timestamp};

use super::{codec, fronts, history, listeners, read, schema, write};
use crate::store::status::Deleted;

/// Deletes whole hours that end by `before`, each in its own transaction: others write in between, and a crash undoes little.
pub(super) fn delete_before(database: &mut Connection, before: Timestamp) -> rusqlite::Result<Deleted> {
    // The hour in which `before` lies has not been over before it.
    let end = Hour::of(before).0;
    let earlier = read::deleted(database)?;
    while delete_oldest_hour(database, end)? {}
    if read::deleted(database)? != earlier {
        delete_unused(database, Hour(end))?;
    }
    let now = read::deleted(database)?;
    Ok(Deleted {
        hours: now.hours.saturating_sub(earlier.hours),
        edge_hours: now.edge_hours.saturating_sub(earlier.edge_hours),
        names: now.names.saturating_sub(earlier.names),
    })
}

/// Deletes the oldest hour if it is before `end`.
fn delete_oldest_hour(database: &mut Connection, end: i64) -> rusqlite::Result<bool> {
    let transaction = schema::begin(database)?;
    let find =
        "SELECT min(hour) FROM (SELECT min(hour) AS hour FROM edge UNION ALL SELECT min(hour) FROM loss)";
    let oldest: Option<i64> = transaction.query_row(find, [], |row| row.get(0)).optional()?.flatten();
    let Some(hour) = oldest.filter(|&hour| hour < end) else { return Ok(false) };
    let edges = transaction.execute("DELETE FROM edge WHERE hour = ?1", [hour])?;
    transaction.execute("DELETE FROM edge_name WHERE hour = ?1", [hour])?;
    transaction.execute("DELETE FROM loss WHERE hour = ?1", [hour])?;
    count(&transaction, "edge_hours", edges)?;
    count(&transaction, "hours", 1)?;
    transaction.commit()?;
    Ok(true)
}

/// Deletes what no row refers to any more, and what is missing of hours that are deleted.
fn delete_unused(database: &mut Connection, before: Hour) -> rusqlite::Result<()> {
    let transaction = schema::begin(database)?;
    let names =
        transaction.execute("DELETE FROM address_name WHERE last_seen < ?1", [before.start().as_nanos()])?;
    write::close_gaps_before(&transaction, before)?;
    history::forget_before(&transaction, before.start())?;
    fronts::forget_before(&transaction, before.start())?;
    listeners::forget_before(&transaction, before.start())?;
    count(&transaction, "names", names)?;
    transaction.execute_batch(
        "DELETE FROM name WHERE id NOT IN (SELECT name FROM edge_name UNION SELECT name FROM address_name);
        DELETE FROM party WHERE id NOT IN (SELECT client FROM edge UNION SELECT server FROM edge);
        DELETE FROM workload WHERE id NOT IN (SELECT workload FROM party WHERE workload IS NOT NULL
            UNION SELECT workload FROM inventory WHERE workload IS NOT NULL
            UNION SELECT workload FROM front WHERE workload IS NOT NULL);",
    )?;
    transaction.commit()
}

fn count(transaction: &Transaction<'_>, what: &str, more: usize) -> rusqlite::Result<()> {
    let add =
        "INSERT INTO deleted (what, count) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET count = count + ?2";
    let mut add = transaction.prepare_cached(add)?;
    add.execute(params![what, codec::integer(more as u64)])?;
    Ok(())
}

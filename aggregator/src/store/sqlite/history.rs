//! Whose addresses were, in an SQLite database.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use watershed_model::{TimeRange, Timestamp};

use super::{Failure, SqliteStore, damaged, fronts, read, schema, write};
use crate::inventory::fronts::FrontChange;
use crate::inventory::{MAX_CHANGES, Source, Told};
use crate::store::history::{HistoryStore, Wanted, fronts_in_order, in_order};
use crate::{Change, StoreError};

const REMEMBER: &str = "REPLACE INTO inventory (network, source, at, workload) VALUES (?1, ?2, ?3, ?4)";

/// No later change up to when the time begins makes this the one that tells whose it was then.
const WANTED: &str = "SELECT network, source, at, workload FROM inventory AS this
    WHERE at <= ?2 AND (at >= ?1 OR NOT EXISTS (
        SELECT 1 FROM inventory AS later WHERE later.network = this.network AND later.source = this.source
            AND later.at > this.at AND later.at <= ?1))";

/// Those that a later one replaced before the time, and then what was nobody's by then.
const FORGET: [&str; 2] = [
    "DELETE FROM inventory WHERE at < ?1 AND EXISTS (
        SELECT 1 FROM inventory AS later WHERE later.network = inventory.network
            AND later.source = inventory.source AND later.at > inventory.at AND later.at <= ?1)",
    "DELETE FROM inventory WHERE at < ?1 AND workload IS NULL",
];

impl HistoryStore for SqliteStore {
    fn remember(&mut self, told: &[Told]) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        let failed = self.failed("keep the inventory in the store");
        let transaction = schema::begin(&mut self.connection).map_err(&failed)?;
        remember(&transaction, told).map_err(|error| error.into_store_error(&failed))?;
        transaction.commit().map_err(&failed)
    }

    fn history(&self, wanted: &Wanted) -> Result<Vec<Told>, StoreError> {
        in_order(history(&self.connection, wanted).map_err(self.failed("read the store"))?)
    }

    fn remember_fronts(&mut self, changes: &[FrontChange]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let failed = self.failed("keep where Services lead in the store");
        let transaction = schema::begin(&mut self.connection).map_err(&failed)?;
        fronts::remember(&transaction, changes).map_err(|error| error.into_store_error(&failed))?;
        transaction.commit().map_err(&failed)
    }

    fn fronts(&self, period: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        fronts_in_order(fronts::read(&self.connection, period).map_err(self.failed("read the store"))?)
    }
}

fn remember(database: &Connection, told: &[Told]) -> Result<(), Failure> {
    let mut remember = database.prepare_cached(REMEMBER)?;
    for Told { source, change: Change { at, prefix, workload } } in told {
        let workload =
            workload.as_deref().map(|workload| write::workload_id(database, workload)).transpose()?;
        remember.execute(params![prefix.to_string(), source.as_str(), at.as_nanos(), workload])?;
    }
    Ok(())
}

/// One more than are allowed tells that there are too many.
fn history(database: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Told>> {
    let moment = database.unchecked_transaction()?;
    let sql = format!("{WANTED} {} LIMIT {}", wanted.network_condition(), MAX_CHANGES + 1);
    let mut find = moment.prepare(&sql)?;
    let mut workloads = HashMap::new();
    let (start, end) = (wanted.period.start.as_nanos(), wanted.period.end.as_nanos());
    let told = find.query_map(params![start, end], |row| {
        let prefix = row.get_ref(0)?.as_str()?.parse();
        let source = row.get_ref(1)?.as_str()?;
        let source = Source::named(source);
        let at = Timestamp::from_nanos(row.get(2)?);
        let workload = row.get::<_, Option<i64>>(3)?;
        let workload = workload.map(|id| read::workload_of(&moment, &mut workloads, id)).transpose()?;
        let prefix = prefix.map_err(|_| damaged("a network of the inventory makes no sense"))?;
        let source = source.ok_or_else(|| damaged("a source of the inventory is unknown"))?;
        Ok(Told { source, change: Change { at, prefix, workload } })
    })?;
    told.collect()
}

/// Deletes what was over before `time`; whose each network was then stays.
pub(super) fn forget_before(database: &Connection, time: Timestamp) -> rusqlite::Result<()> {
    for sql in FORGET {
        database.execute(sql, [time.as_nanos()])?;
    }
    Ok(())
}

//! Where Services led, in an SQLite database.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use watershed_model::{TimeRange, Timestamp};

use super::{Failure, damaged, read, write};
use crate::inventory::fronts::{FrontChange, MAX_FRONT_CHANGES};
use crate::store::fronts::{self, Columns};

const REMEMBER: &str = "REPLACE INTO front
    (address, protocol, port, at, service, workload, server, server_port, rewritten)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// No later change up to when the time begins makes this the one that tells where it led then.
const WANTED: &str = "SELECT address, protocol, port, at, service, workload, server, server_port, rewritten
    FROM front AS this WHERE at <= ?2 AND (at >= ?1 OR NOT EXISTS (
        SELECT 1 FROM front AS later WHERE later.address = this.address AND later.protocol = this.protocol
            AND later.port = this.port AND later.at > this.at AND later.at <= ?1))
    LIMIT ?3";

/// Those that a later one replaced before the time, and then what led to nobody and will not again.
const FORGET: [&str; 2] = [
    "DELETE FROM front WHERE at < ?1 AND EXISTS (
        SELECT 1 FROM front AS later WHERE later.address = front.address AND later.protocol = front.protocol
            AND later.port = front.port AND later.at > front.at AND later.at <= ?1)",
    "DELETE FROM front WHERE at < ?1 AND workload IS NULL AND server = '' AND NOT EXISTS (
        SELECT 1 FROM front AS later WHERE later.address = front.address AND later.protocol = front.protocol
            AND later.port = front.port AND later.at > front.at)",
];

pub(super) fn remember(database: &Connection, changes: &[FrontChange]) -> Result<(), Failure> {
    let mut remember = database.prepare_cached(REMEMBER)?;
    for change in changes {
        let workload = fronts::workload(change);
        let workload = workload.map(|workload| write::workload_id(database, workload)).transpose()?;
        let Columns { address, protocol, port, at, service, server, server_port, rewritten } =
            Columns::of(change);
        remember.execute(params![
            address,
            protocol,
            port,
            at,
            service,
            workload,
            server,
            server_port,
            rewritten
        ])?;
    }
    Ok(())
}

/// One more than are allowed tells that there are too many.
pub(super) fn read(database: &Connection, period: TimeRange) -> rusqlite::Result<Vec<FrontChange>> {
    let moment = database.unchecked_transaction()?;
    let mut find = moment.prepare(WANTED)?;
    let mut workloads = HashMap::new();
    let (start, end) = (period.start.as_nanos(), period.end.as_nanos());
    let limit = (MAX_FRONT_CHANGES + 1) as u64;
    let changes = find.query_map(params![start, end, limit.cast_signed()], |row| {
        let workload = row.get::<_, Option<i64>>(5)?;
        let workload = workload.map(|id| read::workload_of(&moment, &mut workloads, id)).transpose()?;
        let columns = Columns {
            address: row.get(0)?,
            protocol: row.get(1)?,
            port: row.get(2)?,
            at: row.get(3)?,
            service: row.get(4)?,
            server: row.get(6)?,
            server_port: row.get(7)?,
            rewritten: row.get(8)?,
        };
        columns.into_change(workload).map_err(damaged)
    })?;
    changes.collect()
}

/// Deletes what was over before `time`; where each front led then stays.
pub(super) fn forget_before(database: &Connection, time: Timestamp) -> rusqlite::Result<()> {
    for sql in FORGET {
        database.execute(sql, [time.as_nanos()])?;
    }
    Ok(())
}

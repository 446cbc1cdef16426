//! What hosts listened on, in an SQLite database.

use rusqlite::{Connection, params};
use watershed_model::{KnownListener, Listener, Protocol, TimeRange, Timestamp};

use super::{Failure, codec, damaged, read};
use crate::store::listeners::{MAX_LISTENERS, owner, starts_by};

const KEEP: &str =
    "INSERT INTO listener (address, protocol, port, agent, first_seen, user, process, unit, last_seen)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)";

const WANTED: &str = "SELECT address, protocol, port, agent.name, first_seen, user, process, unit, last_seen
    FROM listener JOIN agent ON agent.id = listener.agent WHERE first_seen <= ?1 AND last_seen >= ?2
    ORDER BY last_seen DESC LIMIT ?3";

pub(super) fn keep(database: &Connection, agent: i64, listeners: &[Listener]) -> Result<(), Failure> {
    let mut keep = database.prepare_cached(KEEP)?;
    for listener in listeners {
        let (process, unit) = owner::columns(listener);
        keep.execute(params![
            codec::octets(listener.address),
            listener.protocol.0,
            listener.port,
            agent,
            listener.first_seen.as_nanos(),
            listener.user,
            process,
            unit,
            listener.last_seen.as_nanos(),
        ])?;
    }
    Ok(())
}

/// Those that may have gone on into a time.
pub(super) fn read(database: &Connection, period: TimeRange) -> rusqlite::Result<Vec<KnownListener>> {
    let mut find = database.prepare_cached(WANTED)?;
    let (end, start) = (period.end.as_nanos(), starts_by(period).as_nanos());
    let listeners = find.query_map(params![end, start, MAX_LISTENERS as u64 as i64], |row| {
        let address =
            codec::address(row.get_ref(0)?.as_blob()?).ok_or_else(|| damaged("an address of a listener"))?;
        let (process, unit) = (row.get::<_, String>(6)?, row.get::<_, String>(7)?);
        let listener = Listener {
            address,
            protocol: Protocol(row.get(1)?),
            port: row.get(2)?,
            first_seen: Timestamp::from_nanos(row.get(4)?),
            last_seen: Timestamp::from_nanos(row.get(8)?),
            user: row.get(5)?,
            owner: owner::of(process, unit),
        };
        Ok(KnownListener { listener, agent: read::agent(row, 3)? })
    })?;
    let mut listeners = listeners.collect::<rusqlite::Result<Vec<_>>>()?;
    listeners.sort_unstable();
    Ok(listeners)
}

/// Deletes those that were last seen before `time`.
pub(super) fn forget_before(database: &Connection, time: Timestamp) -> rusqlite::Result<()> {
    database.execute("DELETE FROM listener WHERE last_seen < ?1", [time.as_nanos()]).map(drop)
}

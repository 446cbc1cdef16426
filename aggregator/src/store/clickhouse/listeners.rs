//! What hosts listened on, on a ClickHouse server.

use clickhouse::error::Error;
use watershed_model::{AgentId, KnownListener, Listener, Protocol, TimeRange, Timestamp};

use super::connection::Connection;
use super::rows::{ListenerRow, address, read_address, time};
use super::{ClickHouseConfig, READ, schema, write};
use crate::store::listeners::{MAX_LISTENERS, owner, starts_by};
use crate::{Block, StoreError};

const KEY: &str = "address, protocol, port, agent, first_seen, user, process, unit";

/// Rows that come again change nothing.
pub(super) async fn insert(connection: &Connection, blocks: &[&Block<'_>]) -> Result<(), Error> {
    let told = blocks.iter().filter_map(|block| Some((block, block.token.as_ref()?)));
    let rows =
        told.flat_map(|(block, token)| block.listeners.iter().map(|listener| row(listener, &token.agent)));
    write::insert::<ListenerRow>(connection, "listeners", None, rows).await
}

fn row(listener: &Listener, agent: &AgentId) -> ListenerRow {
    let (process, unit) = owner::columns(listener);
    ListenerRow {
        address: address(listener.address),
        protocol: listener.protocol.0,
        port: listener.port,
        agent: agent.to_string(),
        first_seen: listener.first_seen.as_nanos(),
        user: listener.user,
        process: process.to_owned(),
        unit: unit.to_owned(),
        last_seen: listener.last_seen.as_nanos(),
    }
}

/// Those that may have gone on into a time.
pub(super) fn read(connection: &Connection, period: TimeRange) -> Result<Vec<KnownListener>, StoreError> {
    let sql = format!(
        "SELECT {KEY}, max(last_seen) AS last_seen FROM listeners
        WHERE first_seen <= fromUnixTimestamp64Nano(toInt64(?), 'UTC') GROUP BY {KEY}
        HAVING last_seen >= fromUnixTimestamp64Nano(toInt64(?), 'UTC')
        ORDER BY last_seen DESC LIMIT {MAX_LISTENERS}"
    );
    let query = connection.query(&sql).bind(period.end.as_nanos()).bind(starts_by(period).as_nanos());
    let mut listeners = Vec::new();
    connection.each(READ, query, |row: ListenerRow| {
        let listener = Listener {
            address: read_address(row.address),
            protocol: Protocol(row.protocol),
            port: row.port,
            first_seen: time(row.first_seen),
            last_seen: time(row.last_seen),
            user: row.user,
            owner: owner::of(row.process, row.unit),
        };
        listeners.push(KnownListener { listener, agent: AgentId::from(row.agent.as_str()) });
        Ok(())
    })?;
    listeners.sort_unstable();
    Ok(listeners)
}

/// Deletes those that were last seen before `before`.
pub(super) fn forget_before(
    connection: &Connection,
    config: &ClickHouseConfig,
    before: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "ALTER TABLE listeners{{local}}{{on_cluster}} DELETE WHERE ({KEY}) IN (
            SELECT {KEY} FROM listeners{{local}} GROUP BY {KEY}
            HAVING max(last_seen) < fromUnixTimestamp64Nano(toInt64(?), 'UTC'))
        SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
    );
    let query = connection.query(&schema::render(&sql, config)).bind(before.as_nanos());
    connection.execute("delete old hours from the store", query)
}

//! The tables: what a database must be, and how it comes to have the latest ones.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::Connection;
use super::{ClickHouseConfig, ClickHouseLocation};
use crate::StoreError;

/// What makes version 1, 2, ... of the tables out of the one before: on every server, and then in a cluster. Each
/// may run again.
const MIGRATIONS: [(&str, &str); 7] = [
    (
        include_str!("../../../migrations/clickhouse/0001_tables.sql"),
        include_str!("../../../migrations/clickhouse/0001_cluster.sql"),
    ),
    (
        include_str!("../../../migrations/clickhouse/0002_inventory.sql"),
        include_str!("../../../migrations/clickhouse/0002_cluster.sql"),
    ),
    (
        include_str!("../../../migrations/clickhouse/0003_summaries.sql"),
        include_str!("../../../migrations/clickhouse/0003_cluster.sql"),
    ),
    // Views over what is asked: over the distributed tables in a cluster, with nothing to add there.
    (include_str!("../../../migrations/clickhouse/0004_views.sql"), ""),
    (
        include_str!("../../../migrations/clickhouse/0005_fronts.sql"),
        include_str!("../../../migrations/clickhouse/0005_cluster.sql"),
    ),
    // What a column may hold; nothing to add in a cluster.
    (include_str!("../../../migrations/clickhouse/0006_declared.sql"), ""),
    (
        include_str!("../../../migrations/clickhouse/0007_listeners.sql"),
        include_str!("../../../migrations/clickhouse/0007_cluster.sql"),
    ),
];

/// Which migrations were run.
const RECORD: &str = "CREATE TABLE IF NOT EXISTS migrations{on_cluster} (version UInt32, program String)
    ENGINE = {replicated}MergeTree{path} ORDER BY version";

/// Inserts that a table remembers the tokens of, so that none counts twice. An aggregator repeats its latest
/// insert only: this is room for as many of them as one server stands.
const WINDOW: u32 = 10_000;

/// How long a replicated table remembers them, seconds: a week, so that a stop over holidays is none.
const WINDOW_SECONDS: u32 = 7 * 86_400;

const OPEN: &str = "open the store";
const MIGRATE: &str = "make the tables of the store";

/// Enters the database and brings its tables up to date; makes it where there is none and `create` says so.
pub(super) fn open(
    connection: &mut Connection,
    location: &ClickHouseLocation,
    config: &ClickHouseConfig,
    create: bool,
) -> Result<(), StoreError> {
    let database = &location.database;
    let not_a_store = |reason| StoreError::NotAStore { path: PathBuf::from(location.to_string()), reason };
    if create {
        let on_cluster = render("{on_cluster}", config);
        let statement = format!("CREATE DATABASE IF NOT EXISTS `{database}`{on_cluster}");
        connection.execute(OPEN, connection.query(&statement))?;
    }
    let tables = "SELECT name FROM system.tables WHERE database = ?";
    let tables: Vec<String> = connection.all(OPEN, connection.query(tables).bind(database))?;
    let recorded = tables.iter().any(|table| table == "migrations");
    if !recorded && !create {
        return Err(not_a_store("there is no such database, or it has no tables"));
    }
    if !recorded && !tables.is_empty() {
        return Err(not_a_store("it is the database of another program"));
    }
    connection.enter(database);
    let version = if recorded { version(connection)? } else { 0 };
    if version > known() {
        let path = PathBuf::from(location.to_string());
        return Err(StoreError::Newer { path, version: version.into(), known: known().into() });
    }
    migrate(connection, config, version)?;
    if create {
        set_retention(connection, config)?;
    }
    Ok(())
}

fn known() -> u32 {
    MIGRATIONS.len() as u32
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    let version: Vec<u32> = connection.all(OPEN, connection.query("SELECT max(version) FROM migrations"))?;
    Ok(version.first().copied().unwrap_or(0))
}

/// All missing migrations in order, each recorded once it is through: what stops in between runs again.
fn migrate(connection: &Connection, config: &ClickHouseConfig, version: u32) -> Result<(), StoreError> {
    let run = |sql: &str| {
        statements(&render(sql, config))
            .try_for_each(|statement| connection.execute(MIGRATE, connection.client().query_raw(statement)))
    };
    if version == 0 {
        run(RECORD)?;
    }
    for (number, (tables, cluster)) in (1..).zip(MIGRATIONS).skip(version as usize) {
        run(tables)?;
        if config.cluster.is_some() {
            run(cluster)?;
        }
        let record = format!("INSERT INTO migrations VALUES ({number}, '{}')", env!("CARGO_PKG_VERSION"));
        run(&record)?;
    }
    Ok(())
}

/// Has the server drop flow records that are older than the setting says; the edges stay.
fn set_retention(connection: &Connection, config: &ClickHouseConfig) -> Result<(), StoreError> {
    let engine = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?";
    let table = render("flows{local}", config);
    let engine: Vec<String> = connection.all(OPEN, connection.query(engine).bind(&table))?;
    let now = engine.first().map_or("", String::as_str);
    let alter = match config.flow_retention.as_ref().map(Duration::as_secs) {
        Some(seconds) if now.contains(&format!("toIntervalSecond({seconds})")) => return Ok(()),
        Some(seconds) => format!("MODIFY TTL toDateTime(first_seen) + toIntervalSecond({seconds})"),
        None if now.contains(" TTL ") => "REMOVE TTL".to_owned(),
        None => return Ok(()),
    };
    let statement = render(&format!("ALTER TABLE flows{{local}}{{on_cluster}} {alter}"), config);
    connection.execute("set the retention of the store", connection.query(&statement))
}

/// Fills in what differs between one server and a cluster.
pub(super) fn render(sql: &str, config: &ClickHouseConfig) -> String {
    let cluster = config.cluster.as_ref().map(|name| {
        let name = name.replace('\\', "\\\\").replace('\'', "\\'");
        format!("'{name}'")
    });
    let window = match &cluster {
        None => format!("non_replicated_deduplication_window = {WINDOW}"),
        Some(_) => format!(
            "replicated_deduplication_window = {WINDOW}, replicated_deduplication_window_seconds = {WINDOW_SECONDS}"
        ),
    };
    let in_cluster = |text: &'static str| if cluster.is_some() { text } else { "" };
    // The server fills in what is in braces in a path: the first and the last from its own settings.
    let path = in_cluster("('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')");
    let on_cluster = cluster.as_ref().map_or(String::new(), |name| format!(" ON CLUSTER {name}"));
    sql.replace("{local}", in_cluster("_local"))
        .replace("{on_cluster}", &on_cluster)
        .replace("{replicated}", in_cluster("Replicated"))
        .replace("{path}", path)
        .replace("{window}", &window)
        .replace("{cluster}", cluster.as_deref().unwrap_or_default())
}

/// Each of a file's statements: they end with a semicolon at the end of a line, and no comment has one there.
pub(super) fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

/// Every statement of every migration.
#[cfg(test)]
pub(super) fn all_statements(config: &ClickHouseConfig) -> Vec<String> {
    let files = MIGRATIONS.iter().flat_map(|(tables, cluster)| [*tables, *cluster]);
    let files = [RECORD].into_iter().chain(files);
    files.flat_map(|file| statements(&render(file, config)).map(str::to_owned).collect::<Vec<_>>()).collect()
}

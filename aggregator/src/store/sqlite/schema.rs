//! The database file: what it must be, and how it comes to have the latest tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::StoreError;

/// Marks a database as a store of Watershed: `WSHD`.
const APPLICATION: i64 = 0x5753_4844;

/// What makes version 1, 2, ... of the tables out of the one before. Each may run again.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../../migrations/sqlite/0001_edges.sql"),
    include_str!("../../../migrations/sqlite/0002_missing.sql"),
    include_str!("../../../migrations/sqlite/0003_inventory.sql"),
    include_str!("../../../migrations/sqlite/0004_fronts.sql"),
    include_str!("../../../migrations/sqlite/0005_declared.sql"),
    include_str!("../../../migrations/sqlite/0006_listeners.sql"),
];

/// How long to wait for another process that writes: many times what a block takes.
const BUSY: Duration = Duration::from_secs(30);

/// Statements kept prepared: all that a block and a snapshot need.
const STATEMENTS: usize = 48;

/// Opens the database and brings its tables up to date.
pub(super) fn open(path: &Path, create: bool, max_bytes: u64) -> Result<Connection, StoreError> {
    let cannot = |error| at(path, "open the store", max_bytes)(error);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let mut connection = Connection::open_with_flags(path, flags).map_err(cannot)?;
    connection.busy_timeout(BUSY).map_err(cannot)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let version = version(&connection, path, create, max_bytes)?;
    // Readers go on while a block is written; a commit is on the disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL").map_err(cannot)?;
    limit(&connection, max_bytes).map_err(cannot)?;
    if version < known() {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(cannot)?;
        migrate(&mut connection).map_err(at(path, "make the tables of the store", max_bytes))?;
    }
    Ok(connection)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the tables, 0 in a new file; an error where the file is something else.
fn version(connection: &Connection, path: &Path, create: bool, max_bytes: u64) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(at(path, "read the version of the store", max_bytes))
    };
    let not_a_store = |reason| StoreError::NotAStore { path: path.to_owned(), reason };
    let (application, version, pages) =
        (pragma("application_id")?, pragma("user_version")?, pragma("page_count")?);
    let empty = pages == 0 || (application == 0 && version == 0 && tables(connection) == Some(0));
    if empty && !create {
        return Err(not_a_store("it is an empty database"));
    }
    if !empty && application != APPLICATION {
        return Err(not_a_store("it is the database of another program"));
    }
    if version > known() {
        return Err(StoreError::Newer { path: path.to_owned(), version, known: known() });
    }
    Ok(version)
}

fn tables(connection: &Connection) -> Option<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).ok()
}

/// Pages beyond the limit are refused as a full disk is.
fn limit(connection: &Connection, max_bytes: u64) -> rusqlite::Result<()> {
    let page = connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?;
    let pages = max_bytes / u64::try_from(page).unwrap_or(4096).max(1);
    // SQLite's own limit.
    let pages = pages.clamp(1, 0xffff_fffe);
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// All missing migrations and the new version in one transaction; another process may have been faster.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", version.max(known()))?;
    transaction.commit()
}

/// A transaction that may write from its start, so that it never has to give up half-way.
pub(super) fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Turns what SQLite says into what a person can act on.
pub(super) fn at(
    path: &Path,
    operation: &'static str,
    limit: u64,
) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| {
        let path = path.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                StoreError::NotAStore { path, reason: "it is no SQLite database" }
            }
            Some(ErrorCode::DiskFull) => StoreError::Full { operation, path, limit },
            Some(ErrorCode::CannotOpen) => StoreError::Open {
                path,
                reason: "there is none, or it may not be opened; check the path and its rights",
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::Open {
                path,
                reason: "the file or its directory is write-protected, and SQLite writes beside a file even to \
                         read it; make them writable or copy the file to where it is",
            },
            _ => StoreError::Sqlite { operation, path, reason: error.to_string() },
        }
    }
}

//! The way to the server: one client on a runtime of its own, so that the store's seam need not be asynchronous.

use std::error::Error as _;
use std::fs;
use std::future::Future;
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::query::Query;
use clickhouse::{Client, Compression, Row, RowOwned, RowRead};
use tokio::runtime::{Builder, Runtime};

use super::{ClickHouseConfig, ClickHouseLocation};
use crate::StoreError;

/// How much of what the server says is told on: its errors repeat the query.
const MAX_REASON: usize = 600;

/// Exceptions that pass: the server has too much to do or no room just now, or cannot reach what it needs.
/// Numbers from ClickHouse's `src/Common/ErrorCodes.cpp`.
const PASSING: [u32; 19] = [
    159, // TIMEOUT_EXCEEDED
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    236, // ABORTED
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY
    243, // NOT_ENOUGH_SPACE
    252, // TOO_MANY_PARTS
    279, // ALL_CONNECTION_TRIES_FAILED
    285, // TOO_FEW_LIVE_REPLICAS
    286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    289, // REPLICA_IS_NOT_IN_QUORUM
    319, // UNKNOWN_STATUS_OF_INSERT
    394, // QUERY_WAS_CANCELLED
    473, // DEADLOCK_AVOIDED
    499, // S3_ERROR
    745, // SERVER_OVERLOADED
    999, // KEEPER_EXCEPTION
];

/// A client, and the thread's own runtime that it works on.
pub(super) struct Connection {
    runtime: Runtime,
    client: Client,
    place: String,
    timeout: Duration,
}

impl Connection {
    /// A way to the server at `location`; goes nowhere yet.
    pub(super) fn new(location: &ClickHouseLocation, config: &ClickHouseConfig) -> Result<Self, StoreError> {
        let place = location.to_string();
        let mut client = Client::default()
            .with_url(location.url())
            .with_user(&location.user)
            .with_compression(Compression::Lz4)
            .with_product_info("watershed", env!("CARGO_PKG_VERSION"));
        if let Some(path) = &config.password_file {
            let password = fs::read_to_string(path)
                .map_err(|error| StoreError::Password { path: path.clone(), reason: error.to_string() })?;
            client = client.with_password(password.trim_end_matches(['\r', '\n']));
        }
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            let (operation, place, reason) = ("reach the store", place.clone(), error.to_string());
            StoreError::Unavailable { operation, place, reason }
        })?;
        Ok(Self { runtime, client, place, timeout: config.timeout })
    }

    /// From now on everything is asked of this database.
    pub(super) fn enter(&mut self, database: &str) {
        self.client = self.client.clone().with_database(database);
    }

    /// From now on every query and insert has this setting of ClickHouse's.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.client.set_setting(name, value);
    }

    /// How long an answer may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The client, for what goes through [`Connection::wait`].
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// A query; `?` stands for values that are bound to it.
    pub(super) fn query(&self, sql: &str) -> Query {
        self.client.query(sql)
    }

    /// Runs a statement that gives no rows.
    pub(super) fn execute(&self, operation: &'static str, query: Query) -> Result<(), StoreError> {
        self.wait(operation, async { self.in_time(query.execute()).await })
    }

    /// All rows of a query that has few.
    pub(super) fn all<T>(&self, operation: &'static str, query: Query) -> Result<Vec<T>, StoreError>
    where
        T: RowOwned + RowRead,
    {
        self.wait(operation, async { self.in_time(query.fetch_all::<T>()).await })
    }

    /// Hands every row to `each` as it comes, so that they are never all in memory; `each` may end it.
    pub(super) fn each<T>(
        &self,
        operation: &'static str,
        query: Query,
        mut each: impl FnMut(T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>
    where
        T: Row + RowOwned + RowRead,
    {
        let rows = async {
            let mut cursor = query.fetch::<T>()?;
            while let Some(row) = self.in_time(cursor.next()).await? {
                if let Err(error) = each(row) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        };
        self.wait(operation, rows)?
    }

    /// The one place that waits for the server.
    pub(super) fn wait<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        self.runtime.block_on(answer).map_err(|error| self.error(operation, &error))
    }

    /// An answer that takes no longer than the setting says.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(Err(Error::TimedOut))
    }

    /// A value on the server that makes no sense.
    pub(super) fn damaged(&self, reason: &'static str) -> StoreError {
        let (operation, place) = (super::READ, self.place.clone());
        StoreError::ClickHouse { operation, place, reason: reason.to_owned() }
    }

    fn error(&self, operation: &'static str, error: &Error) -> StoreError {
        let place = self.place.clone();
        match error {
            Error::TimedOut => {
                let reason = format!("no answer within {} s", self.timeout.as_secs());
                StoreError::Unavailable { operation, place, reason }
            }
            Error::Network(_) => {
                StoreError::Unavailable { operation, place, reason: cut(&with_causes(error)) }
            }
            Error::BadResponse(reason) => match exception(reason) {
                Some(code) if !PASSING.contains(&code) => {
                    StoreError::ClickHouse { operation, place, reason: cut(reason) }
                }
                None if !reason.starts_with('5') => {
                    StoreError::ClickHouse { operation, place, reason: cut(reason) }
                }
                _ => StoreError::Unavailable { operation, place, reason: cut(reason) },
            },
            other => StoreError::ClickHouse { operation, place, reason: cut(&with_causes(other)) },
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client knows the password.
        f.debug_struct("Connection").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The number of ClickHouse's exception: `Code: 60. DB::Exception: ...`.
fn exception(reason: &str) -> Option<u32> {
    let (_, rest) = reason.split_once("Code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// One line, not too long.
fn cut(reason: &str) -> String {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &Error) -> StoreError {
        let location = ClickHouseLocation::parse("clickhouse://me@db").unwrap();
        Connection::new(&location, &ClickHouseConfig::default()).unwrap().error("read the store", error)
    }

    #[test]
    fn what_passes_may_be_tried_again_and_nothing_else() {
        for (reason, again) in [
            ("Code: 252. DB::Exception: Too many parts", true),
            ("Code: 241", true),
            ("503 Service Unavailable", true),
            ("Code: 60. DB::Exception: Unknown table", false),
            ("Code: 516. DB::Exception: me: Authentication failed", false),
            ("404 Not Found", false),
        ] {
            let error = told(&Error::BadResponse(reason.to_owned()));
            assert_eq!(error.may_pass(), again, "{error}");
        }
        let error = told(&Error::TimedOut).to_string();
        assert!(error.contains("no answer within 60 s"), "{error}");
        assert!(error.contains("clickhouse://me@db:8123/watershed"), "{error}");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = cut(&"é\n".repeat(5_000));
        assert!(reason.ends_with(" ...") && reason.chars().count() == MAX_REASON + 4, "{reason}");
    }
}

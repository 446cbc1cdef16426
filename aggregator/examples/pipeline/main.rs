//! What each stage of the pipeline costs for a flow record, alone and together, and what a record takes in the stores.
//!
//! ```text
//! cargo run --release -p watershed-aggregator --example pipeline -- [RECORDS]
//! ```
//!
//! CPU time is that of the one thread that does the work, so the stores' own threads and the ClickHouse engine, which
//! is another process, are not in it; records/s are by the clock on the wall. The engine inserting the same rows from
//! a file by itself, with the same views, is what an insert is held against.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends")]

mod measure;

mod traffic;

#[path = "../../../tests/support/clickhouse/mod.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr as _;
use std::sync::mpsc;

use measure::{Measured, measure};
use traffic::{BATCH, Made};
use watershed_aggregator::inventory::fronts::FrontChange;
use watershed_aggregator::{
    Aggregator, AggregatorConfig, AggregatorError, Block, Delivery, DeliveryToken, FlowSource, FlowStore,
    HistoryStore, OpenInventory, Run, StoreConfig, StoreError, StoreLocation, Told, Wanted, run, store,
};
use watershed_model::{AgentId, Batch, Snapshot, TimeRange, Timestamp, wire};

/// Batches in a delivery: what an aggregator takes from Kafka at once when it is busy.
const DELIVERY: usize = 20;

fn main() {
    let records =
        std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of records"));
    let records = records / (BATCH * DELIVERY) * (BATCH * DELIVERY);
    println!("{records} records in batches of {BATCH}, {DELIVERY} batches at a time");
    println!("{:34} {:>10} {:>12}", "", "CPU us", "records/s");
    let row = |what: &str, Measured { whole, cpu }: Measured| {
        let (cpu, rate) = (cpu.as_secs_f64() * 1e6 / records as f64, records as f64 / whole.as_secs_f64());
        println!("{what:34} {cpu:>10.2} {rate:>12.0}");
    };

    let coded = code(records);
    row("encode", coded.encode);
    row("decode", coded.decode);
    row("join", aggregate(records, Given::made(records), Nowhere));

    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("edges.db").display());
    row("join, insert into SQLite", aggregate(records, Given::made(records), open(&sqlite)));

    let server = server::Server::start();
    let clickhouse = server.location("bench");
    row("join, insert into ClickHouse", aggregate(records, Given::made(records), open(&clickhouse)));
    let together = aggregate(records, Given::encoded(records), open(&server.location("together")));
    row("decode, join, insert into it", together);
    let alone = engine_alone(&server);
    println!(
        "{:34} {:>10} {:>12.0}",
        "the engine alone, from a file",
        "",
        records as f64 / alone.whole.as_secs_f64()
    );
    let ratio = together.whole.as_secs_f64() / alone.whole.as_secs_f64();
    println!("{:34} {ratio:>10.2}", "time together, engine alone = 1");

    println!(
        "{:34} {:>10.1} octets a record",
        "on the wire, uncompressed",
        coded.octets as f64 / records as f64
    );
    let size = fs::metadata(folder.path().join("edges.db")).unwrap().len();
    println!("{:34} {:>10.1} octets a record, as edges", "in SQLite", size as f64 / records as f64);
    for table in ["flows", "edges_hourly", "edges_daily"] {
        in_clickhouse(&server, table);
    }
    columns_of_flows(&server);
}

/// What the wire format costs.
struct Coded {
    encode: Measured,
    decode: Measured,
    octets: usize,
}

fn code(records: usize) -> Coded {
    let mut made = Made::new();
    let mut coded = Coded { encode: Measured::default(), decode: Measured::default(), octets: 0 };
    for number in 0..records / BATCH {
        let batch = made.batch(number as u64);
        let (octets, encode) = measure(|| wire::encode(&batch));
        let (back, decode) = measure(|| wire::decode(&octets));
        assert!(back.unwrap() == batch, "a batch comes back as it was");
        coded.encode += encode;
        coded.decode += decode;
        coded.octets += octets.len();
    }
    coded
}

fn open(location: &str) -> store::OpenStore {
    let location = StoreLocation::from_str(location).unwrap();
    store::open(&StoreConfig { location, ..StoreConfig::default() }).unwrap()
}

/// Joins all that the source gives, and puts it into the store.
fn aggregate(records: usize, mut source: Given, store: impl FlowStore) -> Measured {
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::default(), store);
    let (ended, measured) = measure(|| run(&mut source, &mut aggregator, |_| {}));
    ended.unwrap();
    assert_eq!(aggregator.progress().records, records as u64);
    measured
}

/// Deliveries that another thread makes, so that its time is none of ours.
enum Given {
    Made(mpsc::Receiver<Vec<Batch>>, u64),
    Encoded(mpsc::Receiver<Vec<Vec<u8>>>, u64),
}

impl Given {
    fn made(records: usize) -> Self {
        Self::Made(produce(records, |batch| batch), 0)
    }

    /// As they come from Kafka.
    fn encoded(records: usize) -> Self {
        Self::Encoded(produce(records, |batch| wire::encode(&batch)), 0)
    }
}

fn produce<T: Send + 'static>(records: usize, form: fn(Batch) -> T) -> mpsc::Receiver<Vec<T>> {
    let (give, take) = mpsc::sync_channel(2);
    std::thread::spawn(move || {
        let mut made = Made::new();
        for number in 0..records / (BATCH * DELIVERY) {
            let batches = (0..DELIVERY).map(|n| form(made.batch((number * DELIVERY + n) as u64)));
            if give.send(batches.collect()).is_err() {
                return;
            }
        }
    });
    take
}

impl FlowSource for Given {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        let (batches, number) = match self {
            Self::Made(take, number) => (take.recv().ok(), number),
            Self::Encoded(take, number) => {
                let decoded =
                    |octets: Vec<Vec<u8>>| octets.iter().map(|one| wire::decode(one).unwrap()).collect();
                (take.recv().ok().map(decoded), number)
            }
        };
        *number += 1;
        let token = DeliveryToken(format!("bench/0/{number}"));
        Ok(batches.map(|batches| Delivery { token, batches, resumed: false }))
    }
}

/// The engine inserts what `bench` holds from a file into tables and views like ours.
fn engine_alone(server: &server::Server) -> Measured {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::remove_file(file.path()).unwrap();
    let path = file.path().display();
    let format = "RowBinaryWithNamesAndTypes";
    server.ask("bench", &format!("INSERT INTO FUNCTION file('{path}', {format}) SELECT * FROM flows"));
    drop(open(&server.location("alone")));
    let columns = server.ask(
        "alone",
        "SELECT arrayStringConcat(groupArray(name), ',') FROM system.columns
        WHERE database = 'alone' AND table = 'flows' AND default_kind = ''",
    );
    let insert = format!("INSERT INTO flows ({columns}) SELECT * FROM file('{path}', {format})");
    measure(|| server.ask("alone", &insert)).1
}

/// What a table takes when its parts have been merged.
fn in_clickhouse(server: &server::Server, table: &str) {
    server.ask("bench", &format!("OPTIMIZE TABLE {table} FINAL"));
    let size = server.ask(
        "bench",
        &format!(
            "SELECT concat(toString(round(sum(bytes_on_disk) / sum(rows), 1)), ' octets a row, ', toString(sum(rows)), ' rows')
            FROM system.parts WHERE database = 'bench' AND table = '{table}' AND active"
        ),
    );
    println!("{:34} {size}", format!("in ClickHouse, {table}"));
}

/// Which columns take most.
fn columns_of_flows(server: &server::Server) {
    let columns = server.ask(
        "bench",
        "SELECT concat('    ', rightPad(column, 30), leftPad(toString(octets), 11)) FROM (
            SELECT column, round(sum(column_data_compressed_bytes) / sum(rows), 2) AS octets FROM system.parts_columns
            WHERE database = 'bench' AND table = 'flows' AND active GROUP BY column
        ) ORDER BY octets DESC, column LIMIT 12",
    );
    println!("of which\n{columns}");
}

/// A store that keeps nothing, to see what comes before the store.
struct Nowhere;

impl HistoryStore for Nowhere {
    fn remember(&mut self, _: &[Told]) -> Result<(), StoreError> {
        Ok(())
    }

    fn history(&self, _: &Wanted) -> Result<Vec<Told>, StoreError> {
        Err(StoreError::NothingKept)
    }

    fn remember_fronts(&mut self, _: &[FrontChange]) -> Result<(), StoreError> {
        Ok(())
    }

    fn fronts(&self, _: TimeRange) -> Result<Vec<FrontChange>, StoreError> {
        Err(StoreError::NothingKept)
    }
}

impl FlowStore for Nowhere {
    fn append(&mut self, _: &DeliveryToken, _: &[Block<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn run(&self, _: &AgentId, _: Timestamp) -> Result<Option<Run>, StoreError> {
        Ok(None)
    }

    fn runs(&self, _: &AgentId) -> Result<BTreeMap<Timestamp, Run>, StoreError> {
        Ok(BTreeMap::new())
    }

    fn snapshot(&self, _: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        Err(StoreError::NothingKept)
    }
}

//! What it costs to put flow records into ClickHouse, and what they take there.
//!
//! ```text
//! cargo run --release -p watershed-aggregator --example clickhouse-insert -- [RECORDS]
//! ```
//!
//! Tells the CPU time that this process takes for each record, with the store and without; the time until all are
//! in, beside that of the engine inserting the same rows from a file by itself; and bytes for each row.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use watershed_aggregator::{
    Aggregator, AggregatorConfig, AggregatorError, Block, Delivery, DeliveryToken, FlowSource, FlowStore,
    OpenInventory, Run, StoreConfig, StoreError, StoreLocation, run, store,
};
use watershed_model::{
    AgentId, Batch, ConnState, Counters, EndReason, Endpoint, Evidence, FlowRecord, History, InterfaceId,
    NameHints, Protocol, Snapshot, TcpFlags, TimeRange, Timestamp, Traffic,
};

#[path = "../../tests/support/clickhouse/mod.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other crates")]
mod server;

/// Records in a batch, and batches in a delivery: what an aggregator takes from Kafka at once when it is busy.
const BATCH: usize = 5_000;
const DELIVERY: usize = 20;

fn main() {
    let records =
        std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of records"));
    let server = server::Server::start();
    let without = measure(records, Nowhere);
    let location = StoreLocation::from_str(&server.location("bench")).unwrap();
    let config = StoreConfig { location, ..StoreConfig::default() };
    let with = measure(records, store::open(&config).unwrap());
    let number = records as f64;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / number;
    println!("records                        {records}");
    println!("join, CPU                      {:.2} us a record", each(without.cpu));
    println!("join and insert, CPU           {:.2} us a record", each(with.cpu));
    println!("insert alone, CPU              {:.2} us a record", each(with.cpu.saturating_sub(without.cpu)));
    println!(
        "join and insert                {:.2} s, {:.0} records/s",
        with.whole.as_secs_f64(),
        number / with.whole.as_secs_f64()
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::remove_file(file.path()).unwrap();
    let path = file.path().display();
    server.ask(
        "bench",
        &format!("INSERT INTO FUNCTION file('{path}', RowBinaryWithNamesAndTypes) SELECT * FROM flows"),
    );
    let location = StoreLocation::from_str(&server.location("alone")).unwrap();
    drop(store::open(&StoreConfig { location, ..StoreConfig::default() }).unwrap());
    let started = now();
    let columns = server.ask("alone", "SELECT arrayStringConcat(groupArray(name), ',') FROM system.columns WHERE database = 'alone' AND table = 'flows' AND default_kind = ''");
    server.ask(
        "alone",
        &format!("INSERT INTO flows ({columns}) SELECT * FROM file('{path}', RowBinaryWithNamesAndTypes)"),
    );
    let alone = started.elapsed();
    println!("the engine alone, from a file  {:.2} s", alone.as_secs_f64());
    println!("ratio                          {:.2}", with.whole.as_secs_f64() / alone.as_secs_f64());

    for table in ["flows", "edges_hourly", "edges_daily"] {
        server.ask("bench", &format!("OPTIMIZE TABLE {table} FINAL"));
        let size = format!(
            "SELECT concat(toString(sum(rows)), ' rows, ', toString(round(sum(bytes_on_disk) / sum(rows), 1)), ' bytes each')
            FROM system.parts WHERE database = 'bench' AND table = '{table}' AND active"
        );
        println!("{table:30} {}", server.ask("bench", &size));
    }
}

/// Time on the wall, and this thread's on a processor.
struct Measured {
    whole: Duration,
    cpu: Duration,
}

fn measure(records: usize, store: impl FlowStore) -> Measured {
    let mut aggregator = Aggregator::new(AggregatorConfig::default(), OpenInventory::Empty, store);
    // Made by another thread, so that its time is none of ours.
    let (give, take) = mpsc::sync_channel(2);
    std::thread::spawn(move || {
        let mut made = Made::new();
        for number in 0..records.div_ceil(BATCH * DELIVERY) {
            let batches = (0..DELIVERY).map(|n| made.batch((number * DELIVERY + n) as u64));
            let token = DeliveryToken(format!("bench/0/{number}"));
            let delivery = Delivery { token, batches: batches.collect(), resumed: false };
            if give.send(delivery).is_err() {
                return;
            }
        }
    });
    let (started, cpu) = (now(), cpu_time());
    run(&mut Given(take), &mut aggregator, |_| {}).unwrap();
    Measured { whole: started.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// Time that this thread has had on a processor; zero where the system does not say.
fn cpu_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

struct Given(mpsc::Receiver<Delivery>);

impl FlowSource for Given {
    fn next(&mut self) -> Result<Option<Delivery>, AggregatorError> {
        Ok(self.0.recv().ok())
    }
}

/// A store that keeps nothing, to see what comes before the store.
struct Nowhere;

impl FlowStore for Nowhere {
    fn append(&mut self, _: &DeliveryToken, _: &[Block<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn run(&self, _: &AgentId, _: Timestamp) -> Result<Option<Run>, StoreError> {
        Ok(None)
    }

    fn snapshot(&self, _: Option<TimeRange>) -> Result<Snapshot, StoreError> {
        Err(StoreError::NothingKept)
    }
}

/// Traffic of a company: 2000 clients, 200 servers with two services each, some of which most clients use.
struct Made {
    random: fastrand::Rng,
    now: Timestamp,
}

impl Made {
    fn new() -> Self {
        Self { random: fastrand::Rng::with_seed(1), now: Timestamp::from_parts(1_760_000_000, 0) }
    }

    fn batch(&mut self, sequence: u64) -> Batch {
        let records: Vec<FlowRecord> = (0..BATCH).map(|_| self.record()).collect();
        Batch {
            agent: AgentId::from("node-17.example"),
            started: Timestamp::from_parts(1_759_000_000, 0),
            sequence,
            now: self.now,
            counters: Counters { records: (sequence + 1) * records.len() as u64, ..Counters::default() },
            records,
            names: Vec::new(),
        }
    }

    fn record(&mut self) -> FlowRecord {
        let random = &mut self.random;
        self.now = self.now.plus(Duration::from_nanos(random.u64(0..2_000_000)));
        // Squared: few servers have most of the clients.
        let server = (random.f64() * random.f64() * 200.0) as u8;
        let client = random.u16(0..2_000);
        let (answered, tls) = (random.u8(0..20) > 0, server.is_multiple_of(3));
        let packets = random.u64(4..40);
        let sent = |packets: u64, payload: u64| Traffic {
            packets,
            ip_bytes: packets * 52 + payload,
            payload_bytes: payload,
            retransmissions: u32::from(packets > 38),
            flags: TcpFlags::SYN | TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN,
        };
        let (request, response) = (random.u64(80..900), random.u64(200..90_000));
        let evidence = Evidence::SYN | Evidence::FIRST_PACKET;
        let proven = evidence | Evidence::SYN_ACK | Evidence::HANDSHAKE;
        let hints = tls.then(|| NameHints {
            tls_server_name: Some(format!("service-{server}.example").into()),
            ..NameHints::default()
        });
        let [high, low] = client.to_be_bytes();
        FlowRecord {
            client: Endpoint {
                address: IpAddr::V4(Ipv4Addr::new(10, 1, high, low)),
                port: random.u16(32_768..61_000),
            },
            server: Endpoint {
                address: IpAddr::V4(Ipv4Addr::new(10, 2, 0, server)),
                port: if random.bool() { 443 } else { 5_000 + u16::from(server) },
            },
            protocol: Protocol::TCP,
            first_seen: self.now.minus(Duration::from_micros(random.u64(100..30_000_000))),
            last_seen: self.now,
            to_server: sent(packets, request),
            to_client: if answered { sent(packets + response / 1_400, response) } else { Traffic::default() },
            state: if answered { ConnState::Sf } else { ConnState::S0 },
            history: History::from(if answered { "ShADadFf" } else { "S" }),
            handshake_rtt: answered.then(|| Duration::from_nanos(random.u64(90_000..3_000_000))),
            evidence: if answered { proven } else { evidence },
            names: hints.map(Box::new),
            encapsulation: None,
            interface: InterfaceId(0),
            part: 0,
            end: if answered { EndReason::Closed } else { EndReason::Idle },
        }
    }
}

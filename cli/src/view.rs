//! The view of a live capture: the edges as they appear, redrawn with every batch, about once a second.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use watershed_aggregator::{Inventory as _, OpenInventory};
use watershed_graph::Service;
use watershed_model::{Batch, EdgeKey, Endpoint, FlowRecord, Party, Timestamp};

use crate::output::table::{Table, number, text};
use crate::output::text::{bytes, count};
use crate::settings::Settings;

/// How often connections that go on are reported, so that they are in the view before they end. Most are over
/// sooner and stay in one piece.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// For how long an edge is marked as new.
const NEW_FOR: Duration = Duration::from_secs(10);

/// How much of the past a rate is about: what is reported now happened since the last report.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Edges that the view remembers; beyond, those silent longest are forgotten, and come back as new. The map
/// keeps them all.
const REMEMBERED: usize = 10_000;

/// Columns: any terminal has as many.
const WIDTH: usize = 79;

/// The edges as they appear.
pub(crate) struct View<'a> {
    screen: ProgressBar,
    inventory: &'a OpenInventory,
    rows: usize,
    edges: BTreeMap<EdgeKey, Seen>,
    started: Option<Timestamp>,
}

/// What the view knows of an edge.
#[derive(Debug)]
struct Seen {
    first_shown: Timestamp,
    last_shown: Timestamp,
    connections: u64,
    bytes: u64,
    /// Octets per second, as of `last_shown`.
    rate: f64,
}

impl<'a> View<'a> {
    /// A view on `screen` with names from `inventory`. Sets how often connections are reported, unless that is
    /// set already.
    pub(crate) fn new(screen: ProgressBar, inventory: &'a OpenInventory, settings: &mut Settings) -> Self {
        settings.flow.active_report.get_or_insert(REPORT_EVERY);
        Self { screen, inventory, rows: settings.rows, edges: BTreeMap::new(), started: None }
    }

    /// Adds a batch and draws.
    pub(crate) fn show(&mut self, batch: &Batch) {
        for record in &batch.records {
            self.add(record, batch.now);
        }
        self.forget();
        let text = self.draw(batch);
        self.screen.set_message(text);
    }

    fn add(&mut self, record: &FlowRecord, now: Timestamp) {
        let key = EdgeKey {
            client: self.party(record.client, record.first_seen),
            server: self.party(record.server, record.first_seen),
            protocol: record.protocol,
            port: record.service_port(),
        };
        let seen = self.edges.entry(key).or_insert(Seen {
            first_shown: now,
            last_shown: now,
            connections: 0,
            bytes: 0,
            rate: 0.0,
        });
        let octets = record.to_server.ip_bytes + record.to_client.ip_bytes;
        seen.rate = seen.rate_at(now) + octets as f64 / RATE_OVER.as_secs_f64();
        seen.last_shown = now;
        seen.bytes += octets;
        seen.connections += u64::from(record.part == 0);
    }

    fn party(&self, end: Endpoint, at: Timestamp) -> Party {
        let known = self.inventory.identify(end.address, at);
        known.map_or(Party::Address(end.address), |workload| Party::Workload(workload.clone()))
    }

    fn forget(&mut self) {
        if self.edges.len() > REMEMBERED {
            let mut times: Vec<_> = self.edges.values().map(|seen| seen.last_shown).collect();
            times.sort_unstable();
            let oldest = times[times.len() / 2];
            self.edges.retain(|_, seen| seen.last_shown > oldest);
        }
    }

    fn draw(&mut self, batch: &Batch) -> String {
        let now = batch.now;
        let started = *self.started.get_or_insert(now);
        let counters = &batch.counters;
        let mut head = format!(
            "{} s   {} packets   {} edges",
            now.since(started).as_secs(),
            count(counters.packets),
            count(self.edges.len() as u64)
        );
        let lost = counters.kernel_dropped;
        head.push_str(&match lost {
            0 => "   nothing lost".to_owned(),
            _ => format!("   LOST {} dropped by the kernel", count(lost)),
        });

        let mut busiest: Vec<_> = self.edges.iter().collect();
        let rank = |seen: &Seen| (seen.is_new_at(now), seen.rate_at(now));
        busiest.sort_by(|(a_key, a), (b_key, b)| {
            let ((a_new, a_rate), (b_new, b_rate)) = (rank(a), rank(b));
            b_new.cmp(&a_new).then(b_rate.total_cmp(&a_rate)).then(a_key.cmp(b_key))
        });
        let mut table = Table::new(&[
            text("", 3),
            text("client", usize::MAX),
            text("server", usize::MAX),
            text("service", 20),
            number("conns"),
            number("bytes"),
            number("per s"),
        ]);
        for (key, seen) in busiest.into_iter().take(self.rows) {
            table.row([
                if seen.is_new_at(now) { "new".to_owned() } else { String::new() },
                key.client.to_string(),
                key.server.to_string(),
                service(key),
                count(seen.connections),
                bytes(seen.bytes),
                bytes(seen.rate_at(now) as u64),
            ]);
        }
        let mut drawn = Vec::new();
        // Writing to memory does not fail.
        let _ = table.write(&mut drawn, "", WIDTH, str::to_owned);
        format!("{head}\n{}", String::from_utf8_lossy(&drawn).trim_end())
    }
}

impl Seen {
    /// The rate fades while nothing is reported.
    fn rate_at(&self, now: Timestamp) -> f64 {
        let silent = now.since(self.last_shown).as_secs_f64() / RATE_OVER.as_secs_f64();
        self.rate * (-silent).exp()
    }

    fn is_new_at(&self, now: Timestamp) -> bool {
        now.since(self.first_shown) < NEW_FOR
    }
}

/// `tcp/5432 postgresql`.
fn service(key: &EdgeKey) -> String {
    let service = Service { protocol: key.protocol, port: key.port };
    service.name().map_or_else(|| service.to_string(), |name| format!("{service} {name}"))
}

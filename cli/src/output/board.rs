//! The edges of a view that goes on: which of them are new, and how busy each is.

use std::collections::BTreeMap;
use std::time::Duration;

use watershed_graph::Service;
use watershed_model::{EdgeKey, Timestamp};

use super::table::{Table, number, text};
use super::text::{bytes, count};

/// Edges that a view remembers; beyond, those silent longest are forgotten, and come back as new. What is kept
/// elsewhere has them all.
const REMEMBERED: usize = 10_000;

/// Columns: any terminal has as many.
pub(crate) const WIDTH: usize = 79;

/// How fast a view goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How much of the past a rate is about.
    pub(crate) rate_over: Duration,
    /// For how long an edge is marked as new.
    pub(crate) new_for: Duration,
}

/// The edges, and what is known of each.
#[derive(Debug)]
pub(crate) struct Board {
    pace: Pace,
    edges: BTreeMap<EdgeKey, Seen>,
}

/// How much went over an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) connections: u64,
    pub(crate) bytes: u64,
}

/// What is known of an edge.
#[derive(Debug)]
struct Seen {
    /// `None`: it was there from the start.
    first_shown: Option<Timestamp>,
    last_shown: Timestamp,
    amount: Amount,
    /// Octets per second, as of `last_shown`.
    rate: f64,
}

impl Board {
    /// No edges yet.
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, edges: BTreeMap::new() }
    }

    /// How many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// How many of them are new.
    pub(crate) fn new_at(&self, now: Timestamp) -> usize {
        self.edges.values().filter(|seen| seen.is_new_at(now, self.pace)).count()
    }

    /// Octets per second over all edges.
    pub(crate) fn rate_at(&self, now: Timestamp) -> f64 {
        self.edges.values().map(|seen| seen.rate_at(now, self.pace)).sum()
    }

    /// So much more went over an edge.
    pub(crate) fn add(&mut self, key: EdgeKey, more: Amount, now: Timestamp) {
        let pace = self.pace;
        self.edges.entry(key).or_insert_with(|| Seen::at(Some(now), now)).add(more, now, pace);
    }

    /// So much went over an edge so far: what was not there before, went over it since.
    pub(crate) fn set(&mut self, key: EdgeKey, total: Amount, now: Timestamp) {
        let pace = self.pace;
        let seen = self.edges.entry(key).or_insert_with(|| Seen::at(Some(now), now));
        // Less than before is of a period that begins later.
        let more = Amount {
            connections: total.connections.saturating_sub(seen.amount.connections),
            bytes: total.bytes.saturating_sub(seen.amount.bytes),
        };
        if more != Amount::default() {
            seen.add(more, now, pace);
        }
        seen.amount = total;
    }

    /// So much went over an edge before the view began.
    pub(crate) fn begin(&mut self, key: EdgeKey, total: Amount, now: Timestamp) {
        self.edges.insert(key, Seen { amount: total, ..Seen::at(None, now) });
    }

    /// Keeps those edges only.
    pub(crate) fn retain(&mut self, keep: impl Fn(&EdgeKey) -> bool) {
        self.edges.retain(|key, _| keep(key));
    }

    /// Forgets the edges that were silent longest, where there are too many.
    pub(crate) fn forget(&mut self) {
        if self.edges.len() > REMEMBERED {
            let mut times: Vec<_> = self.edges.values().map(|seen| seen.last_shown).collect();
            times.sort_unstable();
            let oldest = times[times.len() / 2];
            self.edges.retain(|_, seen| seen.last_shown > oldest);
        }
    }

    /// So many edges, new ones first, then the busiest.
    pub(crate) fn table(&self, now: Timestamp, rows: usize) -> Table {
        let mut busiest: Vec<_> = self.edges.iter().collect();
        let rank = |seen: &Seen| (seen.is_new_at(now, self.pace), seen.rate_at(now, self.pace));
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
        for (key, seen) in busiest.into_iter().take(rows) {
            table.row([
                if seen.is_new_at(now, self.pace) { "new".to_owned() } else { String::new() },
                key.client.to_string(),
                key.server.to_string(),
                service(key),
                count(seen.amount.connections),
                bytes(seen.amount.bytes),
                bytes(seen.rate_at(now, self.pace) as u64),
            ]);
        }
        table
    }
}

impl Seen {
    fn at(first_shown: Option<Timestamp>, now: Timestamp) -> Self {
        Self { first_shown, last_shown: now, amount: Amount::default(), rate: 0.0 }
    }

    fn add(&mut self, more: Amount, now: Timestamp, pace: Pace) {
        self.rate = self.rate_at(now, pace) + more.bytes as f64 / pace.rate_over.as_secs_f64();
        self.last_shown = now;
        self.amount.connections += more.connections;
        self.amount.bytes += more.bytes;
    }

    /// The rate fades while nothing is reported.
    fn rate_at(&self, now: Timestamp, pace: Pace) -> f64 {
        let silent = now.since(self.last_shown).as_secs_f64() / pace.rate_over.as_secs_f64();
        self.rate * (-silent).exp()
    }

    fn is_new_at(&self, now: Timestamp, pace: Pace) -> bool {
        self.first_shown.is_some_and(|shown| now.since(shown) < pace.new_for)
    }
}

/// `tcp/5432 postgresql`.
fn service(key: &EdgeKey) -> String {
    let service = Service { protocol: key.protocol, port: key.port };
    service.name().map_or_else(|| service.to_string(), |name| format!("{service} {name}"))
}

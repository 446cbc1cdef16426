//! What a store holds, for a person and for a program.

use std::io::{self, Write};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use watershed_aggregator::StoreStatus;

use super::table::{Table, number, text};
use super::text::{bytes, count, counted, plain};
use crate::terminal::Style;

/// The widest line, as that of the summary.
const WIDTH: usize = 100;

/// What is said about a store.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    /// Which store it is.
    pub(crate) place: &'a str,
    pub(crate) held: &'a StoreStatus,
    /// The setting in force.
    pub(crate) retention: Option<Duration>,
    /// Lines in the loss ledger.
    pub(crate) rows: usize,
}

impl Page<'_> {
    /// Writes it for a person.
    pub(crate) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let held = self.held;
        let size = held.bytes.map_or(String::new(), |size| format!(", {}", bytes(size)));
        writeln!(out, "{}{size}", style.bold(&plain(self.place)))?;
        match held.period {
            Some(period) => writeln!(out, "Seen from {} to {}", period.start, period.end)?,
            None => writeln!(out, "Nothing seen yet")?,
        }
        let (hours, edges) = (counted(held.hours, "hour"), counted(held.edge_hours, "edge"));
        let names = counted(held.names, "name");
        writeln!(out, "Holds {hours} with {edges} by hour, and {names} of addresses")?;
        self.retention(out)?;
        self.agents(out, style)?;
        self.loss(out, style)
    }

    fn retention(&self, out: &mut impl Write) -> io::Result<()> {
        let deleted = self.held.deleted;
        let age = self.retention_text().map_or("never deletes".to_owned(), |age| format!("keeps {age}"));
        let (hours, edges) = (counted(deleted.hours, "hour"), counted(deleted.edge_hours, "edge"));
        writeln!(out, "Retention {age}; deleted so far: {hours} with {edges}")
    }

    fn retention_text(&self) -> Option<String> {
        let age = SignedDuration::try_from(self.retention?).ok()?;
        Some(format!("{age:#}"))
    }

    fn agents(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let mut table = Table::new(&[
            text("agent", usize::MAX),
            text("last seen", usize::MAX),
            number("starts"),
            number("records"),
            number("batches"),
            number("missing"),
        ]);
        for agent in &self.held.agents {
            table.row([
                agent.agent.to_string(),
                agent.last_seen.map_or("never".to_owned(), |time| time.to_string()),
                count(agent.starts),
                count(agent.records),
                count(agent.batches),
                count(agent.missing),
            ]);
        }
        writeln!(
            out,
            "\n{}  {}",
            style.bold("AGENTS"),
            style.dim("missing: gaps in the sequence of batches")
        )?;
        table.write(out, "  ", WIDTH, |header| style.dim(header))
    }

    fn loss(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let loss = &self.held.loss;
        if loss.is_empty() {
            return writeln!(out, "\n{}  {}", style.bold("LOSS LEDGER"), style.good("empty"));
        }
        let mut table = Table::new(&[
            text("hour", usize::MAX),
            text("agent", usize::MAX),
            number("count"),
            text("lost", usize::MAX),
        ]);
        // The newest first: that is what a person looks for.
        let mut newest: Vec<_> = loss.iter().collect();
        newest.sort_by(|a, b| b.hour.cmp(&a.hour).then_with(|| a.cmp(b)));
        for entry in newest.iter().take(self.rows) {
            table.row([
                entry.hour.start().to_string(),
                entry.agent.to_string(),
                count(entry.count),
                entry.loss.describe().to_owned(),
            ]);
        }
        writeln!(out, "\n{}  {}", style.alert("LOSS LEDGER"), style.dim("by hour, newest first"))?;
        table.write(out, "  ", WIDTH, |header| style.dim(header))?;
        match newest.len().saturating_sub(self.rows) {
            0 => Ok(()),
            more => writeln!(out, "  {}", style.dim(&format!("… {more} more"))),
        }
    }
}

/// `status.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Mirror {
    store: String,
    bytes: Option<u64>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    hours: u64,
    edge_hours: u64,
    names: u64,
    retention: Option<String>,
    deleted_hours: u64,
    deleted_edge_hours: u64,
    deleted_names: u64,
    agents: Vec<Agent>,
    loss: Vec<Lost>,
}

#[derive(Debug, Serialize)]
struct Agent {
    agent: String,
    starts: u64,
    last_seen: Option<String>,
    records: u64,
    batches: u64,
    missing: u64,
    kernel_received: u64,
    kernel_dropped: u64,
}

#[derive(Debug, Serialize)]
struct Lost {
    agent: String,
    hour: String,
    loss: watershed_model::Loss,
    count: u64,
}

impl Mirror {
    /// The same for a program.
    pub(crate) fn of(page: &Page<'_>) -> Self {
        let held = page.held;
        let agents = held.agents.iter().map(|agent| Agent {
            agent: agent.agent.to_string(),
            starts: agent.starts,
            last_seen: agent.last_seen.map(|time| time.to_string()),
            records: agent.records,
            batches: agent.batches,
            missing: agent.missing,
            kernel_received: agent.kernel_received,
            kernel_dropped: agent.kernel_dropped,
        });
        let loss = held.loss.iter().map(|entry| Lost {
            agent: entry.agent.to_string(),
            hour: entry.hour.start().to_string(),
            loss: entry.loss,
            count: entry.count,
        });
        Self {
            store: page.place.to_owned(),
            bytes: held.bytes,
            first_seen: held.period.map(|period| period.start.to_string()),
            last_seen: held.period.map(|period| period.end.to_string()),
            hours: held.hours,
            edge_hours: held.edge_hours,
            names: held.names,
            retention: page.retention_text(),
            deleted_hours: held.deleted.hours,
            deleted_edge_hours: held.deleted.edge_hours,
            deleted_names: held.deleted.names,
            agents: agents.collect(),
            loss: loss.collect(),
        }
    }
}

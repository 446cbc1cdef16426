//! What became different of who is who, for a person and for a program.

use std::io::{self, Write};

use serde::Serialize;
use watershed_aggregator::inventory::{Drift, Event, Relabelled, Reused};
use watershed_model::{Labels, TimeRange, Timestamp};

use super::table::{Column, Table, text};
use super::text::seconds;
use crate::terminal::Style;

/// The widest line, as that of the summary.
const WIDTH: usize = 100;

/// A time for a person; there may be no start.
fn time(at: Timestamp) -> String {
    if at == Timestamp::MIN { "always".to_owned() } else { seconds(at) }
}

/// Labels as `key=value`, separated by spaces.
pub(super) fn labels(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Writes it for a person: a table for each kind of difference that there is.
pub(crate) fn write(drift: &Drift, period: TimeRange, out: &mut impl Write, style: Style) -> io::Result<()> {
    let Drift { new, gone, relabelled, reused } = drift;
    let counts = format!(
        "{} new, {} gone, {} labelled otherwise, {} addresses used again soon",
        new.len(),
        gone.len(),
        relabelled.len(),
        reused.len()
    );
    let from = if period.start == Timestamp::MIN { "the start".to_owned() } else { seconds(period.start) };
    let until = if period.end == Timestamp::MAX { "now".to_owned() } else { seconds(period.end) };
    writeln!(out, "{}", style.bold(&format!("From {from} to {until}: {counts}")))?;
    let whose = [text("since", 19), text("workload", 40), text("labels", 60), text("by", 10)];
    for (title, events) in [("New", new), ("Gone", gone)] {
        let rows = events.iter().map(|Event { at, source, workload }| {
            [time(*at), workload.to_string(), labels(&workload.labels), source.as_str().to_owned()]
        });
        table(title, &whose, rows, out, style)?;
    }
    let columns = [text("since", 19), text("workload", 40), text("before", 50), text("after", 50)];
    let rows = relabelled.iter().map(|Relabelled { event, before, after }| {
        [time(event.at), event.workload.to_string(), labels(before), labels(after)]
    });
    table("Labelled otherwise", &columns, rows, out, style)?;
    let columns =
        [text("since", 19), text("address", 43), text("before", 40), text("after", 40), text("free for", 10)];
    let rows = reused.iter().map(|Reused { prefix, event, before, free }| {
        let free = format!("{:.1} s", free.as_secs_f64());
        [time(event.at), prefix.to_string(), before.to_string(), event.workload.to_string(), free]
    });
    table("Used again soon", &columns, rows, out, style)
}

fn table<const N: usize>(
    title: &str,
    columns: &[Column; N],
    rows: impl ExactSizeIterator<Item = [String; N]>,
    out: &mut impl Write,
    style: Style,
) -> io::Result<()> {
    if rows.len() == 0 {
        return Ok(());
    }
    let mut table = Table::new(columns);
    rows.for_each(|row| table.row(row));
    writeln!(out, "\n{title}")?;
    table.write(out, "  ", WIDTH, |header| style.dim(header))
}

/// What is written as JSON.
#[derive(Serialize)]
pub(crate) struct Mirror<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    new: Vec<EventMirror<'a>>,
    gone: Vec<EventMirror<'a>>,
    relabelled: Vec<RelabelledMirror<'a>>,
    reused: Vec<ReusedMirror>,
}

#[derive(Serialize)]
struct EventMirror<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    source: &'static str,
    workload: String,
    labels: &'a Labels,
}

#[derive(Serialize)]
struct RelabelledMirror<'a> {
    #[serde(flatten)]
    event: EventMirror<'a>,
    before: &'a Labels,
    after: &'a Labels,
}

#[derive(Serialize)]
struct ReusedMirror {
    at: String,
    source: &'static str,
    entry: String,
    before: String,
    after: String,
    free_seconds: f64,
}

impl<'a> Mirror<'a> {
    pub(crate) fn of(drift: &'a Drift, period: TimeRange) -> Self {
        let known = |time: Timestamp, unknown| (time != unknown).then(|| time.to_string());
        let event = |event: &'a Event| EventMirror {
            at: known(event.at, Timestamp::MIN),
            source: event.source.as_str(),
            workload: event.workload.to_string(),
            labels: &event.workload.labels,
        };
        let relabelled = drift.relabelled.iter().map(|relabelled| RelabelledMirror {
            event: event(&relabelled.event),
            before: &relabelled.before,
            after: &relabelled.after,
        });
        let reused = drift.reused.iter().map(|reused| ReusedMirror {
            at: reused.event.at.to_string(),
            source: reused.event.source.as_str(),
            entry: reused.prefix.to_string(),
            before: reused.before.to_string(),
            after: reused.event.workload.to_string(),
            free_seconds: reused.free.as_secs_f64(),
        });
        Self {
            from: known(period.start, Timestamp::MIN),
            to: known(period.end, Timestamp::MAX),
            new: drift.new.iter().map(event).collect(),
            gone: drift.gone.iter().map(event).collect(),
            relabelled: relabelled.collect(),
            reused: reused.collect(),
        }
    }
}

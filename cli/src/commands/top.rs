//! `watershed top`: what a store comes to hold, as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use watershed_aggregator::{FlowStore as _, OpenStore, StoreConfig, StoreError, store};
use watershed_model::{EdgeKey, LossEntry, Snapshot, Timestamp};

use crate::args::PeriodArguments;
use crate::args::top::TopArguments;
use crate::clock::{self, Stopwatch};
use crate::failure::Failure;
use crate::input;
use crate::output::board::{Amount, Board, Pace, WIDTH};
use crate::output::text::{bytes, count, plain};
use crate::period;
use crate::settings::Settings;
use crate::terminal::Style;

/// What goes on is reported every minute.
const PACE: Pace = Pace { rate_over: Duration::from_secs(60), new_for: Duration::from_secs(60) };

/// Edges that are looked at: each look has them all in memory.
const MAX_EDGES: usize = 250_000;

/// How often it looks whether a signal asked it to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Kinds of loss that are told, the largest first.
const MAX_LOSSES: usize = 3;

/// Looks until a signal comes.
pub(crate) fn run(
    arguments: &TopArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut config = StoreConfig { location: arguments.store.clone(), ..settings.store.clone() };
    config.max_snapshot = MAX_EDGES;
    let store = store::open_existing(&config)?;
    let stop = input::stop_on_signals()?;
    let mut top = Top { board: Board::new(PACE), rows: settings.rows, begun: false, lost: None };
    let screen = io::stdout().is_terminal().then(screen);
    let mut looked = look(&store, arguments.since);
    // What is wrong from the start stays wrong; later it may mend.
    if let Err(error) = looked {
        return Err(error.into());
    }
    while !stop.load(Ordering::Relaxed) {
        let since = Stopwatch::start();
        let text = top.show(&looked, clock::now());
        match &screen {
            Some(screen) => screen.set_message(highlighted(&text, style)),
            None => {
                writeln!(out, "{text}")?;
                out.flush()?;
            }
        }
        wait(&stop, since, arguments.every);
        looked = look(&store, arguments.since);
    }
    if let Some(screen) = screen {
        // What was last seen stays on the screen.
        screen.abandon();
    }
    Ok(())
}

/// What the store says of the last hours.
fn look(store: &OpenStore, since: Duration) -> Result<Snapshot, StoreError> {
    let period = PeriodArguments { since: Some(since), from: None, to: None, now: None };
    store.snapshot(period::of(&period, store)?)
}

fn wait(stop: &AtomicBool, since: Stopwatch, every: Duration) {
    while !stop.load(Ordering::Relaxed) {
        let left = every.saturating_sub(since.elapsed());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(LOOK_EVERY));
    }
}

fn screen() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style)
}

/// New edges stand out, and so does loss.
fn highlighted(text: &str, style: Style) -> String {
    let lines = text.lines().map(|line| {
        if line.starts_with("new ") {
            style.bold(line)
        } else if line.contains("LOST") || line.contains("cannot") {
            style.alert(line)
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What was seen so far.
#[derive(Debug)]
struct Top {
    board: Board,
    rows: usize,
    /// Whether there was a look before: else nothing is new.
    begun: bool,
    /// What was lost, as of the last look; `None`: there was none.
    lost: Option<BTreeMap<&'static str, u64>>,
}

impl Top {
    /// What there is to show after a look.
    fn show(&mut self, looked: &Result<Snapshot, StoreError>, now: Timestamp) -> String {
        let head = match looked {
            Ok(snapshot) => {
                self.take(snapshot, now);
                self.head(snapshot, now)
            }
            Err(error) => plain(&format!("{}   {error}", time(now))).into_owned(),
        };
        let mut drawn = Vec::new();
        // Writing to memory does not fail.
        let _ = self.board.table(now, self.rows).write(&mut drawn, "", WIDTH, str::to_owned);
        format!("{head}\n{}\n", String::from_utf8_lossy(&drawn).trim_end())
    }

    fn take(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for edge in &snapshot.edges {
            let total = Amount {
                connections: edge.connections,
                bytes: edge.to_server.ip_bytes + edge.to_client.ip_bytes,
            };
            if self.begun {
                self.board.set(edge.key.clone(), total, now);
            } else {
                self.board.begin(edge.key.clone(), total, now);
            }
        }
        let there: BTreeSet<&EdgeKey> = snapshot.edges.iter().map(|edge| &edge.key).collect();
        self.board.retain(|key| there.contains(key));
        self.begun = true;
    }

    /// `12:00:05   edges: 7 (1 new)   1.2 kB/s   nothing lost`.
    fn head(&mut self, snapshot: &Snapshot, now: Timestamp) -> String {
        let (edges, new) = (count(self.board.len() as u64), self.board.new_at(now));
        let rate = bytes(self.board.rate_at(now) as u64);
        let lost = self.lost(&snapshot.loss);
        format!("{}   edges: {edges} ({new} new)   {rate}/s   {lost}", time(now))
    }

    /// `LOST: 7 packets dropped by the kernel (+2)`, over the period and since the last look.
    fn lost(&mut self, ledger: &[LossEntry]) -> String {
        let mut sums = BTreeMap::new();
        for entry in ledger {
            let sum: &mut u64 = sums.entry(entry.loss.describe()).or_default();
            *sum = sum.saturating_add(entry.count);
        }
        let mut largest: Vec<_> = sums.iter().collect();
        largest.sort_by(|(a_what, a), (b_what, b)| b.cmp(a).then(a_what.cmp(b_what)));
        let told: Vec<_> = largest
            .iter()
            .take(MAX_LOSSES)
            .map(|&(&what, &sum)| {
                let before = self.lost.as_ref().map(|lost| lost.get(what).copied().unwrap_or(0));
                let more = sum.saturating_sub(before.unwrap_or(sum));
                let grown = if more > 0 { format!(" (+{})", count(more)) } else { String::new() };
                format!("{} {what}{grown}", count(sum))
            })
            .collect();
        let others = largest.len().saturating_sub(MAX_LOSSES);
        self.lost = Some(sums);
        match (told.as_slice(), others) {
            ([], _) => "nothing lost".to_owned(),
            (told, 0) => format!("LOST: {}", told.join(", ")),
            (told, others) => format!("LOST: {}, and {others} more kinds", told.join(", ")),
        }
    }
}

/// `12:00:05`, UTC.
fn time(now: Timestamp) -> String {
    let text = now.to_string();
    text.split('T').nth(1).map_or_else(String::new, |time| time.chars().take(8).collect())
}

#[cfg(test)]
mod tests {
    use watershed_model::{AgentId, Counters, Hour, Loss, TimeRange};

    use super::*;
    use crate::output::edges::tests::edge;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_parts(43_200 + second, 0)
    }

    /// What the store says: edges on these ports with so many octets each, and so many packets dropped.
    fn snapshot(edges: &[(u16, u64)], dropped: u64) -> Result<Snapshot, StoreError> {
        let edges = edges.iter().map(|&(port, octets)| {
            let mut edge = edge("shop.example");
            edge.key.port = port;
            edge.to_server.ip_bytes = octets;
            edge.to_client.ip_bytes = 0;
            edge
        });
        let entry = LossEntry {
            agent: AgentId::from("a"),
            hour: Hour(12),
            loss: Loss::KernelDropped,
            count: dropped,
        };
        Ok(Snapshot {
            period: TimeRange { start: at(0), end: at(0) },
            edges: edges.collect(),
            names: Vec::new(),
            listeners: Vec::new(),
            loss: if dropped == 0 { Vec::new() } else { vec![entry] },
            counters: Counters::default(),
        })
    }

    fn top() -> Top {
        Top { board: Board::new(PACE), rows: 10, begun: false, lost: None }
    }

    #[test]
    fn what_is_there_at_first_is_not_new_and_what_comes_is() {
        let mut top = top();
        let text = top.show(&snapshot(&[(80, 500)], 0), at(0));
        assert!(text.starts_with("12:00:00   edges: 1 (0 new)   0 B/s   nothing lost\n"), "{text}");
        assert!(!text.contains("\nnew"), "{text}");
        let text = top.show(&snapshot(&[(80, 60_500), (443, 600)], 0), at(2));
        assert!(text.starts_with("12:00:02   edges: 2 (1 new)   1.01 kB/s "), "{text}");
        assert!(
            text.lines().nth(2).is_some_and(|line| line.starts_with("new ") && line.contains("443")),
            "{text}"
        );
        // A minute later it is one of the others, and what has silently left the period is gone.
        let text = top.show(&snapshot(&[(443, 600)], 0), at(62));
        assert!(text.starts_with("12:01:02   edges: 1 (0 new)   3 B/s "), "{text}");
    }

    #[test]
    fn loss_is_told_with_how_much_of_it_is_new() {
        let mut top = top();
        assert!(top.show(&snapshot(&[], 7), at(0)).contains("LOST: 7 packets dropped by the kernel\n"));
        let text = top.show(&snapshot(&[], 9), at(2));
        assert!(text.contains("LOST: 9 packets dropped by the kernel (+2)\n"), "{text}");
    }

    #[test]
    fn a_store_that_cannot_be_read_for_once_keeps_what_was_shown() {
        let mut top = top();
        top.show(&snapshot(&[(80, 500)], 0), at(0));
        let text = top.show(&Err(StoreError::TooManyEdges { limit: 3 }), at(2));
        assert!(text.starts_with("12:00:02   cannot take a snapshot") && text.contains("tcp/80"), "{text}");
    }
}

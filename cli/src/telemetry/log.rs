//! Logs of processes that run for long: events on standard error, as text or JSON.
//!
//! One place in the code may say so much a minute and no more; what is beyond is counted, so that an error that
//! comes with every batch cannot fill a disk.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::IntCounterVec;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, fmt as lines};

use super::metrics::Metrics;
use crate::clock::{self, Stopwatch};

/// Events of one place in the code within a [`WINDOW`]: enough to see what is going on.
const BURST: u32 = 10;

/// How long it takes until a place that said too much is heard again.
const WINDOW: Duration = Duration::from_secs(60);

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

impl LogLevel {
    /// Each with its name in the settings.
    pub(crate) const ALL: [(&str, Self); 4] =
        [("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    /// Each with its name in the settings.
    pub(crate) const ALL: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// Begins to log. Only the first call in a process does anything.
pub(super) fn start(level: LogLevel, format: LogFormat, metrics: &Metrics) {
    let limit = Limit::new(metrics);
    // Somebody else's subscriber is there already: a test's.
    let _ = match format {
        LogFormat::Text => {
            let text = lines::layer().with_timer(Clock).with_ansi(false).with_target(false);
            set(text.with_writer(io::stderr), limit, level)
        }
        LogFormat::Json => {
            let json = lines::layer().with_timer(Clock).json().flatten_event(true).with_target(false);
            set(json.with_current_span(false).with_span_list(false).with_writer(io::stderr), limit, level)
        }
    };
}

fn set<L>(lines: L, limit: Limit, level: LogLevel) -> Result<(), tracing::subscriber::SetGlobalDefaultError>
where
    L: Layer<Registry> + Send + Sync,
{
    tracing::subscriber::set_global_default(layers(lines, limit, level))
}

/// The level is a filter of its own and not one of the lines: what the limit refuses would stay marked as filtered out
/// in its thread, and the next event there be lost.
fn layers<L>(lines: L, limit: Limit, level: LogLevel) -> impl Subscriber + Send + Sync
where
    L: Layer<Registry> + Send + Sync,
{
    Registry::default().with(lines).with(limit.with_level(level)).with(level.filter())
}

/// Timestamps by the one clock.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", clock::now())
    }
}

/// Counts events, and silences places in the code that say too much.
struct Limit {
    level: LevelFilter,
    messages: IntCounterVec,
    suppressed: IntCounterVec,
    places: Mutex<HashMap<Identifier, Said>>,
}

/// What a place said in its window.
struct Said {
    since: Stopwatch,
    times: u32,
}

/// Registers what counts messages: written ones, and those that were not.
pub(super) fn register(metrics: &Metrics) -> [IntCounterVec; 2] {
    let messages = metrics.counters("log_messages_total", "Messages written to the log", "level");
    let suppressed = metrics.counters(
        "log_suppressed_total",
        "Messages not written to the log because the same place had said too much within a minute",
        "level",
    );
    for (name, _) in LogLevel::ALL {
        messages.with_label_values(&[name]);
        suppressed.with_label_values(&[name]);
    }
    [messages, suppressed]
}

impl Limit {
    fn new(metrics: &Metrics) -> Self {
        let [messages, suppressed] = register(metrics);
        Self { level: LevelFilter::INFO, messages, suppressed, places: Mutex::default() }
    }

    fn with_level(self, level: LogLevel) -> Self {
        Self { level: level.filter(), ..self }
    }

    /// Whether the place may be heard.
    fn admits(&self, place: Identifier) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let said = places.entry(place).or_insert_with(|| Said { since: Stopwatch::start(), times: 0 });
        if said.since.elapsed() >= WINDOW {
            *said = Said { since: Stopwatch::start(), times: 0 };
        }
        said.times = said.times.saturating_add(1);
        said.times <= BURST
    }
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > self.level {
            return false;
        }
        let admitted = self.admits(metadata.callsite());
        let counters = if admitted { &self.messages } else { &self.suppressed };
        counters.with_label_values(&[name(*metadata.level())]).inc();
        admitted
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use tracing::{debug, error, info};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_says_too_much_is_counted_and_others_are_heard() {
        let metrics = Metrics::new("test");
        let limit = Limit::new(&metrics);
        let written = Written::default();
        let writer = written.clone();
        let lines = lines::layer().with_timer(Clock).json().flatten_event(true);
        let lines = lines.with_writer(move || writer.clone());
        let subscriber = layers(lines, limit, LogLevel::Info);
        tracing::subscriber::with_default(subscriber, || {
            (0..25).for_each(|n| error!(n, "the disk is full"));
            // Neither what is too much nor what is below the level takes the next event with it.
            for _ in 0..5 {
                info!("something else");
                debug!("nobody wants to know");
                error!("the disk is full");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 20, "{text}");
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(event["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        }
        let exposition = metrics.text().unwrap();
        for line in [
            "watershed_log_messages_total{level=\"error\"} 15",
            "watershed_log_suppressed_total{level=\"error\"} 15",
            "watershed_log_messages_total{level=\"info\"} 5",
            "watershed_log_messages_total{level=\"debug\"} 0",
        ] {
            assert!(exposition.contains(line), "{exposition}");
        }
    }
}

//! A progress bar on standard error, where that is a terminal and reading takes a while.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use watershed_collector::SourceError;
use watershed_collector::source::{PacketBatch, PacketSource, Source};

use crate::clock::Stopwatch;

/// Reading that ends sooner shows no bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(500);

/// Batches of packets between two looks at the clock: some milliseconds of work.
const LOOK_EVERY: u32 = 1 << 10;

/// A source whose progress a person can see.
pub(crate) struct Watched {
    source: Source,
    /// `None` where nobody is watching.
    since: Option<Stopwatch>,
    bar: Option<ProgressBar>,
    batches: u32,
}

impl Watched {
    /// Watches `source` if standard error is a terminal.
    pub(crate) fn new(source: Source) -> Self {
        let since = io::stderr().is_terminal().then(Stopwatch::start);
        Self { source, since, bar: None, batches: 0 }
    }

    fn show(&mut self, since: Stopwatch) {
        if self.bar.is_none() && since.elapsed() < PATIENCE {
            return;
        }
        let progress = self.source.progress();
        let bar = self.bar.get_or_insert_with(|| bar(progress.total));
        bar.set_position(progress.read);
    }
}

impl PacketSource for Watched {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        if let Some(since) = self.since {
            self.batches = self.batches.wrapping_add(1);
            if self.batches.is_multiple_of(LOOK_EVERY) {
                self.show(since);
            }
        }
        self.source.fill(batch)
    }

    fn kernel_dropped(&self) -> u64 {
        self.source.kernel_dropped()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{percent:>3} % {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

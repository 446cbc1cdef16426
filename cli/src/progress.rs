//! How reading goes, on standard error: where that is a terminal, a bar for files that take a while and room for
//! the view of a live capture; which interfaces went away and came back.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use watershed_collector::SourceError;
use watershed_collector::source::live::InterfaceStatus;
use watershed_collector::source::{PacketBatch, PacketSource, Source, Tapped};
use watershed_model::Timestamp;

use crate::clock::Stopwatch;
use crate::commands::complain;
use crate::output::text::plain;
use crate::telemetry::InterfaceWatch;

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
    /// Which interfaces are there, as far as has been told.
    present: Vec<bool>,
    /// Who else is told how they are.
    watch: Option<InterfaceWatch>,
}

impl Watched {
    /// Watches `source` if standard error is a terminal.
    pub(crate) fn new(source: Source) -> Self {
        let watching = io::stderr().is_terminal();
        let live = matches!(source, Source::Live(_));
        Self {
            since: (watching && !live).then(Stopwatch::start),
            bar: (watching && live).then(screen),
            batches: 0,
            present: source.interfaces().iter().map(|interface| interface.present).collect(),
            watch: None,
            source,
        }
    }

    /// Whether packets come from interfaces.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(_))
    }

    /// Room for the view of a live capture, where somebody is watching.
    pub(crate) fn screen(&self) -> Option<ProgressBar> {
        self.bar.clone().filter(|_| self.is_live())
    }

    /// Lets `watch` look at the interfaces from now on.
    pub(crate) fn watched_by(mut self, watch: InterfaceWatch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Tells what became of the packets of each interface.
    pub(crate) fn tell_interfaces(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.tell(&self.source.interfaces());
        }
        for interface in self.source.interfaces() {
            self.say(&format!("watershed: {interface}"));
        }
    }

    /// Tells which interfaces went away or came back since the last call.
    fn tell_changes(&mut self) {
        let interfaces = self.source.interfaces();
        let changed = |(interface, present): (&&InterfaceStatus, &bool)| interface.present != *present;
        if !interfaces.iter().zip(&self.present).any(changed) {
            return;
        }
        for (interface, present) in interfaces.iter().zip(&self.present) {
            let InterfaceStatus { name, reason, .. } = interface;
            match (*present, interface.present) {
                (false, true) => self.say(&format!("watershed: {name} is back")),
                (true, false) => {
                    self.say(&format!("watershed: {name} went away ({reason}); looking for it again"));
                }
                _ => {}
            }
        }
        self.present = interfaces.iter().map(|interface| interface.present).collect();
    }

    fn say(&self, line: &str) {
        let line = plain(line);
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(&line)),
            None => complain(&line),
        }
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
        if self.is_live() {
            self.tell_changes();
        }
        if let Some(watch) = &mut self.watch
            && watch.is_due()
        {
            watch.tell(&self.source.interfaces());
        }
        self.source.fill(batch)
    }

    fn kernel_dropped(&self) -> u64 {
        self.source.kernel_dropped()
    }

    fn tapped(&self) -> Tapped {
        self.source.tapped()
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        self.source.quiet_until()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is drawn here is a message of many lines.
fn screen() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
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

//! The view of a live capture: the edges as they appear, redrawn about once a second.

use std::time::Duration;

use indicatif::ProgressBar;
use watershed_aggregator::{Inventory as _, OpenInventory};
use watershed_model::{Batch, Counters, EdgeKey, Endpoint, FlowRecord, Party, Timestamp};

use crate::output::board::{Amount, Board, Pace, WIDTH};
use crate::output::text::count;
use crate::settings::Settings;

/// How often connections that go on are reported, so that they are in the view before they end. Most are over
/// sooner and stay in one piece.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How often it is drawn, by the time of the packets: as often as a person can follow.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// What is reported now happened since the last report.
const PACE: Pace = Pace { rate_over: Duration::from_secs(5), new_for: Duration::from_secs(10) };

/// The edges as they appear.
pub(crate) struct View<'a> {
    screen: ProgressBar,
    inventory: &'a OpenInventory,
    rows: usize,
    board: Board,
    started: Option<Timestamp>,
    /// When it was drawn last, and how many packets there were then.
    drawn: Option<(Timestamp, u64)>,
}

impl<'a> View<'a> {
    /// A view on `screen` with names from `inventory`. Sets how often connections are reported, unless that is
    /// set already.
    pub(crate) fn new(screen: ProgressBar, inventory: &'a OpenInventory, settings: &mut Settings) -> Self {
        settings.flow.active_report.get_or_insert(REPORT_EVERY);
        Self { screen, inventory, rows: settings.rows, board: Board::new(PACE), started: None, drawn: None }
    }

    /// Adds a batch, and draws where that is due.
    pub(crate) fn show(&mut self, batch: &Batch) {
        for record in &batch.records {
            self.add(record, batch.now);
        }
        let since = self.drawn.map(|(time, _)| batch.now.since(time));
        if since.is_none_or(|since| since >= DRAW_EVERY) {
            self.board.forget();
            let text = self.draw(batch);
            self.drawn = Some((batch.now, batch.counters.packets));
            self.screen.set_message(text);
        }
    }

    fn add(&mut self, record: &FlowRecord, now: Timestamp) {
        let key = EdgeKey {
            client: self.party(record.client, record.first_seen),
            server: self.party(record.server, record.first_seen),
            protocol: record.protocol,
            port: record.service_port(),
        };
        let bytes = record.to_server.ip_bytes + record.to_client.ip_bytes;
        self.board.add(key, Amount { connections: u64::from(record.part == 0), bytes }, now);
    }

    fn party(&self, end: Endpoint, at: Timestamp) -> Party {
        let known = self.inventory.identify_at(end.address, at);
        known.map_or(Party::Address(end.address), |workload| Party::Workload(workload.clone()))
    }

    fn draw(&mut self, batch: &Batch) -> String {
        let now = batch.now;
        let mut drawn = Vec::new();
        // Writing to memory does not fail.
        let _ = self.board.table(now, self.rows).write(&mut drawn, "", WIDTH, str::to_owned);
        format!("{}\n{}", self.head(now, &batch.counters), String::from_utf8_lossy(&drawn).trim_end())
    }

    /// `12 s   3456 packets (120/s)   edges: 7   nothing lost`.
    fn head(&mut self, now: Timestamp, counters: &Counters) -> String {
        let seconds = now.since(*self.started.get_or_insert(now)).as_secs();
        let rate = self.drawn.map_or(0.0, |(time, packets)| {
            (counters.packets - packets) as f64 / now.since(time).as_secs_f64()
        });
        let lost = match counters.kernel_dropped {
            0 => "nothing lost".to_owned(),
            lost => format!("LOST: {} packets dropped by the kernel", count(lost)),
        };
        let (packets, edges) = (count(counters.packets), count(self.board.len() as u64));
        format!("{seconds} s   {packets} packets ({}/s)   edges: {edges}   {lost}", count(rate as u64))
    }
}

#[cfg(test)]
mod tests {
    use watershed_model::AgentId;

    use super::*;
    use crate::output::zeek::tests::record;

    /// What is on the screen after a batch in each of these seconds, with so many records and packets lost.
    fn screen(batches: &[(i64, usize, u64)]) -> String {
        let mut settings = Settings::default();
        let inventory = OpenInventory::default();
        let mut view = View::new(ProgressBar::hidden(), &inventory, &mut settings);
        assert_eq!(settings.flow.active_report, Some(REPORT_EVERY));
        for &(second, records, lost) in batches {
            view.show(&Batch {
                agent: AgentId::from("local"),
                started: Timestamp::default(),
                sequence: 0,
                now: Timestamp::from_parts(second, 0),
                records: vec![record(); records],
                names: Vec::new(),
                listeners: Vec::new(),
                counters: Counters {
                    packets: second.unsigned_abs() * 10,
                    kernel_dropped: lost,
                    ..Counters::default()
                },
            });
        }
        view.screen.message()
    }

    #[test]
    fn it_shows_new_edges_rates_and_loss() {
        let text = screen(&[(1, 0, 0), (3, 2, 0)]);
        assert!(text.starts_with("2 s   30 packets (10/s)   edges: 1   nothing lost\n"), "{text}");
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("new ")), "{text}");
        let text = screen(&[(1, 2, 0), (20, 0, 7)]);
        assert!(text.contains("LOST: 7 packets dropped by the kernel") && !text.contains("new "), "{text}");
    }

    #[test]
    fn it_is_drawn_no_more_often_than_a_person_can_follow() {
        assert!(screen(&[(1, 1, 0), (1, 1, 0)]).contains("edges: 1 "));
        assert!(screen(&[(1, 0, 0), (1, 1, 0)]).contains("edges: 0 "));
    }
}

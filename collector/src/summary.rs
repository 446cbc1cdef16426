//! One record for many connections: of a client to a service, in an interval.
//!
//! Between the flow table and the sink, for networks whose single connections nobody asks for. The edges are those
//! that the connections' own records give: what is counted for each connection on an edge (states, evidence,
//! answers) is counted here, by the same rules, and the record carries the counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use watershed_model::{
    Answers, Encapsulation, EndReason, Endpoint, Evidence, FlowRecord, History, Hour, NameHints, Protocol,
    Summary, Timestamp, Traffic,
};

/// How connections are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryConfig {
    /// How long records are gathered, in event time.
    pub every: Duration,
    /// Summaries gathered at a time; at more, all are written at once. About 700 octets each.
    pub max: usize,
}

impl Default for SummaryConfig {
    /// A minute, as connections that go on are reported; and 11 MiB, as much as a flood may take of an agent.
    fn default() -> Self {
        Self { every: Duration::from_secs(60), max: 1 << 14 }
    }
}

/// Connections that go on and whose answer is waited for: as many as are followed at a time by default, 20 MiB. Beyond
/// it they count as not answered.
const MAX_UNANSWERED: usize = 1 << 18;

/// What connections of one summary have in common. An edge counts by hour, so connections that began or were last
/// seen in different hours are kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Service {
    client: IpAddr,
    /// For ICMP the client's port is the service.
    client_port: u16,
    server: Endpoint,
    protocol: Protocol,
    names: Option<Box<NameHints>>,
    encapsulation: Option<Box<Encapsulation>>,
    hours: (Hour, Hour),
}

/// The summaries of an interval, in the order in which they were begun.
#[derive(Debug)]
pub(crate) struct Summaries {
    config: SummaryConfig,
    places: HashMap<Service, usize>,
    records: Vec<FlowRecord>,
    answers: Answers,
    /// When the interval began; `None` while there is nothing.
    since: Option<Timestamp>,
    summarized: u64,
    cut: u64,
}

impl Summaries {
    pub(crate) fn new(config: SummaryConfig) -> Self {
        Self {
            config,
            places: HashMap::new(),
            records: Vec::new(),
            answers: Answers::default(),
            since: None,
            summarized: 0,
            cut: 0,
        }
    }

    /// Takes records in as of `now`; returns the summaries that are due for it.
    pub(crate) fn add(&mut self, records: Vec<FlowRecord>, now: Timestamp) -> Vec<FlowRecord> {
        let mut due = Vec::new();
        for record in records {
            if self.records.len() >= self.config.max {
                self.cut += self.records.len() as u64;
                due.append(&mut self.take());
            }
            self.since.get_or_insert(now);
            self.add_one(&record);
        }
        if self.since.is_some_and(|since| now.since(since) >= self.config.every) {
            due.append(&mut self.take());
        }
        due
    }

    /// Every summary that there is, whether it is due or not.
    pub(crate) fn take(&mut self) -> Vec<FlowRecord> {
        self.since = None;
        self.places.clear();
        std::mem::take(&mut self.records)
    }

    /// Records taken in so far.
    pub(crate) const fn summarized(&self) -> u64 {
        self.summarized
    }

    /// Summaries so far that were written before their time, and answers that could not be waited for.
    pub(crate) const fn cut(&self) -> u64 {
        self.cut
    }

    fn add_one(&mut self, record: &FlowRecord) {
        self.summarized += 1;
        let answered = self.answers.first_in(record, MAX_UNANSWERED);
        self.cut += self.answers.take_refused();
        let place = *self.places.entry(Service::of(record)).or_insert(self.records.len());
        if place == self.records.len() {
            self.records.push(empty(record));
        }
        let Some(sum) = self.records.get_mut(place) else { return };
        sum.first_seen = sum.first_seen.min(record.first_seen);
        sum.last_seen = sum.last_seen.max(record.last_seen);
        sum.handshake_rtt = sum.handshake_rtt.into_iter().chain(record.handshake_rtt).min();
        add_traffic(&mut sum.to_server, &record.to_server);
        add_traffic(&mut sum.to_client, &record.to_client);
        let Some(summary) = &mut sum.summary else { return };
        summary.answered += answered;
        if record.part == 0 {
            sum.evidence |= record.evidence;
            summary.connections += 1;
            summary.evidence.add(record.evidence);
        }
        if record.end != EndReason::Active {
            sum.state = record.state;
            summary.states.add(record.state);
        }
    }
}

impl Service {
    fn of(record: &FlowRecord) -> Self {
        let last = record.last_seen.max(record.first_seen);
        Self {
            client: record.client.address,
            client_port: client_port(record),
            server: record.server,
            protocol: record.protocol,
            names: server_names(record),
            encapsulation: record.encapsulation.clone(),
            hours: (Hour::of(record.first_seen), Hour::of(last)),
        }
    }
}

const fn client_port(record: &FlowRecord) -> u16 {
    if record.protocol.is_icmp() { record.client.port } else { 0 }
}

/// The names that an edge has; what was asked of a DNS server would make a summary of each question.
fn server_names(record: &FlowRecord) -> Option<Box<NameHints>> {
    let names = record.names.as_deref()?;
    let names = NameHints { dns_query: None, ..names.clone() };
    (!names.is_empty()).then(|| Box::new(names))
}

/// The summary of no connection yet, for those that are like this one.
fn empty(record: &FlowRecord) -> FlowRecord {
    FlowRecord {
        client: Endpoint { port: client_port(record), ..record.client },
        names: server_names(record),
        encapsulation: record.encapsulation.clone(),
        to_server: Traffic::default(),
        to_client: Traffic::default(),
        history: History::default(),
        evidence: Evidence::empty(),
        part: 0,
        end: EndReason::Active,
        summary: Some(Box::new(Summary::default())),
        ..*record
    }
}

fn add_traffic(sum: &mut Traffic, more: &Traffic) {
    sum.packets = sum.packets.saturating_add(more.packets);
    sum.ip_bytes = sum.ip_bytes.saturating_add(more.ip_bytes);
    sum.payload_bytes = sum.payload_bytes.saturating_add(more.payload_bytes);
    sum.retransmissions = sum.retransmissions.saturating_add(more.retransmissions);
    sum.flags |= more.flags;
}

#[cfg(test)]
mod tests;

//! In which record a connection was first answered.

use std::collections::HashSet;

use crate::{EndReason, Endpoint, FlowRecord, Protocol};

/// Finds, for each connection, the first record that shows an answer.
///
/// A connection with one record is answered when that record is. Of one with several, the first record
/// that shows the answer counts; so those without an answer yet are remembered while they are open. A
/// later part of an unknown connection counts as answered before: its first part never came, so counting
/// it would make more answered connections than connections. A summary was told by who made it.
#[derive(Debug, Default)]
pub struct Answers {
    unanswered: HashSet<(Endpoint, Endpoint, Protocol)>,
    refused: u64,
}

impl Answers {
    /// How many connections show an answer in `record` for the first time; remembers up to `max_unanswered`.
    pub fn first_in(&mut self, record: &FlowRecord, max_unanswered: usize) -> u64 {
        match &record.summary {
            Some(summary) => summary.answered,
            None => self.is_first(record, max_unanswered).into(),
        }
    }

    fn is_first(&mut self, record: &FlowRecord, max_unanswered: usize) -> bool {
        let answered = record.answered();
        let (first, last) = (record.part == 0, record.end != EndReason::Active);
        if first && last {
            return answered;
        }
        let connection = (record.client, record.server, record.protocol);
        let open = if first { true } else { self.unanswered.contains(&connection) };
        if answered || last {
            self.unanswered.remove(&connection);
        } else if first && self.unanswered.len() >= max_unanswered {
            self.refused += 1;
        } else if first {
            self.unanswered.insert(connection);
        }
        open && answered
    }

    /// How many connections are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// How many connections could not be remembered since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnState, Evidence, History, InterfaceId, Summary, Timestamp, Traffic};

    fn part(number: u32, answered: bool, end: EndReason) -> FlowRecord {
        let end_of = |last| Endpoint { address: [10, 0, 0, last].into(), port: 53 };
        let traffic = |packets| Traffic { packets, ..Traffic::default() };
        FlowRecord {
            client: end_of(1),
            server: end_of(2),
            protocol: Protocol::UDP,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            to_server: traffic(1),
            to_client: traffic(u64::from(answered)),
            state: ConnState::S0,
            history: History::default(),
            handshake_rtt: None,
            evidence: Evidence::empty(),
            names: None,
            encapsulation: None,
            interface: InterfaceId(0),
            part: number,
            end,
            summary: None,
        }
    }

    fn first_answers(parts: &[FlowRecord], limit: usize) -> Vec<u64> {
        let mut answers = Answers::default();
        parts.iter().map(|part| answers.first_in(part, limit)).collect()
    }

    #[test]
    fn a_connection_is_answered_once_however_many_parts_it_has() {
        use EndReason::{Active, Idle};
        let late =
            [part(0, false, Active), part(1, true, Active), part(2, true, Active), part(3, true, Idle)];
        assert_eq!(first_answers(&late, 9), [0, 1, 0, 0]);
        let at_once = [part(0, true, Active), part(1, true, Idle), part(0, true, Idle)];
        assert_eq!(first_answers(&at_once, 9), [1, 0, 1]);
        let never = [part(0, false, Active), part(1, false, Idle), part(1, true, Idle)];
        assert_eq!(first_answers(&never, 9), [0, 0, 0]);
    }

    #[test]
    fn a_summary_says_it_itself() {
        let summary = Summary { connections: 7, answered: 4, ..Summary::default() };
        let record = FlowRecord { summary: Some(Box::new(summary)), ..part(0, true, EndReason::Idle) };
        assert_eq!(first_answers(&[record], 0), [4]);
    }

    #[test]
    fn a_full_memory_is_counted() {
        let mut answers = Answers::default();
        assert_eq!(answers.first_in(&part(0, false, EndReason::Active), 0), 0);
        assert_eq!(answers.first_in(&part(1, true, EndReason::Idle), 0), 0);
        assert_eq!((answers.take_refused(), answers.take_refused()), (1, 0));
    }
}

//! In which record a connection was first answered.

use hashbrown::HashSet;
use watershed_model::{EndReason, Endpoint, FlowRecord, Protocol};

/// Finds, for each connection, the first record that shows an answer.
///
/// A connection with one record is answered when that record is. Of one with several, the first record
/// that shows the answer counts; so those without an answer yet are remembered while they are open. A
/// later part of an unknown connection counts as answered before: its first part never came, so counting
/// it would make more answered connections than connections.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    unanswered: HashSet<(Endpoint, Endpoint, Protocol)>,
    refused: u64,
}

impl Answers {
    /// Whether `record` is the first of its connection that shows an answer.
    pub(crate) fn is_first(&mut self, record: &FlowRecord, max_unanswered: usize) -> bool {
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
    pub(crate) fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// How many connections could not be remembered since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn part(number: u32, answered: bool, end: EndReason) -> FlowRecord {
        let mut part = record("10.0.0.1", "10.0.0.2", 53, u64::from(number));
        part.protocol = Protocol::UDP;
        part.to_client.packets = u64::from(answered);
        part.evidence = watershed_model::Evidence::empty();
        FlowRecord { part: number, end, ..part }
    }

    fn first_answers(parts: &[FlowRecord], limit: usize) -> Vec<bool> {
        let mut answers = Answers::default();
        parts.iter().map(|part| answers.is_first(part, limit)).collect()
    }

    #[test]
    fn a_connection_is_answered_once_however_many_parts_it_has() {
        use EndReason::{Active, Idle};
        let late =
            [part(0, false, Active), part(1, true, Active), part(2, true, Active), part(3, true, Idle)];
        assert_eq!(first_answers(&late, 9), [false, true, false, false]);
        let at_once = [part(0, true, Active), part(1, true, Idle), part(0, true, Idle)];
        assert_eq!(first_answers(&at_once, 9), [true, false, true]);
        let never = [part(0, false, Active), part(1, false, Idle), part(1, true, Idle)];
        assert_eq!(first_answers(&never, 9), [false, false, false]);
    }

    #[test]
    fn a_full_memory_is_counted() {
        let mut answers = Answers::default();
        assert!(!answers.is_first(&part(0, false, EndReason::Active), 0));
        assert!(!answers.is_first(&part(1, true, EndReason::Idle), 0));
        assert_eq!((answers.take_refused(), answers.take_refused()), (1, 0));
    }
}

//! Which messages are stored together: ranges of each partition, as planned before a crash or as they come.

use std::collections::BTreeMap;
use std::time::Duration;

use watershed_model::{Batch, Timestamp};

/// Messages that wait, by partition.
#[derive(Debug)]
pub(super) struct Gather {
    max_records: usize,
    max_wait: Duration,
    partitions: BTreeMap<i32, Partition>,
    weight: usize,
}

/// What waits of one partition, in the order of offsets.
#[derive(Debug)]
struct Partition {
    messages: Vec<Message>,
    /// When the first of them came.
    since: Timestamp,
    /// One past the last range that an earlier reader has planned; it is handed out first, and whole.
    planned: Option<i64>,
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) offset: i64,
    pub(super) content: Content,
}

/// What a message holds.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are batches")]
pub(super) enum Content {
    /// A batch.
    Batch(Batch),
    /// Octets that are none, and why.
    Unreadable { octets: Vec<u8>, reason: String },
}

/// Messages that are stored together.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) partition: i32,
    /// The first offset.
    pub(super) start: i64,
    /// One past the last.
    pub(super) end: i64,
    pub(super) messages: Vec<Message>,
    /// Whether an earlier reader has planned it.
    pub(super) planned: bool,
}

impl Message {
    /// Records and names, and one for itself, so that empty ones count, too.
    fn weight(&self) -> usize {
        match &self.content {
            Content::Batch(batch) => 1 + batch.records.len() + batch.names.len(),
            // As much room as its octets would take as records.
            Content::Unreadable { octets, .. } => 1 + octets.len() / 256,
        }
    }
}

impl Gather {
    pub(super) const fn new(max_records: usize, max_wait: Duration) -> Self {
        Self { max_records, max_wait, partitions: BTreeMap::new(), weight: 0 }
    }

    /// Forgets everything, and goes on with these partitions, each with the end of what is planned of it.
    pub(super) fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = (i32, Option<i64>)>,
        now: Timestamp,
    ) {
        self.weight = 0;
        let partition = |planned| Partition { messages: Vec::new(), since: now, planned };
        self.partitions =
            partitions.into_iter().map(|(number, planned)| (number, partition(planned))).collect();
    }

    /// Takes a message in; one of a partition that is not assigned belongs to somebody else.
    pub(super) fn push(&mut self, partition: i32, message: Message, now: Timestamp) {
        let Some(waiting) = self.partitions.get_mut(&partition) else { return };
        if waiting.messages.is_empty() {
            waiting.since = now;
        }
        self.weight += message.weight();
        waiting.messages.push(message);
    }

    /// Records and names that wait.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    /// Whether nothing more should come in.
    pub(super) const fn is_full(&self) -> bool {
        self.weight >= self.max_records.saturating_mul(2)
    }

    /// The next range to be stored, if it is time: one that is planned as soon as it is whole, else the one that
    /// has waited longest once it has waited long enough or there are records enough.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Range> {
        let number = self.whole().or_else(|| self.oldest(now))?;
        let partition = self.partitions.get_mut(&number)?;
        let planned = partition.planned.take();
        let until = match planned {
            Some(end) => partition.messages.partition_point(|message| message.offset < end),
            None => self.max_within(number)?,
        };
        let partition = self.partitions.get_mut(&number)?;
        let rest = partition.messages.split_off(until);
        let messages = std::mem::replace(&mut partition.messages, rest);
        partition.since = now;
        self.weight -= messages.iter().map(Message::weight).sum::<usize>();
        // A range of which nothing is left was deleted before it was read.
        let (start, end) = (messages.first()?.offset, messages.last()?.offset.saturating_add(1));
        let end = planned.unwrap_or(end);
        Some(Range { partition: number, start, end, messages, planned: planned.is_some() })
    }

    /// A partition whose planned range has come in whole.
    fn whole(&self) -> Option<i32> {
        let whole = |partition: &Partition| {
            let last = partition.messages.last().map(|message| message.offset);
            partition.planned.zip(last).is_some_and(|(end, last)| last + 1 >= end)
        };
        self.partitions.iter().find(|(_, partition)| whole(partition)).map(|(&number, _)| number)
    }

    /// The partition that has waited longest, if that is long enough.
    fn oldest(&self, now: Timestamp) -> Option<i32> {
        let waiting = self.partitions.iter().filter(|(_, p)| p.planned.is_none() && !p.messages.is_empty());
        let (&number, oldest) = waiting.min_by_key(|(_, partition)| partition.since)?;
        let enough = self.weight >= self.max_records || now.since(oldest.since) >= self.max_wait;
        enough.then_some(number)
    }

    /// How many messages of a partition are stored together.
    fn max_within(&self, number: i32) -> Option<usize> {
        let messages = &self.partitions.get(&number)?.messages;
        let mut weight = 0;
        let before = |message: &&Message| {
            let fits = weight < self.max_records;
            weight += message.weight();
            fits
        };
        Some(messages.iter().take_while(before).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{batch, record};

    const WAIT: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_parts(second, 0)
    }

    fn message(offset: i64) -> Message {
        let records = vec![record("10.0.0.1", "10.0.0.9", 443, 1); 9];
        Message { offset, content: Content::Batch(batch("a", offset as u64, records)) }
    }

    fn gather(planned: &[(i32, Option<i64>)]) -> Gather {
        let mut gather = Gather::new(25, WAIT);
        gather.assign(planned.iter().copied(), at(0));
        gather
    }

    fn told(range: Option<Range>) -> Option<(i32, i64, i64, usize, bool)> {
        range.map(|r| (r.partition, r.start, r.end, r.messages.len(), r.planned))
    }

    #[test]
    fn messages_wait_for_each_other_but_not_long() {
        let mut gather = gather(&[(0, None), (1, None)]);
        gather.push(1, message(7), at(0));
        gather.push(0, message(3), at(0));
        assert_eq!(told(gather.next(at(0))), None);
        gather.push(1, message(8), at(0));
        // Three times ten are more than 25.
        assert_eq!(told(gather.next(at(0))), Some((0, 3, 4, 1, false)));
        assert_eq!(told(gather.next(at(0))), None);
        assert_eq!(told(gather.next(at(1))), Some((1, 7, 9, 2, false)));
        assert_eq!((told(gather.next(at(9))), gather.weight()), (None, 0));
    }

    #[test]
    fn no_range_is_much_larger_than_it_may_be() {
        let mut gather = gather(&[(0, None)]);
        (0..7).for_each(|offset| gather.push(0, message(offset), at(0)));
        assert!(gather.is_full());
        assert_eq!(told(gather.next(at(0))), Some((0, 0, 3, 3, false)));
        assert_eq!(told(gather.next(at(0))), Some((0, 3, 6, 3, false)));
        assert!(!gather.is_full());
        assert_eq!(told(gather.next(at(0))), None);
        assert_eq!(told(gather.next(at(1))), Some((0, 6, 7, 1, false)));
    }

    #[test]
    fn what_was_planned_is_handed_out_first_and_exactly() {
        let mut gather = gather(&[(0, Some(4))]);
        (0..3).for_each(|offset| gather.push(0, message(offset), at(0)));
        assert_eq!(told(gather.next(at(99))), None, "not whole yet");
        (3..6).for_each(|offset| gather.push(0, message(offset), at(99)));
        assert_eq!(told(gather.next(at(99))), Some((0, 0, 4, 4, true)));
        assert_eq!(told(gather.next(at(100))), Some((0, 4, 6, 2, false)));
    }

    #[test]
    fn a_plan_whose_messages_are_deleted_holds_nothing_up() {
        let mut gather = gather(&[(0, Some(4))]);
        gather.push(0, message(9), at(0));
        assert_eq!(told(gather.next(at(0))), None);
        assert_eq!(told(gather.next(at(1))), Some((0, 9, 10, 1, false)));
    }

    #[test]
    fn messages_of_others_are_theirs() {
        let mut gather = gather(&[(0, None)]);
        gather.push(5, message(1), at(0));
        gather.push(0, message(1), at(0));
        gather.assign([(5, None)], at(0));
        assert_eq!((told(gather.next(at(9))), gather.weight()), (None, 0));
    }
}

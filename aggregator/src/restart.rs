//! What a restart of an agent costs: the time in which it was down, hour by hour.

use std::time::Duration;

use watershed_model::{AgentId, Hour, Loss, LossEntry, TimeRange, Timestamp};

/// Hours of which the ledger says that the agent was down: a year. Of a longer absence only the end is told.
const MAX_HOURS: i64 = 24 * 366;

/// The ledger's entries for an agent that started again at `started`, and of whose runs before that the last packet
/// is of `last_seen`.
///
/// How long it was down is not known, since a process that is killed tells nobody. It was no longer than from the
/// last packet that it told of, which is what is entered: on a network that was quiet before, that is too much.
pub(crate) fn losses(agent: &AgentId, last_seen: Option<Timestamp>, started: Timestamp) -> Vec<LossEntry> {
    let entry = |hour, loss, count| LossEntry { agent: agent.clone(), hour, loss, count };
    let mut entries = vec![entry(Hour::of(started), Loss::AgentRestarted, 1)];
    let Some(last) = last_seen.filter(|last| *last < started) else { return entries };
    let end = Hour::of(started).0;
    let first = Hour::of(last).0.max(end.saturating_sub(MAX_HOURS - 1));
    for hour in (first..=end).map(Hour) {
        let TimeRange { start, end } =
            TimeRange { start: hour.start().max(last), end: Hour(hour.0 + 1).start().min(started) };
        let down = end.since(start);
        if down > Duration::ZERO {
            entries.push(entry(hour, Loss::AgentDown, down.as_secs() + u64::from(down.subsec_nanos() > 0)));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(last_seen: Option<i64>, started: i64) -> Vec<(i64, Loss, u64)> {
        let last_seen = last_seen.map(|seconds| Timestamp::from_parts(seconds, 1));
        let entries = losses(&AgentId::from("a"), last_seen, Timestamp::from_parts(started, 0));
        entries.into_iter().map(|entry| (entry.hour.0, entry.loss, entry.count)).collect()
    }

    #[test]
    fn each_hour_has_its_seconds() {
        assert_eq!(
            told(Some(3_000), 2 * 3_600 + 60),
            [
                (2, Loss::AgentRestarted, 1),
                (0, Loss::AgentDown, 600),
                (1, Loss::AgentDown, 3_600),
                (2, Loss::AgentDown, 60)
            ]
        );
    }

    #[test]
    fn an_agent_that_told_of_nothing_or_of_the_future_was_only_restarted() {
        assert_eq!(told(None, 10), [(0, Loss::AgentRestarted, 1)]);
        assert_eq!(told(Some(20), 10), [(0, Loss::AgentRestarted, 1)]);
    }

    #[test]
    fn a_long_absence_is_told_for_a_year() {
        assert_eq!(told(Some(0), 100 * 366 * 86_400).len(), 1 + MAX_HOURS as usize - 1);
    }
}

//! What hosts listened on, as every store keeps it: a row for each end, owner and time that it was first seen so, whose end
//! is when it was last seen so. Told again, late or in another order, it stays the same.

use std::collections::HashMap;

use watershed_model::{AgentId, KnownListener, Listener, TimeRange, Timestamp};

/// Rows that are read at once, those seen last; and that memory holds. A thousand hosts with a hundred ends each have a
/// hundred thousand, and as many more each time that all of them start anew.
pub(super) const MAX_LISTENERS: usize = 1_000_000;

/// When one must have been seen to have gone on, perhaps, into a time.
pub(super) fn starts_by(period: TimeRange) -> Timestamp {
    period.start.minus(Listener::TOLD_EVERY * 2)
}

/// Who listens, in columns of text: an empty process is one that is not known.
pub(super) mod owner {
    use watershed_model::{Listener, Owner};

    pub(in crate::store) fn columns(listener: &Listener) -> (&str, &str) {
        listener
            .owner
            .as_ref()
            .map_or(("", ""), |owner| (&owner.process, owner.unit.as_deref().unwrap_or("")))
    }

    pub(in crate::store) fn of(process: String, unit: String) -> Option<Owner> {
        let unit = (!unit.is_empty()).then(|| unit.into());
        (!process.is_empty()).then(|| Owner { process: process.into(), unit })
    }
}

/// Those that memory holds: when each was last seen.
#[derive(Debug, Default)]
pub(super) struct Listeners(HashMap<KnownListener, Timestamp>);

impl Listeners {
    /// Keeps one; false where there is no room.
    pub(super) fn keep(&mut self, agent: &AgentId, listener: &Listener) -> bool {
        let mut key = KnownListener { listener: listener.clone(), agent: agent.clone() };
        key.listener.last_seen = Timestamp::MIN;
        if self.0.len() >= MAX_LISTENERS && !self.0.contains_key(&key) {
            return false;
        }
        let last = self.0.entry(key).or_insert(Timestamp::MIN);
        *last = (*last).max(listener.last_seen);
        true
    }

    /// Those that may have gone on into a time, in order.
    pub(super) fn within(&self, period: Option<TimeRange>) -> Vec<KnownListener> {
        let wanted = |first: Timestamp, last: Timestamp| {
            period.is_none_or(|period| first <= period.end && last >= starts_by(period))
        };
        let kept = self.0.iter().filter(|(key, last)| wanted(key.listener.first_seen, **last));
        let mut kept: Vec<KnownListener> = kept
            .map(|(KnownListener { listener, agent }, last)| KnownListener {
                listener: Listener { last_seen: *last, ..listener.clone() },
                agent: agent.clone(),
            })
            .collect();
        kept.sort_unstable();
        kept
    }
}

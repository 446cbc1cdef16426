//! What one agent saw between two addresses on one service in one hour.

use watershed_model::{
    ConnState, EdgeTraffic, EndReason, Evidence, EvidenceCounts, FlowRecord, StateCounts, Summary, TimeRange,
    Timestamp, Traffic,
};

/// Counts of one entry, compact: as long as all connections went alike, how they went is kept once.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    connections: u64,
    answered: u64,
    /// Connections with a state: those that have ended.
    ended: u64,
    to_server: EdgeTraffic,
    to_client: EdgeTraffic,
    /// Of all `connections`, unless mixed.
    evidence: Evidence,
    /// Of all `ended`, unless mixed.
    state: ConnState,
    mixed: Option<Box<Mixed>>,
}

/// How connections went that did not all go alike.
#[derive(Debug)]
struct Mixed {
    states: StateCounts,
    evidence: EvidenceCounts,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            first_seen: Timestamp::MAX,
            last_seen: Timestamp::MIN,
            connections: 0,
            answered: 0,
            ended: 0,
            to_server: EdgeTraffic::default(),
            to_client: EdgeTraffic::default(),
            evidence: Evidence::empty(),
            state: ConnState::Oth,
            mixed: None,
        }
    }
}

impl Entry {
    /// Adds a record. A connection counts with its first part, its evidence being what that part shows, and
    /// its state with its last part; traffic counts with every part.
    pub(super) fn add(&mut self, record: &FlowRecord, answered: u64) {
        self.seen(record.first_seen);
        if let Some(summary) = &record.summary {
            return self.add_summary(record, summary, answered);
        }
        self.answered += answered;
        add_traffic(&mut self.to_server, &record.to_server);
        add_traffic(&mut self.to_client, &record.to_client);
        let (first, last) = (record.part == 0, record.end != EndReason::Active);
        let differs = (first && self.connections > 0 && self.evidence != record.evidence)
            || (last && self.ended > 0 && self.state != record.state);
        if differs && self.mixed.is_none() {
            self.mixed = Some(Box::new(Mixed { states: self.states(), evidence: self.evidence() }));
        }
        if first {
            self.connections += 1;
            self.evidence = record.evidence;
        }
        if last {
            self.ended += 1;
            self.state = record.state;
        }
        if let Some(mixed) = &mut self.mixed {
            if first {
                mixed.evidence.add(record.evidence);
            }
            if last {
                mixed.states.add(record.state);
            }
        }
    }

    /// Adds several connections at once.
    fn add_summary(&mut self, record: &FlowRecord, summary: &Summary, answered: u64) {
        let traffic = |of: &Traffic| EdgeTraffic { packets: of.packets, ip_bytes: of.ip_bytes };
        let mut totals = Totals::of(self);
        totals.add(&Totals {
            connections: summary.connections,
            answered,
            to_server: traffic(&record.to_server),
            to_client: traffic(&record.to_client),
            states: summary.states,
            evidence: summary.evidence,
        });
        *self = Self::of(TimeRange { start: self.first_seen, end: self.last_seen }, &totals);
    }

    /// An entry with these totals; compact again where all connections went alike.
    pub(super) fn of(seen: TimeRange, totals: &Totals) -> Self {
        let Totals { connections, answered, to_server, to_client, states, evidence } = *totals;
        let mut entry = Self {
            first_seen: seen.start,
            last_seen: seen.end,
            connections,
            answered,
            ended: states.iter().map(|(_, count)| count).fold(0, u64::saturating_add),
            to_server,
            to_client,
            ..Self::default()
        };
        if let Some((state, _)) = states.iter().next() {
            entry.state = state;
        }
        entry.evidence = Evidence::all().iter().filter(|flag| evidence.of(*flag) > 0).collect();
        if entry.states() != states || entry.evidence() != evidence {
            entry.mixed = Some(Box::new(Mixed { states, evidence }));
        }
        entry
    }

    /// Notes a packet at `time`.
    pub(super) fn seen(&mut self, time: Timestamp) {
        self.first_seen = self.first_seen.min(time);
        self.last_seen = self.last_seen.max(time);
    }

    /// Whether it had a packet in `period`.
    pub(super) fn is_in(&self, period: Option<TimeRange>) -> bool {
        period.is_none_or(|p| self.first_seen <= p.end && p.start <= self.last_seen)
    }

    fn states(&self) -> StateCounts {
        self.mixed.as_ref().map_or_else(
            || {
                let mut one = StateCounts::default();
                one.add(self.state);
                times(one, self.ended, StateCounts::merge)
            },
            |mixed| mixed.states,
        )
    }

    fn evidence(&self) -> EvidenceCounts {
        self.mixed.as_ref().map_or_else(
            || {
                let mut one = EvidenceCounts::default();
                one.add(self.evidence);
                times(one, self.connections, EvidenceCounts::merge)
            },
            |mixed| mixed.evidence,
        )
    }
}

/// `count` times `one`, by doubling.
pub(in crate::store) fn times<T: Copy + Default>(one: T, count: u64, add: impl Fn(&mut T, &T)) -> T {
    let (mut sum, mut power, mut left) = (T::default(), one, count);
    while left > 0 {
        if left & 1 == 1 {
            add(&mut sum, &power);
        }
        left >>= 1;
        if left > 0 {
            let same = power;
            add(&mut power, &same);
        }
    }
    sum
}

fn add_traffic(sum: &mut EdgeTraffic, traffic: &Traffic) {
    sum.packets = sum.packets.saturating_add(traffic.packets);
    sum.ip_bytes = sum.ip_bytes.saturating_add(traffic.ip_bytes);
}

/// Sums over entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct Totals {
    pub(in crate::store) connections: u64,
    pub(in crate::store) answered: u64,
    pub(in crate::store) to_server: EdgeTraffic,
    pub(in crate::store) to_client: EdgeTraffic,
    pub(in crate::store) states: StateCounts,
    pub(in crate::store) evidence: EvidenceCounts,
}

impl Totals {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            connections: entry.connections,
            answered: entry.answered,
            to_server: entry.to_server,
            to_client: entry.to_client,
            states: entry.states(),
            evidence: entry.evidence(),
        }
    }

    pub(in crate::store) fn add(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.answered = self.answered.saturating_add(other.answered);
        for (mine, theirs) in [(&mut self.to_server, other.to_server), (&mut self.to_client, other.to_client)]
        {
            mine.packets = mine.packets.saturating_add(theirs.packets);
            mine.ip_bytes = mine.ip_bytes.saturating_add(theirs.ip_bytes);
        }
        self.states.merge(&other.states);
        self.evidence.merge(&other.evidence);
    }

    /// What makes one observer of the same connections better than another: answers, connections, packets.
    pub(super) fn quality(&self) -> (u64, u64, u64) {
        (self.answered, self.connections, self.to_server.packets.saturating_add(self.to_client.packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry>() <= 96, "{}", size_of::<Entry>());
    }

    #[test]
    fn times_is_repeated_addition() {
        for count in [0, 1, 2, 3, 7, 64, 1_000_001] {
            let mut one = StateCounts::default();
            one.add(ConnState::Rej);
            assert_eq!(times(one, count, StateCounts::merge).of(ConnState::Rej), count);
        }
    }
}

//! Who had which address when, put together from changes.

use std::collections::BTreeSet;
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;
use watershed_model::{TimeRange, Timestamp, Workload};

use super::change::{Change, Update};
use super::table::PrefixTable;
use super::timeline::{Point, Span, Timeline};
use super::{Identity, Inventory, Tenure};

/// Changes remembered; beyond it the older half is forgotten, but for whose each prefix was at the end of it. Two
/// hours of 500 changes a second, 16 octets each.
pub const MAX_CHANGES: usize = 4_000_000;

/// Who had each prefix when, as one source tells it; the longest prefix that covers an address, and that somebody
/// had then, wins.
#[derive(Clone, Debug)]
pub struct History {
    workloads: Vec<Arc<Workload>>,
    /// From workload to index in `workloads`.
    numbers: HashMap<Arc<Workload>, u32>,
    prefixes: Vec<IpNet>,
    /// Of each prefix; apart from it, since only these are needed to say whose an address was.
    timelines: Vec<Timeline>,
    /// From prefix to index in both.
    table: PrefixTable,
    limit: usize,
    /// Whether forgetting what is over makes no room any more.
    full: bool,
    counts: HistoryCounts,
}

/// What became of the changes that a history was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCounts {
    /// Changes that said something new.
    pub taken: u64,
    /// Of these, those that came after a later one of the same prefix.
    pub out_of_order: u64,
    /// Changes remembered now.
    pub remembered: usize,
    /// Times that the older half was forgotten for want of room.
    pub forgotten_early: u64,
    /// Changes that there was no room for.
    pub refused: u64,
}

impl HistoryCounts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            taken: self.taken + other.taken,
            out_of_order: self.out_of_order + other.out_of_order,
            remembered: self.remembered + other.remembered,
            forgotten_early: self.forgotten_early + other.forgotten_early,
            refused: self.refused + other.refused,
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self::with_limit(MAX_CHANGES)
    }
}

impl FromIterator<Change> for History {
    fn from_iter<T: IntoIterator<Item = Change>>(changes: T) -> Self {
        let mut history = Self::default();
        for change in changes {
            history.apply(&change);
        }
        history
    }
}

impl History {
    /// One that remembers at most `limit` changes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            workloads: Vec::new(),
            numbers: HashMap::new(),
            prefixes: Vec::new(),
            timelines: Vec::new(),
            table: PrefixTable::default(),
            limit,
            full: false,
            counts: HistoryCounts::default(),
        }
    }

    /// Takes over what a source says, and returns those changes that say something new: told to another history,
    /// they make it the same.
    pub fn take(&mut self, update: Update) -> Vec<Change> {
        let mut changes = match update {
            Update::Changes(changes) => changes,
            Update::Everything { at, owned } => self.differences(&owned.into_iter().collect(), at),
        };
        changes.retain(|change| self.apply(change));
        changes
    }

    /// Takes over one change; false where it says nothing new, or there is no room for it.
    pub fn apply(&mut self, change: &Change) -> bool {
        if self.counts.remembered >= self.limit && !self.forget_older_half() {
            self.counts.refused += 1;
            return false;
        }
        let owner = change.workload.as_ref().map(|workload| self.number(workload));
        let index = self.table.insert(change.prefix, self.prefixes.len() as u32).unwrap_or_else(|| {
            self.prefixes.push(change.prefix);
            self.timelines.push(Timeline::default());
            self.prefixes.len() as u32 - 1
        });
        let timeline = &mut self.timelines[index as usize];
        if timeline.knows(change.at, owner) {
            return false;
        }
        self.counts.taken += 1;
        self.counts.out_of_order +=
            u64::from(timeline.points().last().is_some_and(|last| last.from > change.at));
        self.counts.remembered += timeline.set(change.at, owner);
        true
    }

    /// What changes where from `at` on there is what `all` has, and nothing else. What of it has a known start holds
    /// from there, also before `at`; what is called as before and only has other labels has them from `at` on.
    fn differences(&mut self, all: &Self, at: Timestamp) -> Vec<Change> {
        let first = self.prefixes.is_empty();
        let numbers: Vec<u32> = all.workloads.iter().map(|workload| self.number(workload)).collect();
        let prefixes: BTreeSet<IpNet> = self.prefixes.iter().chain(&all.prefixes).copied().collect();
        let mut changes = Vec::new();
        for prefix in prefixes {
            let mut known = self.timeline(prefix).cloned().unwrap_or_default();
            let then = all.timeline(prefix).cloned().unwrap_or_default();
            let told = then.points().iter().filter(|point| first || point.from > Timestamp::MIN);
            let to_come = known.points().iter().filter(|point| point.from > at);
            let times: BTreeSet<Timestamp> =
                told.chain(to_come).map(|point| point.from).chain([at]).collect();
            for time in times {
                let owner = then.at(time).map(|owner| numbers[owner as usize]);
                let before = known.at(time);
                if before != owner && (time >= at || !self.same_name(before, owner)) {
                    known.set(time, owner);
                    let workload = owner.map(|owner| Arc::clone(&self.workloads[owner as usize]));
                    changes.push(Change { at: time, prefix, workload });
                }
            }
        }
        changes
    }

    fn same_name(&self, one: Option<u32>, other: Option<u32>) -> bool {
        let name = |owner: Option<u32>| {
            owner.map(|owner| {
                let workload = &self.workloads[owner as usize];
                (workload.kind, &workload.namespace, &workload.name)
            })
        };
        name(one) == name(other)
    }

    fn number(&mut self, workload: &Arc<Workload>) -> u32 {
        let next = self.workloads.len() as u32;
        if let Some(&number) = self.numbers.get(workload) {
            return number;
        }
        self.numbers.insert(Arc::clone(workload), next);
        self.workloads.push(Arc::clone(workload));
        next
    }

    /// Forgets what was over before `time`; whose each prefix was then stays known.
    fn forget_before(&mut self, time: Timestamp) {
        let (counts, limit) = (self.counts, self.limit);
        let Self { workloads, prefixes, timelines, .. } = std::mem::replace(self, Self::with_limit(limit));
        for (prefix, mut timeline) in prefixes.into_iter().zip(timelines) {
            timeline.forget_before(time);
            if timeline.points().is_empty() {
                continue;
            }
            timeline.renumber(|owner| self.number(&workloads[owner as usize]));
            self.counts.remembered += timeline.points().len();
            self.table.insert(prefix, self.prefixes.len() as u32);
            self.prefixes.push(prefix);
            self.timelines.push(timeline);
        }
        self.counts = HistoryCounts { remembered: self.counts.remembered, ..counts };
    }

    /// Whether that made enough room: where nothing but whose each prefix is now takes all of it, it does not.
    fn forget_older_half(&mut self) -> bool {
        if self.full {
            return false;
        }
        let points = self.timelines.iter().flat_map(Timeline::points);
        let mut times: Vec<Timestamp> = points.map(|point| point.from).collect();
        let middle = times.len() / 2;
        let time = times.get(middle).is_some().then(|| *times.select_nth_unstable(middle).1);
        self.forget_before(time.unwrap_or(Timestamp::MAX));
        self.counts.forgotten_early += 1;
        // Else the next change but a few would look through all of it again.
        self.full = self.counts.remembered > self.limit - self.limit / 4;
        self.counts.remembered < self.limit
    }

    /// All changes that are remembered, prefix by prefix in order of time.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let each = self.prefixes.iter().zip(&self.timelines);
        let points = each.flat_map(|(prefix, line)| line.points().iter().map(move |point| (prefix, point)));
        let change = |(prefix, point): (&IpNet, &Point)| {
            let workload = point.owner.map(|owner| Arc::clone(&self.workloads[owner as usize]));
            Change { at: point.from, prefix: *prefix, workload }
        };
        points.map(change).collect()
    }

    /// What became of the changes it was told.
    #[must_use]
    pub const fn counts(&self) -> HistoryCounts {
        self.counts
    }

    /// Every workload that had something, in order of their first mention.
    #[must_use]
    pub fn workloads(&self) -> &[Arc<Workload>] {
        &self.workloads
    }

    /// Who has each prefix now, as far as is known, in order of their first mention.
    pub fn owned(&self) -> impl Iterator<Item = (IpNet, &Arc<Workload>)> {
        self.prefixes.iter().zip(&self.timelines).filter_map(|(&prefix, timeline)| {
            let owner = timeline.points().last()?.owner?;
            Some((prefix, &self.workloads[owner as usize]))
        })
    }

    /// Who had `address` at any time, the longest prefix first and each in order of time.
    pub fn tenures(&self, address: IpAddr) -> impl Iterator<Item = Tenure<'_>> {
        self.covering(address).flat_map(move |(_, index)| {
            let prefix = self.prefixes[index];
            self.timelines[index].spans().map(move |Span { from, until, owner }| Tenure {
                prefix,
                from,
                until,
                workload: &self.workloads[owner as usize],
                source: None,
            })
        })
    }

    /// Who had `address` during a flow, and by which prefix.
    pub(super) fn find(&self, address: IpAddr, during: TimeRange) -> Option<(u8, Identity<'_>)> {
        let found =
            |(length, index): (u8, usize)| self.timelines[index].during(during).map(|owner| (length, owner));
        let (length, (owner, handed_over)) = self.covering(address).find_map(found)?;
        Some((length, Identity { workload: self.workloads.get(owner as usize), handed_over }))
    }

    fn timeline(&self, prefix: IpNet) -> Option<&Timeline> {
        self.timelines.get(self.table.get(prefix)? as usize)
    }

    /// The lengths and numbers of the prefixes that cover `address`, longest first.
    fn covering(&self, address: IpAddr) -> impl Iterator<Item = (u8, usize)> {
        let longest = self.table.longest(address);
        let shorter = move |&(length, _): &(u8, u32)| self.table.longest_below(address, length);
        iter::successors(longest, shorter).map(|(length, index)| (length, index as usize))
    }
}

impl Inventory for History {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        self.find(address, during).map_or_else(Identity::default, |(_, identity)| identity)
    }
}

#[cfg(test)]
mod tests;

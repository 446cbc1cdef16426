//! What became different in an inventory: who is new, gone or labelled otherwise, and which addresses were used again
//! soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use watershed_model::{Labels, TimeRange, Timestamp, Workload, WorkloadKind};

use super::{Source, Told};

/// An address that another workload has so soon after the one before was used again fast: connections to the one
/// before may still be open, since a connection without packets counts as open for this long by default.
pub const REUSED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// What became different in a period. Workloads are the same from one time to another where source, kind, namespace
/// and name are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Workloads that had nothing before, and since when they have; in order of time.
    pub new: Vec<Event>,
    /// Workloads that have nothing any more, and since when; in order of time.
    pub gone: Vec<Event>,
    /// Workloads that have other labels than before, in order of time.
    pub relabelled: Vec<Relabelled>,
    /// Addresses and networks that another workload had soon after, in order of time.
    pub reused: Vec<Reused>,
}

/// Something about a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who says so.
    pub source: Source,
    /// About whom, as it was last.
    pub workload: Arc<Workload>,
}

/// A workload got other labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relabelled {
    /// When it first had them, and what it is since then.
    pub event: Event,
    /// The labels that it had before and has not with these values any more.
    pub before: Labels,
    /// The labels that it had not with these values.
    pub after: Labels,
}

/// An address or a network went from one workload to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reused {
    /// What.
    pub prefix: IpNet,
    /// When the other one had it.
    pub event: Event,
    /// Who had it before.
    pub before: Arc<Workload>,
    /// For how long nobody had it.
    pub free: Duration,
}

/// By which a workload is the same from one time to another.
type Name<'a> = (Source, WorkloadKind, Option<&'a str>, &'a str);

fn name(source: Source, workload: &Workload) -> Name<'_> {
    (source, workload.kind, workload.namespace.as_deref(), &workload.name)
}

/// Somebody had a prefix.
struct Held<'a> {
    source: Source,
    from: Timestamp,
    until: Timestamp,
    workload: &'a Arc<Workload>,
}

impl Held<'_> {
    fn event(&self, at: Timestamp) -> Event {
        Event { at, source: self.source, workload: Arc::clone(self.workload) }
    }
}

impl Drift {
    /// What became different in `period`: `history` is all that was told up to its end, in order of source, prefix and
    /// time.
    #[must_use]
    pub fn of(history: &[Told], period: TimeRange) -> Self {
        let mut drift = Self::default();
        let mut by_name: BTreeMap<Name<'_>, Vec<Held<'_>>> = BTreeMap::new();
        let within = |at: Timestamp| period.start <= at && at <= period.end;
        let history: Vec<&Told> = history.iter().filter(|told| told.change.at <= period.end).collect();
        for changes in history.chunk_by(|a, b| (a.source, a.change.prefix) == (b.source, b.change.prefix)) {
            let ends = changes.iter().skip(1).map(|next| next.change.at).chain([Timestamp::MAX]);
            let mut before: Option<(&Arc<Workload>, Timestamp)> = None;
            for (told, until) in changes.iter().zip(ends) {
                let Some(workload) = &told.change.workload else { continue };
                let held = Held { source: told.source, from: told.change.at, until, workload };
                if let Some((earlier, ended)) = before
                    && name(told.source, earlier) != name(told.source, workload)
                    && within(held.from)
                    && held.from.since(ended) <= REUSED_WITHIN
                {
                    drift.reused.push(Reused {
                        prefix: told.change.prefix,
                        event: held.event(held.from),
                        before: Arc::clone(earlier),
                        free: held.from.since(ended),
                    });
                }
                before = Some((workload, until));
                by_name.entry(name(told.source, workload)).or_default().push(held);
            }
        }
        by_name.into_values().for_each(|held| drift.add(held, within));
        drift.sort();
        drift
    }

    /// Adds what became different of one workload.
    fn add(&mut self, mut held: Vec<Held<'_>>, within: impl Fn(Timestamp) -> bool) {
        held.sort_by_key(|held| held.from);
        let Some(first) = held.first() else { return };
        if within(first.from) {
            self.new.push(first.event(first.from));
        }
        let Some(last) = held.iter().max_by_key(|held| held.until) else { return };
        if last.until < Timestamp::MAX && within(last.until) {
            self.gone.push(last.event(last.until));
        }
        let mut known: Vec<&Labels> = Vec::new();
        for held in &held {
            let labels = &held.workload.labels;
            if let Some(before) = known.last().filter(|_| !known.contains(&labels) && within(held.from)) {
                let without = |these: &Labels, those: &Labels| {
                    let differs = these.iter().filter(|(label, value)| those.get(*label) != Some(value));
                    differs.map(|(label, value)| (label.clone(), value.clone())).collect()
                };
                self.relabelled.push(Relabelled {
                    event: held.event(held.from),
                    before: without(before, labels),
                    after: without(labels, before),
                });
            }
            known.retain(|known| known != &labels);
            known.push(labels);
        }
    }

    fn sort(&mut self) {
        let order = |event: &Event| (event.at, event.source, Arc::clone(&event.workload));
        self.new.sort_by_cached_key(order);
        self.gone.sort_by_cached_key(order);
        self.relabelled.sort_by_cached_key(|relabelled| order(&relabelled.event));
        self.reused.sort_by_cached_key(|reused| (reused.event.at, reused.prefix, order(&reused.event)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;

    fn told(at: i64, address: [u8; 4], workload: &str) -> Told {
        let (name, version) = workload.split_once('@').unwrap_or((workload, "1"));
        let labels =
            Labels::from([("app".to_owned(), "shop".to_owned()), ("version".to_owned(), version.to_owned())]);
        let workload = Workload { name: name.to_owned(), labels, ..Workload::default() };
        let workload = (!name.is_empty()).then(|| Arc::new(workload));
        let change = Change {
            at: Timestamp::from_parts(at, 0),
            prefix: std::net::IpAddr::from(address).into(),
            workload,
        };
        Told { source: Source::Kubernetes, change }
    }

    #[test]
    fn what_became_different_is_told() {
        let (one, two, three) = ([10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]);
        let history = [
            told(0, one, "old"),
            told(1_000, one, ""),
            told(1_002, one, "web"),
            told(5_000, one, ""),
            told(0, two, "web"),
            told(1_500, two, "web@2"),
            told(0, three, "gone before"),
            told(900, three, ""),
            told(1_300, three, "late"),
            told(2_100, three, "after the end"),
        ];
        let period =
            TimeRange { start: Timestamp::from_parts(1_000, 0), end: Timestamp::from_parts(2_000, 0) };
        let drift = Drift::of(&history, period);
        let names = |events: &[Event]| -> Vec<String> {
            events.iter().map(|event| format!("{} {}", event.at.as_secs_f64(), event.workload)).collect()
        };
        assert_eq!(names(&drift.new), ["1300 late"]);
        assert_eq!(names(&drift.gone), ["1000 old"]);
        let [relabelled] = &drift.relabelled[..] else { panic!("{drift:?}") };
        assert_eq!(
            (relabelled.event.at.as_secs_f64(), relabelled.event.workload.name.as_str()),
            (1_500.0, "web")
        );
        assert_eq!(
            (&relabelled.before["version"], &relabelled.after["version"]),
            (&"1".to_owned(), &"2".to_owned())
        );
        assert_eq!(relabelled.after.len(), 1);
        let [reused] = &drift.reused[..] else { panic!("{drift:?}") };
        assert_eq!((reused.before.name.as_str(), reused.event.workload.name.as_str()), ("old", "web"));
        assert_eq!(
            (reused.prefix.to_string().as_str(), reused.free),
            ("10.0.0.1/32", Duration::from_secs(2))
        );
        assert_eq!(Drift::of(&[], period), Drift::default());
    }
}

//! The name join: what a client called an address at the time of a flow.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use watershed_model::{NameObservation, Party, Timestamp, Workload, WorkloadKind};

use crate::AggregatorConfig;

/// Spans kept for one client and one address: more names than this in one day are a name generator, not
/// services, and each record looks at all of them. Beyond it the stalest span makes room.
const MAX_SPANS: usize = 64;

/// Looks for names that are too old in the time that names stand: memory is then at most a quarter too large.
const LOOKS: u32 = 4;

/// The DNS answers that one agent saw, by client and address.
///
/// A name is in force for a client from the time it saw the answer until its time to live is over, at least
/// [`AggregatorConfig::name_floor`]. Where none is in force the client's latest earlier answer stands for
/// [`AggregatorConfig::name_memory`], since runtimes keep addresses longer than they may.
#[derive(Debug, Default)]
pub(crate) struct NamesInForce {
    pairs: HashMap<(Party, IpAddr), Vec<Span>>,
    names: HashSet<Arc<str>>,
    spans: usize,
    refused: u64,
    /// Event time of the last look for names that are too old.
    aged: Timestamp,
}

/// A time without a gap in which a name was in force.
#[derive(Debug)]
struct Span {
    name: Arc<str>,
    from: Timestamp,
    until: Timestamp,
    last_answer: Timestamp,
}

/// Who asks for names at `address`: the host, which may ask over one address and connect from another, as
/// hosts with both IP versions do. In a network everyone asks for themselves.
pub(crate) fn asker(address: IpAddr, workload: Option<&Arc<Workload>>) -> Party {
    match workload {
        Some(host) if host.kind == WorkloadKind::Host => Party::Workload(Arc::clone(host)),
        _ => Party::Address(address),
    }
}

impl NamesInForce {
    /// Takes note of an answer to `client`, if there are fewer than `room` names.
    pub(crate) fn learn(
        &mut self,
        client: Party,
        answer: &NameObservation,
        config: &AggregatorConfig,
        room: usize,
    ) {
        let until = answer.seen.plus(answer.ttl.max(config.name_floor));
        let spans = match self.pairs.entry((client, answer.address)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if self.spans >= room => {
                self.refused += 1;
                return;
            }
            Entry::Vacant(new) => new.insert(Vec::new()),
        };
        if let Some(span) = continued(spans, answer, until) {
            span.from = span.from.min(answer.seen);
            span.until = span.until.max(until);
            span.last_answer = span.last_answer.max(answer.seen);
            return;
        }
        if spans.len() >= MAX_SPANS {
            self.refused += 1;
            drop_stalest(spans);
        } else if self.spans >= room {
            self.refused += 1;
            return;
        } else {
            self.spans += 1;
        }
        let name = Arc::clone(self.names.get_or_insert_with(&*answer.name, |name| Arc::from(name)));
        spans.push(Span { name, from: answer.seen, until, last_answer: answer.seen });
    }

    /// Whether no answer was seen yet, so that nothing can be found.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// How many names are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.spans
    }

    /// Forgets names that do not stand any more at `now`; looks for them a few times in the time that they stand.
    pub(crate) fn age(&mut self, now: Timestamp, config: &AggregatorConfig) {
        if now.since(self.aged) < config.name_memory / LOOKS {
            return;
        }
        self.aged = now;
        let stand = |span: &Span| now <= span.until.plus(config.name_memory);
        self.pairs.retain(|_, spans| {
            spans.retain(stand);
            !spans.is_empty()
        });
        self.spans = self.pairs.values().map(Vec::len).sum();
        self.names.retain(|name| Arc::strong_count(name) > 1);
    }

    /// Adds the names that `client` had for `address` at `at` to `names`.
    pub(crate) fn find(
        &self,
        (client, address): (Party, IpAddr),
        at: Timestamp,
        config: &AggregatorConfig,
        names: &mut Vec<Arc<str>>,
    ) {
        let Some(spans) = self.pairs.get(&(client, address)) else { return };
        let answered_by = at.plus(config.name_slack);
        let stands = |span: &&Span| span.from <= answered_by && at <= span.until.plus(config.name_memory);
        let known = || spans.iter().filter(stands);
        let before = names.len();
        names.extend(known().filter(|span| at <= span.until).map(|span| Arc::clone(&span.name)));
        if names.len() == before {
            let latest = known().map(|span| span.last_answer).max();
            let standing = known().filter(|span| Some(span.last_answer) == latest);
            names.extend(standing.map(|span| Arc::clone(&span.name)));
        }
    }

    /// How many answers found no room since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

/// The span that `answer` carries on: one of the same name that it overlaps, or the only one there is, in
/// whose gap the name stands anyway.
fn continued<'a>(spans: &'a mut [Span], answer: &NameObservation, until: Timestamp) -> Option<&'a mut Span> {
    let only = spans.len() == 1;
    spans.iter_mut().filter(|span| *span.name == *answer.name).find(|span| {
        let overlaps = answer.seen <= span.until && span.from <= until;
        overlaps || (only && answer.seen > span.until)
    })
}

fn drop_stalest(spans: &mut Vec<Span>) {
    let stalest = spans.iter().enumerate().min_by_key(|(_, span)| span.last_answer).map(|(index, _)| index);
    if let Some(index) = stalest {
        spans.swap_remove(index);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{address, answer};

    fn client() -> Party {
        asker(address("10.0.0.1"), None)
    }

    fn joined(answers: &[NameObservation], client: &str, at: i64) -> Vec<String> {
        let config = AggregatorConfig::default();
        let mut names = NamesInForce::default();
        answers.iter().for_each(|answer| names.learn(asker(answer.client, None), answer, &config, ROOM));
        let mut found = Vec::new();
        let pair = (asker(address(client), None), address("192.0.2.9"));
        names.find(pair, Timestamp::from_parts(at, 0), &config, &mut found);
        let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
        found.sort();
        found
    }

    const ROOM: usize = 1_000;

    #[test]
    fn a_name_holds_for_the_client_that_asked_from_when_it_asked() {
        let answers = [answer("10.0.0.1", "a.example", "192.0.2.9", 100, 300)];
        assert_eq!(joined(&answers, "10.0.0.1", 99), [""; 0]);
        assert_eq!(joined(&answers, "10.0.0.1", 100), ["a.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 400), ["a.example"]);
        assert_eq!(joined(&answers, "10.0.0.2", 100), [""; 0]);
    }

    #[test]
    fn all_names_in_force_stay() {
        let answers = [
            answer("10.0.0.1", "a.example", "192.0.2.9", 100, 300),
            answer("10.0.0.1", "b.example", "192.0.2.9", 200, 300),
        ];
        assert_eq!(joined(&answers, "10.0.0.1", 150), ["a.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 250), ["a.example", "b.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 450), ["b.example"]);
    }

    #[test]
    fn the_latest_answer_stands_when_none_is_in_force() {
        let answers = [
            answer("10.0.0.1", "a.example", "192.0.2.9", 100, 0),
            answer("10.0.0.1", "b.example", "192.0.2.9", 120, 0),
            answer("10.0.0.1", "a.example", "192.0.2.9", 5_000, 0),
        ];
        assert_eq!(joined(&answers, "10.0.0.1", 150), ["a.example", "b.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 170), ["b.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 4_000), ["b.example"]);
        assert_eq!(joined(&answers, "10.0.0.1", 9_000), ["a.example"]);
    }

    #[test]
    fn repeated_answers_take_no_more_room() {
        let config = AggregatorConfig::default();
        let mut names = NamesInForce::default();
        for seen in 0..50 {
            names.learn(client(), &answer("10.0.0.1", "a.example", "192.0.2.9", seen * 400, 30), &config, 1);
        }
        assert_eq!((names.spans, names.take_refused()), (1, 0));
        names.learn(client(), &answer("10.0.0.1", "b.example", "192.0.2.9", 0, 30), &config, 1);
        names.learn(client(), &answer("10.0.0.1", "b.example", "192.0.2.10", 0, 30), &config, 1);
        assert_eq!((names.spans, names.take_refused()), (1, 2));
    }

    #[test]
    fn names_are_forgotten_when_they_do_not_stand_any_more() {
        let config = AggregatorConfig::default();
        let day = config.name_memory.as_secs() as i64;
        let mut names = NamesInForce::default();
        names.learn(client(), &answer("10.0.0.1", "a.example", "192.0.2.9", 100, 300), &config, ROOM);
        names.learn(client(), &answer("10.0.0.1", "b.example", "192.0.2.8", day, 300), &config, ROOM);
        let found = |names: &NamesInForce, at| {
            let mut found = Vec::new();
            let pair = (client(), address("192.0.2.9"));
            names.find(pair, Timestamp::from_parts(at, 0), &config, &mut found);
            found.len()
        };
        assert_eq!((found(&names, day + 400), found(&names, day + 401)), (1, 0));
        names.age(Timestamp::from_parts(day + 400, 0), &config);
        assert_eq!(names.len(), 2);
        names.age(Timestamp::from_parts(2 * day, 0), &config);
        assert_eq!((names.len(), names.names.len(), found(&names, 200)), (1, 1, 0));
    }

    #[test]
    fn a_name_generator_pushes_out_its_own_oldest_names() {
        let config = AggregatorConfig::default();
        let mut names = NamesInForce::default();
        for number in 0..MAX_SPANS as i64 + 5 {
            let name = format!("{number}.example");
            names.learn(client(), &answer("10.0.0.1", &name, "192.0.2.9", number, 600), &config, ROOM);
        }
        let mut found = Vec::new();
        let pair = (client(), address("192.0.2.9"));
        names.find(pair, Timestamp::from_parts(100, 0).plus(Duration::from_secs(1)), &config, &mut found);
        assert_eq!((found.len(), names.take_refused()), (MAX_SPANS, 5));
        assert!(!found.iter().any(|name| **name == *"4.example"));
    }

    #[test]
    fn a_host_that_asks_over_one_address_may_connect_from_another() {
        let of = |kind| Arc::new(Workload { kind, name: "app".to_owned(), ..Workload::default() });
        let found = |workload: &Arc<Workload>| {
            let config = AggregatorConfig::default();
            let mut names = NamesInForce::default();
            let answer = answer("10.0.0.1", "db.example", "fd00::30", 100, 300);
            names.learn(asker(answer.client, Some(workload)), &answer, &config, ROOM);
            let mut found = Vec::new();
            let pair = (asker(address("fd00::1"), Some(workload)), address("fd00::30"));
            names.find(pair, Timestamp::from_parts(101, 0), &config, &mut found);
            found.len()
        };
        assert_eq!(found(&of(WorkloadKind::Host)), 1);
        assert_eq!(found(&of(WorkloadKind::Network)), 0, "what one customer asks, no other did");
    }
}

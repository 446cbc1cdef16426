//! That changes in any order come to the same, that a list of everything says what ended, and the limits.

use proptest::prelude::*;

use super::*;

fn time(second: i64) -> Timestamp {
    Timestamp::from_parts(second, 0)
}

fn named(name: &str, version: &str) -> Arc<Workload> {
    let labels = [("version".to_owned(), version.to_owned())].into();
    Arc::new(Workload { name: name.to_owned(), labels, ..Workload::default() })
}

fn change(at: Timestamp, prefix: &str, name: &str) -> Change {
    let prefix = prefix.parse::<IpNet>().unwrap_or_else(|_| prefix.parse::<IpAddr>().unwrap().into());
    let (name, version) = name.split_once('@').unwrap_or((name, "1"));
    Change { at, prefix, workload: (!name.is_empty()).then(|| named(name, version)) }
}

/// Who had the address, a second each from 0 on, up to the `seconds`-th.
fn each_second(history: &History, address: &str, seconds: i64) -> String {
    let who = |second| {
        let workload = history.identify_at(address.parse().unwrap(), time(second))?;
        Some(format!("{}{}", workload, workload.labels["version"]))
    };
    (0..seconds).map(|second| who(second).unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_address_goes_from_hand_to_hand() {
    let changes = [
        change(time(3), "10.0.0.1", ""),
        change(time(1), "10.0.0.1", "a"),
        change(time(4), "10.0.0.1", "b"),
        change(time(0), "10.0.0.0/24", "net"),
    ];
    let mut history: History = changes.clone().into_iter().collect();
    assert_eq!(each_second(&history, "10.0.0.1", 6), "net1 a1 a1 net1 b1 b1");
    assert!(history.take(Update::Changes(changes.into())).is_empty(), "all of it is known");
    let counts = history.counts();
    assert_eq!((counts.taken, counts.out_of_order, counts.remembered), (4, 1, 4));
    let during = TimeRange { start: time(2), end: time(4) };
    assert!(history.identify([10, 0, 0, 1].into(), during).handed_over);
}

#[test]
fn a_list_of_everything_ends_what_is_not_in_it() {
    let mut history: History =
        [change(time(1), "10.0.0.1", "a"), change(time(1), "10.0.0.2", "b")].into_iter().collect();
    let owned = vec![change(time(1), "10.0.0.2", "b@2"), change(time(4), "10.0.0.3", "c")];
    let changes = history.take(Update::Everything { at: time(5), owned: owned.clone() });
    assert_eq!(each_second(&history, "10.0.0.1", 7), "- a1 a1 a1 a1 - -");
    assert_eq!(each_second(&history, "10.0.0.2", 7), "- b1 b1 b1 b1 b2 b2", "new labels change no past");
    assert_eq!(each_second(&history, "10.0.0.3", 7), "- - - - c1 c1 c1", "known since it started");
    assert_eq!(changes.len(), 3);
    assert!(history.take(Update::Everything { at: time(6), owned }).is_empty());
}

#[test]
fn a_timetable_that_is_written_anew_holds_where_it_gives_times() {
    let always = |name: &str| change(Timestamp::MIN, "10.0.0.1", name);
    let mut history = History::default();
    history.take(Update::Everything { at: time(5), owned: vec![always("a")] });
    assert_eq!(each_second(&history, "10.0.0.1", 2), "a1 a1", "the first is for all times");
    history.take(Update::Everything { at: time(6), owned: vec![always("b")] });
    assert_eq!(each_second(&history, "10.0.0.1", 8), "a1 a1 a1 a1 a1 a1 b1 b1");
    let owned = vec![always("b"), change(time(2), "10.0.0.1", "c"), change(time(3), "10.0.0.1", "b")];
    history.take(Update::Everything { at: time(7), owned });
    assert_eq!(each_second(&history, "10.0.0.1", 8), "a1 a1 c1 b1 b1 b1 b1 b1");
    history.take(Update::Everything { at: time(8), owned: vec![] });
    assert_eq!(each_second(&history, "10.0.0.1", 10), "a1 a1 c1 b1 b1 b1 b1 b1 - -");
}

#[test]
fn what_is_over_is_forgotten_when_there_is_no_room() {
    let mut history = History::with_limit(8);
    for second in 0..40 {
        assert!(history.apply(&change(time(second), "10.0.0.1", if second % 2 == 0 { "a" } else { "b" })));
    }
    assert!(history.counts().remembered <= 8 && history.counts().forgotten_early > 0);
    assert_eq!(each_second(&history, "10.0.0.1", 40).rsplit(' ').next(), Some("b1"));

    let mut full = History::with_limit(8);
    let taken = (0..40).filter(|n| full.apply(&change(time(*n), &format!("10.0.0.{n}"), "a"))).count();
    assert_eq!((taken, full.counts().refused), (8, 32));
}

proptest! {
    #![proptest_config(crate::testing::seeded(256))]

    #[test]
    fn what_was_said_makes_another_history_the_same(
        lists in prop::collection::vec(
            prop::collection::btree_map(0_u8..4, (0_i64..8, 0_u8..3), 0..4), 1..5,
        ),
    ) {
        let (mut one, mut other) = (History::default(), History::default());
        for (number, list) in lists.into_iter().enumerate() {
            let at = time(4 * number as i64);
            let owned = list.into_iter().map(|(address, (since, name))| {
                change(time(at.as_nanos() / 1_000_000_000 - since), &format!("10.0.0.{address}"), &format!("w{name}"))
            });
            let owned: Vec<Change> = owned.collect();
            for change in one.take(Update::Everything { at, owned: owned.clone() }) {
                other.apply(&change);
            }
            for address in 0..4 {
                let prefix = IpAddr::from([10, 0, 0, address]);
                let whose = owned.iter().find(|change| change.prefix == prefix.into());
                prop_assert_eq!(one.identify_at(prefix, at), whose.and_then(|change| change.workload.as_ref()));
            }
        }
        for address in (0..4).map(|address| IpAddr::from([10, 0, 0, address])) {
            let tenures = |history: &History| {
                history.tenures(address).map(|t| (t.from, t.until, t.workload.name.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(tenures(&one), tenures(&other));
        }
    }
}

//! What the assessment says of small histories.

use std::collections::BTreeSet;
use std::sync::Arc;

use watershed_model::{
    Counters, Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Hour, Labels, Loss, LossEntry, Party, Protocol,
    Snapshot, StateCounts, TimeRange, Workload,
};

use super::{
    Confidence, ConfidenceConfig, Incidence, Missing, RuleConfidence, assess, assess_exact, assess_rules,
};
use crate::RuleSet;
use crate::export::{csv, json, nftables};
use crate::mine::{Census, Level, mine};
use crate::nft::Hook;

fn edge(client: &str, labels: &[(&str, &str)], port: u16, hours: impl IntoIterator<Item = i64>) -> Edge {
    let party = |name: &str, labels: &[(&str, &str)]| {
        Party::Workload(Arc::new(Workload {
            name: name.into(),
            namespace: Some("shop".into()),
            labels: labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect::<Labels>(),
            ..Workload::default()
        }))
    };
    let hours: BTreeSet<Hour> = hours.into_iter().map(Hour).collect();
    Edge {
        key: EdgeKey {
            client: party(client, labels),
            server: party("db", &[]),
            protocol: Protocol::TCP,
            port,
        },
        connections: hours.len() as u64,
        answered: hours.len() as u64,
        to_server: EdgeTraffic { packets: 10 * hours.len() as u64, ip_bytes: 0 },
        to_client: EdgeTraffic::default(),
        first_seen: hours.first().copied().unwrap_or(Hour(0)).start(),
        last_seen: hours.last().copied().unwrap_or(Hour(0)).start(),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours,
        client_addresses: BTreeSet::new(),
        server_addresses: BTreeSet::new(),
        observers: BTreeSet::new(),
    }
}

fn assessed(edges: Vec<Edge>, loss: &[(i64, Loss, u64)]) -> Confidence {
    let hour = |at: i64| Hour(at).start();
    let snapshot = Snapshot {
        period: TimeRange { start: hour(0), end: hour(1) },
        edges,
        names: Vec::new(),
        listeners: Vec::new(),
        loss: loss
            .iter()
            .map(|&(hour, loss, count)| LossEntry { agent: "a".into(), hour: Hour(hour), loss, count })
            .collect(),
        counters: Counters::default(),
    };
    assess(&snapshot, &snapshot.edges, &ConfidenceConfig::default())
}

/// Five weeks: one dependency always, one job a day, and two edges that are new in the last week.
fn weeks() -> Vec<Edge> {
    vec![
        edge("web", &[], 1, 0..840),
        edge("job", &[], 2, (0..35).map(|day| day * 24 + 3)),
        edge("late", &[], 3, [700]),
        edge("late", &[], 4, 750..840),
    ]
}

#[test]
fn what_was_new_lately_is_what_is_expected() {
    let told = assessed(weeks(), &[]);
    let bound = told.whole.bound.unwrap();
    assert_eq!((bound.new, bound.window, bound.horizon), (2, 168, 168));
    assert!((bound.expected - 2.0).abs() < 1e-9 && (4..=10).contains(&bound.at_most), "{bound:?}");
    let test = told.backtest.unwrap();
    assert_eq!((test.actual, test.from, test.predicted.new), (2, Hour(672), 0));
    assert!(test.held());
    assert_eq!((told.whole.incidence.edges, told.whole.incidence.once), (4, 1));
    assert_eq!((told.cycles.daily, told.cycles.weekly, told.cycles.monthly), (35, 5, 1));
    assert!(told.is_ready() && told.hidden == 0.0 && told.unwatched == 0);
    let names: Vec<_> =
        told.workloads.iter().map(|(party, one)| (party.to_string(), one.incidence.edges)).collect();
    let expected = [("shop/db", 4), ("shop/job", 1), ("shop/late", 2), ("shop/web", 1)];
    assert_eq!(names, expected.map(|(name, edges)| (name.to_owned(), edges)));
    assert_eq!(told.namespaces.len(), 1);
}

#[test]
fn loss_widens_the_bound_and_is_in_the_way() {
    let bound = |loss: &[(i64, Loss, u64)]| assessed(weeks(), loss).whole.bound.unwrap();
    let without = bound(&[]);
    // Ten packets an hour are seen on average; as many are lost in each hour of the last two days.
    let dropped: Vec<_> = (792..840).map(|hour| (hour, Loss::KernelDropped, 11)).collect();
    let some = bound(&dropped);
    let away: Vec<_> = (792..840).map(|hour| (hour, Loss::InterfaceAway, 1)).collect();
    let more = bound(&away);
    assert!(without.expected < some.expected && some.expected < more.expected, "{some:?} {more:?}");
    assert!(without.at_most <= some.at_most && some.at_most <= more.at_most);
    assert!((some.watched - 126.0).abs() < 1.0, "7/8 of the two days are hidden: {some:?}");
    let told = assessed(weeks(), &away);
    assert!(matches!(told.missing[..], [Missing::Loss(share)] if (share - 48.0 / 840.0).abs() < 1e-9));
    assert_eq!(told.loss, [(Loss::InterfaceAway, 48)]);
    assert!(assessed(weeks(), &[(800, Loss::NamesRefused, 99)]).is_ready());
}

#[test]
fn other_labels_make_no_new_dependency() {
    let edges = vec![edge("web", &[("hash", "a")], 1, 0..400), edge("web", &[("hash", "b")], 1, 400..840)];
    let told = assessed(edges, &[]);
    assert_eq!((told.whole.incidence.edges, told.whole.incidence.incidences), (1, 840));
    assert_eq!((told.whole.bound.unwrap().new, told.workloads.len()), (0, 2));
}

#[test]
fn one_hour_promises_nothing() {
    let told = assessed(vec![edge("web", &[], 1, [7])], &[]);
    assert_eq!((told.whole.bound, told.backtest, told.is_ready()), (None, None, false));
    let told = assessed(Vec::new(), &[]);
    assert_eq!((told.span, told.whole.bound, told.workloads.len()), (None, None, 0));
}

#[test]
fn json_has_what_the_documentation_says() {
    let json: serde_json::Value = serde_json::from_str(&assessed(weeks(), &[]).to_json().unwrap()).unwrap();
    assert_eq!(json["whole"]["bound"]["window_hours"], 168);
    assert_eq!(json["backtest"]["actual"], 2);
    assert_eq!(json["workloads"][0]["name"], "shop/db");
    assert_eq!(json["first_hour"], "1970-01-01T00:00:00Z");
}

/// A rule's share, by the ports that it is for.
fn shares(edges: Vec<Edge>, loss: &[(i64, Loss, u64)]) -> Vec<(String, Option<String>)> {
    let period = TimeRange { start: Hour(0).start(), end: Hour(840).start() };
    let lost = |&(hour, loss, count): &(i64, Loss, u64)| LossEntry {
        agent: "a".into(),
        hour: Hour(hour),
        loss,
        count,
    };
    let loss = loss.iter().map(lost).collect();
    let snapshot =
        Snapshot { period, edges, names: vec![], listeners: vec![], loss, counters: Counters::default() };
    let census = Census::of(&snapshot.edges, &[]).unwrap();
    let mut plan = mine(&census, Level::Nano);
    assert!(plan.rules.iter().all(|rule| rule.confidence.is_none()));
    assess_rules(&mut plan, &census, &snapshot, &snapshot.edges);
    let ingress = plan.rules.iter().filter(|rule| rule.direction == crate::k8s::Direction::Ingress);
    ingress
        .map(|rule| {
            let share = rule.confidence.map(|one| format!("{:.4}", one.share()));
            (rule.ports.iter().map(ToString::to_string).collect(), share)
        })
        .collect()
}

#[test]
fn a_rule_is_as_sure_as_its_own_edges_were_seen() {
    let of = |name: &str, port, hours: Vec<i64>| {
        let labels = [("app", name)];
        edge(name, &labels, port, hours)
    };
    let edges = vec![
        of("steady", 1, (0..400).collect()),
        of("twice", 2, vec![3, 300]),
        of("once", 3, vec![200]),
        of("steady", 11, vec![1]),
    ];
    let told = shares(edges.clone(), &[]);
    let share = |ports: &str| {
        let found = told.iter().find(|(of, _)| of == ports).unwrap_or_else(|| panic!("{ports}: {told:?}"));
        found.1.clone().unwrap()
    };
    // What was seen in n hours is never surer than n / (n + 1); what was seen once says nothing.
    assert_eq!(share("tcp/2"), format!("{:.4}", 2.0 / 3.0));
    assert_eq!(share("tcp/3"), "0.0000");
    // One rule for two ports, one of them seen once in 401 sightings: Good's estimate.
    assert_eq!(share("tcp/1tcp/11"), format!("{:.4}", 1.0 - 1.0 / 401.0));
    // An hour that was lost takes its part off.
    let lost = shares(edges, &[(7, Loss::BatchesMissing, 1)]);
    let twice = lost.iter().find(|(of, _)| of == "tcp/2").and_then(|one| one.1.clone()).unwrap();
    assert_eq!(twice, format!("{:.4}", 2.0 / 3.0 * 399.0 / 400.0));
}

#[test]
fn confidence_grows_with_sightings_and_falls_with_edges_seen_once() {
    let share = |counts: &[u64]| {
        let mut incidence = Incidence { blocks: 700, ..Incidence::default() };
        counts.iter().for_each(|&count| incidence.add(count));
        RuleConfidence { incidence, hidden: 0.0 }.share()
    };
    let grows: Vec<f64> = [1, 2, 5, 50, 700].map(|hours| share(&[hours])).into();
    assert!(grows.is_sorted_by(|a, b| a < b) && grows[4] < 1.0, "{grows:?}");
    assert!(share(&[50, 1, 1, 1]) < share(&[50, 1]) && share(&[50, 1]) < share(&[50, 2]));
    assert_eq!(share(&[]), 0.0);
}

#[test]
fn exact_rules_tell_their_confidence_too() {
    let mut edges = weeks();
    let address = |text: &str| BTreeSet::from([text.parse().unwrap()]);
    for edge in &mut edges {
        (edge.client_addresses, edge.server_addresses) = (address("10.0.0.1"), address("10.0.0.2"));
    }
    let period = TimeRange { start: Hour(0).start(), end: Hour(840).start() };
    let snapshot = Snapshot {
        period,
        edges,
        names: vec![],
        listeners: vec![],
        loss: vec![],
        counters: Counters::default(),
    };
    let mut rules = RuleSet::from_edges(&snapshot.edges, &[]).unwrap();
    assert!(!json::export(&rules).unwrap().contains("confidence"));
    assess_exact(&mut rules, &snapshot, &snapshot.edges);
    let told: Vec<String> = rules.rules.iter().map(|rule| rule.confidence.unwrap().to_string()).collect();
    let expected = [
        "confidence 99.88 %, from 840 sightings in 840 hours",
        "confidence 97.22 %, from 35 sightings in 840 hours",
        "confidence 0.00 %, from 1 sighting in 840 hours",
        "confidence 98.90 %, from 90 sightings in 840 hours",
    ];
    assert_eq!(told, expected);
    assert!(nftables::export(&rules, Hook::Forward).allow.contains(&format!("\t\t# {}\n", expected[1])));
    let json: serde_json::Value = serde_json::from_str(&json::export(&rules).unwrap()).unwrap();
    assert_eq!(json["rules"][3]["confidence"]["sightings"], 90);
    let csv = csv::export(&rules).unwrap();
    let shares: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.rsplit(',').next()).collect();
    assert_eq!(shares, ["0.9988", "0.9722", "0.0", "0.989"]);
}

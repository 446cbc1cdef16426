//! Reach in a small shop.

use std::collections::BTreeSet;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp, Workload,
};

use super::{Change, Estate, reach};
use crate::RuleSet;

fn party(name: &str) -> Party {
    let labels = Labels::from([("app".to_owned(), name.to_owned())]);
    Party::Workload(Arc::new(Workload { name: name.into(), labels, ..Workload::default() }))
}

fn edge(client: Party, server: Party, port: u16) -> Edge {
    Edge {
        key: EdgeKey { client, server, protocol: Protocol::TCP, port },
        connections: 1,
        answered: 1,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Timestamp::from_parts(1, 0),
        last_seen: Timestamp::from_parts(2, 0),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours: BTreeSet::new(),
        client_addresses: ["10.0.0.1".parse().unwrap()].into(),
        server_addresses: ["10.0.0.2".parse().unwrap()].into(),
        observers: BTreeSet::new(),
    }
}

#[test]
fn rules_narrow_what_can_be_reached_and_the_jewel_is_two_steps_from_the_internet() {
    let internet = Party::Address("203.0.113.9".parse().unwrap());
    let edges = [
        edge(internet, party("lb"), 443),
        edge(party("lb"), party("web"), 80),
        edge(party("web"), party("db"), 5432),
        edge(party("job"), party("db"), 5432),
        edge(party("mon"), party("web"), 9100),
    ];
    let rules = RuleSet::from_edges(&edges, &[]).unwrap();
    let internal = ["lb", "web", "db", "job", "mon"].map(party);
    let estate = Estate {
        internal: internal.iter().collect(),
        exposed: [&internal[0]].into(),
        crown_jewels: Labels::from([("app".to_owned(), "db".to_owned())]),
    };
    let told = reach(&edges, &rules, &estate, 2);
    // Four services: everybody gets to those of the others.
    assert_eq!(told.tuples, Change { before: 5 * 4 - 4, after: 4 });
    let names: Vec<_> = told
        .workloads
        .iter()
        .map(|one| (one.party.to_string(), one.reached.before, one.reached.after))
        .collect();
    let expected = [("lb", 2, 2), ("mon", 3, 2), ("job", 3, 1), ("web", 2, 1), ("db", 2, 0)];
    assert_eq!(names, expected.map(|(name, before, after)| (name.to_owned(), before, after)));
    assert!(told.workloads[0].exposed && told.workloads[4].crown_jewel);
    let [jewel] = &told.crown_jewels[..] else { panic!("{:?}", told.crown_jewels) };
    assert_eq!(jewel.reached_by, Change { before: 4, after: 4 });
    assert_eq!(jewel.from_internet, [(party("lb"), 2)]);
    let shares: Vec<_> = told.rules.iter().map(|one| (one.tuples, one.alone)).collect();
    assert_eq!(shares, [(2, 2), (1, 1), (1, 1), (0, 0)]);
    let json: serde_json::Value = serde_json::from_str(&told.to_json().unwrap()).unwrap();
    assert_eq!(json["crown_jewels"][0]["from_internet"][0]["name"], "lb");
}

//! The order of a small shop, and what its files do.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    Counters, Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Hour, Party, Protocol, Snapshot, StateCounts,
    TimeRange, Workload,
};

use super::{Inputs, Step, Unit, plan, to_json};
use crate::confidence::{ConfidenceConfig, assess};
use crate::decisions::Decisions;
use crate::nft::Hook;
use crate::{Known, Rule};

fn party(name: &str) -> Party {
    let namespace = (name != "lb").then(|| "shop".to_owned());
    Party::Workload(Arc::new(Workload { name: name.into(), namespace, ..Workload::default() }))
}

fn edge(client: (Party, &str), server: (&str, &str), protocol: Protocol, port: u16, hours: i64) -> Edge {
    let addresses =
        |text: &str| -> BTreeSet<IpAddr> { text.split(' ').map(|a| a.parse().unwrap()).collect() };
    let hours: BTreeSet<Hour> = (0..hours).map(Hour).collect();
    Edge {
        key: EdgeKey { client: client.0, server: party(server.0), protocol, port },
        connections: 9,
        answered: 9,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Hour(0).start(),
        last_seen: Hour(1).start(),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours,
        client_addresses: addresses(client.1),
        server_addresses: addresses(server.1),
        observers: BTreeSet::new(),
    }
}

fn shop() -> Vec<Edge> {
    let internet = (Party::Address("203.0.113.9".parse().unwrap()), "203.0.113.9");
    let lb = (party("lb"), "10.0.0.1 2001:db8:1::1");
    let web = (party("web"), "10.0.0.2 2001:db8:1::2");
    vec![
        edge(internet, ("lb", lb.1), Protocol::TCP, 443, 400),
        edge(lb, ("web", web.1), Protocol::TCP, 80, 400),
        edge(web.clone(), ("db", "10.0.0.3"), Protocol::TCP, 5432, 400),
        edge(web, ("db", "10.0.0.3"), Protocol::ICMP, 8, 400),
        edge((party("job"), "10.0.0.4"), ("db", "10.0.0.3"), Protocol::TCP, 5432, 1),
    ]
}

fn planned(edges: &[Edge], undecided: &[&Edge], unit: Unit) -> Vec<Step> {
    decided(edges, undecided, &[], unit)
}

fn decided(edges: &[Edge], undecided: &[&Edge], by_hand: &[Rule], unit: Unit) -> Vec<Step> {
    let period = TimeRange { start: Hour(0).start(), end: Hour(400).start() };
    let snapshot = Snapshot {
        period,
        edges: edges.to_vec(),
        names: vec![],
        listeners: Vec::new(),
        loss: vec![],
        counters: Counters::default(),
    };
    let confidence = assess(&snapshot, edges, &ConfidenceConfig::default());
    let parties = ["lb", "web", "db", "job"].map(party);
    let inputs = Inputs {
        accepted: &edges.iter().collect::<Vec<_>>(),
        undecided,
        by_hand,
        internal: &parties.iter().collect(),
        confidence: &confidence,
        coverage: 0.99,
        hook: Hook::Forward,
    };
    plan(&inputs, unit).unwrap()
}

#[test]
fn the_sure_and_worthwhile_come_first_and_every_step_is_proven() {
    let edges = shop();
    let told = |unit| {
        let steps = planned(&edges, &[], unit);
        steps.iter().map(|step| (step.name.clone(), step.ready, step.closed, step.fan_in)).collect::<Vec<_>>()
    };
    // Of the job one use in one hour is known: it is last. The web server has one client, the database two.
    let expected = [
        ("01-lb", true, 3, 1),
        ("02-shop-web", true, 2, 1),
        ("03-shop-db", true, 3, 2),
        ("04-shop-job", false, 0, 0),
    ];
    let expected = expected.map(|(name, ready, closed, fan_in)| (name.to_owned(), ready, closed, fan_in));
    assert_eq!(told(Unit::Workload), expected);
    let names: Vec<_> = told(Unit::Namespace).into_iter().map(|step| step.0).collect();
    assert_eq!(names, ["01-lb", "02-shop"]);
}

#[test]
fn what_needs_a_person_is_in_the_way() {
    let edges = shop();
    let doubtful = edge((party("web"), "10.0.0.2"), ("lb", "10.0.0.1"), Protocol::UDP, 514, 400);
    let steps = planned(&edges, &[&doubtful], Unit::Workload);
    let lb = steps.iter().find(|step| step.unit == "lb").unwrap();
    assert!(!lb.ready && lb.undecided == 1);
    let json: serde_json::Value = serde_json::from_str(&to_json(&steps).unwrap()).unwrap();
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(4));
}

#[test]
fn what_people_allowed_is_in_the_step_of_its_server_alone() {
    let text = "version: 1\nallow:\n- {client: {networks: [10.9.0.0/16]}, server: {namespace: shop, labels: {app: db}}, ports: [tcp/8200-8201, icmp/8]}\n";
    let mut workload = Workload { namespace: Some("shop".into()), ..Workload::default() };
    workload.labels.insert("app".into(), "db".into());
    let networks = ["10.0.0.3/32", "10.0.0.99/32"].map(|one| one.parse().unwrap()).into();
    let known = Known { party: Party::Workload(Arc::new(workload)), networks };
    let by_hand = Rule::by_hand(&Decisions::read("d.yaml", text).unwrap(), &[known]);
    let steps = decided(&shop(), &[], &by_hand, Unit::Workload);
    let of = |unit: &str| steps.iter().find(|step| step.unit == unit).unwrap();
    for line in [
        "\t\t# By hand: 10.9.0.0/16 -> shop/app=db: icmp/8 tcp/8200-8201\n",
        "\t\tip saddr { 10.9.0.0/16 } ip daddr { 10.0.0.3 } tcp dport 8200-8201 counter accept\n",
        "\t\tip saddr { 10.9.0.0/16 } ip daddr { 10.0.0.3 } icmp type 8 counter accept\n",
    ] {
        assert!(of("shop/db").files.apply.contains(line), "{line} is not in\n{}", of("shop/db").files.apply);
    }
    assert!(!of("shop/web").files.apply.contains("10.9.0.0"));
}

#[test]
fn a_step_names_its_own_table_and_nothing_else() {
    let steps = planned(&shop(), &[], Unit::Workload);
    let db = steps.iter().find(|step| step.unit == "shop/db").unwrap();
    for line in [
        "\t\tip saddr { 10.0.0.2, 10.0.0.4 } ip daddr { 10.0.0.3 } tcp dport 5432 counter accept\n",
        "\t\tip daddr { 10.0.0.3 } counter drop\n",
    ] {
        assert!(db.files.apply.contains(line), "{line} is missing in\n{}", db.files.apply);
    }
    assert!(!db.files.watch.contains("drop\n") && db.files.watch.contains("log prefix"));
    assert!(db.files.revert.contains("delete table inet watershed-shop-db-"));
    let again = planned(&shop(), &[], Unit::Workload);
    assert_eq!(steps, again);
}

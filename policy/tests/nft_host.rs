//! A host that protects itself: its own files, loaded into a kernel, with clients at the other end of a link.

mod common;
#[path = "kernel/question.rs"]
mod question;

use common::{host, shop};
use serde_json::{Value, json};
use watershed_model::{Counters, Edge, Party, Snapshot, TimeRange};
use watershed_policy::confidence::{ConfidenceConfig, assess};
use watershed_policy::export::hosts::{Host, hosts};
use watershed_policy::export::nftables;
use watershed_policy::nft::Hook;
use watershed_policy::rollout::{Files, Inputs, Unit, plan};
use watershed_policy::{Error, RuleSet, proof};

/// Everybody in the shop, as hosts.
fn all(edges: &[Edge]) -> Vec<Host> {
    let rules = RuleSet::from_edges(edges, &[]).expect("rules");
    let ends = edges.iter().flat_map(|edge| {
        let (client, server) = (&edge.key.client, &edge.key.server);
        [(client, &edge.client_addresses), (server, &edge.server_addresses)]
    });
    hosts(&rules, ends.filter(|(party, _)| matches!(party, Party::Workload(_))))
}

fn of(name: &str) -> Host {
    all(&shop()).into_iter().find(|one| one.party == host(name)).expect("a host")
}

fn certificate(hosts: &[Host]) -> Result<proof::Certificate, Error> {
    let edges = shop();
    let export = nftables::export(&RuleSet::from_edges(&edges, &[])?, Hook::Forward);
    let mut certificate = proof::prove(&edges, &export, "test")?;
    certificate.add_hosts(&edges, hosts)?;
    Ok(certificate)
}

#[test]
fn every_host_has_files_of_its_own_that_are_proven() {
    let hosts = all(&shop());
    let parties: Vec<String> = hosts.iter().map(|host| host.party.to_string()).collect();
    assert_eq!(parties, ["shop/app", "shop/db", "shop/dns", "shop/monitor"]);
    let certificate = certificate(&hosts).unwrap_or_else(|error| panic!("{error}"));
    let told: Vec<_> = certificate.hosts.iter().map(|one| (one.host.as_str(), one.edges_replayed)).collect();
    assert_eq!(told, [("shop/app", 3), ("shop/db", 3), ("shop/dns", 1), ("shop/monitor", 0)]);
    let db = of("db").files;
    assert!(db.allow.contains("hook input") && db.allow.contains("for shop/db itself"), "{}", db.allow);
    assert!(!db.allow.contains("10.0.3.53"), "nothing of other servers:\n{}", db.allow);
    let monitor = of("monitor").files;
    assert!(!monitor.allow.contains("saddr") && monitor.default_deny.contains("policy drop"));
    let json = certificate.to_json().expect("json");
    assert!(json.contains("hosts/shop-db-") && json.contains("\"host\": \"shop/db\""), "{json}");
}

#[test]
fn a_host_whose_files_are_broken_is_refuted() {
    let changes: [fn(&mut Host); 4] = [
        |host| host.files.allow = host.files.allow.replace("5432", "5433"),
        |host| host.files.allow = host.files.allow.replace("10.0.1.2", "10.0.1.3"),
        |host| host.files.default_deny = host.files.default_deny.replace("drop", "accept"),
        |host| host.files.allow = host.files.allow.replace("hook input", "hook forward"),
    ];
    for change in changes {
        let mut hosts = vec![of("db")];
        change(&mut hosts[0]);
        assert_ne!(hosts[0], of("db"));
        assert!(certificate(&hosts).is_err(), "{}", hosts[0].files.allow);
    }
}

/// Which connections are answered by a host with these rules.
fn ask(rules: &str, tries: &[(&str, &str, &str, u16)]) -> Vec<bool> {
    let distinct = |of: fn(&(&str, &str, &str, u16)) -> String| {
        let all: std::collections::BTreeSet<String> = tries.iter().map(of).collect();
        all.into_iter().collect::<Vec<_>>()
    };
    let question: Value = json!({
        "rules": rules,
        "host": distinct(|one| one.1.to_owned()),
        "clients": distinct(|one| one.0.to_owned()),
        "tries": tries,
    });
    let text = question::answer("ask-host.py", question.to_string());
    text.trim().bytes().map(|digit| digit == b'1').collect()
}

/// Who was seen to use the database, and others; and how many of the former there are.
fn tries() -> (Vec<(&'static str, &'static str, &'static str, u16)>, usize) {
    let (app, other, app6) = ("10.0.1.1", "10.0.1.2", "2001:db8:1::1");
    let (monitor, monitor6, stranger) = ("10.0.4.7", "2001:db8:4::7", "198.51.100.7");
    let (db, db6) = ("10.0.2.1", "2001:db8:2::1");
    let observed = [app, other, monitor].map(|client| (client, db, "tcp", 5432));
    let observed = observed.into_iter().chain([app6, monitor6].map(|client| (client, db6, "tcp", 5432)));
    let others = [
        (stranger, db, "tcp", 5432),
        ("2001:db8:9::9", db6, "tcp", 5432),
        (app, db, "tcp", 5433),
        (app, db, "udp", 5432),
        (monitor6, db6, "tcp", 22),
    ];
    (observed.clone().chain(others).collect(), observed.count())
}

#[test]
fn what_was_observed_works_and_all_else_is_refused_by_the_kernel() {
    let files = of("db").files;
    let (tries, observed) = tries();
    let enforced = format!("{}{}", files.allow, files.default_deny);
    let expected: Vec<bool> = (0..tries.len()).map(|at| at < observed).collect();
    assert_eq!(ask(&enforced, &tries), expected, "{tries:?}");
    // Without default deny, and after it was taken back, everybody is answered.
    for rules in [files.allow.clone(), format!("{enforced}{}", files.revert)] {
        assert_eq!(ask(&rules, &tries), vec![true; tries.len()], "{tries:?}\n{rules}");
    }
}

/// The step of the database's roll-out on its own host.
fn step() -> Files {
    let edges = shop();
    let snapshot = Snapshot {
        period: TimeRange { start: edges[0].first_seen, end: edges[0].last_seen },
        edges: edges.clone(),
        names: Vec::new(),
        listeners: Vec::new(),
        loss: Vec::new(),
        counters: Counters::default(),
    };
    let db = host("db");
    let inputs = Inputs {
        accepted: &edges.iter().collect::<Vec<_>>(),
        undecided: &[],
        by_hand: &[],
        internal: &[&db].into(),
        confidence: &assess(&snapshot, &edges, &ConfidenceConfig::default()),
        coverage: 0.99,
        hook: Hook::Input,
    };
    let steps = plan(&inputs, Unit::Workload).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steps.len(), 1, "{steps:?}");
    steps[0].files.clone()
}

#[test]
fn a_step_at_the_host_s_own_hook_refuses_all_else_and_is_taken_back() {
    let files = step();
    let (tries, observed) = tries();
    let expected: Vec<bool> = (0..tries.len()).map(|at| at < observed).collect();
    assert_eq!(ask(&files.apply, &tries), expected, "{tries:?}\n{}", files.apply);
    let back = format!("{}{}", files.apply, files.revert);
    for rules in [&files.watch, &back] {
        assert_eq!(ask(rules, &tries), vec![true; tries.len()], "{tries:?}\n{rules}");
    }
}

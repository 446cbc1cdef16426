//! Rules and their exports: stable, sorted, safe against hostile names, and never from a scan.

mod common;

use std::sync::Arc;

use common::{edge, host, shop};
use watershed_model::{Edge, Party, Protocol, Workload};
use watershed_policy::decisions::Decisions;
use watershed_policy::export::{csv, json, nftables};
use watershed_policy::nft::{Hook, Ruleset};
use watershed_policy::{Error, HeldBack, RuleId, RuleSet};

fn rules(edges: &[Edge]) -> RuleSet {
    RuleSet::from_edges(edges, &[]).expect("rules")
}

#[test]
fn a_service_is_one_rule_with_all_its_clients() {
    let rules = rules(&shop());
    let listed: Vec<_> = rules
        .rules
        .iter()
        .map(|rule| format!("{} {} <- {}", rule.subject, rule.services(), rule.peer.names().join(" ")))
        .collect();
    let expected = [
        "shop/app tcp/443 <- 198.51.100.7",
        "shop/app icmp/8 <- shop/monitor",
        "shop/app icmpv6/128 <- shop/monitor",
        "shop/db tcp/5432 <- shop/app shop/monitor",
        "shop/db sctp/9 <- shop/app",
        "shop/dns udp/53 <- shop/app",
    ];
    assert_eq!(listed, expected);
    let database = rules.rules[3].observed.expect("evidence");
    assert_eq!((database.edges, database.connections, database.answered), (2, 24, 22));
}

#[test]
fn an_unanswered_edge_never_becomes_a_rule() {
    let mut edges = shop();
    edges[2].answered = 0;
    let error = RuleSet::from_edges(&edges, &[]).expect_err("a scan");
    assert!(matches!(&error, Error::Unanswered { edge } if **edge == edges[2].key), "{error}");
}

#[test]
fn what_no_rule_can_say_is_held_back_with_its_reason() {
    let address = |text: &str| vec![text.parse().expect("address")];
    let (v4, v6) = (address("10.0.0.1"), address("fd00::1"));
    let edges = [
        edge((host("a"), &v4), (host("b"), &v6), Protocol::TCP, 80),
        edge((host("a"), &v4), (host("b"), &v4), Protocol::ICMPV6, 128),
        edge((host("a"), &v4), (host("b"), &v4), Protocol::ICMP, 256),
        edge((host("a"), &[]), (host("b"), &v4), Protocol::TCP, 81),
    ];
    let passed_in = [HeldBack::new(&edges[0], "direction is uncertain")];
    let rules = RuleSet::from_edges(&edges, &passed_in).expect("rules");
    assert_eq!(rules.rules, []);
    assert_eq!(rules.held_back.len(), 5);
    assert!(json::export(&rules).expect("json").contains("direction is uncertain"));
}

#[test]
fn the_order_of_edges_and_labels_changes_no_rule() {
    let edges = shop();
    let mut others: Vec<_> = edges.iter().rev().cloned().collect();
    let (first, second) = (rules(&edges), rules(&others));
    assert_eq!(nftables::export(&first, Hook::Forward), nftables::export(&second, Hook::Forward));
    assert_eq!(json::export(&first).expect("json"), json::export(&second).expect("json"));
    assert_eq!(csv::export(&first).expect("csv"), csv::export(&second).expect("csv"));

    if let Party::Workload(workload) = &mut others[6].key.server {
        Arc::make_mut(workload).labels.insert("version".into(), "2".into());
    }
    let ids = |rules: &RuleSet| rules.rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&rules(&others)));
}

#[test]
fn names_of_rules_are_stable_and_fit_everywhere() {
    assert_eq!(rules(&shop()).rules[3].id.as_str(), "allow-shop-db-tcp-5432-d2384aa7a3ba");
    let long = Workload { name: "ß\"} drop".repeat(50), ..Workload::default() };
    let address = ["10.0.0.1".parse().expect("address")];
    let server = (Party::Workload(Arc::new(long)), &address[..]);
    let rules = rules(&[edge((host("a"), &address), server, Protocol::TCP, 65535)]);
    let id = rules.rules[0].id.as_str();
    assert!(id.len() <= RuleId::LONGEST, "{id}");
    assert!(
        id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
        "{id}"
    );
}

#[test]
fn what_people_said_of_a_rule_and_what_it_costs_stand_beside_it() {
    let decisions = Decisions::read(
        "decisions.yaml",
        "version: 1\nrules:\n- {id: allow-shop-db-tcp-5432-d2384aa7a3ba, decision: approved, by: alice, comment: as designed}\n",
    )
    .expect("decisions");
    let edges = shop();
    let (rules, _) = RuleSet::decided(&edges, &[], &decisions).expect("rules");
    let text = nftables::export(&rules, Hook::Forward).allow;
    let rule = "\t\t# shop/db tcp/5432 for shop/app, shop/monitor\n\t\t# approved by alice: as designed\n";
    let (_, after) = text.split_once(rule).unwrap_or_else(|| panic!("{text}"));
    let cost = "; admits nothing that was not observed; 5 in all\n";
    assert!(
        after
            .lines()
            .take(3)
            .any(|line| cost.trim_end().len() < line.len() && format!("{line}\n").ends_with(cost)),
        "{after}"
    );
    let json: serde_json::Value = serde_json::from_str(&json::export(&rules).expect("json")).expect("json");
    assert_eq!((&json["rules"][3]["said"]["by"], &json["rules"][3]["price"]), (&"alice".into(), &0.into()));
    assert_eq!(json["rules"][0].get("said"), None);
}

#[test]
fn hostile_names_stay_inside_their_comments() {
    let text = nftables::export(&rules(&shop()), Hook::Forward).allow;
    let line = text.lines().find(|line| line.contains("shop.example")).expect("the name");
    assert_eq!(line, "\t\t# called shop.example?; }??drop # ?");
    Ruleset::read([("rules.nft", text.as_str())]).expect("readable");
}

#[test]
fn ipv6_hosts_are_whole_addresses() {
    let text = nftables::export(&rules(&shop()), Hook::Forward).allow;
    assert!(text.contains("\t\ttype ipv6_addr\n\t\telements = {\n\t\t\t2001:db8:2::1,\n"), "{text}");
    assert!(!text.contains("/32") && !text.contains("interval"), "{text}");
}

#[test]
fn a_spreadsheet_gets_a_line_per_peer_and_no_formula() {
    let address = ["10.0.0.1".parse().expect("address")];
    let formula = Party::Workload(Arc::new(Workload { name: "=1+1".into(), ..Workload::default() }));
    let mut edges = shop();
    edges.push(edge((formula, &address), (host("app"), &address), Protocol::TCP, 443));
    let text = csv::export(&rules(&edges)).expect("csv");
    assert_eq!(text.lines().count(), 1 + edges.len());
    assert!(
        text.contains(",'=1+1,10.0.0.1,tcp,443,,1,12,11,2026-01-02T03:04:05Z,2026-01-02T04:04:05.5Z,\n"),
        "{text}"
    );
    assert_eq!(csv::export(&RuleSet::default()).expect("csv").lines().count(), 1);
}

//! Rules that people made, as nftables: exported, proven, counted again, and put to the kernel.

mod common;
mod kernel;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use common::{host, shop};
use watershed_model::{Edge, Party, Protocol, Workload};
use watershed_policy::check::{Given, Observed, check};
use watershed_policy::decisions::Decisions;
use watershed_policy::export::hosts::hosts;
use watershed_policy::export::nftables::{self, Nftables};
use watershed_policy::export::{csv, json};
use watershed_policy::nft::{Action, Hook, Ruleset};
use watershed_policy::whatif::Policies;
use watershed_policy::{Error, Known, Rule, RuleSet, Service, Tuple, proof};

const DECISIONS: &str = "version: 1
allow:
- {client: {name: office}, server: {namespace: shop, labels: {role: db}}, ports: [tcp/8200-8201, udp/8200], comment: \"yearly; 1 in all\"}
- {client: {networks: [\"0.0.0.0/0\", \"::/0\"]}, server: {name: edge}, ports: [tcp/443]}
- {client: {networks: [198.51.100.0/24]}, server: {name: sink}, ports: [anything]}
- {client: {networks: [198.51.100.9/32]}, server: {namespace: shop, labels: {role: db}}, ports: [icmp/8, icmpv6/128]}
- {client: {name: nobody}, server: {name: sink}, ports: [tcp/1]}
";

fn by_hand() -> Vec<Rule> {
    let known = |namespace: Option<&str>, name: &str, networks: &[&str]| {
        let (namespace, labels) = (namespace.map(str::to_owned), [("role".to_owned(), name.to_owned())]);
        let workload =
            Workload { name: name.into(), namespace, labels: labels.into(), ..Workload::default() };
        let networks = networks.iter().map(|one| one.parse().expect("a network")).collect();
        Known { party: Party::Workload(Arc::new(workload)), networks }
    };
    let known = [
        known(None, "office", &["10.77.0.0/23", "10.77.9.9/32", "2001:db8:77::/48"]),
        known(None, "edge", &["192.0.2.80/28", "2001:db8:80::/64"]),
        known(None, "sink", &["203.0.113.5/32"]),
        known(Some("shop"), "db", &["10.0.2.1/32", "2001:db8:2::1/128"]),
    ];
    Rule::by_hand(&Decisions::read("decisions.yaml", DECISIONS).expect("decisions"), &known)
}

/// The shop's rules with those made by hand.
fn rules(edges: &[Edge]) -> RuleSet {
    RuleSet::from_edges(edges, &[]).expect("rules").with(by_hand())
}

fn prove(export: &Nftables) -> Result<proof::Certificate, Error> {
    proof::prove_decided(&shop(), &by_hand(), export, "test")
}

#[test]
fn they_are_exported_and_proven_without_having_been_observed() {
    let export = nftables::export(&rules(&shop()), Hook::Forward);
    let certificate = prove(&export).unwrap_or_else(|error| panic!("{error}\n{}", export.allow));
    assert_eq!(certificate.edges_replayed, shop().len() as u64);
    assert_eq!(certificate.rules_by_hand, 5);
    assert!(certificate.tuples_by_hand > 20, "{certificate:?}");
    for line in [
        "and 5 rules made by hand",
        "\t\t# by hand: office -> shop/role=db: tcp/8200-8201 udp/8200\n",
        "\t\t# yearly; 1 in all\n\t\t# ",
        "\t\t# by hand: nobody -> sink: tcp/1\n\t\t# for nobody: no address is known of one of its ends\n",
    ] {
        assert!(export.allow.contains(line), "{line:?} is not in\n{}", export.allow);
    }
    assert!(certificate.to_json().expect("json").contains("\"rules_by_hand\": 5"));
    // Without them the text is what it was.
    let observed = RuleSet::from_edges(&shop(), &[]).expect("rules");
    let alone = nftables::export(&observed, Hook::Forward);
    assert!(!alone.allow.contains("hand"));
    let certificate = proof::prove(&shop(), &alone, "test").expect("proven");
    assert!(!certificate.to_json().expect("json").contains("by_hand"));
}

#[test]
fn the_proof_notices_what_the_text_lacks_and_what_it_has_too_much() {
    let observed = RuleSet::from_edges(&shop(), &[]).expect("rules");
    match prove(&nftables::export(&observed, Hook::Forward)) {
        Err(Error::Refuted(refutation)) => {
            assert!(refutation.denied.is_empty() && !refutation.withheld.is_empty(), "{refutation}");
            assert!(refutation.to_string().contains("connections that people allowed: "), "{refutation}");
        }
        other => panic!("{other:?}"),
    }
    let whole = nftables::export(&rules(&shop()), Hook::Forward);
    for (from, to) in [
        ("10.77.0.0/23", "10.77.0.0/22"),
        ("192.0.2.80/28", "192.0.2.64/26"),
        ("2001:db8:77::/48", "2001:db8:76::/47"),
        ("dport 8200-8201", "dport 8200-8202"),
        ("dport 8200-8201", "dport 8200"),
        ("203.0.113.5,", "203.0.113.4,"),
        ("\t\t\t203.0.113.5,\n", "\t\t\t203.0.113.5,\n\t\t\t203.0.113.6,\n"),
    ] {
        let broken = Nftables { allow: whole.allow.replace(from, to), ..whole.clone() };
        assert_ne!(broken, whole, "{from}");
        assert!(matches!(prove(&broken), Err(Error::Refuted(_))), "{from} became {to}, and nobody noticed");
    }
}

#[test]
fn what_they_state_is_what_the_check_counts() {
    let export = nftables::export(&rules(&shop()), Hook::Forward);
    let files = [("rules.nft", export.allow.as_str()), ("default-deny.nft", export.default_deny.as_str())];
    let ruleset = Ruleset::read(files).expect("a ruleset");
    let edges = shop();
    let edges: Vec<&Edge> = edges.iter().collect();
    let given = Given {
        policies: Policies::Nftables(&ruleset, Hook::Forward),
        texts: &files,
        against: None,
        admit_at_most: None,
        tool_version: "test",
    };
    let report = check(given, Observed { edges: Some(&edges), workloads: &[] });
    assert_eq!(report.failures(), [] as [String; 0]);
    for one in &report.extents {
        assert_eq!(one.stated, Some(one.tuples.all), "{one:?}");
    }
    let office = (512 + 1) * 3;
    assert!(report.extents.iter().any(|one| one.tuples.all > office), "{:#?}", report.extents);
}

#[test]
fn lists_have_them_as_they_were_written() {
    let rules = rules(&shop());
    let json: serde_json::Value = serde_json::from_str(&json::export(&rules).expect("json")).expect("json");
    let made = json["by_hand"].as_array().expect("a list");
    assert_eq!((made.len(), json["rules"].as_array().map(Vec::len)), (5, Some(rules.observed().len())));
    let office = serde_json::json!({
        "id": rules.by_hand()[0].id.as_str(),
        "client": "office", "clients": ["10.77.0.0/23", "10.77.9.9/32", "2001:db8:77::/48"],
        "server": "shop/role=db", "servers": ["10.0.2.1/32", "2001:db8:2::1/128"],
        "ports": ["tcp/8200-8201", "udp/8200"],
        "said": { "comment": "yearly; 1 in all" }
    });
    assert_eq!(made[0], office);
    let csv = csv::export(&rules).expect("csv");
    let line = ",shop/role=db,10.0.2.1 2001:db8:2::1,office,10.77.0.0/23 10.77.9.9 2001:db8:77::/48,tcp,8200-8201,,,,,,,\n";
    assert!(csv.contains(line), "{csv}");
    assert!(csv.contains(",sink,203.0.113.5,198.51.100.0/24,198.51.100.0/24,anything,,,,,,,,\n"), "{csv}");
}

#[test]
fn a_host_has_those_that_are_about_itself() {
    let db: BTreeSet<IpAddr> =
        ["10.0.2.1", "2001:db8:2::1"].map(|one| one.parse().expect("an address")).into();
    let app: BTreeSet<IpAddr> = ["10.0.1.1"].map(|one| one.parse().expect("an address")).into();
    let parties = [(host("db"), db), (host("app"), app)];
    let hosts = hosts(&rules(&shop()), parties.iter().map(|(party, addresses)| (party, addresses)));
    let of = |name: &str| hosts.iter().find(|one| one.party == host(name)).expect("a host");
    assert_eq!((of("db").by_hand.len(), of("app").by_hand.len()), (2, 0));
    assert!(of("db").files.allow.contains("dport 8200-8201"));
    let export = nftables::export(&rules(&shop()), Hook::Forward);
    let mut certificate = prove(&export).expect("proven");
    certificate.add_hosts(&shop(), &hosts).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(certificate.hosts.len(), 2);
}

#[test]
fn the_kernel_passes_what_they_say_and_nothing_beside_it() {
    let export = nftables::export(&rules(&shop()), Hook::Forward);
    let text = format!("{}{}", export.allow, export.default_deny);
    let tuple = |client: &str, server: &str, service| Tuple {
        client: client.parse().expect("an address"),
        server: server.parse().expect("an address"),
        service,
    };
    let tcp = |port| Service::Port { protocol: Protocol::TCP, port };
    let udp = |port| Service::Port { protocol: Protocol::UDP, port };
    let ping = |protocol, message_type| Service::Icmp { protocol, message_type };
    let tries = vec![
        tuple("10.77.1.255", "10.0.2.1", tcp(8201)),
        tuple("10.77.9.9", "10.0.2.1", udp(8200)),
        tuple("2001:db8:77:ffff::1", "2001:db8:2::1", tcp(8200)),
        tuple("10.77.2.0", "10.0.2.1", tcp(8201)),
        tuple("10.77.9.8", "10.0.2.1", tcp(8201)),
        tuple("10.77.1.255", "10.0.2.1", tcp(8202)),
        tuple("10.77.1.255", "10.0.2.1", udp(8201)),
        tuple("8.8.8.8", "192.0.2.95", tcp(443)),
        tuple("223.255.255.254", "192.0.2.80", tcp(443)),
        tuple("8.8.8.8", "192.0.2.96", tcp(443)),
        tuple("2600::1", "2001:db8:80::ffff", tcp(443)),
        tuple("2600::1", "2001:db8:80:1::", tcp(443)),
        tuple("198.51.100.200", "203.0.113.5", udp(9)),
        tuple("198.51.100.200", "203.0.113.5", ping(Protocol::ICMP, 13)),
        tuple("198.51.101.0", "203.0.113.5", udp(9)),
        tuple("198.51.100.200", "203.0.113.6", tcp(1)),
        tuple("198.51.100.9", "10.0.2.1", ping(Protocol::ICMP, 8)),
        tuple("198.51.100.9", "10.0.2.1", ping(Protocol::ICMP, 13)),
    ];
    let passed = kernel::ask(&[(text.clone(), tries.clone())]).remove(0);
    let ruleset = Ruleset::read([("r.nft", text.as_str())]).expect("a ruleset");
    for (tuple, passes) in tries.iter().zip(&passed) {
        let said = by_hand().iter().any(|rule| rule.allows(tuple));
        assert_eq!(*passes, said, "{tuple} in the kernel\n{text}");
        assert_eq!(
            ruleset.evaluate(Hook::Forward, tuple).action == Action::Accept,
            said,
            "{tuple} as we read it"
        );
    }
    assert_eq!(passed.iter().filter(|passes| **passes).count(), 9);
}

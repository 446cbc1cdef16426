//! What the check tells of policies that people wrote: what says nothing new, what is wider than what talks, what a
//! change newly admits, and rules of nftables.

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{edges, pod};
use serde_json::Value;
use watershed_model::{Edge, Party};
use watershed_policy::check::{Given, Observed, Report, check};
use watershed_policy::k8s::Manifests;
use watershed_policy::nft::Ruleset;
use watershed_policy::whatif::Policies;

const DB: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: db}}
  ingress:
  - from: [{podSelector: {}}]
    ports: [{port: 5432, endPort: 5439}]
  - from: [{podSelector: {matchLabels: {tier: api}}}]
    ports: [{port: 5432}]
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}]
    ports: [{port: 9100}]
  - from: [{ipBlock: {cidr: 10.1.0.0/16}}]
    ports: [{port: 5432}]
";

fn manifests(text: &str) -> Manifests {
    Manifests::read([("db.yaml", text)], "default").expect("policies")
}

fn checked(given: Given<'_>) -> Report {
    let edges = edges();
    let edges: Vec<&Edge> = edges.iter().collect();
    check(given, Observed { edges: Some(&edges), workloads: &[] })
}

#[test]
fn a_rule_of_which_another_says_more_is_told_with_that_one() {
    let manifests = manifests(DB);
    let report = checked(Given::from(&manifests));
    let told: Vec<String> = report
        .shadowed
        .iter()
        .map(|one| {
            format!(
                "{} {} {} by {:?}",
                one.place,
                one.policy,
                one.side,
                one.by.iter().map(ToString::to_string).collect::<Vec<_>>()
            )
        })
        .collect();
    assert_eq!(told, ["db.yaml:10:5 shop/db ingress by [\"db.yaml:8:5\"]"]);
    assert_eq!(report.failures(), [] as [String; 0]);
}

#[test]
fn a_selector_that_is_wider_than_what_talks_is_told_with_figures_and_a_narrower_one() {
    let manifests = manifests(DB);
    let report = checked(Given::from(&manifests));
    let told: Vec<_> = report
        .wide()
        .map(|one| {
            let share = |share: &watershed_policy::check::Share| (share.seen, share.all);
            (
                one.place.line,
                share(&one.clients),
                share(&one.servers),
                share(&one.ports),
                share(&one.tuples),
                one.nearest.clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (8, (1, 3), (1, 1), (1, 8), (1, 24), Some("tier=api (1 of 3)".to_owned())),
            (14, (1, 65_536), (1, 1), (1, 1), (1, 65_536), None),
        ]
    );
    assert_eq!(report.unobserved(), 23 + 65_535);
}

#[test]
fn a_limit_on_what_was_not_observed_fails_what_admits_more() {
    let manifests = manifests(DB);
    let failures =
        |limit| checked(Given { admit_at_most: Some(limit), ..Given::from(&manifests) }).failures();
    assert_eq!(failures(65_558), [] as [String; 0]);
    assert_eq!(
        failures(65_557),
        ["65558 connections admitted without having been observed, and at most 65557 may be"]
    );
}

#[test]
fn of_a_change_only_what_is_new_fails() {
    let (old, new) = (manifests(&DB.replace("tier: api", "tier: none")), manifests(DB));
    // The first rule admits it already.
    assert_eq!(
        checked(Given { against: Some(Policies::Kubernetes(&old)), ..Given::from(&new) }).failures(),
        [] as [String; 0]
    );
    let wider = manifests(&DB.replace("endPort: 5439", "endPort: 5440"));
    let report = checked(Given { against: Some(Policies::Kubernetes(&new)), ..Given::from(&wider) });
    let newly: Vec<String> = report
        .newly
        .iter()
        .flatten()
        .map(|one| format!("{} -> {} {} {}", one.client, one.server, one.ports, one.count))
        .collect();
    assert_eq!(newly, ["shop/api -> shop/db tcp/5440 1", "shop/front -> shop/db tcp/5440 1"]);
    assert_eq!(
        report.failures(),
        ["2 connections newly admitted without having been observed, and at most 0 may be"]
    );
    let allowed =
        Given { against: Some(Policies::Kubernetes(&new)), admit_at_most: Some(2), ..Given::from(&wider) };
    assert!(checked(allowed).certificate.passed);

    // What was denied before is told, and is no failure of the change.
    let strict = manifests(&DB.replace("name: ops", "name: op"));
    let report = checked(Given { against: Some(Policies::Kubernetes(&strict)), ..Given::from(&strict) });
    assert!(report.denied.len() == 1 && report.denied[0].before && report.failures().is_empty());
    let report = checked(Given { against: Some(Policies::Kubernetes(&new)), ..Given::from(&strict) });
    assert!(!report.denied[0].before);
    assert_eq!(report.failures(), ["the policies would deny 1 of 23 observed dependencies"]);
}

#[test]
fn what_was_observed_is_not_newly_admitted() {
    let closed = manifests(
        &DB.replace("    ports: [{port: 5432, endPort: 5439}]\n", "    ports: [{port: 1}]\n")
            .replace("tier: api", "tier: none"),
    );
    let open =
        manifests(&DB.replace("    ports: [{port: 5432, endPort: 5439}]\n", "    ports: [{port: 1}]\n"));
    let report = checked(Given { against: Some(Policies::Kubernetes(&closed)), ..Given::from(&open) });
    assert_eq!(report.newly, Some(Vec::new()));
}

#[test]
fn the_certificate_tells_what_was_checked_and_what_was_not() {
    let manifests = manifests(DB);
    let texts = [("db.yaml", DB)];
    let given = Given { texts: &texts, tool_version: "1.2.3", ..Given::from(&manifests) };
    let text = checked(given).certificate.to_json().expect("json");
    let certificate: Value = serde_json::from_str(&text).expect("json");
    assert_eq!(certificate["files"][0]["path"], "db.yaml");
    assert_eq!(certificate["files"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(certificate["input_sha256"].as_str().map(str::len), Some(64));
    for (field, value) in [("edges_replayed", 23), ("edges_denied", 0), ("rules", 4), ("rules_not_stated", 4)]
    {
        assert_eq!(certificate[field], value, "{field} of {text}");
    }
    assert_eq!((&certificate["passed"], &certificate["tool_version"]), (&true.into(), &"1.2.3".into()));
    assert_eq!(certificate["not_checked"], Value::Array(Vec::new()));
    let report = check(given, Observed { edges: None, workloads: &workloads() });
    assert_eq!(report.certificate.input_sha256, None);
    assert_eq!(report.certificate.not_checked, ["whether observed traffic passes: none was given"]);
}

fn workloads() -> Vec<std::sync::Arc<watershed_model::Workload>> {
    match pod("shop", "db", "tier=db") {
        Party::Workload(workload) => vec![workload],
        Party::Address(_) => Vec::new(),
    }
}

const NFTABLES: &str = "
table inet filter {
	set old { type ipv4_addr; elements = { 192.0.2.7, 192.0.2.8 }; }
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		# everything to the databases
		ip saddr 10.1.0.0/16 tcp dport 5432 accept
		ip saddr 10.1.0.0/17 tcp dport 5432 accept
		# pings; 3 in all
		ip saddr 10.1.0.0/16 icmp type 8 accept
		ip saddr @old tcp dport 1 accept
		tcp dport { 22, 8080, 9000, 9100, 9900 } accept
		udp dport { 53, 40000 } accept
		tcp dport 4000 accept
	}
}
";

#[test]
fn rules_of_nftables_are_checked_by_address() {
    let ruleset = Ruleset::read([("own.nft", NFTABLES)]).expect("a ruleset");
    let texts = [("own.nft", NFTABLES)];
    let policies = Policies::Nftables(&ruleset, ruleset.hook());
    let none = Manifests::default();
    let report = checked(Given { policies, texts: &texts, ..Given::from(&none) });
    let denied: Vec<String> = report
        .denied
        .iter()
        .map(|one| format!("{} {} {:?}", one.edge, one.refusals[0].side, one.refusals[0].policies))
        .collect();
    assert!(
        denied.iter().any(|one| one.ends_with("tcp/8443 forward [\"table inet filter\"]")),
        "{denied:#?}"
    );
    assert!(denied.iter().all(|one| !one.contains("5432") && !one.contains("icmp")), "{denied:#?}");
    assert_eq!(report.shadowed.iter().map(|one| one.place.line).collect::<Vec<_>>(), [9]);
    assert_eq!(report.unmatched.iter().map(|one| one.place.line).collect::<Vec<_>>(), [12]);
    assert_eq!(report.unmatched[0].why.to_string(), "nobody was seen with 192.0.2.7, 192.0.2.8");
    assert_eq!(report.idle.iter().map(|one| one.place.line).collect::<Vec<_>>(), [9, 15]);
    let exceeding: Vec<_> = report.exceeding().map(|one| (one.place.line, one.stated)).collect();
    assert_eq!(exceeding, [(11, Some(3))]);
    assert!(report.failures().iter().any(|one| one.ends_with("the first at own.nft:11:3")));
    for text in [report.to_json(), report.to_sarif("1"), report.to_junit()] {
        assert!(text.expect("a report").contains("own.nft"));
    }
}

#[test]
fn rules_of_a_host_say_nothing_of_other_hosts() {
    let text = NFTABLES
        .replace("hook forward", "hook input")
        .replace("\t\ttcp dport { 22, 8080, 9000, 9100, 9900 } accept\n", "")
        .replace("\t\tudp dport { 53, 40000 } accept\n\t\ttcp dport 4000 accept\n", "")
        .replace("ip saddr @old tcp dport 1 accept\n", "")
        .replace("ip saddr 10.1.0.0/16 ", "ip daddr 10.1.0.0/17 ")
        .replace("ip saddr 10.1.0.0/17 ", "ip daddr 10.1.0.0/17 ");
    let ruleset = Ruleset::read([("host.nft", text.as_str())]).expect("a ruleset");
    let policies = Policies::Nftables(&ruleset, ruleset.hook());
    let none = Manifests::default();
    let report = checked(Given { policies, ..Given::from(&none) });
    let outside =
        |one: &watershed_policy::check::Denied| one.edge.server.to_string().starts_with("198.51.100.");
    assert!(!report.denied.is_empty() && report.not_covered > 0);
    assert!(!report.denied.iter().any(outside), "{:#?}", report.denied);
}

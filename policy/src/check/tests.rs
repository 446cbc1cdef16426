//! What the check tells of a small shop.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watershed_model::{
    AgentId, Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp,
    Workload, WorkloadKind,
};

use super::{Observed, Reach, Report, Side, check};
use crate::k8s::{Direction, Manifests};

const POLICIES: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
  - from: [{ipBlock: {cidr: 10.0.0.0/24}}]
    ports: [{port: 9187}]
  - from: [{podSelector: {matchLabels: {app: wep}}}]
  - from: [{namespaceSelector: {matchLabels: {team: audit}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: old, namespace: shop}
spec:
  podSelector: {matchLabels: {app: basket}}
";

const WEB: &str = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: other, tier: front}}
    spec: {containers: [{ports: [{name: http, containerPort: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web, tier: front}}
  ingress: [{ports: [{port: http}, {port: https}]}]
";

fn workload(name: &str, namespace: Option<&str>) -> Arc<Workload> {
    Arc::new(Workload {
        kind: WorkloadKind::Host,
        name: name.into(),
        namespace: namespace.map(str::to_owned),
        labels: Labels::from([("app".to_owned(), name.to_owned())]),
    })
}

fn edge(client: &Party, server: &Party, protocol: Protocol, port: u16) -> Edge {
    let address = |party: &Party| -> BTreeSet<IpAddr> {
        let address = match party {
            Party::Address(address) => *address,
            Party::Workload(workload) => IpAddr::from([10, 0, 0, workload.name.len() as u8]),
        };
        [address].into()
    };
    Edge {
        key: EdgeKey { client: client.clone(), server: server.clone(), protocol, port },
        connections: 3,
        answered: 3,
        to_server: EdgeTraffic::default(),
        to_client: EdgeTraffic::default(),
        first_seen: Timestamp::from_parts(1, 0),
        last_seen: Timestamp::from_parts(2, 0),
        states: StateCounts::default(),
        evidence: EvidenceCounts::default(),
        names: BTreeSet::new(),
        hours: BTreeSet::new(),
        client_addresses: address(client),
        server_addresses: address(server),
        observers: BTreeSet::<AgentId>::new(),
    }
}

fn checked() -> Report {
    let shop = |name: &str| Party::Workload(workload(name, Some("shop")));
    let outside = |name: &str| Party::Workload(workload(name, None));
    let edges = [
        edge(&shop("web"), &shop("db"), Protocol::TCP, 5432),
        edge(&shop("job"), &shop("db"), Protocol::TCP, 5432),
        edge(&shop("job"), &shop("db"), Protocol::TCP, 9187),
        edge(&shop("web"), &shop("db"), Protocol::ICMP, 8),
        edge(&outside("monitor"), &shop("db"), Protocol::TCP, 9187),
        edge(&outside("monitor"), &outside("router"), Protocol::TCP, 22),
    ];
    let edges: Vec<&Edge> = edges.iter().collect();
    let manifests = Manifests::read([("p.yaml", POLICIES)], "default").unwrap();
    let workloads = ["web", "db", "job"].map(|name| workload(name, Some("shop")));
    check(&manifests, Observed { edges: Some(&edges), workloads: &workloads })
}

#[test]
fn what_was_observed_and_would_be_denied_is_told_with_who_refuses() {
    let report = checked();
    assert_eq!((report.policies, report.pods, report.allowed, report.not_covered), (2, 3, 2, 2));
    let denied: Vec<_> =
        report.denied.iter().map(|denied| (denied.edge.to_string(), denied.depends_on_plugin)).collect();
    // 10.0.0.0/24 holds the job's address, and some plugins take that for a match.
    assert_eq!(
        denied,
        [
            ("shop/job -> shop/db tcp/5432".to_owned(), false),
            ("shop/job -> shop/db tcp/9187".to_owned(), true)
        ]
    );
    assert_eq!(report.denied[0].address, None);
    let refusal = &report.denied[0].refusals[..];
    assert!(
        matches!(refusal, [one] if one.side == Side::End(Direction::Ingress) && one.policies == ["shop/db"])
    );
}

#[test]
fn what_matches_nothing_and_what_nobody_needs_is_told() {
    let report = checked();
    let unmatched: Vec<_> = report
        .unmatched
        .iter()
        .map(|unmatched| {
            format!("{} {} {}: {}", unmatched.place, unmatched.policy, unmatched.part, unmatched.why)
        })
        .collect();
    assert_eq!(
        unmatched,
        [
            "p.yaml:12:12 shop/db ingress peer: no pod there has app=wep; some have app=web",
            "p.yaml:13:12 shop/db ingress peer: no namespace has team=audit",
            "p.yaml:19:16 shop/old subject: no pod there has app=basket",
        ]
    );
    assert_eq!(report.idle, []);
    assert_eq!(report.reach, Some(Reach { pairs: 6, allowed: 5, unobserved: 4 }));
}

#[test]
fn an_address_outside_that_is_denied_is_named() {
    let client = Party::Address("2001:db8::7".parse().unwrap());
    let edge = edge(&client, &Party::Workload(workload("db", Some("shop"))), Protocol::TCP, 9187);
    let manifests = Manifests::read([("p.yaml", POLICIES)], "default").unwrap();
    let report = check(&manifests, Observed { edges: Some(&[&edge]), workloads: &[] });
    assert_eq!(report.denied[0].address, Some("2001:db8::7".parse().unwrap()));
}

#[test]
fn without_traffic_no_rule_is_called_idle() {
    let manifests = Manifests::read([("p.yaml", POLICIES)], "default").unwrap();
    let workloads = ["web", "db", "job"].map(|name| workload(name, Some("shop")));
    let report = |edges| check(&manifests, Observed { edges, workloads: &workloads });
    assert_eq!((report(None).idle.len(), report(Some(&[])).idle.len()), (0, 2));
    assert_eq!(report(None).unmatched.len(), 3);
}

#[test]
fn a_manifest_adds_what_the_inventory_does_not_know_of_a_workload() {
    let manifests = format!("{POLICIES}{WEB}");
    let manifests = Manifests::read([("p.yaml", manifests.as_str())], "default").unwrap();
    let workloads = ["web", "db", "job"].map(|name| workload(name, Some("shop")));
    let report = check(&manifests, Observed { edges: None, workloads: &workloads });
    assert_eq!(report.pods, 3);
    let about_web: Vec<_> = report
        .unmatched
        .iter()
        .filter(|one| one.policy == "shop/web")
        .map(|one| one.why.to_string())
        .collect();
    assert_eq!(about_web, ["no container that it is about has a port called https"]);
}

#[test]
fn json_has_every_finding() {
    let json: serde_json::Value = serde_json::from_str(&checked().to_json().unwrap()).unwrap();
    assert_eq!(json["edges"], serde_json::json!({"allowed": 2, "denied": 2, "not_covered": 2}));
    assert_eq!(json["denied"][0]["refused_by"][0]["policies"][0], "shop/db");
    assert_eq!(json["unmatched"].as_array().map(Vec::len), Some(3));
}

#[test]
fn sarif_has_every_finding_at_its_place() {
    let text = checked().to_sarif("1.2.3").unwrap();
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|one| {
            let location = &one["locations"][0]["physicalLocation"];
            let place =
                (location["artifactLocation"]["uri"].as_str().unwrap(), &location["region"]["startLine"]);
            format!(
                "{} {} {}:{}",
                one["level"].as_str().unwrap(),
                one["ruleId"].as_str().unwrap(),
                place.0,
                place.1
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "error would-be-denied p.yaml:2",
            "error would-be-denied p.yaml:2",
            "warning matches-nothing p.yaml:12",
            "warning matches-nothing p.yaml:13",
            "warning matches-nothing p.yaml:19",
            "note wider-than-seen p.yaml:10",
        ]
    );
    for one in results {
        assert_eq!(
            log["runs"][0]["tool"]["driver"]["rules"][one["ruleIndex"].as_u64().unwrap() as usize]["id"],
            one["ruleId"]
        );
    }
}

#[test]
fn junit_fails_for_the_policy_that_denies() {
    let text = checked().to_junit().unwrap();
    for line in [
        "<testsuites name=\"watershed rules check\" tests=\"4\" failures=\"1\">",
        "<testcase classname=\"denies nothing observed\" name=\"shop/old\"/>",
        "<failure message=\"2 found, first: shop/job -&gt; shop/db tcp/5432 would be denied by shop/db (ingress); seen 3 times, last 1970-01-01T00:00:02Z\" type=\"denies nothing observed\">",
        "p.yaml:19:16: subject matches nothing: no pod there has app=basket</system-out>",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

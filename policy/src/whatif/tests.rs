//! What policies would have done to a small shop.

use std::collections::BTreeSet;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp, Workload,
};

use super::{Outcome, Policies, compare, what_if, what_if_mined};
use crate::diff::Allowances;
use crate::export::mined;
use crate::k8s::Manifests;
use crate::mine::{Census, Level, mine};
use crate::nft::{Hook, Ruleset};
use crate::small_cluster;

fn edge(client: &str, server: &str, port: u16) -> Edge {
    let workload = |name: &str| {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Party::Workload(Arc::new(Workload {
            name: name.into(),
            namespace: Some("shop".into()),
            labels: Labels::from([label("app", name), label("team", &format!("{name}-team"))]),
            ..Workload::default()
        }))
    };
    let address = |name: &str| BTreeSet::from([[10, 0, 0, name.len() as u8].into()]);
    Edge {
        key: EdgeKey { client: workload(client), server: workload(server), protocol: Protocol::TCP, port },
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
        observers: BTreeSet::new(),
    }
}

fn shop() -> Vec<Edge> {
    vec![edge("job", "db", 5432), edge("web", "db", 5432), edge("front", "web", 80)]
}

fn manifests(client: &str) -> Manifests {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: db, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: db}}}}\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {client}}}}}}}], ports: [{{port: 5432}}]}}]\n"
    );
    Manifests::read([("db.yaml", text.as_str())], "default").unwrap()
}

fn told(outcome: &Outcome) -> Vec<String> {
    let line = |one: &super::Denied| {
        let missing: Vec<_> = one.missing.iter().map(ToString::to_string).collect();
        let owners: Vec<_> = one.owners.iter().cloned().collect();
        format!("{} {} | {} | {}", one.edge, owners.join(","), one.refused_by.join(","), missing.join(","))
    };
    outcome.denied.iter().map(line).collect()
}

#[test]
fn what_would_have_been_denied_is_told_with_its_owners_and_the_missing_rule() {
    let edges = shop();
    let edges: Vec<&Edge> = edges.iter().collect();
    let outcome = what_if(Policies::Kubernetes(&manifests("web")), &edges, &[]);
    assert_eq!((outcome.allowed, outcome.not_covered, outcome.connections_denied()), (2, 0, 3));
    assert_eq!(
        told(&outcome),
        [
            "shop/job -> shop/db tcp/5432 db-team,job-team | shop/db | ingress of shop/db: allow tcp/5432 from shop/job"
        ]
    );
}

#[test]
fn two_policies_are_compared() {
    let edges = shop();
    let edges: Vec<&Edge> = edges.iter().collect();
    let of = |client: &str| what_if(Policies::Kubernetes(&manifests(client)), &edges, &[]);
    let (old, new) = (of("web"), of("job"));
    let change = compare(&old, &new);
    let names = |of: &[&super::Denied]| of.iter().map(|one| one.edge.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&change.newly_denied), ["shop/web -> shop/db tcp/5432"]);
    assert_eq!(names(&change.newly_allowed), ["shop/job -> shop/db tcp/5432"]);
    assert_eq!((change.still_denied, compare(&old, &of("none")).still_denied), (0, 1));
    let json: serde_json::Value = serde_json::from_str(&new.to_json(Some(&change)).unwrap()).unwrap();
    assert_eq!(json["against"]["newly_denied"], serde_json::json!([0]));
    assert_eq!(json["denied"][0]["missing"][0], "ingress of shop/db: allow tcp/5432 from shop/web");
}

#[test]
fn nftables_rules_are_replayed_by_address() {
    let text = "table inet t {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tip saddr 10.0.0.3 tcp dport 5432 drop\n\t}\n}\n";
    let ruleset = Ruleset::read([("own.nft", text)]).unwrap();
    let mut edges = shop();
    edges[1].client_addresses = ["10.0.0.9".parse().unwrap()].into();
    let edges: Vec<&Edge> = edges.iter().collect();
    let outcome = what_if(Policies::Nftables(&ruleset, Hook::Forward), &edges, &[]);
    assert_eq!(
        told(&outcome),
        ["shop/job -> shop/db tcp/5432 db-team,job-team | own.nft:4 | allow 10.0.0.3 -> 10.0.0.2:5432 tcp"]
    );
    assert_eq!(outcome.allowed, 2);
}

#[test]
fn mined_rules_allow_what_they_were_mined_from_and_deny_the_rest() {
    let edges = small_cluster::edges();
    let census = Census::of(&edges, &[]).unwrap();
    let stranger = small_cluster::pod("shop", "stranger", "app=stranger");
    let small_cluster::Cluster { front, db, .. } = small_cluster::cluster();
    let tcp = |client, server, port| small_cluster::edge(client, server, Protocol::TCP, port);
    let others = [tcp(&stranger, &db, 5432), tcp(&front, &small_cluster::outside("192.0.2.9"), 443)];
    for level in Level::ALL {
        let text = mined::json(&census, &mine(&census, level)).unwrap();
        let rules = Allowances::read("mined.json", &text).unwrap();
        let outcome = what_if_mined(&rules, &edges.iter().collect::<Vec<_>>());
        let denied: Vec<String> = outcome.denied.iter().map(|one| one.edge.to_string()).collect();
        assert_eq!(denied, [""; 0], "{level}");
        let denied = what_if_mined(&rules, &others.iter().collect::<Vec<_>>()).denied;
        assert_eq!(denied.len(), 2, "{level}");
        let missing: Vec<String> =
            denied.iter().flat_map(|one| &one.missing).map(ToString::to_string).collect();
        assert!(
            missing.contains(&"egress of shop/stranger: allow tcp/5432 to shop/db".to_owned()),
            "{missing:?}"
        );
    }
}

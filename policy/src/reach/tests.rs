//! Reach in a small shop, and in a small cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use watershed_model::{
    Edge, EdgeKey, EdgeTraffic, EvidenceCounts, Labels, Party, Protocol, StateCounts, Timestamp, Workload,
};

use super::{By, Change, Estate, Reach, reach, reach_by};
use crate::decisions::Decisions;
use crate::export::directory::{KUSTOMIZATION, REVERT};
use crate::export::{kubernetes, nftables};
use crate::k8s::Manifests;
use crate::mine::{Census, Level, mine};
use crate::nft::{Hook, Ruleset};
use crate::small_cluster;
use crate::whatif::Policies;
use crate::{Known, Rule, RuleSet};

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

#[test]
fn what_people_allow_by_address_can_be_reached() {
    let at = |address: &str| BTreeSet::from([address.parse().unwrap()]);
    let between = |client: (&str, &str), server: (&str, &str), port| Edge {
        client_addresses: at(client.1),
        server_addresses: at(server.1),
        ..edge(party(client.0), party(server.0), port)
    };
    let (web, db, job) = (("web", "10.0.0.1"), ("db", "10.0.0.2"), ("job", "10.0.1.3"));
    let edges = [between(web, db, 5432), between(job, web, 80)];
    let text = "version: 1\nallow:\n- {client: {networks: [10.0.1.0/24]}, server: {name: db}, ports: [tcp/5000-6000]}\n";
    let known = Known { party: party("db"), networks: ["10.0.0.2/32".parse().unwrap()].into() };
    let by_hand = Rule::by_hand(&Decisions::read("d.yaml", text).unwrap(), &[known]);
    let rules = RuleSet::from_edges(&edges, &[]).unwrap().with(by_hand);
    let internal = ["web", "db", "job"].map(party);
    let estate = Estate { internal: internal.iter().collect(), ..Estate::default() };
    let told = reach(&edges, &rules, &estate, 1);
    let after: Vec<_> = told.workloads.iter().map(|one| (one.party.to_string(), one.tuples.after)).collect();
    assert_eq!(after, [("job", 2), ("web", 1), ("db", 0)].map(|(name, after)| (name.to_owned(), after)));
    let by_hand = told.rules.iter().find(|one| one.rule.contains("by-hand")).unwrap();
    assert_eq!((by_hand.tuples, by_hand.alone), (1, 1));
}

/// The cluster's edges between pods, which policies of Kubernetes can all say.
fn between_pods() -> Vec<Edge> {
    let pod = |party: &Party| party.workload().is_some_and(|workload| workload.namespace.is_some());
    let mut edges = small_cluster::edges();
    edges.retain(|edge| pod(&edge.key.client) && pod(&edge.key.server));
    edges.retain(|edge| edge.key.protocol != Protocol::ICMP);
    edges
}

fn everybody(edges: &[Edge]) -> Estate<'_> {
    let internal = edges.iter().flat_map(|edge| [&edge.key.client, &edge.key.server]).collect();
    Estate { internal, ..Estate::default() }
}

fn by(edges: &[Edge], by: By<'_>) -> Reach {
    reach_by(edges, by, &everybody(edges), 3).unwrap()
}

#[test]
fn wider_levels_reach_further_and_their_export_read_back_reaches_as_far() {
    let edges = between_pods();
    let census = Census::of(&edges, &[]).unwrap();
    let mut after = Vec::new();
    for level in Level::ALL {
        let plan = mine(&census, level);
        let told = by(&edges, By::Mined(&census, &plan));
        after.push(told.tuples.after);
        let export = kubernetes::export(&census, &plan).unwrap();
        let enforced = |path: &str| !path.starts_with(REVERT) && !path.ends_with(KUSTOMIZATION);
        let files = export.files.iter().filter(|(path, _)| enforced(path));
        let files = files.map(|(path, text)| (path.as_str(), text.as_str()));
        let manifests = Manifests::read(files, "default").unwrap();
        let read = by(&edges, By::Policies(Policies::Kubernetes(&manifests), &[]));
        assert_eq!((read.tuples, &read.workloads), (told.tuples, &told.workloads), "{level}");
        // Every rule that permits something is named by where it stands, and one for both ends is needed twice.
        assert!(
            read.rules.iter().all(|rule| rule.rule.contains(".yaml:") && rule.tuples > 0),
            "{:?}",
            read.rules
        );
        let alone = |told: &Reach| told.rules.iter().map(|rule| rule.alone).sum::<u64>();
        assert_eq!(alone(&read), alone(&told), "{level}");
    }
    assert!(after.is_sorted() && after[0] >= edges.len() as u64 && after[2] > after[0], "{after:?}");
}

#[test]
fn without_policies_everything_stays_as_it_was_and_a_rule_that_two_say_stands_alone_in_none() {
    let edges = between_pods();
    let nothing = Manifests::read([], "default").unwrap();
    let told = by(&edges, By::Policies(Policies::Kubernetes(&nothing), &[]));
    assert_eq!(told.tuples.before, told.tuples.after);
    assert!(told.rules.is_empty());
    let policy = |name: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{tier: db}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{tier: api}}}}}}]}}]}}\n"
        )
    };
    let (one, other) = (policy("one"), policy("other"));
    let alone = |files: &[(&str, &str)]| {
        let manifests = Manifests::read(files.iter().copied(), "default").unwrap();
        let told = by(&edges, By::Policies(Policies::Kubernetes(&manifests), &[]));
        told.rules.iter().map(|rule| (rule.tuples, rule.alone)).collect::<Vec<_>>()
    };
    // The database offers its port and that of the monitor.
    assert_eq!(alone(&[("one.yaml", &one)]), [(2, 2)]);
    assert_eq!(alone(&[("one.yaml", &one), ("other.yaml", &other)]), [(2, 0), (2, 0)]);
}

#[test]
fn nftables_files_reach_as_far_as_the_rules_that_they_were_written_from() {
    let edges = between_pods();
    let rules = RuleSet::from_edges(&edges, &[]).unwrap();
    let files = nftables::export(&rules, Hook::Forward);
    let texts = [("rules.nft", files.allow.as_str()), ("default-deny.nft", files.default_deny.as_str())];
    let ruleset = Ruleset::read(texts).unwrap();
    let read = by(&edges, By::Policies(Policies::Nftables(&ruleset, Hook::Forward), &[]));
    let told = reach(&edges, &rules, &everybody(&edges), 3);
    assert_eq!((read.tuples, read.workloads), (told.tuples, told.workloads));
    assert!(read.rules.iter().all(|rule| rule.rule.starts_with("allow-")), "{:?}", read.rules);
}

#[test]
fn the_worst_is_named_and_who_faces_the_internet_wherever_it_stands() {
    let edges = [edge(party("lb"), party("web"), 80), edge(party("web"), party("db"), 5432)];
    let rules = RuleSet::from_edges(&edges, &[]).unwrap();
    let parties = ["lb", "web", "db"].map(party);
    let exposed = [&parties[1]].into();
    let estate = Estate { internal: parties.iter().collect(), exposed, ..Estate::default() };
    let told = reach(&edges, &rules, &estate, 3);
    assert_eq!(
        told.worst().map(|one| (one.party.to_string(), one.reached.after)),
        Some(("lb".to_owned(), 2))
    );
    assert_eq!(told.exposed().map(|one| one.party.to_string()).collect::<Vec<_>>(), ["web"]);
    let json: serde_json::Value = serde_json::from_str(&told.to_json().unwrap()).unwrap();
    assert_eq!(json["worst"], "lb");
}

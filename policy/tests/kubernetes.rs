//! NetworkPolicies of mined rules: what other tools got wrong is right here, and is noticed when it is not.

#[path = "cluster/mod.rs"]
mod cluster;

use std::collections::BTreeSet;

use cluster::{Cluster, cluster, edge, edges, outside, pod};
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::Error;
use watershed_policy::export::directory::Directory;
use watershed_policy::export::kubernetes;
use watershed_policy::k8s::{Blocks, End, Evaluator, Manifests, Pod, World};
use watershed_policy::mine::{Census, Level, Plan, mine};
use watershed_policy::proof::kubernetes::{Certificate, prove};

struct Made {
    census: Census,
    plan: Plan,
    export: Directory,
}

impl Made {
    fn of(edges: &[Edge], level: Level) -> Self {
        let census = Census::of(edges, &[]).expect("a census");
        let plan = mine(&census, level);
        let export = kubernetes::export(&census, &plan).expect("policies");
        Self { census, plan, export }
    }

    fn prove(&self, export: &Directory) -> Result<Certificate, Error> {
        prove(&self.census, &self.plan, export, "test")
    }

    /// All files in one text.
    fn text(&self) -> String {
        self.export.files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect()
    }
}

fn made() -> Made {
    Made::of(&edges(), Level::Service)
}

#[test]
fn every_level_is_proven() {
    for level in Level::ALL {
        let made = Made::of(&edges(), level);
        let certificate = made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}"));
        assert_eq!(certificate.not_expressed, 2, "a ping, and a host to a host");
        assert_eq!(certificate.dependencies_replayed, edges().len() as u64 - 2);
        assert!(certificate.probes_denied > 100, "{certificate:?}");
        assert!(certificate.to_json().expect("json").contains("\"dialect\": \"networking.k8s.io/v1\""));
    }
}

#[test]
fn dns_is_allowed_from_every_namespace() {
    let made = made();
    for namespace in ["shop", "pay", "ops", "kube-system"] {
        let of = |path: &&String| path.starts_with(&format!("allow/{namespace}/allow-all-"));
        let path = made.export.files.keys().find(of).expect("rules for the whole namespace");
        let text = &made.export.files[path];
        assert!(text.contains("    - protocol: UDP\n      port: 53\n"), "{text}");
    }
}

/// As the aggregator hands on what went to a Service's address and port: the pods behind it, and the port there.
#[test]
fn a_port_is_what_the_pod_listens_on_and_not_the_services() {
    let mut edges = edges();
    edges[0].names.insert("front.shop.svc:443".into());
    edges[0].server_addresses.insert("10.96.0.7".parse().expect("an address"));
    let made = Made::of(&edges, Level::Service);
    let Party::Workload(front) = cluster().front else { unreachable!("a workload") };
    let mut world = World::default();
    world.add_pod(Pod {
        namespace: "shop".into(),
        name: "front".into(),
        labels: front.labels.clone(),
        ..Pod::default()
    });
    let rules = made.export.files.iter().filter(|(path, _)| path.starts_with("allow/"));
    let rules = rules.map(|(path, text)| (path.as_str(), text.as_str()));
    let policies = Manifests::read(rules, "default").expect("policies").policies;
    let evaluator = Evaluator::new(&world, &policies, Blocks::OutsideOnly);
    let client = End::Outside("203.0.113.9".parse().expect("an address"));
    assert_eq!(evaluator.connections(client, End::Pod(0)).to_string(), "tcp/8443");
    assert!(!made.text().contains("10.96.0.7"), "{}", made.text());
}

#[test]
fn hashes_of_a_generation_select_nothing() {
    assert!(!made().text().contains("pod-template-hash"));
}

#[test]
fn an_ipv6_address_is_one_address() {
    assert!(made().text().contains("cidr: \"2001:db8:9::9/128\""));
}

#[test]
fn an_internet_peer_is_its_addresses_and_never_everybody() {
    assert!(!made().text().contains("from: []") && !made().text().contains("to: []"));
    assert!(made().text().contains("  - from:\n    - ipBlock:\n        cidr: \"203.0.113.9/32\""));
}

#[test]
fn namespaces_are_selected_by_the_label_that_they_have() {
    let one = "    - namespaceSelector:\n        matchLabels:\n          \"kubernetes.io/metadata.name\": \"shop\"\n";
    let both = format!("{one}      podSelector:\n        matchLabels:\n          \"tier\": \"api\"\n");
    assert!(made().text().contains(&both), "namespace and pods are one peer");
}

#[test]
fn udp_above_1024_and_sctp_are_there_and_no_other_protocol_is() {
    let text = made().text();
    assert!(
        text.contains("- protocol: UDP\n      port: 40000\n")
            && text.contains("- protocol: SCTP\n      port: 9900\n")
    );
    let protocols: BTreeSet<_> =
        text.lines().filter_map(|line| line.split_once("protocol: ")).map(|(_, p)| p).collect();
    assert_eq!(protocols, BTreeSet::from(["SCTP", "TCP", "UDP"]));
    assert!(made().export.not_expressed.iter().any(|one| one.rule.contains("icmp/8")));
}

#[test]
fn a_rule_for_pings_alone_opens_no_port() {
    let Cluster { front, api, .. } = cluster();
    let made = Made::of(&[edge(&front, &api, Protocol::ICMP, 8)], Level::Service);
    assert!(!made.text().contains("ports:") && !made.text().contains("from:"), "{}", made.text());
    made.prove(&made.export).expect("nothing to allow");
}

#[test]
fn every_name_of_a_server_is_told() {
    let mut edges = edges();
    edges[6].names.extend(["a.example".into(), "b.example".into()]);
    assert!(Made::of(&edges, Level::Service).text().contains("called a.example, b.example"));
}

#[test]
fn loaded_alone_the_rules_deny_nothing() {
    let list = &made().export.files["kustomization.yaml"];
    let files: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert!(files[0].contains("default-deny-revert/in-"), "{list}");
    assert!(files.iter().all(|file| !file.contains("default-deny/")), "{list}");
    let named: BTreeSet<_> = files.iter().map(|file| file.trim_matches('"').to_owned()).collect();
    let there = made().export.files.into_keys();
    let there: BTreeSet<_> =
        there.filter(|path| path.starts_with("allow/") || path.contains("revert/in-")).collect();
    assert_eq!(named, there);
}

#[test]
fn hosts_are_out_of_reach_and_said_to_be() {
    let reasons = made().export.not_expressed;
    assert!(reasons.iter().any(|one| one.rule == "archive ingress backup: tcp/22"), "{reasons:?}");
}

#[test]
fn a_name_that_kubernetes_does_not_know_is_refused() {
    let (a, b) = (pod("../..", "a", "app=a"), pod("x", "b", "app=b"));
    let census = Census::of([edge(&a, &b, Protocol::TCP, 1)], &[]).expect("a census");
    let error = kubernetes::export(&census, &mine(&census, Level::Nano)).expect_err("no namespace");
    assert!(error.to_string().contains("\"../..\" is no namespace"), "{error}");
}

#[test]
fn hostile_labels_and_names_stay_inside_their_places() {
    let mut edges = edges();
    edges[6].names.insert("x\n- from: []\n# ".into());
    let made = Made::of(&edges, Level::Service);
    assert!(!made.text().lines().any(|line| line.trim_start().starts_with("- from: []")));
    made.prove(&made.export).expect("still the same policies");
}

#[test]
fn a_workload_that_uses_itself_is_allowed_to_from_another_pod() {
    let db = pod("x", "db", "app=db");
    let made = Made::of(&[edge(&db, &db, Protocol::TCP, 7000)], Level::Nano);
    assert_eq!(made.prove(&made.export).expect("proof").dependencies_replayed, 1);
    let mut broken = made.export.clone();
    for text in broken.files.values_mut() {
        *text = text.replace("port: 7000", "port: 7001");
    }
    assert!(made.prove(&broken).is_err());
}

/// Each way to break an export that some tool has shipped, as text to be replaced.
const MUTATIONS: [(&str, &str, &str); 20] = [
    ("dns forgotten", "port: 53\n", "port: 54\n"),
    ("dns over tcp alone", "    - protocol: UDP\n      port: 53\n", ""),
    ("service port for target port", "port: 8443", "port: 443"),
    ("ipv6 as /32", "2001:db8:9::9/128", "2001:db8::/32"),
    ("ipv6 as /127", "2001:db8:9::9/128", "2001:db8:9::8/127"),
    ("ipv4 as /24", "198.51.100.20/32", "198.51.100.0/24"),
    ("ipv4 as everything", "198.51.100.20/32", "0.0.0.0/0"),
    ("a label that no namespace has", "\"kubernetes.io/metadata.name\"", "\"name\""),
    ("protocol unknown", "protocol: SCTP", "protocol: UNKNOWN"),
    ("udp above 1024 dropped", "    - protocol: UDP\n      port: 40000\n", ""),
    ("two peers for one", "      podSelector:\n", "    - podSelector:\n"),
    (
        "no namespace",
        "    - namespaceSelector:\n        matchLabels:\n          \"kubernetes.io/metadata.name\": \"pay\"\n      podSelector",
        "    - podSelector",
    ),
    (
        "every namespace",
        "        matchLabels:\n          \"kubernetes.io/metadata.name\": \"shop\"\n",
        "        {}\n",
    ),
    ("pods forgotten", "      podSelector:\n        matchLabels:\n          \"tier\": \"api\"\n", ""),
    (
        "a subject too wide",
        "  podSelector:\n    matchLabels:\n      \"tier\": \"api\"\n",
        "  podSelector: {}\n",
    ),
    (
        "a subject that nobody is",
        "      \"tier\": \"db\"\n  policyTypes",
        "      \"tier\": \"database\"\n  policyTypes",
    ),
    ("a range too long", "port: 5432\n", "port: 5432\n      endPort: 5433\n"),
    ("ports forgotten", "    ports:\n    - protocol: TCP\n      port: 5432\n", ""),
    ("default deny that allows", "  - Ingress\n  - Egress\n", "  - Ingress\n"),
    ("a revert that denies", "  ingress:\n  - {}\n", ""),
];

#[test]
fn an_export_that_is_broken_in_any_known_way_is_refuted() {
    let made = made();
    let mut mutants: Vec<(String, Directory)> = Vec::new();
    let mut add = |name: &str, change: &dyn Fn(&str) -> String| {
        let mut export = made.export.clone();
        export.files.values_mut().for_each(|text| *text = change(text));
        assert_ne!(export, made.export, "{name}: changes nothing");
        mutants.push((name.to_owned(), export));
    };
    for (name, from, to) in MUTATIONS {
        add(name, &|text| text.replace(from, to));
    }
    let Party::Workload(front) = cluster().front else { unreachable!("a workload") };
    let hash = format!(
        "\"tier\": \"front\"\n      \"pod-template-hash\": \"{}\"\n  ",
        front.labels["pod-template-hash"]
    );
    add("a hash in a selector", &|text| text.replace("\"tier\": \"front\"\n  ", &hash));
    add("from nobody, which is everybody", &|text| without_peers(text, "  - from:\n"));
    add("to nobody, which is everybody", &|text| without_peers(text, "  - to:\n"));

    let Cluster { front, api, .. } = cluster();
    let mut scanned = edges();
    scanned.push(edge(&outside("192.0.2.66"), &api, Protocol::TCP, 8080));
    mutants.push(("a scan as a rule".into(), Made::of(&scanned, Level::Service).export));
    let mut turned = edges();
    turned[2] = edge(&api, &front, Protocol::TCP, 51_515);
    mutants.push(("the server taken for the client".into(), Made::of(&turned, Level::Service).export));
    for path in made.export.files.keys().filter(|path| path.starts_with("allow/")) {
        let mut export = made.export.clone();
        export.files.remove(path);
        mutants.push((format!("{path} forgotten"), export));
    }

    let survived: Vec<_> = mutants
        .iter()
        .filter(|(_, export)| made.prove(export).is_ok())
        .map(|(name, _)| name.as_str())
        .collect();
    println!("mutation score: {} of {} refuted", mutants.len() - survived.len(), mutants.len());
    assert!(survived.is_empty(), "not noticed: {survived:?}");
}

/// The text with the peers of each rule left out.
fn without_peers(text: &str, head: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line == head {
            out.push_str(&line.replace(":\n", ": []\n"));
            inside = true;
        } else if inside && (line.starts_with("    - ") || line.starts_with("     ")) {
        } else {
            inside = false;
            out.push_str(line);
        }
    }
    out
}

//! AuthorizationPolicies of mined rules: what they cannot say is listed with what it admits, and what is broken
//! is noticed.

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, cluster, edge, edges, host, outside, pod};
use watershed_model::{Edge, Protocol};
use watershed_policy::Error;
use watershed_policy::export::directory::Directory;
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::proof::istio::prove;
use watershed_policy::proof::kubernetes::Certificate;

struct Made {
    census: Census,
    sayable: Sayable,
    export: Directory,
}

impl Made {
    fn of(edges: &[Edge], level: Level) -> Self {
        let census = Census::of(edges, &[]).expect("a census");
        let sayable = Sayable::of(&census, mine(&census, level));
        let export = istio::export(&census, &sayable).expect("policies");
        Self { census, sayable, export }
    }

    fn prove(&self, export: &Directory) -> Result<Certificate, Error> {
        prove(&self.census, &self.sayable, export, "test")
    }

    fn text(&self) -> String {
        self.export.files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect()
    }

    fn reasons(&self) -> String {
        self.export.not_expressed.iter().map(|one| format!("{}: {}\n", one.rule, one.reason)).collect()
    }
}

fn made() -> Made {
    Made::of(&edges(), Level::Service)
}

/// Two clients of one namespace that only their service accounts tell apart for a policy.
fn with_accounts() -> Vec<Edge> {
    let account = "projectcalico.org/serviceaccount";
    let front = pod("shop", "front", &format!("tier=front {account}=front"));
    let batch = pod("shop", "batch-job", &format!("tier=batch {account}=batch"));
    let api = pod("shop", "api", &format!("tier=api {account}=api"));
    vec![edge(&front, &api, Protocol::TCP, 8080), edge(&batch, &api, Protocol::TCP, 9090)]
}

#[test]
fn every_level_is_proven() {
    for level in Level::ALL {
        for edges in [edges(), with_accounts()] {
            let made = Made::of(&edges, level);
            let certificate =
                made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}\n{}", made.text()));
            assert!(certificate.probes_denied > 0, "{certificate:?}");
            assert!(certificate.to_json().expect("json").contains("\"dialect\": \"security.istio.io/v1\""));
        }
    }
}

#[test]
fn clients_are_service_accounts_where_these_are_known_and_namespaces_otherwise() {
    let text = Made::of(&with_accounts(), Level::Service).text();
    let client = "        principals:\n        - \"cluster.local/ns/shop/sa/front\"\n    to:\n    - operation:\n        ports:\n        - \"8080\"\n";
    assert!(text.contains(client), "{text}");
    assert!(!text.contains("namespaces:"), "{text}");
    let made = made();
    assert!(made.text().contains("        namespaces:\n        - \"shop\"\n"), "{}", made.text());
    assert!(made.reasons().contains("not by labels: it says shop, which admits"), "{}", made.reasons());
}

#[test]
fn what_is_admitted_is_part_of_the_price() {
    let census = Census::of(edges(), &[]).expect("a census");
    let before = mine(&census, Level::Service);
    let price = before.price();
    assert!(Sayable::of(&census, before).plan.price() > price);
}

#[test]
fn egress_and_other_protocols_are_listed() {
    let Cluster { api, pay, .. } = cluster();
    let mut edges = edges();
    edges.push(edge(&pay, &api, Protocol::ICMP, 8));
    let made = Made::of(&edges, Level::Service);
    let reasons = made.reasons();
    assert!(
        reasons.contains("icmp/8: AuthorizationPolicy governs TCP alone: UDP, SCTP and ICMP pass"),
        "{reasons}"
    );
    assert!(
        reasons.contains("AuthorizationPolicy denies no egress: this passes, and so does every other"),
        "{reasons}"
    );
    assert!(reasons.contains("rules for egress to workloads: "), "{reasons}");
    made.prove(&made.export).expect("the rest is proven");
}

#[test]
fn there_is_no_policy_of_the_namespace_whose_policies_are_for_the_whole_mesh() {
    let Cluster { front, monitor, .. } = cluster();
    let gateway = pod("istio-system", "ingress", "app=ingress");
    let mut edges = edges();
    edges.push(edge(&gateway, &front, Protocol::TCP, 8443));
    edges.push(edge(&monitor, &gateway, Protocol::TCP, 15_020));
    for level in Level::ALL {
        let made = Made::of(&edges, level);
        assert!(!made.text().contains("namespace: \"istio-system\""), "{}", made.text());
        assert!(
            made.reasons().contains("policies of istio-system are for the whole mesh"),
            "{}",
            made.reasons()
        );
        made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}"));
    }
}

#[test]
fn many_ports_become_every_port() {
    let (web, db, other) = (pod("x", "web", "app=web"), host("db"), outside("192.0.2.9"));
    let mut edges: Vec<Edge> = (9000..9100).map(|port| edge(&db, &web, Protocol::TCP, port)).collect();
    edges.push(edge(&other, &web, Protocol::TCP, 80));
    let made = Made::of(&edges, Level::Service);
    assert!(made.reasons().contains("more than 64 ports: it says every port of TCP"), "{}", made.reasons());
    assert!(made.text().contains("        ipBlocks:\n        - \"10."), "{}", made.text());
    made.prove(&made.export).expect("every port is what it declares");
}

/// Each way to break an export, as text to be replaced.
const MUTATIONS: [(&str, &str, &str); 19] = [
    ("service port for target port", "\"8443\"", "\"443\""),
    ("another port", "\"5432\"", "\"5433\""),
    ("one port more", "        - \"5432\"\n", "        - \"5432\"\n        - \"5433\"\n"),
    ("ports forgotten", "    to:\n    - operation:\n        ports:\n        - \"5432\"\n", ""),
    ("ports excluded", "        ports:\n        - \"5432\"\n", "        notPorts:\n        - \"5432\"\n"),
    ("ipv6 as /32", "2001:db8:9::9/128", "2001:db8::/32"),
    ("ipv6 as /127", "2001:db8:9::9/128", "2001:db8:9::8/127"),
    ("ipv4 as /24", "203.0.113.9/32", "203.0.113.0/24"),
    ("ipv4 as everything", "203.0.113.9/32", "0.0.0.0/0"),
    (
        "every namespace",
        "        namespaces:\n        - \"shop\"\n",
        "        namespaces:\n        - \"*\"\n",
    ),
    (
        "another namespace",
        "        namespaces:\n        - \"shop\"\n",
        "        namespaces:\n        - \"pay\"\n",
    ),
    (
        "not this namespace",
        "        namespaces:\n        - \"shop\"\n",
        "        notNamespaces:\n        - \"shop\"\n",
    ),
    (
        "from nobody, which is everybody",
        "    from:\n    - source:\n        namespaces:\n        - \"shop\"\n",
        "",
    ),
    ("a subject too wide", "  selector:\n    matchLabels:\n      \"tier\": \"api\"\n", ""),
    ("a subject that nobody is", "      \"tier\": \"db\"\n", "      \"tier\": \"database\"\n"),
    ("rules that deny", "  action: ALLOW\n  rules:\n  # ", "  action: DENY\n  rules:\n  # "),
    ("rules that only log", "action: ALLOW", "action: AUDIT"),
    ("default deny that denies nothing", "spec:\n  action: ALLOW\n", "spec:\n  action: AUDIT\n"),
    ("a revert that denies", "  rules:\n  - {}\n", ""),
];

#[test]
fn an_export_that_is_broken_in_any_known_way_is_refuted() {
    let made = made();
    let mut mutants: Vec<(String, Directory)> = Vec::new();
    for (name, from, to) in MUTATIONS {
        let mut export = made.export.clone();
        // An item begins with what comes first in it.
        let from = from.replace("    from:\n    - source", "  - from:\n    - source");
        let to = if name == "from nobody, which is everybody" { "  -\n" } else { to };
        export.files.values_mut().for_each(|text| *text = text.replace(&from, to));
        assert_ne!(export, made.export, "{name}: changes nothing");
        mutants.push((name.to_owned(), export));
    }
    let Cluster { front, api, .. } = cluster();
    let mut scanned = edges();
    scanned.push(edge(&outside("192.0.2.66"), &api, Protocol::TCP, 8080));
    mutants.push(("a scan as a rule".into(), Made::of(&scanned, Level::Service).export));
    let mut turned = edges();
    turned[2] = edge(&api, &front, Protocol::TCP, 51_515);
    mutants.push(("the server taken for the client".into(), Made::of(&turned, Level::Service).export));
    // Of two of these namespaces rules for all pods isolate everybody already; of the third nothing is isolated.
    let in_vain =
        ["default-deny/in-pay.yaml", "default-deny/in-shop.yaml", "default-deny-revert/in-ops.yaml"];
    let files = made.export.files.keys().filter(|path| !path.ends_with("kustomization.yaml"));
    for path in files.filter(|path| !in_vain.contains(&path.as_str())) {
        let mut export = made.export.clone();
        export.files.remove(path);
        mutants.push((format!("{path} forgotten"), export));
    }
    let mut survived: Vec<_> = mutants
        .iter()
        .filter(|(_, export)| made.prove(export).is_ok())
        .map(|(name, _)| name.clone())
        .collect();
    let accounts = Made::of(&with_accounts(), Level::Service);
    for (from, to) in [("sa/front", "sa/batch"), ("sa/front", "sa/*"), ("cluster.local/", "example.org/")] {
        let mut export = accounts.export.clone();
        export.files.values_mut().for_each(|text| *text = text.replace(from, to));
        assert_ne!(export, accounts.export, "{from} to {to} changes nothing");
        mutants.push((format!("{from} to {to}"), export.clone()));
        survived.extend(accounts.prove(&export).is_ok().then(|| format!("{from} to {to}")));
    }
    println!("mutation score: {} of {} refuted", mutants.len() - survived.len(), mutants.len());
    assert!(survived.is_empty(), "not noticed: {survived:?}");
}

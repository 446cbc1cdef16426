//! Calico policies of mined rules: what other tools got wrong is right here, and is noticed when it is not.

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Cluster, cluster, edge, edges, outside, pod};
use watershed_model::{Edge, Party, Protocol};
use watershed_policy::Error;
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::directory::Directory;
use watershed_policy::mine::{Census, Level, Plan, mine};
use watershed_policy::proof::calico::prove;
use watershed_policy::proof::kubernetes::Certificate;

struct Made {
    census: Census,
    plan: Plan,
    form: Form,
    export: Directory,
}

impl Made {
    fn of(edges: &[Edge], level: Level, form: Form) -> Self {
        let census = Census::of(edges, &[]).expect("a census");
        let plan = mine(&census, level);
        let export = calico::export(&census, &plan, form).expect("policies");
        Self { census, plan, form, export }
    }

    fn prove(&self, export: &Directory) -> Result<Certificate, Error> {
        prove(self.form, &self.census, &self.plan, export, "test")
    }

    /// All files in one text.
    fn text(&self) -> String {
        self.export.files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect()
    }
}

/// The cluster's edges, and pings of both versions.
fn with_pings() -> Vec<Edge> {
    let Cluster { api, pay, .. } = cluster();
    let mut edges = edges();
    edges.push(edge(&pay, &api, Protocol::ICMP, 8));
    edges.push(edge(&outside("2001:db8:9::9"), &api, Protocol::ICMPV6, 128));
    edges
}

fn made() -> Made {
    Made::of(&with_pings(), Level::Service, Form::Enforced)
}

#[test]
fn every_level_and_both_forms_are_proven() {
    for level in Level::ALL {
        for form in [Form::Enforced, Form::Staged] {
            let made = Made::of(&with_pings(), level, form);
            let certificate = made.prove(&made.export).unwrap_or_else(|error| panic!("{level}: {error}"));
            assert_eq!(certificate.not_expressed, 1, "a host to a host");
            assert_eq!(certificate.dependencies_replayed, with_pings().len() as u64 - 1);
            assert!(certificate.probes_denied > 100, "{certificate:?}");
            assert!(certificate.to_json().expect("json").contains("\"dialect\": \"projectcalico.org/v3"));
        }
    }
}

#[test]
fn pings_are_said_which_network_policy_cannot() {
    let text = made().text();
    assert!(text.contains("    protocol: ICMP\n    icmp:\n      type: 8\n    source:\n"), "{text}");
    assert!(
        text.contains("    protocol: ICMPv6\n    icmp:\n      type: 128\n    source:\n      nets:\n"),
        "{text}"
    );
    assert!(made().export.not_expressed.iter().all(|one| one.reason.contains("HostEndpoint")));
}

#[test]
fn addresses_of_both_versions_are_rules_of_their_own() {
    let text = made().text();
    let both = "      nets:\n      - \"203.0.113.9/32\"\n    destination:\n      ports:\n      - 8443\n";
    assert!(text.contains(both), "{text}");
    assert!(text.contains("      nets:\n      - \"2001:db8:9::9/128\"\n"), "{text}");
}

#[test]
fn namespaces_are_selected_by_the_label_that_they_have() {
    let both = "      namespaceSelector: \"kubernetes.io/metadata.name == 'shop'\"\n      selector: \"tier == 'api'\"\n";
    assert!(made().text().contains(both), "{}", made().text());
}

#[test]
fn hostile_names_stay_inside_their_places() {
    let mut edges = edges();
    edges[6].names.insert("x\n- action: Allow\n# ".into());
    let made = Made::of(&edges, Level::Service, Form::Enforced);
    made.prove(&made.export).expect("still the same policies");
}

#[test]
fn a_workload_that_uses_itself_is_allowed_to_from_another_pod() {
    let db = pod("x", "db", "app=db");
    let made = Made::of(&[edge(&db, &db, Protocol::TCP, 7000)], Level::Nano, Form::Enforced);
    assert_eq!(made.prove(&made.export).expect("proof").dependencies_replayed, 1);
}

/// Each way to break an export that some tool has shipped, as text to be replaced.
const MUTATIONS: [(&str, &str, &str); 30] = [
    ("dns forgotten", "      - 53\n", "      - 54\n"),
    ("dns over tcp alone", "protocol: UDP", "protocol: TCP"),
    ("service port for target port", "8443", "443"),
    ("ipv6 as /32", "2001:db8:9::9/128", "2001:db8::/32"),
    ("ipv6 as /127", "2001:db8:9::9/128", "2001:db8:9::8/127"),
    ("ipv4 as /24", "198.51.100.20/32", "198.51.100.0/24"),
    ("ipv4 as everything", "198.51.100.20/32", "0.0.0.0/0"),
    ("a label that no namespace has", "kubernetes.io/metadata.name ==", "name =="),
    ("protocol unknown", "protocol: SCTP", "protocol: UNKNOWN"),
    ("udp above 1024 dropped", "      - 40000\n", "      - 40001\n"),
    (
        "no namespace",
        "      namespaceSelector: \"kubernetes.io/metadata.name == 'pay'\"\n      selector",
        "      selector",
    ),
    ("every namespace", "kubernetes.io/metadata.name == 'shop'", "all()"),
    (
        "namespace and pods for either",
        "      selector: \"tier == 'api'\"\n",
        "      notSelector: \"tier != 'api' && has(tier)\"\n",
    ),
    ("pods forgotten", "      selector: \"tier == 'api'\"\n", ""),
    ("a subject too wide", "  selector: \"tier == 'api'\"\n", "  selector: \"all()\"\n"),
    ("a subject that nobody is", "  selector: \"tier == 'db'\"\n", "  selector: \"tier == 'database'\"\n"),
    ("a range too long", "      - 5432\n", "      - \"5432:5433\"\n"),
    ("ports forgotten", "    destination:\n      ports:\n      - 5432\n", ""),
    ("protocol forgotten", "    protocol: TCP\n", ""),
    ("type of icmp forgotten", "    icmp:\n      type: 8\n", ""),
    ("another type of icmp", "type: 128\n", "type: 129\n"),
    ("from nobody, which is everybody", "      nets:\n      - \"203.0.113.9/32\"\n", "      nets: []\n"),
    ("one direction forgotten", "  types:\n  - Ingress\n  - Egress\n", "  types:\n  - Ingress\n"),
    ("rules that deny", "action: Allow", "action: Deny"),
    ("rules that only log", "action: Allow", "action: Log"),
    (
        "default deny before the rules",
        "  selector: \"all()\"\n  types:",
        "  order: 1\n  selector: \"all()\"\n  types:",
    ),
    ("staged that should be enforced", "kind: NetworkPolicy", "kind: StagedNetworkPolicy"),
    (
        "default deny that allows",
        "  selector: \"all()\"\n  types:\n",
        "  selector: \"all()\"\n  egress: [{action: Allow}]\n  types:\n",
    ),
    ("a revert that denies", "  egress:\n  - action: Allow\n", ""),
    ("not for or", "tier == 'front'", "tier != 'front'"),
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
    let hash = format!("tier == 'front' && pod-template-hash == '{}'", front.labels["pod-template-hash"]);
    add("a hash in a selector", &|text| text.replace("tier == 'front'", &hash));

    let Cluster { front, api, .. } = cluster();
    let mut scanned = with_pings();
    scanned.push(edge(&outside("192.0.2.66"), &api, Protocol::TCP, 8080));
    mutants.push(("a scan as a rule".into(), Made::of(&scanned, Level::Service, Form::Enforced).export));
    let mut turned = with_pings();
    turned[2] = edge(&api, &front, Protocol::TCP, 51_515);
    let turned = Made::of(&turned, Level::Service, Form::Enforced).export;
    mutants.push(("the server taken for the client".into(), turned));
    for path in made.export.files.keys().filter(|path| !path.ends_with("kustomization.yaml")) {
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

#[test]
fn a_staged_export_holds_nothing_that_is_enforced() {
    let made = Made::of(&edges(), Level::Service, Form::Staged);
    assert!(!made.text().contains("kind: NetworkPolicy"));
    let mut broken = made.export.clone();
    let first = broken.files.values_mut().find(|text| text.contains("Staged")).expect("a policy");
    *first = first
        .replace("kind: StagedNetworkPolicy", "kind: NetworkPolicy")
        .replace("  stagedAction: Set\n", "");
    let error = made.prove(&broken).expect_err("enforced").to_string();
    assert!(error.contains("is enforced, but the export is staged"), "{error}");
}

//! What policies that are wrong are told.

use proptest::prelude::*;

use super::super::policy::{PeerKind, Ports};
use super::Manifests;

const HEAD: &str =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n";

/// The one problem of a policy with this `spec`, which starts in line 5.
fn problem(spec: &str) -> String {
    let text = format!("{HEAD}{spec}");
    let problems = Manifests::read([("p.yaml", text.as_str())], "default").unwrap_err();
    assert_eq!((problems.told.len(), problems.omitted), (1, 0), "{problems}");
    problems.told[0].to_string()
}

fn read(text: &str) -> Manifests {
    Manifests::read([("p.yaml", text)], "default").unwrap()
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    for (spec, expected) in [
        ("  podselector: {}\n", "p.yaml:5:3: unknown field `podselector` in spec; known are podSelector"),
        (
            "  podSelector: {}\n  podSelector: {}\n",
            "p.yaml:6:3: `podSelector` is there twice, first in line 5",
        ),
        (
            "  podSelector: {matchLabels: {app: true}}\n",
            "p.yaml:5:36: `app` must be text, and YAML takes `true`",
        ),
        (
            "  podSelector:\n    matchLabels: {a: x}\n    matchExpressions:\n    - {key: a, operator: NotIn, values: [x]}\n",
            "p.yaml:6:5: `podSelector` contradicts itself on label `a` (a=x, a not in (x))",
        ),
        ("  podSelector: {matchExpressions: [{key: a, operator: Is}]}\n", "unknown operator `Is`; write In"),
        ("  podSelector: {matchExpressions: [{key: a, operator: In}]}\n", "`In` needs `values`"),
        (
            "  podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}\n",
            "`Exists` takes no `values`",
        ),
        ("  policyTypes: [ingress]\n", "p.yaml:5:17: unknown policy type `ingress`; write Ingress or Egress"),
        (
            "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]\n",
            "10.0.0.1/8 has host bits set; write 10.0.0.0/8",
        ),
        (
            "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]\n",
            "`10.0.0.0` is no CIDR; write it as 10.0.0.0/8",
        ),
        (
            "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]\n",
            "`except` 11.0.0.0/16 does not lie inside `cidr` 10.0.0.0/8",
        ),
        (
            "  ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]\n",
            "`ipBlock` stands alone in a peer",
        ),
        ("  ingress: [{from: [{}]}]\n", "a peer of `from` selects nothing"),
        ("  ingress: [{to: []}]\n", "unknown field `to` in a rule of ingress; known are from, ports"),
        (
            "  ingress: [{ports: [{protocol: UNKNOWN}]}]\n",
            "unknown protocol `UNKNOWN`; write TCP, UDP or SCTP",
        ),
        ("  ingress: [{ports: [{port: 90, endPort: 80}]}]\n", "`endPort` 80 is below `port` 90; swap them"),
        ("  ingress: [{ports: [{port: http, endPort: 80}]}]\n", "`endPort` needs a number in `port`"),
        ("  ingress: [{ports: [{endPort: 80}]}]\n", "`endPort` needs a `port` to start from"),
        ("  ingress: [{ports: [{port: \"80\"}]}]\n", "`80` is no name of a port"),
        ("  ingress: [{ports: [{port: 65536}]}]\n", "`port` must be a number from 1 to 65535, found `65536`"),
        ("  ingress: {}\n", "`ingress` must be a list; start each item with `- `, found a mapping"),
        ("  podSelector: &a {}\n", "anchors (`&`), aliases (`*`) and tags (`!`) are not supported"),
    ] {
        let problem = problem(spec);
        assert!(problem.contains(expected), "{expected}\nis not in\n{problem}");
        assert!(problem.starts_with("p.yaml:"), "{problem}");
    }
}

#[test]
fn objects_of_the_wrong_kind_are_told() {
    let of =
        |text: &str| Manifests::read([("p.yaml", text)], "default").map_err(|problems| problems.to_string());
    for (text, expected) in [
        (
            "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\n",
            "p.yaml:2:7: a NetworkPolicy of `extensions/v1beta1`",
        ),
        ("apiVersion: networking.k8s.io/v1\nkind: NetworkPolcy\n", "has no kind `NetworkPolcy`"),
        ("apiVersion: v1\nkind: Networkpolicy\n", "unknown kind `Networkpolicy`"),
        ("apiVersion: v1\n", "this object has no `kind`"),
    ] {
        let problem = of(text).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
    let notes =
        of("apiVersion: k8s.cni.cncf.io/v1beta1\nkind: MultiNetworkPolicy\nmetadata: {name: c}\n---\n[1]\n")
            .unwrap()
            .notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    let twice = format!("{HEAD}  podSelector: {{}}\n---\n{HEAD}  podSelector: {{}}\n");
    assert!(of(&twice).unwrap_err().contains("p.yaml:7:1: NetworkPolicy shop/web is there twice"));
}

#[test]
fn many_problems_are_cut() {
    let spec: String = (0..41).map(|n| format!("  x{n}: 1\n")).collect();
    let text = format!("{HEAD}{spec}");
    let problems = Manifests::read([("p.yaml", text.as_str())], "default").unwrap_err();
    assert_eq!((problems.told.len(), problems.omitted), (20, 21));
    assert!(problems.to_string().ends_with("and 21 more"));
}

#[test]
fn policy_types_have_their_defaults() {
    let isolates = |spec: &str| {
        let policy = read(&format!("{HEAD}{spec}")).policies.remove(0);
        (policy.ingress.map(|rules| rules.len()), policy.egress.map(|rules| rules.len()))
    };
    assert_eq!(isolates("  podSelector: {}\n"), (Some(0), None));
    assert_eq!(isolates("  podSelector: {}\n  egress: []\n"), (Some(0), None));
    assert_eq!(isolates("  podSelector: {}\n  egress: [{}]\n"), (Some(0), Some(1)));
    assert_eq!(isolates("  policyTypes: [Egress]\n"), (None, Some(0)));
    assert_eq!(isolates("  policyTypes: [Egress]\n  ingress: [{}]\n"), (None, Some(0)));
    assert_eq!(isolates("  policyTypes: []\n  ingress: [{}]\n"), (Some(1), None));
    let dormant = read(&format!("{HEAD}  policyTypes: [Egress]\n  ingress: [{{}}]\n"));
    assert!(dormant.notes[0].message.contains("`ingress` has no effect"), "{:?}", dormant.notes);
}

#[test]
fn lists_and_json_are_read_like_documents() {
    let policy = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "::/0"}}], "ports": [{"port": "web"}, {"port": 1, "endPort": 9, "protocol": "SCTP"}]}]}}"#;
    let pod = r#"{"metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 80}]}]}}"#;
    let text = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{policy}, {{"kind": "PodList", "items": [{pod}]}}]}}"#
    );
    let manifests = read(&text);
    let policy = &manifests.policies[0];
    assert_eq!(policy.to_string(), "default/a");
    let rule = &policy.ingress.as_ref().unwrap()[0];
    assert!(matches!(rule.peers[0].kind, PeerKind::Block { .. }));
    assert_eq!(rule.ports[0].ports, Ports::Named("web".into()));
    assert_eq!(rule.ports[1].ports, Ports::Range(1..=9));
    let pod = &manifests.world.pods()[0];
    assert_eq!((pod.to_string().as_str(), pod.ports[0].port), ("n/p", 80));
    assert!(manifests.world.namespaces().contains_key("n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\na-c:{}\\[\\],\"'#&*!|>0-9/-]{0,80}") {
        let _ = Manifests::read([("p", text.as_str())], "default");
        let within = format!("{HEAD}  {text}");
        let _ = Manifests::read([("p", within.as_str())], "default");
    }

    #[test]
    fn no_cut_and_no_change_of_a_policy_makes_the_reader_panic(at in 0_usize..600, with in ".?") {
        let text = format!("{HEAD}  podSelector: {{matchLabels: {{app: web}}}}\n  policyTypes: [Ingress, Egress]\n  ingress:\n  - from:\n    - ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}\n    - namespaceSelector: {{}}\n      podSelector: {{matchExpressions: [{{key: a, operator: In, values: [b]}}]}}\n    ports:\n    - {{port: 80, endPort: 90}}\n");
        let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let _ = Manifests::read([("p", &text[..at])], "default");
        let changed = format!("{}{with}{}", &text[..at], &text[at..]);
        let _ = Manifests::read([("p", changed.as_str())], "default");
    }
}

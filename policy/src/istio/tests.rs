//! What AuthorizationPolicies allow, and what those that are wrong are told.

use proptest::prelude::*;
use watershed_model::Protocol;

use crate::Service;
use crate::k8s::{Blocks, End, Manifests};
use crate::layers::{Layers, Names};

const WORLD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: front}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {serviceAccountName: back}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: pay, labels: {app: web}}
spec: {}
status: {podIP: 10.0.1.1}
";

const HEAD: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n";

fn end(name: &str) -> End {
    match name {
        "web" => End::Pod(0),
        "api" => End::Pod(1),
        "pay" => End::Pod(2),
        address => End::Outside(address.parse().unwrap()),
    }
}

/// Whether `ask`, such as `web -> api tcp/80`, is allowed by policies each of which is `NAMESPACE NAME SPEC`.
fn allows(policies: &[&str], ask: &str) -> bool {
    let text: String = policies
        .iter()
        .map(|policy| {
            let mut words = policy.splitn(3, ' ');
            let (namespace, name, spec) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            format!("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n")
        })
        .collect();
    let policies =
        Manifests::read([("p.yaml", text.as_str())], "default").unwrap_or_else(|p| panic!("{text}\n{p}"));
    let world = Manifests::read([("w.yaml", WORLD)], "default").unwrap().world;
    let words: Vec<&str> = ask.split(' ').collect();
    let (protocol, number) = words[3].split_once('/').unwrap();
    let service = Service::new(Protocol::parse(protocol).unwrap(), number.parse().unwrap()).unwrap();
    let layers = Layers::of(&policies, &world, &Names::default(), Blocks::OutsideOnly);
    layers.allows(end(words[0]), end(words[2]), service)
}

#[test]
fn deny_comes_first_and_an_allow_policy_refuses_the_rest() {
    let api = "selector: {matchLabels: {app: api}}";
    let allow = format!("shop a {api}, rules: [{{to: [{{operation: {{ports: [\"80\"]}}}}]}}]");
    let deny = "shop d action: DENY, rules: [{from: [{source: {namespaces: [pay]}}]}]";
    assert!(allows(&[&allow], "web -> api tcp/80") && !allows(&[&allow], "web -> api tcp/81"));
    assert!(allows(&[&allow], "api -> web tcp/81"), "nothing is for the other workload");
    assert!(
        allows(&[&allow], "web -> api udp/81") && allows(&[&allow], "web -> api icmp/8"),
        "only TCP is governed"
    );
    assert!(!allows(&[&allow, deny], "pay -> api tcp/80") && allows(&[&allow, deny], "web -> api tcp/80"));
    assert!(!allows(&["shop none action: ALLOW"], "web -> api tcp/80"), "no rules match nothing");
    assert!(
        allows(&["shop none action: ALLOW", "shop e rules: [{}]"], "web -> api tcp/80"),
        "an empty rule everything"
    );
    assert!(!allows(&["shop all action: DENY, rules: [{}]"], "web -> api tcp/80"));
    assert!(!allows(&["istio-system r action: ALLOW"], "web -> pay tcp/80"), "the root namespace is for all");
    assert!(allows(&["shop u action: AUDIT, rules: [{}]"], "web -> api tcp/80"));
}

#[test]
fn a_dry_run_is_told_as_if_it_were_enforced_and_noted() {
    let text = |value: &str| {
        let annotated = format!("annotations: {{istio.io/dry-run: \"{value}\"}}}}");
        HEAD.replace("namespace: shop}", &format!("namespace: shop, {annotated}")) + "  action: ALLOW\n"
    };
    let read = |value: &str| Manifests::read([("p.yaml", text(value).as_str())], "default");
    let manifests = read("True").unwrap();
    assert!(manifests.istio.policies[0].dry_run);
    assert!(manifests.notes[0].message.contains("`web` is a dry run"), "{:?}", manifests.notes);
    assert!(!read("false").unwrap().istio.policies[0].dry_run);
    let logs = text("true").replace("ALLOW", "AUDIT");
    let problem = Manifests::read([("p.yaml", logs.as_str())], "default").unwrap_err().to_string();
    assert!(problem.contains("istio.io/dry-run goes with ALLOW and DENY alone; take it out"), "{problem}");
    let problem = read("yes").unwrap_err().to_string();
    assert!(
        problem.contains("`yes` is no value of istio.io/dry-run; write \"true\" or \"false\""),
        "{problem}"
    );
}

#[test]
fn clients_are_told_by_identity_namespace_and_address() {
    let from = |source: &str| {
        let policy = format!("shop a rules: [{{from: [{{source: {{{source}}}}}]}}]");
        ["web", "pay", "192.0.2.1"].map(|client| allows(&[&policy], &format!("{client} -> api tcp/80")))
    };
    for (source, expected) in [
        ("principals: [cluster.local/ns/shop/sa/front]", [true, false, false]),
        ("principals: [\"*/sa/default\"]", [false, true, false]),
        ("principals: [\"cluster.local/ns/shop/*\"]", [true, false, false]),
        ("principals: [\"*\"]", [true, true, false]),
        ("notPrincipals: [\"*\"]", [false, false, true]),
        ("serviceAccounts: [front, pay/default]", [true, true, false]),
        ("namespaces: [pay]", [false, true, false]),
        ("namespaces: [\"*\"], notNamespaces: [pay]", [true, false, false]),
        ("namespaces: [\"s*\"]", [true, false, false]),
        ("namespaces: [\"*y\"]", [false, true, false]),
        ("namespaces: [\"s*p\", sho]", [true, false, false]),
        ("trustDomains: [cluster.local], notNamespaces: [pay]", [true, false, false]),
        ("notTrustDomains: [\"clu*\"]", [false, false, true]),
        ("trustDomains: [example.org]", [false, false, false]),
        ("notNamespaces: [pay]", [true, false, true]),
        ("ipBlocks: [192.0.2.0/24, 10.0.1.1]", [false, true, true]),
        ("notIpBlocks: [10.0.0.0/8]", [false, false, true]),
        ("namespaces: [shop], ipBlocks: [10.0.0.0/24]", [true, false, false]),
    ] {
        assert_eq!(from(source), expected, "{source}");
    }
}

#[test]
fn identities_are_found_as_istio_looks_for_them() {
    let from = |source: &str| {
        allows(&[&format!("shop a rules: [{{from: [{{source: {{{source}}}}}]}}]")], "web -> api tcp/80")
    };
    // It looks for `/ns/NAME/`, and after the namespace there is `/sa/`.
    assert!(from("namespaces: [\"*a\"]") && from("namespaces: [\"*sa\"]") && !from("namespaces: [\"*b\"]"));
    let text = format!("{HEAD}  rules: [{{from: [{{source: {{namespaces: [\"*a\", \"*b\", \"*\"]}}}}]}}]\n");
    let notes = Manifests::read([("p.yaml", text.as_str())], "default").unwrap().notes;
    let told: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["p.yaml:5:42: `*a` means everybody with an identity to Istio, which finds it in `/sa/`"]
    );
    assert!(from("principals: [\"clus*/ns/shop/sa/front\"]"), "a trust domain that is begun");
    assert!(
        !from("principals: [\"exam*/ns/shop/sa/front\"]") && !from("principals: [\"clus*/shop/sa/front\"]")
    );
}

#[test]
fn a_pod_on_the_network_of_its_node_has_an_address_and_no_identity() {
    let host = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop}\nspec: {hostNetwork: true}\nstatus: {podIP: 10.0.9.9}\n";
    let world = Manifests::read([("w.yaml", [WORLD, host].concat().as_str())], "default").unwrap().world;
    let service = Service::new(Protocol::TCP, 80).unwrap();
    for (source, expected) in [
        ("ipBlocks: [10.0.9.0/24]", true),
        ("notIpBlocks: [10.0.9.0/24]", false),
        ("notNamespaces: [shop]", true),
        ("namespaces: [shop]", false),
        ("principals: [\"*\"]", false),
    ] {
        let text = format!("{HEAD}  rules: [{{from: [{{source: {{{source}}}}}]}}]\n");
        let policies = Manifests::read([("p.yaml", text.as_str())], "default").unwrap();
        let layers = Layers::of(&policies, &world, &Names::default(), Blocks::OutsideOnly);
        assert_eq!(layers.allows(End::Pod(3), End::Pod(0), service), expected, "{source}");
    }
}

#[test]
fn ports_are_listed_or_excluded() {
    let to = |operation: &str, port: u16| {
        let policy = format!("shop a rules: [{{to: [{{operation: {{{operation}}}}}]}}]");
        allows(&[&policy], &format!("web -> api tcp/{port}"))
    };
    assert!(to("ports: [\"80\", \"81\"]", 81) && !to("ports: [\"80\"]", 81));
    assert!(to("notPorts: [\"80\"]", 81) && !to("notPorts: [\"80\"]", 80));
    assert!(!to("ports: [\"80\"], notPorts: [\"80\"]", 80) && !to("ports: [\"80\"], notPorts: [\"80\"]", 81));
}

#[test]
fn what_is_about_requests_is_noted_and_taken_for_the_best() {
    let methods = "rules: [{to: [{operation: {methods: [GET], ports: [\"80\"]}}]}]";
    assert!(allows(&[&format!("shop a {methods}")], "web -> api tcp/80"));
    assert!(allows(&[&format!("shop a action: DENY, {methods}")], "web -> api tcp/80"));
    let notes =
        Manifests::read([("p.yaml", format!("{HEAD}  {methods}\n").as_str())], "default").unwrap().notes;
    assert!(
        notes[0].to_string().starts_with("p.yaml:5:11: requests and conditions are not known"),
        "{notes:?}"
    );
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    for (spec, expected) in [
        ("  rule: []\n", "p.yaml:5:3: unknown field `rule` in spec; known are selector, targetRef"),
        ("  action: allow\n", "p.yaml:5:11: unknown action `allow`; write ALLOW, DENY, AUDIT or CUSTOM"),
        ("  selector: {app: web}\n", "unknown field `app` in selector; known are matchLabels"),
        ("  rules: [{from: [{}]}]\n", "an item of `from` needs a `source` that says something"),
        ("  rules: [{from: [{source: {principal: [a]}}]}]\n", "unknown field `principal` in source"),
        (
            "  rules: [{from: [{source: {namespaces: []}}]}]\n",
            "`namespaces` is empty and would match nothing",
        ),
        (
            "  rules: [{from: [{source: {ipBlocks: [10.0.0.1/8]}}]}]\n",
            "10.0.0.1/8 has host bits set; write 10.0.0.0/8",
        ),
        ("  rules: [{to: [{operation: {ports: [80]}}]}]\n", "`ports` must be text, and YAML takes `80`"),
        (
            "  rules: [{to: [{operation: {ports: [\"80-90\"]}}]}]\n",
            "`80-90` is no port: write a number from 1 to 65535",
        ),
        ("  rules: [{when: [{values: [a]}]}]\n", "this condition has no `key`"),
        ("  rules: [{when: [{key: source.name, values: [a]}]}]\n", "p.yaml:5:19: unknown key `source.name`"),
        ("  rules: [{when: [{key: source.ip}]}]\n", "this condition has no values for `source.ip`"),
        ("  action: DENY\n", "p.yaml:5:11: policy `web` denies nothing without rules, and Istio refuses it"),
        (
            "  provider: {name: x}\n",
            "p.yaml:5:13: a `provider` goes with `action: CUSTOM` alone; take it out",
        ),
        ("  rules: [{from: [{source: {ipBlocks: []}}]}]\n", "`ipBlocks` is empty and would match nothing"),
        ("  rules: [{from: [{source: {principals: [\"\"]}}]}]\n", "`principals` has an empty text"),
        (
            "  rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]\n",
            "serviceAccounts go with neither principals nor namespaces",
        ),
        (
            "  rules: [{from: [{source: {serviceAccounts: [\"a*\"]}}]}]\n",
            "`a*` is no service account; write its name, or NAMESPACE/NAME",
        ),
        (
            "  rules: [{from: [{source: {trustDomains: [\"a*b\"]}}]}]\n",
            "`a*b` is no trust domain; write its name, with one `*` at an end at most",
        ),
        ("  rules: [{to: [{operation: {ports: [\"+80\"]}}]}]\n", "`+80` is no port"),
    ] {
        let text = format!("{HEAD}{spec}");
        let problem = Manifests::read([("p.yaml", text.as_str())], "default").unwrap_err().to_string();
        assert!(problem.contains(expected), "{expected}\nis not in\n{problem}");
    }
    let of =
        |text: &str| Manifests::read([("p.yaml", text)], "default").map_err(|problems| problems.to_string());
    let kind = of("apiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\n").unwrap_err();
    assert!(kind.contains("p.yaml:2:7: `security.istio.io/v1` has no kind `AuthorisationPolicy`"), "{kind}");
    let twice = format!("{HEAD}  rules: []\n---\n{HEAD}  rules: []\n");
    assert!(of(&twice).unwrap_err().contains("AuthorizationPolicy shop/web is there twice"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\na-c:{}\\[\\],\"'#&*!|>0-9/-]{0,80}", at in 0_usize..400, with in ".?") {
        let within = format!("{HEAD}  {text}");
        let _ = Manifests::read([("p", within.as_str())], "default");
        let whole = format!("{HEAD}  selector: {{matchLabels: {{a: b}}}}\n  action: DENY\n  rules:\n  - from:\n    - source: {{namespaces: [a], ipBlocks: [10.0.0.0/8]}}\n    to:\n    - operation: {{ports: [\"80\"]}}\n");
        let at = (0..=at.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
        let changed = format!("{}{with}{}", &whole[..at], &whole[at..]);
        let _ = Manifests::read([("p", changed.as_str())], "default");
    }
}

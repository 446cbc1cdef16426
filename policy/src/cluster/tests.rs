//! Tiers, priorities and verdicts of ClusterNetworkPolicy, and what is wrong with its text.

use crate::Service;
use crate::k8s::{Blocks, End, Manifests};
use crate::layers::{Layers, Names};
use watershed_model::Protocol;

const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: red}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
---
apiVersion: v1
kind: Pod
metadata: {name: scan, namespace: ops}
";

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

/// Whether web and scan, in this order, reach port 5432 of db.
fn reach(policies: &[String]) -> [bool; 2] {
    let text = format!("{WORLD}{}", policies.concat());
    let manifests = Manifests::read([("w.yaml", text.as_str())], "default").expect("valid policies");
    let layers = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::OutsideOnly);
    let service = Service::Port { protocol: Protocol::TCP, port: 5432 };
    [0, 2].map(|client| layers.allows(End::Pod(client), End::Pod(1), service))
}

const TO_DB: &str = "subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}";

fn rule(action: &str, from: &str) -> String {
    format!("{{action: {action}, from: [{{namespaces: {from}}}]}}")
}

fn spec(tier: &str, priority: u16, rules: &[String]) -> String {
    format!("{{tier: {tier}, priority: {priority}, {TO_DB}, ingress: [{}]}}", rules.join(", "))
}

const RED: &str = "{matchLabels: {team: red}}";

#[test]
fn the_first_rule_decides_and_the_rest_is_allowed() {
    let deny = rule("Deny", "{}");
    assert_eq!(reach(&[policy("a", &spec("Admin", 5, &[rule("Accept", RED), deny.clone()]))]), [true, false]);
    assert_eq!(reach(&[policy("a", &spec("Admin", 5, &[deny, rule("Accept", RED)]))]), [false, false]);
    assert_eq!(reach(&[policy("a", &spec("Admin", 5, &[rule("Deny", RED)]))]), [false, true]);
}

#[test]
fn a_lower_number_comes_first() {
    let accept = policy("b", &spec("Admin", 5, &[rule("Accept", RED)]));
    let deny = |priority| policy("a", &spec("Admin", priority, &[rule("Deny", "{}")]));
    assert_eq!(reach(&[deny(4), accept.clone()]), [false, false]);
    assert_eq!(reach(&[deny(6), accept]), [true, false]);
}

#[test]
fn network_policies_stand_between_the_tiers() {
    let closed = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: shop}\nspec: {podSelector: {}}\n";
    let accept = |tier| policy("a", &spec(tier, 5, &[rule("Accept", RED)]));
    let deny = |tier| policy("d", &spec(tier, 6, &[rule("Deny", "{}")]));
    assert_eq!(reach(&[closed.to_owned(), accept("Admin")]), [true, false]);
    assert_eq!(reach(&[closed.to_owned(), accept("Baseline")]), [false, false]);
    assert_eq!(reach(&[accept("Baseline"), deny("Baseline")]), [true, false]);
    let for_egress =
        closed.replace("{podSelector: {}}", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}");
    assert_eq!(reach(&[for_egress, deny("Baseline")]), [false, false], "the other direction is as it was");
    let pass = policy("p", &spec("Admin", 1, &[rule("Pass", RED), rule("Deny", "{}")]));
    assert_eq!(reach(std::slice::from_ref(&pass)), [true, false]);
    assert_eq!(reach(&[pass, closed.to_owned()]), [false, false]);
}

#[test]
fn the_older_kinds_are_the_two_tiers() {
    let old = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let ports = "ports: [{portNumber: {port: 5432}}, {portRange: {start: 1, end: 9, protocol: UDP}}]";
    let allow = format!(
        "{{priority: 9, {TO_DB}, ingress: [{{action: Allow, from: [{{namespaces: {RED}}}], {ports}}}]}}"
    );
    let deny = format!("{{{TO_DB}, ingress: [{}]}}", rule("Deny", "{}"));
    let allow = old("AdminNetworkPolicy", "a", &allow);
    let deny = old("BaselineAdminNetworkPolicy", "default", &deny);
    assert_eq!(reach(&[allow, deny]), [true, false]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let ingress = |rule: &str| format!("{{tier: Admin, priority: 1, {TO_DB}, ingress: [{rule}]}}");
    let cases = [
        ("{tier: Top, priority: 1, subject: {namespaces: {}}}".to_owned(), "5:14: unknown tier `Top`"),
        ("{tier: Admin, priority: 1001, subject: {namespaces: {}}}".to_owned(), "`priority` must be a number from 0 to 1000"),
        ("{tier: Admin, priority: 1}".to_owned(), "this policy has no `subject`"),
        (ingress("{action: Allow, from: [{namespaces: {}}]}"), "unknown action `Allow`; write Accept, Deny or Pass"),
        (ingress("{action: Deny, from: []}"), "needs `from` with at least one item"),
        (ingress("{action: Deny, from: [{networks: [10.0.0.0/8]}]}"), "unknown field `networks`"),
        (ingress("{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {}}]}"), "needs `destinationPort`"),
        (ingress("{action: Deny, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {range: {start: 9, end: 9}}}}]}"), "`end` 9 must be above"),
        (format!("{{tier: Admin, priority: 1, {TO_DB}, egress: [{{action: Deny, to: [{{networks: [10.0.0.1/8]}}]}}]}}"), "host bits"),
        ("{tier: Admin, priority: 1, subject: {namespaces: {matchExpressions: [{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}}}".to_owned(), "contradicts itself"),
    ];
    for (spec, expected) in cases {
        let text = policy("a", &spec);
        let error = Manifests::read([("p.yaml", text.as_str())], "default").expect_err(expected).to_string();
        assert!(error.contains("p.yaml:5:") && error.contains(expected), "{error}");
    }
    let wrong = policy("a", "{}").replace("v1alpha2", "v1alpha1");
    let error = Manifests::read([("p.yaml", wrong.as_str())], "default").expect_err("a wrong version");
    assert!(error.to_string().contains("write `apiVersion: policy.networking.k8s.io/v1alpha2`"), "{error}");
}

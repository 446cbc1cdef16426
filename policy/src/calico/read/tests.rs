//! What policies that are wrong are told, and the defaults of those that are right.

use proptest::prelude::*;

use super::super::policy::{Ports, Scope, StagedAction};
use super::super::{Action, Expression};
use crate::k8s::Manifests;

const HEAD: &str =
    "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n";

fn read(text: &str) -> Manifests {
    Manifests::read([("p.yaml", text)], "default").unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// The problems of a policy with this `spec`, which starts in line 5.
fn problem(spec: &str) -> String {
    let text = format!("{HEAD}{spec}");
    Manifests::read([("p.yaml", text.as_str())], "default").unwrap_err().to_string()
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    for (spec, expected) in [
        (
            "  Selector: all()\n",
            "p.yaml:5:3: unknown field `Selector` in spec; known are tier, order, selector",
        ),
        ("  selector: app = 'web'\n", "p.yaml:5:13: `selector` at character 5: expected ==, !=, in"),
        (
            "  selector: app == 'a' && app == 'b'\n",
            "p.yaml:5:13: `selector` contradicts itself (app == 'a' && app == 'b') and selects nothing, ever",
        ),
        ("  namespaceSelector: all()\n", "unknown field `namespaceSelector` in spec"),
        ("  order: first\n", "p.yaml:5:10: `order` must be a number such as 1000, found the text `first`"),
        ("  types: [ingress]\n", "p.yaml:5:11: unknown policy type `ingress`; write Ingress or Egress"),
        ("  ingress: [{}]\n", "p.yaml:5:13: this rule has no `action`; write Allow, Deny, Pass or Log"),
        ("  ingress: [{action: allow}]\n", "unknown action `allow`; write Allow, Deny, Pass or Log"),
        ("  ingress: [{action: Allow, protocol: HTTP}]\n", "unknown protocol the text `HTTP`; write TCP"),
        (
            "  ingress: [{action: Allow, source: {nets: [10.0.0.1/8]}}]\n",
            "p.yaml:5:45: 10.0.0.1/8 has host bits set; write 10.0.0.0/8 for the network, or 10.0.0.1/32",
        ),
        (
            "  ingress: [{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: [\"::/0\"]}}]\n",
            "this rule has addresses of IPv4 and of IPv6; write a rule for each",
        ),
        (
            "  ingress: [{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}]\n",
            "`ipVersion` is not that of the addresses",
        ),
        (
            "  ingress: [{action: Allow, destination: {ports: [80]}}]\n",
            "ports need `protocol: TCP`, UDP or SCTP in the rule; add it",
        ),
        (
            "  ingress: [{action: Allow, protocol: TCP, destination: {ports: [\"90:80\"]}}]\n",
            "the range 90:80 ends before it begins; swap its ends",
        ),
        (
            "  ingress: [{action: Allow, protocol: TCP, destination: {ports: [70000]}}]\n",
            "`ports` must be numbers from 0 to 65535, ranges such as \"8000:8080\" or names",
        ),
        ("  ingress: [{action: Allow, icmp: {type: 8}}]\n", "`icmp` needs `protocol: ICMP` or"),
        (
            "  ingress: [{action: Allow, protocol: ICMP, icmp: {code: 0}}]\n",
            "a `code` of ICMP needs its `type`",
        ),
        ("  ingress: [{action: Allow, protocol: ICMP, icmp: {type: 300}}]\n", "a number from 0 to 254"),
        ("  ingress: [{action: Allow, source: {ipBlock: {}}}]\n", "unknown field `ipBlock` in source"),
        (
            "  ingress: [{action: Allow, protocol: TCP, destination: {notPorts: [web]}}]\n",
            "`notPorts` must be numbers: which port `web` is differs by pod",
        ),
    ] {
        let problem = problem(spec);
        assert!(problem.contains(expected), "{expected}\nis not in\n{problem}");
    }
}

#[test]
fn objects_of_the_wrong_kind_are_told() {
    let of =
        |text: &str| Manifests::read([("p.yaml", text)], "default").map_err(|problems| problems.to_string());
    for (text, expected) in [
        (
            "apiVersion: projectcalico.org/v4\nkind: NetworkPolicy\n",
            "p.yaml:1:13: `projectcalico.org/v4` is not known",
        ),
        (
            "apiVersion: projectcalico.org/v3\nkind: NetworkPolcy\n",
            "p.yaml:2:7: `projectcalico.org/v3` has no kind",
        ),
        ("apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n", "has no name; write it under `metadata`"),
        (
            "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: a, namespace: b}\n",
            "a GlobalNetworkPolicy is in no namespace",
        ),
        ("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: [\n", "this is no YAML"),
    ] {
        let problem = of(text).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
    assert_eq!(of("apiVersion: v1\nkind: Service\nmetadata: [\n").unwrap().notes.len(), 1);
    let twice = format!("{HEAD}  selector: all()\n---\n{HEAD}  selector: all()\n");
    assert!(of(&twice).unwrap_err().contains("p.yaml:7:1: policy shop/web is there twice"));
}

#[test]
fn types_have_their_defaults() {
    let governs = |spec: &str| {
        let policy = read(&format!("{HEAD}{spec}")).calico.policies.remove(0);
        (policy.ingress.map(|rules| rules.len()), policy.egress.map(|rules| rules.len()))
    };
    assert_eq!(governs("  selector: all()\n"), (Some(0), None));
    assert_eq!(governs("  ingress: [{action: Deny}]\n"), (Some(1), None));
    assert_eq!(governs("  egress: [{action: Deny}]\n"), (None, Some(1)));
    assert_eq!(governs("  egress: [{action: Deny}]\n  ingress: [{action: Log}]\n"), (Some(1), Some(1)));
    assert_eq!(governs("  types: [Egress]\n"), (None, Some(0)));
    let dormant = read(&format!("{HEAD}  types: [Egress]\n  ingress: [{{action: Allow}}]\n"));
    assert!(dormant.notes[0].message.contains("`ingress` has no effect"), "{:?}", dormant.notes);
}

#[test]
fn everything_that_a_rule_says_is_read() {
    let policies = read(&format!(
        "{HEAD}  order: 10.5\n  selector: tier == 'api'\n  ingress:\n  - action: Pass\n    protocol: 6\n    source:\n      \
         nets: [10.0.0.0/8, 192.0.2.1]\n      notNets: [10.1.0.0/16]\n      selector: a == 'b'\n      notSelector: has(c)\n      \
         serviceAccounts: {{names: [x]}}\n      namespaceSelector: global()\n    destination:\n      ports: [80, \"90:99\", web]\n"
    ));
    let policy = &policies.calico.policies[0];
    assert_eq!((policy.to_string().as_str(), policy.order), ("shop/web", Some(10.5)));
    let rule = &policy.ingress.as_ref().unwrap()[0];
    assert_eq!(rule.action, Action::Pass);
    assert_eq!(rule.source.scope, Scope::Namespaces(Expression::Global));
    assert_eq!(rule.destination.scope, Scope::Own("shop".into()));
    assert_eq!(rule.source.nets[1].to_string(), "192.0.2.1/32");
    assert_eq!(rule.source.accounts, Some(vec!["x".into()]));
    assert_eq!(
        rule.destination.ports,
        [Ports::Range(80..=80), Ports::Range(90..=99), Ports::Named("web".into())]
    );
}

#[test]
fn what_is_not_evaluated_is_noted() {
    let tier = read(&format!("{HEAD}  tier: security\n"));
    assert!(
        tier.calico.policies.is_empty() && tier.notes[0].message.contains("tier `security` is not evaluated")
    );
    let host = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: h}\nspec: {preDNAT: true, applyOnForward: true}\n";
    assert!(read(host).notes[0].message.contains("is for hosts alone"));
    let services =
        read(&format!("{HEAD}  egress: [{{action: Allow, destination: {{services: {{name: a}}}}}}]\n"));
    assert!(services.notes[0].message.contains("`services` are not known here"));
}

#[test]
fn staged_policies_count_once_they_are_enforced() {
    let staged = |action: &str| {
        format!(
            "---\napiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{stagedAction: {action}, types: [Egress]}}\n"
        )
    };
    let enforced = format!("{HEAD}  types: [Ingress]\n");
    for (action, then) in [("Set", vec![false]), ("Delete", vec![]), ("Ignore", vec![true])] {
        let policies = read(&format!("{enforced}{}", staged(action))).calico.as_if_enforced().policies;
        let ingress: Vec<bool> = policies.iter().map(|policy| policy.ingress.is_some()).collect();
        assert_eq!(ingress, then, "{action}");
    }
    let set = read(&staged("Set"));
    assert_eq!(set.calico.policies[0].staged, Some(StagedAction::Set));
    assert!(set.notes[0].message.contains("is staged"), "{:?}", set.notes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(9), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\na-c:{}\\[\\],\"'#&*!|>0-9/-]{0,80}", at in 0_usize..500, with in ".?") {
        let within = format!("{HEAD}  {text}");
        let _ = Manifests::read([("p", within.as_str())], "default");
        let whole = format!("{HEAD}  order: 1\n  selector: a in {{'b'}}\n  ingress:\n  - action: Allow\n    protocol: TCP\n    source: {{nets: [10.0.0.0/8], selector: has(x), serviceAccounts: {{names: [a]}}}}\n    destination: {{ports: [1, \"2:3\", web]}}\n  - {{action: Deny, protocol: ICMP, icmp: {{type: 8, code: 0}}}}\n");
        let at = (0..=at.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
        let changed = format!("{}{with}{}", &whole[..at], &whole[at..]);
        let _ = Manifests::read([("p", changed.as_str())], "default");
        let _ = Manifests::read([("p", &whole[..at])], "default");
    }
}

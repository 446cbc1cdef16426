//! What Calico's policies allow, case by case.

use watershed_model::Protocol;

use crate::Service;
use crate::k8s::{Blocks, End, Manifests};
use crate::layers::{Layers, Names};

const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: retail}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: front, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api, tier: back}}
spec: {containers: [{ports: [{name: http, containerPort: 9090}]}]}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: pay, labels: {app: web}}
status: {podIP: 10.0.1.1}
";

/// Ends of the world by their names, and addresses.
fn end(name: &str) -> End {
    match name {
        "web" => End::Pod(0),
        "api" => End::Pod(1),
        "pay" => End::Pod(2),
        address => End::Outside(address.parse().unwrap()),
    }
}

fn service(text: &str) -> Service {
    let (protocol, number) = text.split_once('/').unwrap_or((text, "0"));
    Service::new(Protocol::parse(protocol).unwrap(), number.parse().unwrap()).unwrap()
}

/// Whether `ask`, such as `web -> api tcp/80`, is allowed by policies each of which is `KIND NAME SPEC`.
fn allows(policies: &[&str], ask: &str) -> bool {
    let text: String = policies
        .iter()
        .map(|policy| {
            let mut words = policy.splitn(3, ' ');
            let (kind, name, spec) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let namespace = if kind.starts_with("Global") { "" } else { ", namespace: shop" };
            format!(
                "---\napiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}{namespace}, labels: {{net: out}}}}\nspec: {{{spec}}}\n"
            )
        })
        .collect();
    let policies =
        Manifests::read([("p.yaml", text.as_str())], "default").unwrap_or_else(|p| panic!("{text}\n{p}"));
    let world = Manifests::read([("w.yaml", WORLD)], "default").unwrap().world;
    let words: Vec<&str> = ask.split(' ').collect();
    let layers = Layers::of(&policies, &world, &Names::default(), Blocks::OutsideOnly);
    layers.allows(end(words[0]), end(words[2]), service(words[3]))
}

#[test]
fn what_no_policy_is_for_is_allowed_and_what_one_is_for_is_not() {
    let deny = ["NetworkPolicy p selector: app == 'api'"];
    assert!(!allows(&deny, "web -> api tcp/80"));
    assert!(!allows(&deny, "web -> api icmp/8"), "unlike NetworkPolicy, Calico denies pings too");
    assert!(allows(&deny, "api -> web tcp/80") && allows(&deny, "web -> pay tcp/80"));
}

#[test]
fn the_first_rule_of_the_lowest_order_decides() {
    let allow = "NetworkPolicy b order: 20, ingress: [{action: Allow}]";
    for (policies, expected) in [
        (vec![allow], true),
        (vec![allow, "NetworkPolicy a order: 10, ingress: [{action: Deny, protocol: TCP}]"], false),
        (vec![allow, "NetworkPolicy a order: 30, ingress: [{action: Deny}]"], true),
        (vec![allow, "NetworkPolicy a ingress: [{action: Deny}]"], true),
        (vec![allow, "NetworkPolicy a order: 20, ingress: [{action: Deny}]"], false),
        (vec!["NetworkPolicy a ingress: [{action: Log}, {action: Allow}, {action: Deny}]"], true),
        (
            vec![
                "NetworkPolicy a ingress: [{action: Pass}, {action: Deny}]",
                "NetworkPolicy b ingress: [{action: Deny}]",
            ],
            true,
        ),
        (vec![allow, "StagedNetworkPolicy a order: 1, ingress: [{action: Deny}]"], false),
    ] {
        assert_eq!(allows(&policies, "web -> api tcp/80"), expected, "{policies:?}");
    }
}

#[test]
fn selectors_look_in_the_policy_s_namespace_unless_they_name_others() {
    let from = |source: &str| {
        let policy = format!(
            "NetworkPolicy p selector: app == 'api', ingress: [{{action: Allow, source: {{{source}}}}}]"
        );
        ["web", "pay", "192.0.2.1"].map(|client| allows(&[&policy], &format!("{client} -> api tcp/80")))
    };
    for (source, expected) in [
        ("", [true, true, true]),
        ("selector: app == 'web'", [true, false, false]),
        ("namespaceSelector: all()", [true, true, false]),
        ("namespaceSelector: global()", [false, false, false]),
        ("namespaceSelector: all(), selector: app == 'web'", [true, true, false]),
        ("namespaceSelector: team == 'retail'", [true, false, false]),
        ("namespaceSelector: kubernetes.io/metadata.name == 'pay'", [false, true, false]),
        ("namespaceSelector: projectcalico.org/name == 'pay', selector: all()", [false, true, false]),
        ("notSelector: app == 'web'", [false, false, false]),
        ("notSelector: app == 'db'", [true, false, false]),
        ("serviceAccounts: {names: [front]}", [true, false, false]),
        ("serviceAccounts: {names: [default]}, namespaceSelector: all()", [false, false, false]),
        ("nets: [10.0.0.0/24]", [true, false, false]),
        ("nets: [10.0.0.0/16], notNets: [10.0.0.0/24]", [false, true, false]),
        ("notNets: [10.0.0.0/16]", [false, false, true]),
        ("selector: app == 'web', nets: [10.0.1.0/24], namespaceSelector: all()", [false, true, false]),
    ] {
        assert_eq!(from(source), expected, "{source}");
    }
}

#[test]
fn services_are_ports_types_of_icmp_and_protocols() {
    let to = |rule: &str, asked: &str| {
        let policy = format!("NetworkPolicy p selector: app == 'api', ingress: [{{action: Allow, {rule}}}]");
        allows(&[&policy], &format!("web -> api {asked}"))
    };
    for (rule, yes, no) in [
        ("protocol: TCP, destination: {ports: [80, \"90:99\"]}", "tcp/95", "tcp/100"),
        ("protocol: TCP, destination: {ports: [80]}", "tcp/80", "udp/80"),
        ("protocol: TCP, destination: {ports: [http]}", "tcp/9090", "tcp/8080"),
        ("protocol: TCP, destination: {notPorts: [80, \"90:99\"]}", "tcp/81", "tcp/99"),
        ("protocol: UDP", "udp/9", "tcp/9"),
        ("notProtocol: TCP", "esp", "tcp/1"),
        ("protocol: 50", "esp", "ah"),
        ("protocol: ICMP, icmp: {type: 8}", "icmp/8", "icmp/13"),
        ("protocol: ICMP, notICMP: {type: 8}", "icmp/13", "icmp/8"),
        ("protocol: ICMPv6", "icmpv6/128", "icmp/8"),
    ] {
        assert!(to(rule, yes) && !to(rule, no), "{rule}");
    }
}

#[test]
fn a_rule_may_be_for_some_of_the_subjects() {
    let policy = "GlobalNetworkPolicy g namespaceSelector: team == 'retail', ingress: [\
                  {action: Deny, destination: {selector: app == 'api'}}, {action: Allow, source: {nets: [192.0.2.0/24]}}]";
    assert!(!allows(&[policy], "192.0.2.1 -> api tcp/80"));
    assert!(allows(&[policy], "192.0.2.1 -> web tcp/80"));
    assert!(!allows(&[policy], "192.0.3.1 -> web tcp/80"));
    assert!(allows(&[policy], "192.0.3.1 -> pay tcp/80"), "of another namespace");
}

#[test]
fn network_sets_are_addresses_with_labels() {
    let set = "GlobalNetworkSet s nets: [192.0.2.0/24]";
    let to = |selector: &str, address: &str| {
        let policy = format!("NetworkPolicy p egress: [{{action: Allow, destination: {{{selector}}}}}]");
        allows(&[set, &policy], &format!("web -> {address} tcp/443"))
    };
    assert!(to("namespaceSelector: global(), selector: net == 'out'", "192.0.2.7"));
    assert!(!to("namespaceSelector: global(), selector: net == 'out'", "192.0.3.7"));
    assert!(!to("selector: net == 'out'", "192.0.2.7"), "it is in no namespace");
    assert!(!to("namespaceSelector: all(), selector: net == 'out'", "192.0.2.7"));
    let global = "GlobalNetworkPolicy g egress: [{action: Deny, destination: {selector: net == 'out'}}, {action: Allow}]";
    assert!(
        !allows(&[set, global], "web -> 192.0.2.7 tcp/1") && allows(&[set, global], "web -> 192.0.3.7 tcp/1")
    );
}

#[test]
fn both_ends_must_permit() {
    let egress = "NetworkPolicy p selector: app == 'web', egress: [{action: Allow, destination: {selector: tier == 'back'}}]";
    assert!(allows(&[egress], "web -> api tcp/80") && !allows(&[egress], "web -> pay tcp/80"));
    assert!(!allows(&[egress, "NetworkPolicy q selector: app == 'api'"], "web -> api tcp/80"));
}

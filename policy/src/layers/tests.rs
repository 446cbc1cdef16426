//! Layers against the straightforward evaluator of NetworkPolicies, and their two ways to answer against each
//! other, on random clusters.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};

use super::{Layers, Names, RuleAt};
use crate::Service;
use crate::k8s::{Blocks, End, Evaluator, Manifests, PROTOCOLS};

const PORTS: [u16; 4] = [1, 80, 81, 443];

fn labels() -> impl Strategy<Value = String> {
    let value = prop::option::of(prop::sample::select(vec!["a", "b"]));
    (value.clone(), value).prop_map(|(app, tier)| {
        let pair = |key: &str, value: Option<&str>| value.map(|value| format!("{key}: {value}"));
        let pairs: Vec<_> = pair("app", app).into_iter().chain(pair("tier", tier)).collect();
        format!("{{{}}}", pairs.join(", "))
    })
}

fn selector() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => labels().prop_map(|labels| format!("{{matchLabels: {labels}}}")),
        1 => Just("{matchExpressions: [{key: app, operator: In, values: [a, b]}]}".to_owned()),
        1 => Just("{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}".to_owned()),
        1 => Just("{matchExpressions: [{key: tier, operator: DoesNotExist}]}".to_owned()),
    ]
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["one", "two"])
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

fn some(item: impl Strategy<Value = String>, least: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(item, least..3).prop_map(|items| list(&items))
}

fn pods() -> impl Strategy<Value = String> {
    prop::collection::vec((namespace(), labels(), any::<bool>(), any::<bool>()), 1..6).prop_map(|pods| {
        let pod = |(at, (namespace, labels, host, port)): (usize, (&str, String, bool, bool))| {
            let port = if port { 80 } else { 81 };
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{at}, namespace: {namespace}, labels: {labels}}}\n\
                 spec: {{hostNetwork: {host}, containers: [{{name: c, ports: [{{name: web, containerPort: {port}}}]}}]}}\n\
                 status: {{podIP: 10.0.0.{at}}}\n"
            )
        };
        pods.into_iter().enumerate().map(pod).collect()
    })
}

fn network_policies() -> impl Strategy<Value = String> {
    let peer = prop_oneof![
        selector().prop_map(|pods| format!("{{podSelector: {pods}}}")),
        Just("{namespaceSelector: {}}".to_owned()),
        Just("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: two}}}".to_owned()),
        selector().prop_map(|pods| format!("{{namespaceSelector: {{}}, podSelector: {pods}}}")),
        Just("{ipBlock: {cidr: 10.0.0.0/29, except: [10.0.0.1/32]}}".to_owned()),
    ];
    let port = prop_oneof![
        Just("{port: 80}".to_owned()),
        Just("{port: 80, endPort: 100, protocol: UDP}".to_owned()),
        Just("{port: web}".to_owned()),
        Just("{protocol: SCTP}".to_owned()),
    ];
    let rule = move |side: &'static str| {
        (some(peer.clone(), 0), some(port.clone(), 0))
            .prop_map(move |(peers, ports)| format!("{{{side}: {peers}, ports: {ports}}}"))
    };
    let types = prop::sample::select(vec!["[]", "[Ingress]", "[Egress]", "[Ingress, Egress]"]);
    let policy = (namespace(), selector(), types, some(rule("from"), 0), some(rule("to"), 0));
    prop::collection::vec(policy, 0..4).prop_map(|policies| {
        let each =
            |(at, (namespace, subject, types, from, to)): (usize, (&str, String, &str, String, String))| {
                format!(
                    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                 metadata: {{name: n{at}, namespace: {namespace}}}\n\
                 spec: {{podSelector: {subject}, policyTypes: {types}, ingress: {from}, egress: {to}}}\n"
                )
            };
        policies.into_iter().enumerate().map(each).collect()
    })
}

fn cluster_policies() -> impl Strategy<Value = String> {
    let group = prop_oneof![
        Just("namespaces: {}".to_owned()),
        Just("namespaces: {matchLabels: {kubernetes.io/metadata.name: one}}".to_owned()),
        selector().prop_map(|pods| format!("pods: {{namespaceSelector: {{}}, podSelector: {pods}}}")),
    ];
    let port = prop_oneof![
        Just("{tcp: {destinationPort: {number: 80}}}".to_owned()),
        Just("{udp: {destinationPort: {range: {start: 80, end: 100}}}}".to_owned()),
        Just("{destinationNamedPort: web}".to_owned()),
    ];
    let ports =
        prop_oneof![Just(String::new()), some(port, 1).prop_map(|ports| format!(", protocols: {ports}")),];
    let action = prop::sample::select(vec!["Accept", "Deny", "Pass"]);
    let rule = move |side: &'static str, peer: BoxedStrategy<String>| {
        (action.clone(), some(peer, 1), ports.clone())
            .prop_map(move |(action, peers, ports)| format!("{{action: {action}, {side}: {peers}{ports}}}"))
    };
    let peer = group.clone().prop_map(|group| format!("{{{group}}}")).boxed();
    let outside = "{networks: [10.0.0.0/29, 192.0.2.0/24]}".to_owned();
    let outward = prop_oneof![peer.clone(), Just(outside)].boxed();
    let tier = prop::sample::select(vec!["Admin", "Baseline"]);
    let policy = (tier, 0..3_u8, group, some(rule("from", peer), 0), some(rule("to", outward), 0));
    prop::collection::vec(policy, 0..4).prop_map(|policies| {
        let each = |(at, (tier, priority, subject, from, to)): (usize, (&str, u8, String, String, String))| {
            format!(
                "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n\
                 metadata: {{name: c{at}}}\n\
                 spec: {{tier: {tier}, priority: {priority}, subject: {{{subject}}}, ingress: {from}, egress: {to}}}\n"
            )
        };
        policies.into_iter().enumerate().map(each).collect()
    })
}

fn ends(manifests: &Manifests) -> Vec<End> {
    let outside = ["10.0.0.1", "10.0.0.3", "192.0.2.1"].map(|a| End::Outside(a.parse().unwrap()));
    (0..manifests.world.pods().len()).map(End::Pod).chain(outside).collect()
}

fn seeded() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn network_policies_mean_what_the_evaluator_says((pods, policies) in (pods(), network_policies())) {
        let text = pods + &policies;
        let manifests = Manifests::read([("w.yaml", text.as_str())], "default").unwrap();
        for blocks in [Blocks::OutsideOnly, Blocks::PodsToo] {
            let evaluator = Evaluator::new(&manifests.world, &manifests.policies, blocks);
            let layers = Layers::of(&manifests, &manifests.world, &Names::default(), blocks);
            for client in ends(&manifests) {
                for server in ends(&manifests) {
                    let expected = evaluator.connections(client, server);
                    prop_assert_eq!(layers.connections(client, server), expected);
                }
            }
        }
    }

    #[test]
    fn one_port_is_answered_as_all_are(text in (pods(), network_policies(), cluster_policies())) {
        let text = text.0 + &text.1 + &text.2;
        let manifests = Manifests::read([("w.yaml", text.as_str())], "default").unwrap();
        let layers = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::PodsToo);
        for client in ends(&manifests) {
            for server in ends(&manifests) {
                let all = layers.connections(client, server);
                for (protocol, port) in PROTOCOLS.into_iter().flat_map(|p| PORTS.map(|port| (p, port))) {
                    let one = layers.allows(client, server, Service::Port { protocol, port });
                    prop_assert_eq!(one, all.contains(protocol, port));
                }
            }
        }
    }
}

/// The same layers without some rules.
fn without(manifests: &Manifests, rules: impl IntoIterator<Item = RuleAt>) -> Layers<'_> {
    let mut layers = Layers::of(manifests, &manifests.world, &Names::default(), Blocks::OutsideOnly);
    let mut rules: Vec<RuleAt> = rules.into_iter().collect();
    rules.sort();
    // From the last, so that those before keep their places.
    for at in rules.into_iter().rev() {
        layers.layers[at.layer][at.direction as usize].parts[at.part].rules.remove(at.rule);
    }
    layers
}

/// What is decided between all ends, and of ICMP.
fn decisions(manifests: &Manifests, layers: &Layers<'_>) -> Vec<(String, bool)> {
    let mut decisions = Vec::new();
    let echo = Service::Icmp { protocol: watershed_model::Protocol::ICMP, message_type: 8 };
    for client in ends(manifests) {
        for server in ends(manifests) {
            let ports = layers.connections(client, server).to_string();
            decisions.push((ports, layers.allows(client, server, echo)));
        }
    }
    decisions
}

fn places(layers: &Layers<'_>) -> usize {
    let places = layers.rules().map(|(at, _, rule)| (rule.place.clone(), at.direction));
    places.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn rules_that_say_nothing_new_can_all_go_and_no_decision_changes() {
    let mut runner = TestRunner::new(seeded());
    let all = (pods(), network_policies(), cluster_policies());
    let (mut found, mut rules) = (0, 0);
    for _ in 0..2_000 {
        let (pods, own, cluster) = all.new_tree(&mut runner).expect("a cluster").current();
        let text = pods + &own + &cluster;
        let manifests = Manifests::read([("w.yaml", text.as_str())], "default").unwrap();
        let layers = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::OutsideOnly);
        let shadow = layers.shadow();
        assert_eq!(shadow.not_asked, 0);
        found += shadow.rules.len();
        rules += places(&layers);
        let rest = without(&manifests, shadow.rules.values().flat_map(|one| one.at.iter().copied()));
        let (before, after) = (decisions(&manifests, &layers), decisions(&manifests, &rest));
        assert_eq!(before, after, "{text}\n{:#?}", shadow.rules);
    }
    assert!(found > 500 && found < rules, "{found} of {rules}");
}

#[test]
fn of_policies_that_are_there_twice_one_says_nothing_new() {
    let mut runner = TestRunner::new(seeded());
    let both = (pods(), network_policies());
    for _ in 0..500 {
        let (pods, policies) = both.new_tree(&mut runner).expect("a cluster").current();
        let once = pods.clone() + &policies;
        let twice = once.clone() + &policies.replace("{name: n", "{name: m");
        // Rules that are left, but for those that mean nobody.
        let left = |text: &str| {
            let manifests = Manifests::read([("w.yaml", text)], "default").unwrap();
            let layers = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::OutsideOnly);
            let gone: Vec<RuleAt> = layers.shadow().rules.into_values().flat_map(|one| one.at).collect();
            let pods = manifests.world.pods();
            let rules = layers.rules().filter(|(at, part, rule)| {
                let (subjects, peers) = (&part.subjects, &rule.peers);
                let subject =
                    |peer: usize| subjects.iter().any(|&one| one != peer && !pods[one].host_network);
                let named = |services: &super::Services| matches!(services, super::Services::Named(..));
                let anybody = peers.everybody
                    || !peers.networks.is_empty()
                    || peers.pods.iter().flat_map(|pods| pods.iter()).any(|&peer| subject(peer));
                // Whether a name means a port is another matter.
                anybody && subject(usize::MAX) && !rule.services.iter().any(named) && !gone.contains(at)
            });
            rules.count()
        };
        assert!(left(&twice) <= left(&once), "{twice}");
    }
}

//! The evaluator against cases from the API's documentation, and against a naive reading of it.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use watershed_model::{Labels, Protocol};

use super::super::policy::{Direction, NetworkPolicy, Peer, PeerKind, PolicyRule, PortMatch, Ports};
use super::super::selector::{Operator, Requirement, Selector};
use super::super::world::{NamedPort, Pod, World};
use super::super::{Connections, Manifests, PROTOCOLS, Place};
use super::{Blocks, End, Evaluator};

/// A world of four pods, in this order, and what a spec for `shop/web` makes of it.
fn connections(spec: &str, client: End, server: End) -> String {
    let world = "
apiVersion: v1
kind: List
items:
- {kind: Namespace, metadata: {name: shop, labels: {team: a}}}
- {kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{ports: [{name: http, containerPort: 8080}]}]}, status: {podIP: 10.0.0.1, hostIP: 192.0.2.1}}
- {kind: Pod, metadata: {name: job, namespace: shop, labels: {app: job}}, status: {podIP: 10.0.0.2}}
- {kind: Pod, metadata: {name: web, namespace: bank, labels: {app: web}}, spec: {containers: [{ports: [{name: http, containerPort: 9090}]}]}, status: {podIP: 10.0.0.3}}
- {kind: Pod, metadata: {name: agent, namespace: shop, labels: {app: web}}, spec: {hostNetwork: true}, status: {podIP: 192.0.2.7}}
";
    let policy = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    );
    let manifests = Manifests::read([("w", world), ("p", policy.as_str())], "default").unwrap();
    let evaluator = Evaluator::new(&manifests.world, &manifests.policies, Blocks::OutsideOnly);
    evaluator.connections(client, server).to_string()
}

const WEB: End = End::Pod(0);
const JOB: End = End::Pod(1);
const BANK: End = End::Pod(2);
const AGENT: End = End::Pod(3);

fn outside(address: &str) -> End {
    End::Outside(address.parse().unwrap())
}

#[test]
fn peers_mean_what_the_documentation_says() {
    let from = |peers: &str, client| {
        connections(
            &format!("{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{peers}]}}]}}"),
            client,
            WEB,
        )
    };
    for (peers, client, expected) in [
        ("", BANK, "all"),
        ("{podSelector: {}}", JOB, "all"),
        ("{podSelector: {}}", BANK, "none"),
        ("{namespaceSelector: {}}", BANK, "all"),
        ("{namespaceSelector: {matchLabels: {team: a}}}", BANK, "none"),
        ("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}}", BANK, "all"),
        ("{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}", JOB, "none"),
        ("{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}", BANK, "all"),
        ("{namespaceSelector: {}}, {podSelector: {matchLabels: {app: web}}}", JOB, "all"),
        ("{namespaceSelector: {}}", outside("198.51.100.1"), "none"),
        ("{namespaceSelector: {}}", AGENT, "none"),
        ("{ipBlock: {cidr: 192.0.2.0/24}}", AGENT, "all"),
        ("{ipBlock: {cidr: 10.0.0.0/8}}", BANK, "none"),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}", outside("10.8.0.1"), "all"),
        ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}", outside("10.9.0.1"), "none"),
        ("{ipBlock: {cidr: 0.0.0.0/0}}", outside("2001:db8::1"), "none"),
        (
            "{ipBlock: {cidr: \"2001:db8::/32\", except: [\"2001:db8:1::/48\"]}}",
            outside("2001:db8::1"),
            "all",
        ),
        (
            "{ipBlock: {cidr: \"2001:db8::/32\", except: [\"2001:db8:1::/48\"]}}",
            outside("2001:db8:1::1"),
            "none",
        ),
    ] {
        assert_eq!(from(peers, client), expected, "{peers} {client:?}");
    }
}

#[test]
fn ports_mean_the_servers() {
    let ports = |ports: &str, server| {
        connections(
            &format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{ports: [{ports}]}}]}}"),
            JOB,
            server,
        )
    };
    for (list, server, expected) in [
        ("", BANK, "all"),
        ("{}", BANK, "tcp/1-65535"),
        ("{protocol: SCTP}", BANK, "sctp/1-65535"),
        ("{port: 80, endPort: 90}, {port: 53, protocol: UDP}", BANK, "tcp/80-90 udp/53"),
        ("{port: http}", WEB, "tcp/8080"),
        ("{port: http}", BANK, "tcp/9090"),
        ("{port: http, protocol: UDP}", BANK, "none"),
        ("{port: http}", outside("198.51.100.1"), "none"),
    ] {
        assert_eq!(ports(list, server), expected, "{list}");
    }
}

#[test]
fn isolation_is_per_direction_and_never_between_a_pod_and_itself_or_its_node() {
    let deny = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}";
    assert_eq!(connections(deny, JOB, WEB), "none");
    assert_eq!(connections(deny, WEB, JOB), "none");
    assert_eq!(connections(deny, WEB, WEB), "all");
    assert_eq!(connections(deny, JOB, BANK), "all", "another namespace");
    assert_eq!(connections(deny, outside("192.0.2.1"), WEB), "all", "its node");
    assert_eq!(connections(deny, outside("192.0.2.2"), WEB), "none", "another node");
    assert_eq!(connections(deny, JOB, AGENT), "all", "on its node's network");
    let egress = "{podSelector: {}, policyTypes: [Egress]}";
    assert_eq!(connections(egress, BANK, WEB), "all");
    assert_eq!(connections(egress, WEB, BANK), "none");
}

#[test]
fn an_ip_block_means_pods_only_where_the_plugin_says_so() {
    let mut world = World::default();
    world.add_pod(Pod {
        namespace: "a".into(),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        ..Pod::default()
    });
    world.add_pod(Pod {
        namespace: "a".into(),
        addresses: vec!["10.0.0.2".parse().unwrap()],
        ..Pod::default()
    });
    let kind = PeerKind::Block { cidr: "10.0.0.0/30".parse().unwrap(), except: Vec::new() };
    let rule = PolicyRule { place: place(), peers: vec![Peer { place: place(), kind }], ports: Vec::new() };
    let policies = [policy("a", Selector::default(), Some(vec![rule]), None)];
    let allows =
        |blocks| !Evaluator::new(&world, &policies, blocks).connections(End::Pod(0), End::Pod(1)).is_empty();
    assert!(allows(Blocks::PodsToo) && !allows(Blocks::OutsideOnly));
}

fn place() -> Place {
    Place { file: "p".into(), line: 1, column: 1 }
}

fn policy(
    namespace: &str,
    subject: Selector,
    ingress: Option<Vec<PolicyRule>>,
    egress: Option<Vec<PolicyRule>>,
) -> NetworkPolicy {
    let (namespace, name) = (namespace.to_owned(), "p".to_owned());
    NetworkPolicy { place: place(), namespace, name, subject, subject_place: place(), ingress, egress }
}

/// The documentation read aloud: one connection, no index, no sets.
fn naive(
    world: &World,
    policies: &[NetworkPolicy],
    client: End,
    server: End,
    protocol: Protocol,
    port: u16,
) -> bool {
    let pod = |end: End| match end {
        End::Pod(index) => Some(&world.pods()[index]),
        End::Outside(_) => None,
    };
    if client == server {
        return true;
    }
    let permits = |direction: Direction, subject: End, peer: End| {
        let Some(subject) = pod(subject).filter(|pod| !pod.host_network) else { return true };
        let mut isolated = false;
        for policy in policies.iter().filter(|policy| policy.namespace == subject.namespace) {
            let rules = match direction {
                Direction::Ingress => &policy.ingress,
                Direction::Egress => &policy.egress,
            };
            let (Some(rules), true) = (rules, policy.subject.matches(&subject.labels)) else { continue };
            isolated = true;
            for rule in rules {
                let from = rule.peers.is_empty()
                    || rule.peers.iter().any(|one| match (&one.kind, pod(peer)) {
                        (PeerKind::Pods { namespaces, pods }, Some(pod)) => {
                            let right_namespace = match namespaces {
                                None => pod.namespace == policy.namespace,
                                Some(selector) => selector.matches(&world.namespaces()[&pod.namespace]),
                            };
                            right_namespace
                                && !pod.host_network
                                && pods.iter().all(|pods| pods.matches(&pod.labels))
                        }
                        (PeerKind::Pods { .. }, None) => false,
                        (PeerKind::Block { cidr, except }, known) => {
                            let addresses: Vec<IpAddr> = match (peer, known) {
                                (End::Outside(address), _) => vec![address],
                                (_, Some(pod)) if pod.host_network => pod.addresses.clone(),
                                _ => Vec::new(),
                            };
                            addresses
                                .iter()
                                .any(|a| cidr.contains(a) && except.iter().all(|not| !not.contains(a)))
                        }
                    });
                let on = rule.ports.is_empty()
                    || rule.ports.iter().any(|one| {
                        one.protocol == protocol
                            && match &one.ports {
                                Ports::All => true,
                                Ports::Range(range) => range.contains(&port),
                                Ports::Named(name) => pod(server).is_some_and(|pod| {
                                    let known = NamedPort { name: name.clone(), protocol, port };
                                    pod.ports.contains(&known)
                                }),
                            }
                    });
                if from && on {
                    return true;
                }
            }
        }
        !isolated
    };
    permits(Direction::Egress, client, server) && permits(Direction::Ingress, server, client)
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[ab]", "[xy]", 0..=2)
}

fn selector() -> impl Strategy<Value = Selector> {
    let values = || prop::collection::btree_set("[xy]", 1..=2);
    let operator = prop_oneof![
        values().prop_map(Operator::In),
        values().prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ];
    let requirement = ("[ab]", operator).prop_map(|(key, operator)| Requirement { key, operator });
    prop::collection::vec(requirement, 0..=2).prop_map(|requirements| Selector { requirements })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(&PROTOCOLS[..])
}

fn pod() -> impl Strategy<Value = Pod> {
    let port =
        ("[pq]", protocol(), 1..5_u16).prop_map(|(name, protocol, port)| NamedPort { name, protocol, port });
    let ports = prop::collection::vec(port, 0..=2);
    ("[mn]", labels(), 0..8_u8, ports, prop::bool::weighted(0.1)).prop_map(
        |(namespace, labels, host, ports, host_network)| Pod {
            namespace,
            labels,
            addresses: vec![IpAddr::from([10, 0, 0, host])],
            ports,
            host_network,
            ..Pod::default()
        },
    )
}

fn rule() -> impl Strategy<Value = PolicyRule> {
    let pods =
        (prop::option::of(selector().prop_map(Arc::new)), prop::option::of(selector().prop_map(Arc::new)))
            .prop_map(|(namespaces, pods)| PeerKind::Pods { namespaces, pods });
    let block = (28..=32_u8, 0..8_u8, prop::option::of(0..8_u8)).prop_map(|(length, host, except)| {
        let network =
            |host: u8, length: u8| ipnet::IpNet::new(IpAddr::from([10, 0, 0, host]), length).unwrap().trunc();
        PeerKind::Block {
            cidr: network(host, length),
            except: except.map(|host| network(host, 32)).into_iter().collect(),
        }
    });
    let peer = prop_oneof![pods, block].prop_map(|kind| Peer { place: place(), kind });
    let ports = prop_oneof![
        Just(Ports::All),
        (1..5_u16, 0..3_u16).prop_map(|(start, more)| Ports::Range(start..=start + more)),
        "[pq]".prop_map(Ports::Named),
    ];
    let port =
        (protocol(), ports).prop_map(|(protocol, ports)| PortMatch { place: place(), protocol, ports });
    (prop::collection::vec(peer, 0..=2), prop::collection::vec(port, 0..=2))
        .prop_map(|(peers, ports)| PolicyRule { place: place(), peers, ports })
}

fn policies() -> impl Strategy<Value = Vec<NetworkPolicy>> {
    let rules = || prop::option::weighted(0.7, prop::collection::vec(rule(), 0..=2));
    let one = ("[mn]", selector(), rules(), rules())
        .prop_map(|(namespace, subject, ingress, egress)| policy(&namespace, subject, ingress, egress));
    prop::collection::vec(one, 0..=4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(8), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_connection_is_judged_as_by_a_naive_reading(
        namespaces in [labels(), labels()],
        pods in prop::collection::vec(pod(), 1..=4),
        policies in policies(),
    ) {
        let mut world = World::default();
        for (name, labels) in ["m", "n"].into_iter().zip(namespaces) {
            world.add_namespace(name, labels);
        }
        let count = pods.len();
        pods.into_iter().for_each(|pod| world.add_pod(pod));
        let evaluator = Evaluator::new(&world, &policies, Blocks::OutsideOnly);
        let ends: Vec<End> = (0..count).map(End::Pod).chain([outside("10.0.0.3"), outside("10.0.0.9")]).collect();
        for &client in &ends {
            for &server in &ends {
                let connections = evaluator.connections(client, server);
                for protocol in PROTOCOLS {
                    for port in 1..8 {
                        let expected = naive(&world, &policies, client, server, protocol, port);
                        prop_assert_eq!(connections.contains(protocol, port), expected, "{:?} {:?} {}/{}", client, server, protocol, port);
                        prop_assert_eq!(evaluator.denied_by(client, server, protocol, port).is_empty(), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn more_policies_that_isolate_nobody_new_take_nothing_away(
        pods in prop::collection::vec(pod(), 2..=3),
        policies in policies(),
        more in rule(),
    ) {
        let mut world = World::default();
        pods.into_iter().for_each(|pod| world.add_pod(pod));
        let mut wider = policies.clone();
        for rules in wider.iter_mut().flat_map(|policy| [&mut policy.ingress, &mut policy.egress]).flatten() {
            rules.push(more.clone());
        }
        let of = |policies: &[NetworkPolicy]| -> Connections {
            Evaluator::new(&world, policies, Blocks::OutsideOnly).connections(End::Pod(0), End::Pod(1))
        };
        let before = of(&policies);
        prop_assert_eq!(before.intersection(&of(&wider)), before);
    }
}

//! What Cilium's policies mean, by its documentation, and what is wrong with their text.

use proptest::prelude::*;
use watershed_model::Protocol;

use crate::Service;
use crate::k8s::{Blocks, End, Manifests};
use crate::layers::{Layers, Names};

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
spec: {containers: [{name: c, ports: [{name: psql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: ops, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops}
spec: {hostNetwork: true}
";

fn policy(spec: &str) -> String {
    format!(
        "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    )
}

fn port(port: u16) -> Service {
    Service::Port { protocol: Protocol::TCP, port }
}

const PING: Service = Service::Icmp { protocol: Protocol::ICMP, message_type: 8 };
const OUTSIDE: End = End::Outside(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 20)));

/// Whether shop/web, ops/web, the node's agent and an address outside reach shop/db.
fn reach_by(policies: &str, service: Service) -> [bool; 4] {
    let text = format!("{WORLD}{policies}");
    let manifests = Manifests::read([("w.yaml", text.as_str())], "default").expect("valid policies");
    let layers = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::OutsideOnly);
    [End::Pod(0), End::Pod(2), End::Pod(3), OUTSIDE].map(|client| layers.allows(client, End::Pod(1), service))
}

fn reach(policies: &str) -> [bool; 4] {
    reach_by(policies, port(5432))
}

fn db(rules: &str) -> String {
    policy(&format!("{{endpointSelector: {{matchLabels: {{app: db}}}}, {rules}}}"))
}

#[test]
fn a_direction_with_rules_is_isolated_unless_it_is_said_not_to_be() {
    assert_eq!(reach(&db("egress: [{}]")), [true; 4]);
    assert_eq!(reach(&db("ingress: [{}]")), [false; 4]);
    assert_eq!(reach(&db("ingress: [{}], enableDefaultDeny: {ingress: false}")), [true; 4]);
    assert_eq!(
        reach(&db("ingressDeny: [{fromEntities: [world]}], enableDefaultDeny: {ingress: false}")),
        [true, true, true, false]
    );
    assert_eq!(reach(&db("ingressDeny: [{fromEntities: [world]}]")), [false; 4]);
}

#[test]
fn selectors_mean_the_own_namespace_unless_they_name_another() {
    let from = |selector: &str| reach(&db(&format!("ingress: [{{fromEndpoints: [{selector}]}}]")));
    assert_eq!(from("{}"), [true, false, false, false]);
    assert_eq!(from("{matchLabels: {app: web}}"), [true, false, false, false]);
    assert_eq!(
        from("{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": ops}}"),
        [false, true, false, false]
    );
    assert_eq!(
        from("{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}"),
        [true, false, false, false]
    );
    assert_eq!(
        from("{matchExpressions: [{key: \"any:io.kubernetes.pod.namespace\", operator: Exists}]}"),
        [true, true, false, false]
    );
    let cluster = db("ingress: [{fromEndpoints: [{}]}]")
        .replace("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
        .replace(", namespace: shop", "");
    assert_eq!(reach(&cluster), [true, true, false, false]);
}

#[test]
fn a_rule_without_peers_means_everybody_only_with_ports() {
    assert_eq!(reach(&db("ingress: [{toPorts: [{ports: [{port: \"5432\"}]}]}]")), [true; 4]);
    assert_eq!(reach(&db("ingress: [{toPorts: [{ports: [{port: psql, protocol: TCP}]}]}]")), [true; 4]);
    assert_eq!(reach(&db("ingress: [{toPorts: [{ports: [{port: \"5432\", protocol: UDP}]}]}]")), [false; 4]);
    assert_eq!(reach(&db("ingress: [{toPorts: [{ports: [{port: \"5000\", endPort: 6000}]}]}]")), [true; 4]);
    assert_eq!(reach(&db("ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: \"0\"}]}]}]")), [false; 4]);
}

#[test]
fn entities_and_networks_mean_whom_they_should() {
    let from = |entity: &str| reach(&db(&format!("ingress: [{{fromEntities: [{entity}]}}]")));
    assert_eq!(from("all"), [true; 4]);
    assert_eq!(from("world"), [false, false, false, true]);
    assert_eq!(from("cluster"), [true, true, true, false]);
    assert_eq!(from("host, remote-node"), [false, false, true, false]);
    let cidr = "ingress: [{fromCIDRSet: [{cidr: 198.51.100.0/24, except: [198.51.100.0/28]}]}]";
    assert_eq!(reach(&db(cidr)), [false, false, false, true]);
    assert_eq!(reach(&db(&cidr.replace("/28", "/27"))), [false; 4]);
}

#[test]
fn what_is_denied_stays_denied_whoever_allows_it() {
    let deny = db(
        "ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{}], toPorts: [{ports: [{port: \"5432\"}]}]}]",
    );
    assert_eq!(reach(&deny), [false, true, true, true]);
    assert_eq!(reach_by(&deny, port(80)), [true; 4]);
    let open = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: shop}\nspec: {podSelector: {}, ingress: [{}]}\n";
    assert_eq!(reach(&format!("{deny}{open}")), [false, true, true, true]);
    assert_eq!(reach(&format!("{}{open}", db("ingress: [{}]"))), [true; 4]);
}

#[test]
fn pings_need_a_rule_of_their_own() {
    let ping = |rules: &str| reach_by(&db(rules), PING)[0];
    assert!(!ping("ingress: [{toPorts: [{ports: [{port: \"0\"}]}]}]"));
    assert!(ping("ingress: [{icmps: [{fields: [{type: 8}]}]}]"));
    assert!(ping("ingress: [{icmps: [{fields: [{type: EchoRequest, family: IPv4}]}]}]"));
    assert!(!ping("ingress: [{icmps: [{fields: [{type: EchoRequest, family: IPv6}]}]}]"));
    assert!(ping("ingress: [{fromEndpoints: [{}]}]"));
}

#[test]
fn a_name_is_known_only_by_who_may_ask_for_it() {
    let outward = |rules: &str| {
        let spec = format!("{{endpointSelector: {{}}, egress: [{rules}]}}");
        let text = format!("{WORLD}{}", policy(&spec));
        let manifests = Manifests::read([("w.yaml", text.as_str())], "default").expect("valid policies");
        let mut names = Names::default();
        let End::Outside(address) = OUTSIDE else { return false };
        names.add(address, &["API.partner.example.".into()]);
        let layers = Layers::of(&manifests, &manifests.world, &names, Blocks::OutsideOnly);
        layers.allows(End::Pod(0), OUTSIDE, port(443))
    };
    let dns = |name: &str| {
        format!(
            "{{toEntities: [all], toPorts: [{{ports: [{{port: \"53\"}}], rules: {{dns: [{{matchPattern: \"{name}\"}}]}}}}]}}"
        )
    };
    let fqdn = |name: &str| format!("{{toFQDNs: [{name}], toPorts: [{{ports: [{{port: \"443\"}}]}}]}}");
    let api = fqdn("{matchName: api.partner.example}");
    assert!(outward(&format!("{api}, {}", dns("*"))));
    assert!(outward(&format!(
        "{}, {}",
        fqdn("{matchPattern: \"*.partner.example\"}"),
        dns("*.partner.example")
    )));
    assert!(!outward(&format!("{api}, {}", dns("*.other.example"))), "nobody may ask for it");
    assert!(!outward(&api), "questions are not seen");
    assert!(!outward(&format!("{}, {}", fqdn("{matchName: www.partner.example}"), dns("*"))));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        ("ingress: [{fromEndpoint: [{}]}]", "unknown field `fromEndpoint`"),
        ("ingress: [{toPorts: [{ports: [{port: 80}]}]}]", "write \"80\""),
        ("ingress: [{toPorts: [{ports: [{port: \"99999\"}]}]}]", "`99999` is no port"),
        ("ingress: [{toPorts: [{ports: [{port: \"90\", endPort: 80}]}]}]", "`endPort` 80 is below `port` 90"),
        ("ingress: [{toPorts: [{ports: [{port: \"90\", protocol: tcp}]}]}]", "unknown protocol `tcp`"),
        ("ingress: [{fromCIDR: [10.0.0.1/8]}]", "host bits"),
        ("ingress: [{fromCIDR: [10.0.0.0/8], fromEntities: [all]}]", "cannot be in one rule"),
        ("ingress: [{fromEntities: [everyone]}]", "unknown entity `everyone`"),
        ("ingress: [{icmps: [{fields: [{type: 256}]}]}]", "`type` must be a number from 0 to 255"),
        ("egress: [{toFQDNs: [{matchName: \"a b\"}]}]", "is no name of the DNS"),
        ("egressDeny: [{toFQDNs: [{matchName: a.example}]}]", "unknown field `toFQDNs`"),
        ("ingress: []", "this policy has no rule"),
        ("ingress: [{}], enableDefaultDeny: {ingress: no way}", "`ingress` must be true or false"),
        (
            "ingress: [{fromEndpoints: [{matchLabels: {\"k8s:a\": x}, matchExpressions: [{key: a, operator: DoesNotExist}]}]}]",
            "contradicts itself",
        ),
    ];
    for (rules, expected) in cases {
        let text = db(rules);
        let error = Manifests::read([("p.yaml", text.as_str())], "default").expect_err(expected).to_string();
        assert!(error.contains("p.yaml:5:") && error.contains(expected), "{rules}: {error}");
    }
    let wrong = db("ingress: [{}]").replace("cilium.io/v2", "cilium.io/v1");
    let error = Manifests::read([("p.yaml", wrong.as_str())], "default").expect_err("a wrong version");
    assert!(error.to_string().contains("write `apiVersion: cilium.io/v2`"), "{error}");
}

/// A policy with most of what the reader knows.
const WHOLE: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
specs:
- endpointSelector: {matchExpressions: [{key: \"k8s:app\", operator: In, values: [db]}]}
  enableDefaultDeny: {ingress: true, egress: false}
  ingress:
  - fromEndpoints: [{matchLabels: {\"reserved:host\": \"\"}}]
    icmps: [{fields: [{type: EchoRequest, family: IPv6}]}]
  ingressDeny: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]
  egress:
  - toFQDNs: [{matchName: a.example}, {matchPattern: \"**.b.example\"}]
    toPorts: [{ports: [{port: \"80\", endPort: 90, protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]
";

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(12), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_and_no_change_of_a_policy_makes_the_reader_panic(
        (from, to, put) in (0..WHOLE.len(), 0..WHOLE.len(), "[ -~\n]{0,6}")
    ) {
        let text = format!("{}{put}{}", &WHOLE[..from.min(to)], &WHOLE[from.max(to)..]);
        if let Ok(manifests) = Manifests::read([("w.yaml", text.as_str())], "default") {
            let _ = Layers::of(&manifests, &manifests.world, &Names::default(), Blocks::PodsToo);
        }
    }
}

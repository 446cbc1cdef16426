//! Cilium's own policy engine as a judge: what it says of exported policies, and of random ones in random
//! clusters.
//!
//! The judge is a program of its own, since the engine is written in Go: `tests/support/cilium`.

#[path = "judges/cilium.rs"]
mod agent;
#[path = "cluster/mod.rs"]
mod cluster;
mod judges;

use std::net::IpAddr;

use cluster::edges;
use serde_json::{Value, json};
use watershed_model::Protocol;
use watershed_policy::Service;
use watershed_policy::export::cilium;
use watershed_policy::k8s::{Blocks, End, Manifests, NamedPort, Pod, World};
use watershed_policy::layers::{Layers, Names};
use watershed_policy::mine::{Census, Level, mine};

/// Random clusters.
const CLUSTERS: u64 = 2000;

/// Where random choices start; a cluster's number is added.
const SEED: u64 = 0x5eed_c111;

#[test]
fn what_is_exported_is_what_cilium_takes() {
    let mut edges = edges();
    edges[6].names.insert("api.partner.example".into());
    let census = Census::of(&edges, &[]).expect("a census");
    let mut files = Vec::new();
    for level in Level::ALL {
        let export = cilium::export(&census, &mine(&census, level)).expect("policies");
        files.extend(export.files.into_iter().filter(|(path, _)| !path.ends_with("kustomization.yaml")));
    }
    let questions: Vec<Value> =
        files.iter().map(|(_, text)| json!({"policies": [text], "ends": [], "services": []})).collect();
    for ((path, text), answer) in files.iter().zip(judges::ask(agent::NAME, &questions)) {
        assert_eq!(answer.get("error"), None, "{path}: {answer}\n{text}");
    }
    println!("Cilium takes all {} exported files", files.len());
}

#[test]
fn random_policies_mean_what_cilium_says() {
    let cases: Vec<Case> = (0..CLUSTERS).map(|number| Case::random(SEED + number)).collect();
    let questions: Vec<Value> = cases.iter().map(Case::question).collect();
    let (mut compared, mut denied, mut different) = (0_u64, 0_u64, Vec::new());
    for (case, answer) in cases.iter().zip(judges::ask(agent::NAME, &questions)) {
        let seed = case.seed;
        let Some(theirs) = agent::verdicts(&answer) else {
            different.push(format!("seed {seed}: {answer}\n{}", case.policies.join("---\n")));
            continue;
        };
        let ours = case.ours();
        for (at, (&ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            // A pod always reaches itself.
            let ends = case.ends.len();
            if at % ends == at / ends % ends {
                continue;
            }
            compared += 1;
            denied += u64::from(!ours);
            if ours != theirs {
                let service = case.services[at / ends / ends];
                let (client, server) = (&case.ends[at / ends % ends], &case.ends[at % ends]);
                different.push(format!(
                    "seed {seed}: {client:?} -> {server:?} {service:?}: ours {ours}\n{}",
                    case.policies.join("---\n")
                ));
            }
        }
    }
    println!(
        "Cilium's engine: {CLUSTERS} clusters from seed {SEED:#x}, {compared} connections, {denied} denied, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
}

const SERVICES: [(&str, u16); 6] =
    [("TCP", 80), ("TCP", 443), ("UDP", 90), ("UDP", 80), ("SCTP", 443), ("ICMP", 8)];

fn service((name, port): (&str, u16)) -> Service {
    match name {
        "ICMP" => Service::Icmp { protocol: Protocol::ICMP, message_type: port as u8 },
        name => Service::Port { protocol: Protocol::parse(name).expect("a protocol"), port },
    }
}

/// Who takes part.
#[derive(Clone, Debug)]
enum Who {
    Pod(Pod),
    Node,
    Outside(IpAddr),
}

/// A cluster with policies.
struct Case {
    seed: u64,
    ends: Vec<Who>,
    services: Vec<(&'static str, u16)>,
    policies: Vec<String>,
}

/// What Cilium's proxy sees every question to the DNS by.
const QUESTIONS: &str = "{toEntities: [all], toPorts: [{ports: [{port: \"53\", protocol: UDP}], rules: {dns: [{matchPattern: \"*\"}]}}]}";

/// What the DNS calls addresses outside.
const NAMES: [(&str, &[&str]); 3] = [
    ("198.51.100.20", &["api.partner.example"]),
    ("203.0.113.7", &["www.partner.example", "example"]),
    ("2001:db8::1", &["six.example"]),
];

const TEAMS: [(&str, &str); 2] = [("one", "red"), ("two", "blue")];

impl Case {
    fn random(seed: u64) -> Self {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let mut ends: Vec<Who> = (0..random.0.usize(2..5)).map(|at| Who::Pod(random.pod(at))).collect();
        ends.push(Who::Node);
        for addresses in [["198.51.100.20", "203.0.113.7"], ["198.51.100.1", "2001:db8::1"]] {
            ends.push(Who::Outside(random.one(&addresses).parse().expect("an address")));
        }
        let policies = (0..random.0.usize(1..4)).map(|at| random.policy(at)).collect();
        let mut services = SERVICES.to_vec();
        random.0.shuffle(&mut services);
        services.truncate(3);
        Self { seed, ends, services, policies }
    }

    fn question(&self) -> Value {
        let world = world();
        let end = |who: &Who| match who {
            Who::Pod(pod) => agent::pod(pod, &world),
            Who::Node => json!({"node": true}),
            Who::Outside(address) => agent::outside(*address, names_of(*address)),
        };
        let ends: Vec<Value> = self.ends.iter().map(end).collect();
        judges::question(&self.policies, &ends, &self.services)
    }

    /// For each service, client and server.
    fn ours(&self) -> Vec<bool> {
        let mut world = world();
        let mut ends = Vec::new();
        for who in &self.ends {
            ends.push(match who {
                Who::Outside(address) => End::Outside(*address),
                Who::Pod(pod) => {
                    world.add_pod(pod.clone());
                    End::Pod(world.pods().len() - 1)
                }
                Who::Node => {
                    world.add_pod(Pod { namespace: "one".into(), host_network: true, ..Pod::default() });
                    End::Pod(world.pods().len() - 1)
                }
            });
        }
        let files = self.policies.iter().map(|text| ("random.yaml", text.as_str()));
        let manifests = Manifests::read(files, "default")
            .unwrap_or_else(|error| panic!("seed {}: {error}\n{}", self.seed, self.policies.join("---\n")));
        let mut names = Names::default();
        for (address, called) in NAMES {
            let called: Vec<Box<str>> = called.iter().map(|&name| name.into()).collect();
            names.add(address.parse().expect("an address"), &called);
        }
        let layers = Layers::of(&manifests, &world, &names, Blocks::OutsideOnly);
        let mut answers = Vec::new();
        for &one in &self.services {
            for &client in &ends {
                answers.extend(ends.iter().map(|&server| layers.allows(client, server, service(one))));
            }
        }
        answers
    }
}

fn world() -> World {
    let mut world = World::default();
    for (name, team) in TEAMS {
        world.add_namespace(name, [("team".to_owned(), team.to_owned())].into());
    }
    world
}

fn names_of(address: IpAddr) -> &'static [&'static str] {
    let known = NAMES.iter().find(|(one, _)| one.parse() == Ok(address));
    known.map_or(&[], |(_, names)| names)
}

struct Random(fastrand::Rng);

impl Random {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.usize(..of.len())]
    }

    fn pod(&mut self, at: usize) -> Pod {
        let mut labels = watershed_model::Labels::new();
        for (key, values) in [("app", ["a", "b", ""]), ("tier", ["x", "z", ""])] {
            let value = self.one(&values);
            if !value.is_empty() {
                labels.insert(key.into(), value.into());
            }
        }
        Pod {
            namespace: self.one(&["one", "two"]).into(),
            name: format!("p{at}"),
            labels,
            ports: vec![NamedPort { name: "web".into(), protocol: Protocol::TCP, port: 80 }],
            ..Pod::default()
        }
    }

    fn selector(&mut self, subject: bool) -> String {
        let of_peers = [
            "{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": two}}",
            "{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": one, tier: x}}",
            "{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}",
            "{matchExpressions: [{key: \"k8s:io.kubernetes.pod.namespace\", operator: Exists}]}",
        ];
        let all = [
            "{}",
            "{matchLabels: {app: a}}",
            "{matchLabels: {\"k8s:app\": b, \"any:tier\": z}}",
            "{matchExpressions: [{key: app, operator: In, values: [a, b]}]}",
            "{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}",
            "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
        ];
        if !subject && self.0.bool() { self.one(&of_peers).into() } else { self.one(&all).into() }
    }

    /// A rule; those that deny know no names.
    fn rule(&mut self, key: &str, side: &str) -> String {
        let names = if key == "egress" { 10 } else { 8 };
        let peers = match self.0.usize(..names) {
            0 => None,
            1..=3 => Some(format!("{side}Endpoints: [{}]", self.selector(false))),
            4 => Some(format!("{side}Endpoints: [{}, {}]", self.selector(false), self.selector(false))),
            5 => {
                let entities = ["all", "world", "cluster", "remote-node", "none", "world, cluster"];
                Some(format!("{side}Entities: [{}]", self.one(&entities)))
            }
            6 => {
                let networks =
                    ["198.51.100.0/24", "198.51.100.20", "0.0.0.0/0", "\"::/0\"", "\"2001:db8::/64\""];
                Some(format!("{side}CIDR: [{}]", self.one(&networks)))
            }
            8.. => {
                let names = [
                    "{matchName: api.partner.example}",
                    "{matchName: WWW.partner.example.}",
                    "{matchPattern: \"*.partner.example\"}",
                    "{matchPattern: \"*.example\"}",
                    "{matchPattern: \"**.example\"}",
                    "{matchPattern: \"a*.partner.*\"}",
                    "{matchName: six.example}, {matchName: nobody.example}",
                ];
                Some(format!("{side}FQDNs: [{}]", self.one(&names)))
            }
            _ => {
                let sets = [
                    "{cidr: 198.51.100.0/24, except: [198.51.100.16/28]}",
                    "{cidr: 0.0.0.0/0, except: [198.51.100.0/24]}",
                ];
                Some(format!("{side}CIDRSet: [{}]", self.one(&sets)))
            }
        };
        let services = match self.0.usize(..4) {
            0 => None,
            1 => Some("icmps: [{fields: [{type: 8, family: IPv4}]}]".to_owned()),
            _ => {
                let ports = [
                    "{port: \"80\", protocol: TCP}",
                    "{port: \"80\", endPort: 100, protocol: UDP}",
                    "{port: \"443\"}",
                    "{port: \"0\", protocol: TCP}",
                    "{port: web, protocol: TCP}",
                ];
                let ports: Vec<&str> = (0..self.0.usize(1..3)).map(|_| self.one(&ports)).collect();
                Some(format!("toPorts: [{{ports: [{}]}}]", ports.join(", ")))
            }
        };
        let parts: Vec<String> = peers.into_iter().chain(services).collect();
        format!("{{{}}}", parts.join(", "))
    }

    fn policy(&mut self, at: usize) -> String {
        let (kind, namespace) = match self.0.usize(..4) {
            0 => ("CiliumClusterwideNetworkPolicy", String::new()),
            _ => ("CiliumNetworkPolicy", format!(", namespace: {}", self.one(&["one", "two"]))),
        };
        let mut parts = vec![format!("endpointSelector: {}", self.selector(true))];
        let first = self.0.usize(..4);
        for (number, (key, side)) in
            [("ingress", "from"), ("egress", "to"), ("ingressDeny", "from"), ("egressDeny", "to")]
                .into_iter()
                .enumerate()
        {
            if number == first || self.0.usize(..3) == 0 {
                let mut rules: Vec<String> = (0..self.0.usize(1..3)).map(|_| self.rule(key, side)).collect();
                // A name stands for an address once the question for it was seen.
                if rules.iter().any(|rule| rule.contains("toFQDNs")) {
                    rules.push(QUESTIONS.into());
                }
                parts.push(format!("{key}: [{}]", rules.join(", ")));
            }
        }
        if self.0.usize(..3) == 0 {
            let flags = [self.0.bool(), self.0.bool()];
            parts.push(format!("enableDefaultDeny: {{ingress: {}, egress: {}}}", flags[0], flags[1]));
        }
        let spec = parts.join(", ");
        format!(
            "apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{at}{namespace}}}\nspec: {{{spec}}}\n"
        )
    }
}

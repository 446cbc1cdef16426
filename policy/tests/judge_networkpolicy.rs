//! Cyclonus' model of NetworkPolicy, from which the network-policy-api's policy-assistant was made, as a judge of
//! random policies in random clusters; and Kubernetes' own selectors of labels, as a judge of ours.
//!
//! In two things Cyclonus' model of a selector is not Kubernetes': there `NotIn` matches nothing that lacks the label,
//! and an empty value in `matchLabels` matches what lacks the label. Random policies keep to labels that all have
//! there, and Kubernetes' own code is asked about the rest.

mod judges;
#[path = "judges/networkpolicy.rs"]
mod networkpolicy;

use std::net::IpAddr;

use serde_json::{Value, json};
use watershed_model::{Labels, Protocol};
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, Direction, End, Evaluator, Manifests, NamedPort, Pod, World};
use watershed_policy::layers::{Layers, Names};

/// Random clusters.
const CLUSTERS: u64 = 3000;

/// Random selectors.
const SELECTORS: u64 = 3000;

/// Where random choices start; a cluster's number is added.
const SEED: u64 = 0x5eed_0e70;

const NAMESPACES: [(&str, &str); 3] = [("one", "red"), ("two", "blue"), ("three", "red")];

const OUTSIDE: [&str; 6] =
    ["198.51.100.20", "198.51.100.1", "203.0.113.7", "2001:db8::1", "2001:db8:0:1::1", "2001:db9::1"];

const SERVICES: [(&str, u16); 9] = [
    ("TCP", 80),
    ("TCP", 81),
    ("TCP", 443),
    ("TCP", 8080),
    ("UDP", 53),
    ("UDP", 80),
    ("SCTP", 443),
    ("SCTP", 9900),
    ("TCP", 65535),
];

#[test]
fn random_policies_mean_what_cyclonus_says() {
    let cases: Vec<Case> = (0..CLUSTERS).map(|number| Case::random(SEED + number)).collect();
    let questions: Vec<Value> = cases.iter().map(Case::question).collect();
    let (mut compared, mut denied, mut different) = (0_u64, 0_u64, Vec::new());
    for (case, answer) in cases.iter().zip(judges::ask(networkpolicy::NAME, &questions)) {
        let theirs = networkpolicy::verdicts(&answer);
        let ours = case.ours();
        assert_eq!(ours.len(), theirs.len(), "seed {}: {answer}\n{}", case.seed, case.policies.join("---\n"));
        let ends = case.ends.len();
        for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            let (client, server) = (at / ends % ends, at % ends);
            // A pod always reaches itself.
            if client == server {
                continue;
            }
            compared += 1;
            denied += u64::from(ours != (true, true));
            if ours != theirs {
                let told = format!(
                    "seed {}: {:?} -> {:?} {:?}: (egress, ingress) ours {ours:?} theirs {theirs:?}\n{}",
                    case.seed,
                    case.ends[client],
                    case.ends[server],
                    case.services[at / ends / ends],
                    case.policies.join("---\n")
                );
                different.push(told);
            }
        }
    }
    println!(
        "Cyclonus: {CLUSTERS} clusters from seed {SEED:#x}, {compared} connections, {denied} denied, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
    assert!(denied > compared / 10 && denied < compared / 10 * 9, "both verdicts are common");
}

#[test]
fn random_selectors_mean_what_kubernetes_says() {
    let labels: Vec<Labels> = ["", "a=x", "a=", "a=y b=x", "b=", "a=x b=y zone=north", "zone="]
        .iter()
        .map(|text| text.split_whitespace().filter_map(|pair| pair.split_once('=')))
        .map(|pairs| pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
        .collect();
    let selectors: Vec<String> =
        (0..SELECTORS).map(|number| Random(fastrand::Rng::with_seed(SEED + number)).any_selector()).collect();
    let questions: Vec<Value> =
        selectors.iter().map(|selector| json!({"selector": selector, "labels": labels})).collect();
    let (mut valid, mut contradictory, mut different) = (0, 0, Vec::new());
    for (selector, answer) in selectors.iter().zip(judges::ask(networkpolicy::NAME, &questions)) {
        let text = policy("p", "one", &format!("podSelector: {selector}"));
        let ours = Manifests::read([("p.yaml", text.as_str())], "default").ok().map(|manifests| {
            let subject = &manifests.policies[0].subject;
            labels.iter().map(|labels| subject.matches(labels)).collect::<Vec<_>>()
        });
        let theirs = answer.get("error").is_none().then(|| answer["matches"].clone());
        valid += usize::from(ours.is_some());
        // Ours refuses what can match nothing, as a mistake; there it is a selector, and matches nothing.
        let matches_nothing =
            theirs.as_ref().is_some_and(|theirs| *theirs == json!(vec![false; labels.len()]));
        if ours.is_none() && matches_nothing {
            contradictory += 1;
            continue;
        }
        if ours.as_ref().map(|ours| json!(ours)) != theirs {
            different.push(format!("{selector}\n  ours {ours:?}\n  theirs {answer}"));
        }
    }
    println!(
        "Kubernetes: {SELECTORS} selectors from seed {SEED:#x}, {valid} valid and {contradictory} refused that match nothing, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
}

/// Who takes part.
#[derive(Clone, Debug)]
enum Who {
    Pod(Pod),
    Outside(IpAddr),
}

/// A cluster with policies.
struct Case {
    seed: u64,
    ends: Vec<Who>,
    services: Vec<(&'static str, u16)>,
    policies: Vec<String>,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let mut ends: Vec<Who> = (0..random.0.usize(2..6)).map(|at| Who::Pod(random.pod(at))).collect();
        for _ in 0..2 {
            ends.push(Who::Outside(random.one(&OUTSIDE).parse().expect("an address")));
        }
        let policies = (0..random.0.usize(1..5)).map(|at| random.policy(at)).collect();
        let mut services = SERVICES.to_vec();
        random.0.shuffle(&mut services);
        services.truncate(4);
        Self { seed, ends, services, policies }
    }

    fn question(&self) -> Value {
        let world = world();
        let end = |who: &Who| match who {
            Who::Outside(address) => networkpolicy::outside(*address),
            Who::Pod(pod) => networkpolicy::pod(pod, &world),
        };
        let ends: Vec<Value> = self.ends.iter().map(end).collect();
        judges::question(&self.policies, &ends, &self.services)
    }

    /// For each service, client and server: what the client's policies say, and what the server's say.
    fn ours(&self) -> Vec<(bool, bool)> {
        let mut world = world();
        let mut ends = Vec::new();
        for who in &self.ends {
            ends.push(match who {
                Who::Outside(address) => End::Outside(*address),
                Who::Pod(pod) => {
                    world.add_pod(pod.clone());
                    End::Pod(world.pods().len() - 1)
                }
            });
        }
        let files = self.policies.iter().map(|text| ("random.yaml", text.as_str()));
        let manifests = Manifests::read(files, "default")
            .unwrap_or_else(|error| panic!("seed {}: {error}\n{}", self.seed, self.policies.join("---\n")));
        let evaluator = Evaluator::new(&world, &manifests.policies, Blocks::PodsToo);
        let layers = Layers::of(&manifests, &world, &Names::default(), Blocks::PodsToo);
        let mut answers = Vec::new();
        for &(protocol, port) in &self.services {
            let protocol = Protocol::parse(protocol).expect("a protocol");
            for &client in &ends {
                for &server in &ends {
                    let refuse = evaluator.denied_by(client, server, protocol, port);
                    let permits = |direction| refuse.iter().all(|isolation| isolation.direction != direction);
                    answers.push((permits(Direction::Egress), permits(Direction::Ingress)));
                    let allowed = layers.allows(client, server, Service::Port { protocol, port });
                    assert_eq!(allowed, refuse.is_empty(), "seed {}: our two evaluators", self.seed);
                }
            }
        }
        answers
    }
}

fn world() -> World {
    let mut world = World::default();
    for (name, team) in NAMESPACES {
        world.add_namespace(name, [("team".to_owned(), team.to_owned())].into());
    }
    world
}

fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}

struct Random(fastrand::Rng);

impl Random {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.usize(..of.len())]
    }

    fn pod(&mut self, at: usize) -> Pod {
        let mut labels = Labels::from([("zone".to_owned(), self.one(&["north", "south"]).to_owned())]);
        for (key, values) in [("app", ["a", "b", ""]), ("tier", ["x", "z", ""])] {
            let value = self.one(&values);
            if !value.is_empty() {
                labels.insert(key.into(), value.into());
            }
        }
        let address = match self.0.bool() {
            true => format!("10.0.{}.{}", self.0.u8(..2), at + 1),
            false => format!("fd00:{}::{}", self.0.u8(1..3), at + 1),
        };
        let web = [80, 8080][self.0.usize(..2)];
        let named = [("web", Protocol::TCP, web), ("dns", Protocol::UDP, 53), ("s1ap", Protocol::SCTP, 9900)];
        let mut ports: Vec<_> = named
            .into_iter()
            .map(|(name, protocol, port)| NamedPort { name: name.into(), protocol, port })
            .collect();
        ports.truncate(self.0.usize(..4));
        Pod {
            namespace: NAMESPACES[self.0.usize(..3)].0.into(),
            name: format!("p{at}"),
            labels,
            addresses: vec![address.parse().expect("an address")],
            ports,
            ..Pod::default()
        }
    }

    fn selector(&mut self) -> &'static str {
        self.one(&[
            "{}",
            "{matchLabels: {app: a}}",
            "{matchLabels: {app: b, tier: z}}",
            "{matchExpressions: [{key: app, operator: In, values: [a, b]}]}",
            "{matchExpressions: [{key: zone, operator: NotIn, values: [north]}]}",
            "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
            "{matchLabels: {tier: x}, matchExpressions: [{key: app, operator: Exists}]}",
        ])
    }

    /// A selector of anything, now and then of a kind that is refused.
    fn any_selector(&mut self) -> String {
        let requirement = |random: &mut Self| {
            let key = random.one(&["a", "b", "zone"]);
            let operator = random.one(&["In", "NotIn", "Exists", "DoesNotExist"]);
            let with_values = operator.ends_with("In") != (random.0.u8(..20) == 0);
            let values = if with_values { random.one(&[", values: [x]", ", values: [x, \"\"]"]) } else { "" };
            format!("{{key: {key}, operator: {operator}{values}}}")
        };
        let expressions: Vec<String> = (0..self.0.usize(..3)).map(|_| requirement(self)).collect();
        let labels = self.one(&["", "a: x", "a: \"\"", "b: x, zone: north", "zone: \"\""]);
        format!("{{matchLabels: {{{labels}}}, matchExpressions: [{}]}}", expressions.join(", "))
    }

    fn peer(&mut self) -> String {
        let namespaces = [
            "{}",
            "{matchLabels: {team: red}}",
            "{matchLabels: {kubernetes.io/metadata.name: two}}",
            "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}",
        ];
        match self.0.usize(..5) {
            0 => format!("{{podSelector: {}}}", self.selector()),
            1 => format!("{{namespaceSelector: {}}}", self.one(&namespaces)),
            2 => {
                format!("{{namespaceSelector: {}, podSelector: {}}}", self.one(&namespaces), self.selector())
            }
            _ => {
                let blocks = [
                    "{cidr: 198.51.100.0/24}",
                    "{cidr: 198.51.100.0/24, except: [198.51.100.16/28, 198.51.100.1/32]}",
                    "{cidr: 0.0.0.0/0}",
                    "{cidr: 0.0.0.0/0, except: [10.0.1.0/24]}",
                    "{cidr: 10.0.0.0/24}",
                    "{cidr: 203.0.113.7/32}",
                    "{cidr: \"::/0\"}",
                    "{cidr: \"::/0\", except: [\"fd00:1::/32\"]}",
                    "{cidr: \"2001:db8::/32\", except: [\"2001:db8:0:1::/64\"]}",
                    "{cidr: \"fd00:2::/32\"}",
                ];
                format!("{{ipBlock: {}}}", self.one(&blocks))
            }
        }
    }

    fn rule(&mut self, side: &str) -> String {
        let mut parts = Vec::new();
        if self.0.usize(..6) > 0 {
            let peers: Vec<_> = (0..self.0.usize(..3)).map(|_| self.peer()).collect();
            parts.push(format!("{side}: [{}]", peers.join(", ")));
        }
        if self.0.usize(..4) > 0 {
            let ports = [
                "{}",
                "{protocol: UDP}",
                "{protocol: SCTP}",
                "{port: 80}",
                "{port: 443, protocol: SCTP}",
                "{port: 80, endPort: 443}",
                "{port: 53, endPort: 80, protocol: UDP}",
                "{port: 81, endPort: 65535}",
                "{port: web}",
                "{port: web, protocol: UDP}",
                "{port: dns, protocol: UDP}",
                "{port: s1ap, protocol: SCTP}",
            ];
            let ports: Vec<_> = (0..self.0.usize(..3)).map(|_| self.one(&ports)).collect();
            parts.push(format!("ports: [{}]", ports.join(", ")));
        }
        format!("{{{}}}", parts.join(", "))
    }

    fn policy(&mut self, at: usize) -> String {
        let mut parts = vec![format!("podSelector: {}", self.selector())];
        let types = self.one(&["", "[]", "[Ingress]", "[Egress]", "[Ingress, Egress]"]);
        if !types.is_empty() {
            parts.push(format!("policyTypes: {types}"));
        }
        for (key, side) in [("ingress", "from"), ("egress", "to")] {
            if self.0.usize(..3) > 0 {
                let rules: Vec<_> = (0..self.0.usize(..3)).map(|_| self.rule(side)).collect();
                parts.push(format!("{key}: [{}]", rules.join(", ")));
            }
        }
        policy(&format!("p{at}"), NAMESPACES[self.0.usize(..3)].0, &parts.join(", "))
    }
}

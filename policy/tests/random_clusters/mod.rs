//! Random clusters with NetworkPolicies, what judges are asked about them, and their answers beside ours.

#[path = "../judges/ends.rs"]
mod ends;
#[path = "../judges/networkpolicy.rs"]
mod networkpolicy;
pub(crate) mod random;

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

pub(crate) use ends::Who;
use ends::settle;
use random::Random;
use serde_json::Value;
use watershed_model::Protocol;
use watershed_policy::Service;
use watershed_policy::k8s::{Blocks, Direction, End, Evaluator, Manifests, World};
use watershed_policy::layers::{Layers, Names};

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

/// A cluster with policies.
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) ends: Vec<Who>,
    pub(crate) services: Vec<(&'static str, u16)>,
    pub(crate) policies: Vec<String>,
}

/// What policies say of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Those of the client.
    pub(crate) egress: bool,
    /// Those of the server.
    pub(crate) ingress: bool,
    /// All of them.
    pub(crate) allowed: bool,
}

impl Verdict {
    /// Where an answer says no more, both ends have to permit it.
    pub(crate) fn all(answer: &Value) -> Vec<Self> {
        let permits = networkpolicy::verdicts(answer).into_iter();
        let mut verdicts: Vec<Self> =
            permits.map(|(egress, ingress)| Self { egress, ingress, allowed: egress && ingress }).collect();
        let allowed = answer["allowed"].as_str().unwrap_or_default().bytes();
        for (verdict, allowed) in verdicts.iter_mut().zip(allowed) {
            verdict.allowed = allowed == b'1';
        }
        verdicts
    }
}

/// What comparing came to.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) compared: u64,
    pub(crate) denied: u64,
    pub(crate) different: Vec<String>,
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { compared, denied, different } = self;
        write!(f, "{compared} connections, {denied} denied, {} disagreements", different.len())
    }
}

impl Tally {
    /// # Panics
    ///
    /// Where the two differ, or where they hardly can.
    pub(crate) fn must_agree(&self) {
        let Self { compared, denied, different } = self;
        let shown: Vec<_> = different.iter().take(5).cloned().collect();
        assert!(different.is_empty(), "{}", shown.join("\n"));
        assert!(*denied > compared / 10 && *denied < compared / 10 * 9, "both verdicts are common");
    }
}

impl Case {
    pub(crate) fn random(seed: u64) -> Self {
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

    pub(crate) fn question(&self) -> Value {
        let world = world();
        let end = |who: &Who| match who {
            Who::Outside(address) => networkpolicy::outside(*address),
            Who::Pod(pod) => networkpolicy::pod(pod, &world),
        };
        let ends: Vec<Value> = self.ends.iter().map(end).collect();
        let mut question = crate::judges::question(&self.policies, &ends, &self.services);
        question["by_direction"] = true.into();
        question
    }

    /// The world with its pods, and every end in it.
    pub(crate) fn world(&self) -> (World, Vec<End>) {
        let mut world = world();
        let ends = settle(&self.ends, &mut world);
        (world, ends)
    }

    /// # Panics
    ///
    /// Where our reader refuses the policies.
    pub(crate) fn read(&self, policies: &[String]) -> Manifests {
        let files = policies.iter().map(|text| ("random.yaml", text.as_str()));
        Manifests::read(files, "default")
            .unwrap_or_else(|error| panic!("seed {}: {error}\n{}", self.seed, policies.join("---\n")))
    }

    /// Whatever is asked about each service, client and server, in the order of the answers.
    pub(crate) fn each<T>(&self, ends: &[End], mut ask: impl FnMut(Service, End, End) -> T) -> Vec<T> {
        let mut answers = Vec::new();
        for &(protocol, port) in &self.services {
            let service = Service::Port { protocol: Protocol::parse(protocol).expect("a protocol"), port };
            for &client in ends {
                answers.extend(ends.iter().map(|&server| ask(service, client, server)));
            }
        }
        answers
    }

    /// What the NetworkPolicies say, by both evaluators that we have.
    pub(crate) fn ours(&self) -> Vec<Verdict> {
        let (world, ends) = self.world();
        let manifests = self.read(&self.policies);
        let evaluator = Evaluator::new(&world, &manifests.policies, Blocks::PodsToo);
        let layers = Layers::of(&manifests, &world, &Names::default(), Blocks::PodsToo);
        self.each(&ends, |service, client, server| {
            let Service::Port { protocol, port } = service else { unreachable!("services have ports") };
            let refuse = evaluator.denied_by(client, server, protocol, port);
            let permits = |direction| refuse.iter().all(|isolation| isolation.direction != direction);
            let allowed = layers.allows(client, server, service);
            assert_eq!(allowed, refuse.is_empty(), "seed {}: our two evaluators", self.seed);
            Verdict { egress: permits(Direction::Egress), ingress: permits(Direction::Ingress), allowed }
        })
    }

    /// Adds what a judge answers about this cluster with `policies`, beside `ours`.
    pub(crate) fn compare(&self, policies: &[String], ours: &[Verdict], answer: &Value, tally: &mut Tally) {
        let theirs = Verdict::all(answer);
        assert_eq!(ours.len(), theirs.len(), "seed {}: {answer}\n{}", self.seed, policies.join("---\n"));
        let ends = self.ends.len();
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let (client, server) = (at / ends % ends, at % ends);
            // A pod always reaches itself.
            if client == server {
                continue;
            }
            tally.compared += 1;
            tally.denied += u64::from(!ours.allowed);
            if ours != theirs {
                tally.different.push(format!(
                    "seed {}: {:?} -> {:?} {:?}: ours {ours:?} theirs {theirs:?}\n{}",
                    self.seed,
                    self.ends[client],
                    self.ends[server],
                    self.services[at / ends / ends],
                    policies.join("---\n")
                ));
            }
        }
    }
}

fn world() -> World {
    let mut world = World::default();
    for (name, team) in NAMESPACES {
        world.add_namespace(name, [("team".to_owned(), team.to_owned())].into());
    }
    world
}

/// Holds a judge's answers about NetworkPolicies of random clusters against ours.
pub(crate) fn hold_against(judge: &str, seeds: Range<u64>) -> Tally {
    let cases: Vec<Case> = seeds.map(Case::random).collect();
    let questions: Vec<Value> = cases.iter().map(Case::question).collect();
    let mut tally = Tally::default();
    for (case, answer) in cases.iter().zip(crate::judges::ask(judge, &questions)) {
        case.compare(&case.policies, &case.ours(), &answer, &mut tally);
    }
    tally
}

//! Mining estates whose intended policy is known: how much of it is recovered, and with how many rules.

#![allow(clippy::print_stdout, reason = "how much was recovered is worth a line")]

use std::collections::{BTreeMap, BTreeSet};

use watershed_model::{Protocol, Workload};
use watershed_policy::export::kubernetes;
use watershed_policy::k8s::Direction;
use watershed_policy::mine::{Census, Level, Plan, mine};
use watershed_policy::proof::kubernetes::prove;
use watershed_policy::{Allowed, Namespace, Rule, Whom};
use watershed_tests::estate::{APPLICATION, Config, Estate, Tuple};

/// Everything that the rules allow between workloads of the estate, by their selectors alone: what an end
/// without a rule for it may do is nothing.
fn allowed(estate: &Estate, plan: &Plan) -> BTreeSet<Tuple> {
    let mut of_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, workload) in estate.workloads.iter().enumerate() {
        of_namespace.entry(workload.namespace.as_deref().unwrap_or_default()).or_default().push(at);
    }
    let members = |whom: &Whom| -> Vec<usize> {
        let Whom::Workloads { namespace, labels } = whom else { return Vec::new() };
        let has_all =
            |workload: &Workload| labels.iter().all(|(key, value)| workload.labels.get(key) == Some(value));
        let there: Vec<usize> = match namespace {
            Namespace::Hosts => Vec::new(),
            Namespace::One(name) => of_namespace.get(name.as_str()).cloned().unwrap_or_default(),
            Namespace::Every => (0..estate.workloads.len()).collect(),
        };
        there.into_iter().filter(|&at| has_all(&estate.workloads[at])).collect()
    };
    let side = |direction: Direction| -> BTreeSet<Tuple> {
        let mut tuples = BTreeSet::new();
        for rule in plan.rules.iter().filter(|rule| rule.direction == direction) {
            let (subjects, peers) = (members(&rule.subject), members(&rule.peer));
            for (protocol, port) in ports(rule) {
                for &subject in &subjects {
                    tuples.extend(peers.iter().map(|&peer| match direction {
                        Direction::Ingress => (peer, subject, protocol, port),
                        Direction::Egress => (subject, peer, protocol, port),
                    }));
                }
            }
        }
        tuples
    };
    side(Direction::Ingress).intersection(&side(Direction::Egress)).copied().collect()
}

fn ports(rule: &Rule) -> Vec<(Protocol, u16)> {
    let of = |allowed: &Allowed| match *allowed {
        Allowed::Ports(protocol, first, last) => (first..=last).map(|port| (protocol, port)).collect(),
        Allowed::Anything | Allowed::Service(_) => Vec::new(),
    };
    rule.ports.iter().flat_map(of).collect()
}

/// Recall, precision, and rules for each intended rule.
fn recovered(workloads: usize, observed: f64, seed: u64) -> (f64, f64, f64) {
    let config = Config { applications: workloads / APPLICATION, calls: 2, observed, seed };
    let estate = Estate::new(&config);
    let census = Census::of(estate.edges(), &estate.workloads).expect("a census");
    let plan = mine(&census, Level::Service);
    let export = kubernetes::export(&census, &plan).expect("policies");
    prove(&census, &plan, &export, "test").expect("a proof");
    let allowed = allowed(&estate, &plan);
    let right = allowed.intersection(&estate.intended).count() as f64;
    let (recall, precision) = (right / estate.intended.len() as f64, right / allowed.len() as f64);
    let rules = plan.rules.len() as f64 / estate.rules as f64;
    println!(
        "{workloads} workloads, {observed} observed, seed {seed}: recall {recall:.4}, precision {precision:.4}, {} rules for {} intended",
        plan.rules.len(),
        estate.rules
    );
    (recall, precision, rules)
}

fn assert_recovered(workloads: usize, observed: f64, seed: u64) {
    let (recall, precision, rules) = recovered(workloads, observed, seed);
    assert!(recall >= 0.95, "recall {recall}");
    assert!(precision >= 0.95, "precision {precision}");
    assert!(rules <= 1.2, "{rules} rules for each intended one");
}

#[test]
fn an_estate_of_100_workloads_is_recovered() {
    for seed in 0..5 {
        for observed in [1.0, 0.95, 0.9] {
            assert_recovered(100, observed, seed);
        }
    }
}

#[test]
fn an_estate_of_1_000_workloads_is_recovered() {
    for seed in 0..2 {
        assert_recovered(1_000, 0.9, seed);
    }
}

#[test]
fn an_estate_of_10_000_workloads_is_recovered() {
    assert_recovered(10_000, 0.9, 0);
}

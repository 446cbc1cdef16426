//! The kernel's nftables as a judge: random rule sets, and exported ones, with connections sent through them.

mod common;
mod kernel;
mod random_rules;

use common::shop;
use kernel::ask;
use random_rules::Random;
use watershed_policy::export::nftables;
use watershed_policy::nft::{Action, Hook, Ruleset};
use watershed_policy::{RuleSet, Service, Tuple};

/// Random rule sets.
const RULESETS: u64 = 300;

/// Connections that each is held against.
const TUPLES: usize = 24;

/// Where random choices start; a rule set's number is added.
const SEED: u64 = 0x5eed_4f7a;

/// Compares and returns how many connections there were, how many were dropped, and what differs.
fn compare(cases: &[(String, Vec<Tuple>)]) -> (usize, usize, Vec<String>) {
    let (mut compared, mut dropped, mut different) = (0, 0, Vec::new());
    for (at, ((rules, tuples), theirs)) in cases.iter().zip(ask(cases)).enumerate() {
        let ruleset =
            Ruleset::read([("r.nft", rules.as_str())]).unwrap_or_else(|error| panic!("{error}\n{rules}"));
        assert_eq!(tuples.len(), theirs.len());
        for (tuple, passes) in tuples.iter().zip(theirs) {
            let ours = ruleset.evaluate(Hook::Forward, tuple).action == Action::Accept;
            compared += 1;
            dropped += usize::from(!passes);
            if ours != passes {
                different.push(format!("rule set {at}, {tuple}: ours {ours}, the kernel {passes}\n{rules}"));
            }
        }
    }
    (compared, dropped, different)
}

#[test]
fn random_rule_sets_mean_what_the_kernel_does() {
    let case = |number| {
        let mut random = Random(fastrand::Rng::with_seed(SEED + number));
        let rules = random.ruleset();
        (rules, random.tuples(TUPLES))
    };
    let cases: Vec<_> = (0..RULESETS).map(case).collect();
    let (compared, dropped, different) = compare(&cases);
    println!(
        "nftables of the kernel: {RULESETS} rule sets from seed {SEED:#x}, {compared} connections sent, {dropped} dropped, {} disagreements",
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
    assert!(dropped > compared / 10 && dropped < compared / 10 * 9, "both verdicts are common");
}

#[test]
fn the_kernel_passes_what_the_export_allows_and_nothing_else() {
    let files = nftables::export(&RuleSet::from_edges(&shop(), &[]).expect("rules"), Hook::Forward);
    let rules = format!("{}{}", files.allow, files.default_deny);
    let observed: Vec<Tuple> = shop().iter().flat_map(tuples).collect();
    let mut others = Vec::new();
    for tuple in &observed {
        others.push(Tuple { client: tuple.server, server: tuple.client, ..*tuple });
        if let Service::Port { protocol, port } = tuple.service {
            others.push(Tuple { service: Service::Port { protocol, port: port + 1 }, ..*tuple });
        }
    }
    others.retain(|tuple| !observed.contains(tuple));
    let allowed = ask(&[(rules.clone(), observed.clone())]).remove(0);
    let refused: Vec<_> = observed.iter().zip(&allowed).filter(|(_, passes)| !**passes).collect();
    assert!(refused.is_empty(), "{refused:?}\n{rules}");
    let passed = ask(&[(rules.clone(), others.clone())]).remove(0);
    let admitted: Vec<_> = others.iter().zip(&passed).filter(|(_, passes)| **passes).collect();
    assert!(admitted.is_empty(), "{admitted:?}\n{rules}");
    println!("the kernel passes all {} observed and drops all {} others", observed.len(), others.len());
}

/// Every connection that an edge stands for.
fn tuples(edge: &watershed_model::Edge) -> Vec<Tuple> {
    let service = Service::of(&edge.key).expect("a service");
    let pairs = edge.client_addresses.iter().flat_map(|&client| {
        edge.server_addresses.iter().map(move |&server| Tuple { client, server, service })
    });
    pairs.filter(|tuple| service.connects(tuple.client, tuple.server)).collect()
}

//! Defects that other tools ship: in every dialect the proof refutes an export that has them.
//!
//! Each defect is put into what a generator sees or into what it writes, as that tool has it, and the outcome is held
//! against the right observation. Where a dialect cannot have a defect, the reason is told; the last of them breaks what
//! is told about an observation and not a rule, so it is the error bar that must notice.

#[path = "../cluster/mod.rs"]
mod cluster;

mod dialects;
mod faults;
mod loss;
mod world;

use std::fs;
use std::path::Path;

use dialects::Dialect;
use faults::{Broken, Defect};
use watershed_policy::Error;

/// Asserts that a defect is noticed in every dialect that can have it.
fn is_noticed(defect: Defect) {
    for dialect in Dialect::ALL {
        let noticed = notices(defect, dialect);
        assert_ne!(noticed, Some(false), "{defect:?} is not noticed in {dialect:?}");
    }
}

/// Whether the proof notices; `None` where the dialect cannot have the defect.
fn notices(defect: Defect, dialect: Dialect) -> Option<bool> {
    let right = world::edges();
    let export = match defect.broken(dialect) {
        Broken::Not(_) => return None,
        Broken::Seen(change) => {
            let seen = change(right.clone());
            assert_ne!(seen, right, "{defect:?} changes nothing that is seen");
            dialect.export(&seen)
        }
        Broken::Counted(change) => {
            // Nothing is allowed or denied by a number: the certificate says which observation it is about.
            let of = |edges: &[_]| dialect.export(edges).proof(edges).expect("a proof").input_sha256;
            return Some(of(&right) != of(&change(right.clone())));
        }
        Broken::Written(change) => {
            let export = dialect.export(&right);
            let broken = export.rewritten(&change);
            assert_ne!(
                broken.text(),
                export.text(),
                "{defect:?} changes nothing in {dialect:?}:\n{}",
                export.text()
            );
            broken
        }
    };
    let Err(error) = export.proof(&right) else { return Some(false) };
    // By what passes and what does not: only a word that no dialect has is no text at all.
    let is_refuted = matches!(error, Error::Refuted(_) | Error::RefutedPolicies(_));
    assert_eq!(is_refuted, defect != Defect::UnknownProtocol, "{defect:?} in {dialect:?}: {error}");
    Some(true)
}

macro_rules! named {
    ($($name:ident: $defect:ident,)*) => {$(
        #[test]
        fn $name() {
            is_noticed(Defect::$defect);
        }
    )*};
}

named! {
    dns_that_is_forgotten_is_noticed: DnsForgotten,
    a_service_port_where_the_target_port_belongs_is_noticed: ServicePort,
    a_hash_of_a_generation_in_a_selector_is_noticed: GenerationHash,
    ipv6_as_a_32_is_noticed: Ipv6AsIpv4,
    everybody_for_a_peer_on_the_internet_is_noticed: EmptyPeers,
    a_namespace_by_a_label_that_it_does_not_have_is_noticed: NamespaceLabel,
    a_protocol_that_is_unknown_is_noticed: UnknownProtocol,
    udp_above_1024_that_is_dropped_is_noticed: HighUdpDropped,
    a_scan_that_became_a_rule_is_noticed: ScanAllowed,
    a_server_on_a_high_port_taken_for_the_client_is_noticed: TurnedAround,
    two_peers_where_one_was_meant_are_noticed: TwoPeers,
    an_address_inherited_from_a_dead_pod_is_noticed: DeadPod,
    a_flow_seen_on_both_nodes_and_counted_twice_is_noticed: CountedTwice,
    the_first_of_several_names_alone_is_noticed: FirstName,
}

#[test]
fn a_table_that_was_full_and_nobody_told_is_noticed() {
    assert!(loss::is_noticed());
}

#[test]
fn the_proof_holds_where_nothing_is_broken() {
    let right = world::edges();
    for dialect in Dialect::ALL {
        let export = dialect.export(&right);
        export.proof(&right).unwrap_or_else(|error| panic!("{dialect:?}: {error}\n{}", export.text()));
    }
}

#[test]
fn every_defect_in_every_dialect_is_noticed() {
    let (mut broken, mut noticed, mut missed) = (1, u32::from(loss::is_noticed()), Vec::new());
    for defect in Defect::ALL {
        let mut cannot = Vec::new();
        for dialect in Dialect::ALL {
            match (notices(defect, dialect), defect.broken(dialect)) {
                (None, Broken::Not(why)) => cannot.push(format!("{dialect:?}: {why}")),
                (answer, _) => {
                    broken += 1;
                    noticed += u32::from(answer == Some(true));
                    missed.extend((answer != Some(true)).then(|| format!("{defect:?} in {dialect:?}")));
                }
            }
        }
        println!("{defect:?}: noticed in {} dialects", Dialect::ALL.len() - cannot.len());
        cannot.iter().for_each(|why| println!("  not in {why}"));
    }
    println!("TableFull: noticed by the error bar");
    let score = 100 * noticed / broken;
    println!("mutation score of the defects: {noticed} of {broken} noticed, {score} %");
    assert!(missed.is_empty() && noticed == broken, "not noticed: {missed:?}");
}

/// Where the stage that makes a defect impossible shows it: the file, and the test in it.
const STAGES: [(&str, &str); 6] = [
    (
        "aggregator/src/reach/tests.rs",
        "a_flow_to_a_service_has_the_target_port_also_where_only_the_clients_side_was_seen",
    ),
    ("aggregator/src/inventory/history/tests.rs", "an_address_goes_from_hand_to_hand"),
    ("aggregator/src/reach/tests.rs", "what_both_nodes_saw_counts_once"),
    ("aggregator/src/names.rs", "all_names_in_force_stay"),
    ("collector/src/flow/tests/ends.rs", "a_full_table_makes_room_and_says_so"),
    ("policy/tests/rules.rs", "an_unanswered_edge_never_becomes_a_rule"),
];

#[test]
fn the_stages_have_tests_of_their_own() {
    for (file, test) in STAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {test}()")), "{file} has no test {test}");
    }
}

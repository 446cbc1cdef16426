//! What is weighed, and which reading of the same traffic wins.

use watershed_model::{ConnState, Snapshot};

use super::*;
use crate::testing::{snapshot, tcp, udp};
use crate::{Doubt, Graph, GraphConfig, Verdict};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";

/// A TCP connection met in the middle, between two ports that clients are given; the lower is the server's.
fn middle(client: &str, server: &str, port: u16) -> Edge {
    let seen = Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED | Evidence::LOWER_PORT;
    tcp(client, server, port).with(ConnState::Oth, seen).build()
}

fn probability(edge: &Edge, others: &[Edge]) -> f64 {
    FanIn::of(others.iter().chain([edge])).direction(edge).probability()
}

/// Client, server's port, verdict and connections of every edge.
fn told(snapshot: &Snapshot) -> Vec<(String, u16, Verdict, u64)> {
    let graph = Graph::of(snapshot, &GraphConfig::default());
    graph
        .edges()
        .map(|(edge, verdict)| (edge.key.client.to_string(), edge.key.port, *verdict, edge.connections))
        .collect()
}

#[test]
fn a_handshake_is_surer_than_anything_and_a_late_capture_knows_nothing() {
    assert!(probability(&tcp(A, B, 50_051).build(), &[]) > 0.999_999);
    assert_eq!(probability(&middle(A, B, 50_051), &[]), 0.5);
}

#[test]
fn a_port_that_several_clients_use_is_a_servers() {
    let (one, other) = (middle(A, B, 50_051), middle(C, B, 50_051));
    assert!(probability(&one, &[other]) > 0.99);
    assert_eq!(probability(&one, &[middle(C, B, 50_052)]), 0.5);
}

#[test]
fn what_was_seen_while_an_address_changed_hands_weighs_less() {
    let seen = Evidence::FIRST_PACKET | Evidence::HTTP_REQUEST | Evidence::HANDED_OVER;
    let ambiguous = tcp(A, B, 50_051).with(ConnState::Oth, seen).build();
    let clear = tcp(A, B, 50_051).with(ConnState::Oth, seen - Evidence::HANDED_OVER).build();
    let odds = |edge: &Edge, others: &[Edge]| FanIn::of(others.iter().chain([edge])).direction(edge).log_odds;
    assert!(odds(&ambiguous, &[]) > 0.0 && odds(&ambiguous, &[]) == odds(&clear, &[]) / 2.0);
    let mut both = ambiguous.clone();
    both.connections += clear.connections;
    both.evidence.merge(&clear.evidence);
    assert_eq!(odds(&both, &[]), odds(&clear, &[]), "one connection is surely of these two");

    let other = tcp(C, B, 50_051).with(ConnState::Sf, seen).build();
    assert_eq!(odds(&clear, &[other]), odds(&clear, &[]), "whether that is another client is not known");
}

#[test]
fn datagrams_say_more_the_more_flows_began_with_the_client() {
    let flows = |began: u32, other: u32| {
        let mut edge = udp(A, B, 40_000).with(ConnState::Sf, Evidence::empty()).build();
        edge.connections = u64::from(began + other);
        edge.evidence = Default::default();
        (0..began).for_each(|_| edge.evidence.add(Evidence::FIRST_PACKET));
        probability(&edge, &[])
    };
    assert!(flows(1, 0) == 0.5 && flows(2, 0) > 0.5 && flows(3, 0) > flows(2, 0));
    assert!(flows(9, 0) > 0.99 && flows(9, 0) == flows(90, 0));
    assert_eq!(flows(4, 4), 0.5);
    assert!(flows(0, 3) < 0.2);
}

#[test]
fn late_evidence_corrects_what_came_early() {
    let snapshot = snapshot([
        tcp(A, B, 50_051).with(ConnState::Sf, Evidence::SYN | Evidence::LOWER_PORT).build(),
        // The same service, met in the middle from a port below its own, so that B seems to ask A.
        middle(B, A, 40_000),
        middle(B, A, 41_000),
    ]);
    assert_eq!(told(&snapshot), [(A.to_owned(), 50_051, Verdict::Accepted, 3)]);
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    let (edge, _) = graph.edges().next().unwrap();
    let (forward, back) = (&snapshot.edges[0], &snapshot.edges[1]);
    assert_eq!(edge.to_server.packets, forward.to_server.packets + 2 * back.to_client.packets);
    assert_eq!(edge.answered, 3);
    assert_eq!(graph.directions().next().unwrap().corrected, 2);
}

#[test]
fn what_somebody_wrote_down_settles_connections_and_needs_company_over_datagrams() {
    for kind in [Evidence::DECLARED_PORT, Evidence::SRV_RECORD] {
        let told = |seen| tcp(A, B, 50_051).with(ConnState::Oth, seen | Evidence::SERVER_REPLIED).build();
        assert!(probability(&told(kind), &[]) > 0.99);
        // A message that says the opposite leaves it to a person.
        assert!(probability(&told(kind | Evidence::CONTRADICTED), &[]) < 0.5);
        // What was met in the middle and read the other way is given to it.
        let snapshot = snapshot([told(kind | Evidence::LOWER_PORT), middle(B, A, 40_000)]);
        assert_eq!(self::told(&snapshot).len(), 1);
        let datagrams = |seen| udp(A, B, 5_005).with(ConnState::Sf, seen).build();
        assert!(probability(&datagrams(kind), &[]) < 0.99);
        assert!(probability(&datagrams(kind | Evidence::EPHEMERAL_CLIENT), &[]) > 0.99);
    }
}

#[test]
fn a_reading_that_the_ports_exclude_is_not_corrected() {
    // Whoever asks A on 40000 does so from a higher port, so not from B's 22.
    let snapshot = snapshot([tcp(A, B, 22).build(), middle(B, A, 40_000)]);
    let doubtful = Verdict::NeedsPerson(Doubt::NoEvidence);
    assert_eq!(
        told(&snapshot),
        [(A.to_owned(), 22, Verdict::Accepted, 1), (B.to_owned(), 40_000, doubtful, 1)]
    );
}

#[test]
fn of_several_readings_none_is_chosen_and_one_is_named() {
    let service = |port| tcp(A, B, port).with(ConnState::Sf, Evidence::SYN | Evidence::LOWER_PORT).build();
    let snapshot = snapshot([service(50_051), service(50_052), middle(B, A, 40_000)]);
    assert_eq!(told(&snapshot)[2].2, Verdict::NeedsPerson(Doubt::Mirrored));
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    let named = graph.directions().nth(2).and_then(|direction| direction.reversed.clone());
    assert_eq!(named.map(|key| key.port), Some(50_051));
}

#[test]
fn ports_alone_do_not_stand_against_a_proven_service_on_a_high_port() {
    // A's clients take ports from 20000 on, which Linux can be told to do.
    let seen = Evidence::FIRST_PACKET | Evidence::LOWER_PORT | Evidence::EPHEMERAL_CLIENT;
    let late = tcp(B, A, 20_000).with(ConnState::Oth, seen).build();
    assert!(probability(&late, &[]) > 0.99);
    let snapshot = snapshot([tcp(A, B, 50_051).build(), late]);
    assert_eq!(told(&snapshot)[1].2, Verdict::NeedsPerson(Doubt::Mirrored));
}

#[test]
fn corrections_do_not_depend_on_the_order_of_reading() {
    let edges = [tcp(A, B, 50_051).build(), middle(B, A, 40_000), middle(B, A, 41_000), middle(C, A, 40_000)];
    let forward = told(&snapshot(edges.clone()));
    assert_eq!(forward, told(&snapshot(edges.into_iter().rev())));
}

//! Each condition of the verdict, and the traffic that must never become a rule.

use super::*;
use crate::GraphConfig;
use crate::direction::settle;
use crate::testing::{Builder, icmp, tcp, udp};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn alone(edge: Builder) -> Verdict {
    among(&edge.build(), &[])
}

/// The verdict on the first edge, seen together with the others.
fn among(edge: &Edge, others: &[Edge]) -> Verdict {
    let threshold = GraphConfig::default().direction_threshold();
    let edges: Vec<&Edge> = std::iter::once(edge).chain(others).collect();
    let settled = settle(&edges, threshold);
    verdict(edge, &settled[0].direction, threshold)
}

fn midstream(port: u16, evidence: Evidence) -> Builder {
    tcp(A, B, port).with(ConnState::Oth, evidence)
}

#[test]
fn answered_connections_with_a_clear_direction_are_accepted() {
    assert_eq!(alone(tcp(A, B, 5432)), Verdict::Accepted);
    assert_eq!(alone(udp(A, B, 40_000)), Verdict::Accepted);
    assert_eq!(alone(icmp(A, B, 8)), Verdict::Accepted);
    assert_eq!(alone(midstream(443, Evidence::TLS_CLIENT_HELLO)), Verdict::Accepted);
    assert_eq!(alone(midstream(443, Evidence::WELL_KNOWN_PORT)), Verdict::Accepted);
}

#[test]
fn one_answered_connection_among_failures_is_enough() {
    let mostly_down = tcp(A, B, 5432).edit(|edge| edge.connections = 50).answered(1);
    assert_eq!(alone(mostly_down), Verdict::Accepted);
}

#[test]
fn a_late_capture_does_not_say_who_the_client_is() {
    let late = midstream(40_000, Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED);
    assert_eq!(alone(late), Verdict::NeedsPerson(Doubt::NoEvidence));
}

#[test]
fn contradictions_outweigh_what_is_weaker_than_a_handshake() {
    let contradicted = |evidence| midstream(443, evidence | Evidence::CONTRADICTED);
    assert_eq!(alone(contradicted(Evidence::WELL_KNOWN_PORT)), Verdict::NeedsPerson(Doubt::Contradicted));
    assert_eq!(alone(contradicted(Evidence::HTTP_REQUEST)), Verdict::NeedsPerson(Doubt::Contradicted));
    assert_eq!(alone(contradicted(Evidence::SYN)), Verdict::Accepted);

    let mut edge = tcp(A, B, 443).build();
    edge.evidence.add(Evidence::CONTRADICTED);
    edge.evidence.add(Evidence::CONTRADICTED);
    assert_eq!(among(&edge, &[]), Verdict::NeedsPerson(Doubt::Contradicted));
}

#[test]
fn late_packets_of_a_service_are_no_scan_of_its_clients() {
    let ports = Evidence::SYN | Evidence::LOWER_PORT;
    let used = |port| tcp(B, A, port).with(ConnState::Sf, ports).build();
    // From A's service to a port of B's, which is the lower one of two that clients are given.
    let late =
        midstream(50_051, Evidence::FIRST_PACKET | Evidence::LOWER_PORT).traffic(1, 40, 0, 0).answered(0);
    let late = late.build();
    assert_eq!(among(&late, &[used(60_001), used(60_002)]), Verdict::NeedsPerson(Doubt::Mirrored));
    assert_eq!(among(&late, &[used(443)]), Verdict::Unanswered, "443 is no port that was seen");
}

#[test]
fn vain_attempts_say_how_they_failed() {
    assert_eq!(alone(tcp(A, B, 22).unanswered()), Verdict::Unanswered);
    assert_eq!(alone(tcp(A, B, 22).refused()), Verdict::Refused);
    assert_eq!(alone(tcp(A, B, 22).half_open()), Verdict::Probe);

    let void = udp(A, B, 9).with(ConnState::S0, Evidence::FIRST_PACKET).traffic(2, 60, 0, 0).answered(0);
    assert_eq!(alone(void), Verdict::Unanswered);
    let seen = Evidence::FIRST_PACKET | Evidence::ICMP_UNREACHABLE;
    let closed = udp(A, B, 9).with(ConnState::S0, seen).traffic(1, 30, 0, 0).answered(0);
    assert_eq!(alone(closed), Verdict::Refused);
}

#[test]
fn stealth_probes_are_attempts_and_late_captures_are_not() {
    let stealth = || midstream(22, Evidence::FIRST_PACKET).answered(0);
    assert_eq!(alone(stealth().traffic(1, 40, 0, 0)), Verdict::Unanswered);

    let reset = Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED;
    let acknowledged = tcp(A, B, 22).with(ConnState::Rstr, reset).traffic(1, 40, 1, 40).answered(0);
    assert_eq!(alone(acknowledged), Verdict::Refused);

    assert_eq!(alone(stealth().traffic(30, 4000, 15, 600)), Verdict::NeedsPerson(Doubt::Midstream));
    assert_eq!(alone(stealth().traffic(30, 4000, 0, 0)), Verdict::NeedsPerson(Doubt::OneSided));
}

#[test]
fn half_a_conversation_is_neither_a_rule_nor_a_scan() {
    let opened = |state| tcp(A, B, 443).with(state, Evidence::SYN).answered(0);
    let one_sided = Verdict::NeedsPerson(Doubt::OneSided);
    assert_eq!(alone(opened(ConnState::S0).traffic(40, 9000, 0, 0)), one_sided);
    assert_eq!(alone(opened(ConnState::Sh).traffic(4, 300, 0, 0)), one_sided);

    let backscatter = tcp(A, B, 80).with(ConnState::Shr, Evidence::SYN_ACK).traffic(0, 0, 3, 180).answered(0);
    assert_eq!(alone(backscatter), one_sided);
    let reflected = udp(A, B, 53).with(ConnState::Shr, Evidence::DNS_RESPONSE).traffic(0, 0, 9, 9000);
    assert_eq!(alone(reflected), one_sided);
}

#[test]
fn groups_have_no_server_to_allow() {
    let quiet = |server, port| udp(A, server, port).traffic(4, 400, 0, 0).answered(0);
    assert_eq!(alone(quiet("224.0.0.251", 5353)), Verdict::Group);
    assert_eq!(alone(quiet("255.255.255.255", 67)), Verdict::Group);
    assert_eq!(alone(quiet("10.0.0.255", 137)), Verdict::Group);
    assert_eq!(alone(udp("fe80::1", "ff02::fb", 5353)), Verdict::Group);
    assert_eq!(alone(udp(A, "10.0.0.255", 53)), Verdict::Accepted, "a host may end in 255 if it answers");
    assert_eq!(alone(tcp(A, "10.0.0.255", 22).unanswered()), Verdict::Unanswered);
}

#[test]
fn signals_of_the_network_are_nobodys_service() {
    assert_eq!(alone(icmp(A, B, 3).answered(0)), Verdict::Control);
    let solicitation = icmp("fe80::1", "fe80::2", 135).edit(|edge| edge.key.protocol = Protocol::ICMPV6);
    assert_eq!(alone(solicitation), Verdict::Control);
}

#[test]
fn logs_and_tunnels_that_nobody_answers_need_a_person() {
    let logs = |packets| {
        udp(A, B, 514)
            .with(ConnState::S0, Evidence::FIRST_PACKET)
            .traffic(packets, packets * 200, 0, 0)
            .answered(0)
    };
    assert_eq!(alone(logs(40)), Verdict::NeedsPerson(Doubt::OneWay));
    assert_eq!(alone(logs(2)), Verdict::Unanswered);
}

#[test]
fn what_was_only_seen_in_a_tunnel_makes_no_rule_since_its_port_is_not_known() {
    let tunnelled = Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE | Evidence::PORT_UNKNOWN;
    let edge = tcp(A, B, 15_008).with(ConnState::Sf, tunnelled);
    assert_eq!(alone(edge), Verdict::NeedsPerson(Doubt::PortUnknown));
}

#[test]
fn what_was_only_seen_while_an_address_changed_hands_makes_no_rule() {
    let handed_over = Evidence::SYN | Evidence::SYN_ACK | Evidence::HANDSHAKE | Evidence::HANDED_OVER;
    let edge = tcp(A, B, 5432).with(ConnState::Sf, handed_over);
    assert_eq!(alone(edge), Verdict::NeedsPerson(Doubt::HandedOver));
    let mut more = tcp(A, B, 5432).with(ConnState::Sf, handed_over).build();
    let another = tcp(A, B, 5432).build();
    more.connections += another.connections;
    more.evidence.merge(&another.evidence);
    assert_eq!(
        among(&more, &[]),
        Verdict::NeedsPerson(Doubt::HandedOver),
        "the one that was answered may be the other's"
    );
    more.answered += another.answered;
    assert_eq!(among(&more, &[]), Verdict::Accepted, "another connection speaks for it");
}

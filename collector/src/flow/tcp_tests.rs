//! TCP connections, each from its segments to its record.

use std::net::IpAddr;

use watershed_model::{EndReason, FlowRecord};

use super::*;
use crate::flow::FlowConfig;
use crate::flow::tests::{CLIENT, SERVER, Sent, Tcp, records};

/// A segment: who sends it (`>` the client) and its flags, then sequence and acknowledgement number, counted
/// from the initial ones, and octets of payload.
type Line = (&'static str, u32, u32, usize);

const HANDSHAKE: [Line; 3] = [("> S", 0, 0, 0), ("< SA", 0, 1, 0), ("> A", 1, 1, 0)];
const REQUEST: [Line; 2] = [("> PA", 1, 1, 100), ("< PA", 1, 101, 1000)];

/// The records of segments that come a millisecond apart.
fn play(lines: &[Line]) -> Vec<FlowRecord> {
    play_from([1000, 5000], lines)
}

/// The same with these initial sequence numbers of client and server.
fn play_from(initial: [u32; 2], lines: &[Line]) -> Vec<FlowRecord> {
    let sent: Vec<Sent> =
        lines.iter().zip(0_u32..).map(|(line, n)| sent(initial, line, 1.0 + f64::from(n) * 0.001)).collect();
    records(&FlowConfig::default(), &sent)
}

fn sent(
    [client, server]: [u32; 2],
    &(what, sequence, acknowledgement, payload): &Line,
    seconds: f64,
) -> Sent {
    let (from_client, letters) = (what.starts_with('>'), &what[2..]);
    let flags = letters.chars().map(|letter| match letter {
        'S' => TcpFlags::SYN,
        'A' => TcpFlags::ACK,
        'F' => TcpFlags::FIN,
        'R' => TcpFlags::RST,
        _ => TcpFlags::PSH,
    });
    let flags: TcpFlags = flags.collect();
    let (from, to, own, peer) =
        if from_client { (CLIENT, SERVER, client, server) } else { (SERVER, CLIENT, server, client) };
    let acknowledgement = if flags.contains(TcpFlags::ACK) { peer.wrapping_add(acknowledgement) } else { 0 };
    let numbers = Tcp { flags, sequence: own.wrapping_add(sequence), acknowledgement };
    Sent::tcp(seconds, from, to, numbers, &vec![b'.'; payload])
}

/// The only record: state, history, payload octets each way.
fn outcome(lines: &[Line]) -> (ConnState, String, u64, u64) {
    let records = play(lines);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(record.client.port, CLIENT.1, "{lines:?}");
    let (out, back) = (record.to_server.payload_bytes, record.to_client.payload_bytes);
    (record.state, record.history.as_str().to_owned(), out, back)
}

fn after_handshake(lines: &[Line]) -> Vec<Line> {
    [&HANDSHAKE, lines].concat()
}

#[test]
fn each_state_is_reached() {
    use ConnState::{Oth, Rej, Rsto, Rstos0, Rstr, Rstrh, S0, S1, S2, S3, Sf, Sh, Shr};
    let with = |lines: &[Line]| after_handshake(&[&REQUEST, lines].concat());
    let cases: [(Vec<Line>, ConnState, &str, u64, u64); 17] = [
        (vec![("> S", 0, 0, 0)], S0, "S", 0, 0),
        (vec![("> S", 0, 0, 0), ("< RA", 0, 1, 0)], Rej, "Sr", 0, 0),
        (vec![("> S", 0, 0, 0), ("> R", 1, 0, 0)], Rstos0, "SR", 0, 0),
        (vec![("> S", 0, 0, 0), ("> F", 1, 0, 0)], Sh, "SF", 0, 0),
        (vec![("< SA", 0, 1, 0), ("< R", 1, 0, 0)], Rstrh, "^hr", 0, 0),
        (vec![("< SA", 0, 1, 0), ("< FA", 1, 1, 0)], Shr, "^hf", 0, 0),
        (HANDSHAKE.to_vec(), S1, "ShA", 0, 0),
        (with(&[]), S1, "ShADd", 100, 1000),
        (with(&[("> FA", 101, 1001, 0)]), S2, "ShADdF", 100, 1000),
        (with(&[("< FA", 1001, 101, 0)]), S3, "ShADdf", 100, 1000),
        (
            with(&[("> FA", 101, 1001, 0), ("< FA", 1001, 102, 0), ("> A", 102, 1002, 0)]),
            Sf,
            "ShADdFf",
            100,
            1000,
        ),
        (
            with(&[("< FA", 1001, 101, 0), ("> FA", 101, 1002, 0), ("< A", 1002, 102, 0)]),
            Sf,
            "ShADdfFa",
            100,
            1000,
        ),
        // Both close before they have heard of the other.
        (
            with(&[("> FA", 101, 1001, 0), ("< FA", 1001, 101, 0), ("> A", 102, 1002, 0)]),
            Sf,
            "ShADdFf",
            100,
            1000,
        ),
        (with(&[("> R", 101, 0, 0)]), Rsto, "ShADdR", 100, 1000),
        (with(&[("< R", 1001, 0, 0)]), Rstr, "ShADdr", 100, 1000),
        // Midstream: nobody knows how it began.
        (vec![("> PA", 50, 70, 10), ("< PA", 70, 60, 20)], Oth, "Dd", 10, 20),
        (vec![("< A", 50, 70, 0), ("> PA", 70, 50, 5)], Oth, "^aD", 5, 0),
    ];
    for (lines, state, history, out, back) in cases {
        assert_eq!(outcome(&lines), (state, history.to_owned(), out, back), "{lines:?}");
    }
}

#[test]
fn what_is_sent_twice_counts_once() {
    let twice = [("> PA", 1, 1, 100), ("> PA", 1, 1, 100), ("< A", 1, 101, 0)];
    let records = play(&after_handshake(&twice));
    let sent = records[0].to_server;
    assert_eq!((sent.payload_bytes, sent.retransmissions, sent.packets), (100, 1, 4));
    assert_eq!(sent.ip_bytes, 4 * 40 + 200);
    assert_eq!(records[0].history.as_str(), "ShADTa");
    // A segment that brings something new beside the old is none.
    let longer = [("> PA", 1, 1, 100), ("> PA", 1, 1, 150)];
    let sent = play(&after_handshake(&longer))[0].to_server;
    assert_eq!((sent.payload_bytes, sent.retransmissions), (150, 0));
}

#[test]
fn a_repeated_syn_is_the_same_connection() {
    let lines = [("> S", 0, 0, 0), ("> S", 0, 0, 0), ("< SA", 0, 1, 0), ("< SA", 0, 1, 0), ("> A", 1, 1, 0)];
    assert_eq!(outcome(&lines), (ConnState::S1, "ShA".to_owned(), 0, 0));
}

#[test]
fn segments_out_of_order_fill_the_gap() {
    let lines = [("> PA", 101, 1, 50), ("> PA", 1, 1, 100), ("< A", 1, 151, 0)];
    assert_eq!(outcome(&after_handshake(&lines)).2, 150);
}

#[test]
fn what_was_not_captured_but_acknowledged_counts() {
    assert_eq!(outcome(&after_handshake(&[("< A", 1, 501, 0)])).2, 500);
    assert_eq!(outcome(&after_handshake(&[("> FA", 301, 1, 0)])).2, 300);
}

#[test]
fn sequence_numbers_wrap() {
    let lines = after_handshake(&[&REQUEST[..], &[("> FA", 101, 1001, 0), ("< FA", 1001, 102, 0)]].concat());
    for initial in [[u32::MAX, u32::MAX], [u32::MAX - 50, u32::MAX - 500], [0, 0], [i32::MAX as u32; 2]] {
        let records = play_from(initial, &lines);
        assert_eq!(records.len(), 1, "{initial:?}");
        let (out, back) = (records[0].to_server.payload_bytes, records[0].to_client.payload_bytes);
        assert_eq!((records[0].state, out, back), (ConnState::Sf, 100, 1000), "{initial:?}");
    }
}

#[test]
fn more_than_four_gibibytes_are_counted() {
    const STEP: u32 = 1 << 30;
    let mut lines = HANDSHAKE.to_vec();
    for step in 0..9_u32 {
        let sequence = STEP.wrapping_mul(step).wrapping_add(1);
        lines.extend([("> PA", sequence, 1, 1000), ("< A", 1, sequence.wrapping_add(1000), 0)]);
    }
    assert_eq!(outcome(&lines).2, 8 * u64::from(STEP) + 1000);
}

#[test]
fn keep_alive_probes_add_nothing() {
    let probes = [("> A", 100, 1001, 0), ("< A", 1001, 101, 0), ("> A", 100, 1001, 1), ("< A", 1001, 101, 0)];
    let (state, _, out, back) = outcome(&after_handshake(&[&REQUEST[..], &probes].concat()));
    assert_eq!((state, out, back), (ConnState::S1, 100, 1000));
}

#[test]
fn a_handshake_takes_from_the_last_syn_to_its_acknowledgement() {
    let rtt = |lines: &[Line]| play(lines)[0].handshake_rtt.map(|rtt| rtt.as_millis());
    assert_eq!(rtt(&HANDSHAKE), Some(2));
    assert_eq!(rtt(&[("> S", 0, 0, 0), ("> S", 0, 0, 0), ("< SA", 0, 1, 0), ("> A", 1, 1, 0)]), Some(2));
    assert_eq!(rtt(&HANDSHAKE[..2]), None, "not complete");
    assert_eq!(rtt(&HANDSHAKE[1..]), None, "when it began is not known");
    assert_eq!(rtt(&after_handshake(&REQUEST)), Some(2), "later segments change nothing");
}

#[test]
fn a_used_port_is_another_connection() {
    let close = [("> FA", 1, 1, 0), ("< FA", 1, 2, 0), ("> A", 2, 2, 0)];
    let again = [("> S", 700_000, 0, 0), ("< SA", 900_000, 700_001, 0)];
    let records = play(&[&HANDSHAKE[..], &close, &again].concat());
    let ends: Vec<_> = records.iter().map(|r| (r.state, r.end)).collect();
    assert_eq!(ends[0], (ConnState::Sf, EndReason::Reused));
    assert_eq!(ends.len(), 2);
    // Without a close, another sequence number tells.
    let records = play(&[&HANDSHAKE[..], &again].concat());
    assert_eq!(
        records.iter().map(|r| r.end).collect::<Vec<_>>(),
        [EndReason::Reused, EndReason::EndOfCapture]
    );
    // A late SYN-ACK does not.
    let records = play(&[&HANDSHAKE[..], &[("< SA", 0, 1, 0)]].concat());
    assert_eq!(records.len(), 1);
}

#[test]
fn a_closed_connection_waits_a_little_for_late_segments() {
    let lines = after_handshake(&[("> FA", 1, 1, 0), ("< FA", 1, 2, 0)]);
    let last = |seconds| {
        let mut all: Vec<Sent> = lines.iter().map(|line| sent([1, 2], line, 0.0)).collect();
        all.push(sent([1, 2], &("> A", 2, 2, 0), seconds));
        let ends = records(&FlowConfig::default(), &all);
        ends.iter().map(|r| (r.to_server.packets, r.end)).collect::<Vec<_>>()
    };
    assert_eq!(last(5.0), [(4, EndReason::EndOfCapture)]);
    assert_eq!(last(5.1)[0], (3, EndReason::Closed));
}

/// An unanswered SYN waits as long as a datagram would, an established connection longer.
#[test]
fn an_open_connection_may_be_silent_for_longer_than_an_attempt() {
    let count = |lines: &[Line], seconds: f64| {
        let mut all: Vec<Sent> = lines.iter().map(|line| sent([1, 2], line, 0.0)).collect();
        all.push(Sent::udp(seconds, (IpAddr::from([10, 0, 0, 1]), 9), (IpAddr::from([10, 0, 0, 2]), 9), b""));
        records(&FlowConfig::default(), &all).iter().filter(|r| r.end == EndReason::Idle).count()
    };
    assert_eq!((count(&HANDSHAKE[..1], 59.0), count(&HANDSHAKE[..1], 63.0)), (0, 1));
    assert_eq!((count(&HANDSHAKE, 63.0), count(&HANDSHAKE, 303.0)), (0, 1));
}

/// A RST's payload is a message to people and no part of the stream.
#[test]
fn a_reset_ends_it_and_carries_nothing() {
    assert_eq!(outcome(&after_handshake(&[("< R", 1, 0, 60)])).3, 0);
    let late = [&REQUEST[..], &[("> R", 101, 0, 0), ("< PA", 1001, 101, 500)]].concat();
    let (state, _, _, _) = outcome(&after_handshake(&late));
    assert_eq!(state, ConnState::Rsto);
}

#[test]
fn numbers_that_cannot_be_are_not_counted() {
    let outlandish = [("> R", 900_000_000, 0, 0)];
    assert_eq!(outcome(&after_handshake(&[&REQUEST[..], &outlandish].concat())).2, 100);
}

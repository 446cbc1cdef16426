//! When connections end or are reported, and why.

use std::time::Duration;

use watershed_model::EndReason;

use super::*;

fn client(port: u16) -> End {
    (CLIENT.0, port)
}

fn datagram(seconds: f64, port: u16) -> Sent {
    Sent::udp(seconds, client(port), SERVER, b"x")
}

fn ends(config: &FlowConfig, sent: &[Sent]) -> Vec<(u16, u64, EndReason)> {
    records(config, sent).iter().map(|r| (r.client.port, r.to_server.packets, r.end)).collect()
}

#[test]
fn silence_ends_a_flow_to_the_nanosecond() {
    let config = FlowConfig::default();
    let last = Timestamp::from_parts(60, 0);
    let again = |time| {
        let late = Sent { time, ..datagram(0.0, 1) };
        ends(&config, &[datagram(0.0, 1), late])
    };
    assert_eq!(again(last), [(1, 2, EndReason::EndOfCapture)]);
    let later = Timestamp::from_nanos(last.as_nanos() + 1);
    assert_eq!(again(later), [(1, 1, EndReason::Idle), (1, 1, EndReason::EndOfCapture)]);
}

#[test]
fn another_flow_s_packet_ends_the_silent_ones_in_order() {
    let sent = [datagram(0.0, 1), datagram(3.0, 2), datagram(5.0, 3), datagram(64.0, 4), datagram(100.0, 5)];
    let ends = ends(&FlowConfig::default(), &sent);
    let idle = |port| (port, 1, EndReason::Idle);
    assert_eq!(ends[..3], [idle(1), idle(2), idle(3)]);
    assert!(ends[3..].iter().all(|end| end.2 == EndReason::EndOfCapture));
}

#[test]
fn a_flow_that_goes_on_is_reported_in_parts() {
    let config = FlowConfig { active_report: Some(Duration::from_secs(10)), ..FlowConfig::default() };
    let sent: Vec<_> = (0..25).map(|second| datagram(f64::from(second), 1)).collect();
    let records = records(&config, &sent);
    let parts: Vec<_> = records.iter().map(|r| (r.part, r.to_server.packets, r.end)).collect();
    let active = |part| (part, 10, EndReason::Active);
    assert_eq!(parts, [active(0), active(1), (2, 5, EndReason::EndOfCapture)]);
    let times: Vec<_> =
        records.iter().map(|r| (r.first_seen.as_secs_f64(), r.last_seen.as_secs_f64())).collect();
    assert_eq!(times, [(0.0, 9.0), (10.0, 19.0), (20.0, 24.0)]);
}

/// The last moment of a flow's silence is not yet its end, and no time to report it either.
#[test]
fn a_flow_that_is_about_to_end_is_not_reported() {
    for active_report in [None, Some(Duration::from_secs(70))] {
        let config = FlowConfig { active_report, ..FlowConfig::default() };
        let sent = [datagram(0.0, 1), datagram(1.5, 1), datagram(40.0, 2), datagram(61.5, 3)];
        let records = records(&config, &sent);
        assert!(records.iter().all(|r| r.to_server.packets > 0), "{records:?}");
        let parts = records.iter().filter(|r| r.client.port == 1).count();
        assert_eq!(parts, 1, "{records:?}");
    }
}

/// What a report took stays known: a SYN that is sent again is no other connection.
#[test]
fn a_report_does_not_make_an_old_syn_a_new_one() {
    let config = FlowConfig { active_report: Some(Duration::from_secs(10)), ..FlowConfig::default() };
    let tcp = |seconds, flags, sequence, payload: &[u8]| {
        Sent::tcp(seconds, CLIENT, SERVER, Tcp { flags, sequence, acknowledgement: 1 }, payload)
    };
    let sent = [
        tcp(0.0, TcpFlags::SYN, 100, b""),
        tcp(1.0, TcpFlags::ACK, 101, b"hello"),
        tcp(11.0, TcpFlags::ACK, 106, b"again"),
        tcp(12.0, TcpFlags::SYN, 100, b""),
    ];
    let parts: Vec<_> = records(&config, &sent).iter().map(|r| (r.part, r.to_server.payload_bytes)).collect();
    assert_eq!(parts, [(0, 5), (1, 5)]);
}

#[test]
fn a_full_table_makes_room_and_says_so() {
    let config = FlowConfig { max_flows: 2, ..FlowConfig::default() };
    let sent = [datagram(0.0, 1), datagram(5.0, 2), datagram(10.0, 1), datagram(20.0, 3)];
    let table = followed(&config, &sent, 1);
    assert_eq!((table.open(), table.started(), table.evicted()), (2, 3, 1));
    let evicted = ends(&config, &sent).remove(0);
    assert_eq!(evicted, (2, 1, EndReason::Evicted), "the one that has been silent longest");
}

#[test]
fn the_end_ends_flows_in_the_order_in_which_they_began() {
    let sent = [datagram(0.0, 9), datagram(1.0, 5), datagram(2.0, 7), datagram(3.0, 9)];
    let ends: Vec<_> = ends(&FlowConfig::default(), &sent).iter().map(|end| end.0).collect();
    assert_eq!(ends, [9, 5, 7]);

    let mut table = followed(&FlowConfig::default(), &sent, 64);
    let mut steps = Vec::new();
    loop {
        let left = table.finish(2);
        steps.push(table.take_records().iter().map(|r| r.client.port).collect::<Vec<_>>());
        if !left {
            break;
        }
    }
    assert_eq!(steps, [vec![9, 5], vec![7]]);
    assert_eq!(table.open(), 0);
}

#[test]
fn a_packet_that_is_late_belongs_to_its_flow() {
    let sent = [datagram(10.0, 1), datagram(12.0, 1), datagram(9.0, 1)];
    let records = records(&FlowConfig::default(), &sent);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].to_server.packets, 3);
    assert_eq!((records[0].first_seen, records[0].last_seen), (sent[2].time, sent[1].time));
}

#[test]
fn a_connection_of_another_protocol_or_address_is_another_flow() {
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let syn = Tcp { flags: TcpFlags::SYN, sequence: 1, acknowledgement: 0 };
    let sent = [
        Sent::udp(0.0, CLIENT, SERVER, b"x"),
        Sent::tcp(0.0, CLIENT, SERVER, syn, b""),
        Sent::udp(0.0, (v6(1), 40_000), (v6(2), 443), b"x"),
        Sent::icmp(0.0, CLIENT.0, SERVER.0, 8, 0, b"ping"),
        Sent::ip(0.0, 47, CLIENT.0, SERVER.0, &[0x20; 3]),
    ];
    assert_eq!(records(&FlowConfig::default(), &sent).len(), 5);
}

//! Scanners are found, what they found open becomes no rule, and nobody else is taken for one.

use std::sync::Arc;

use watershed_model::{ConnState, Workload};

use super::*;
use crate::Graph;
use crate::testing::{icmp, snapshot, tcp, udp};

const SCANNER: &str = "10.0.0.66";

/// A scan of ports 1 to 30 of one host with two of them open.
fn port_scan() -> Vec<Edge> {
    let probe = |port| match port {
        22 => tcp(SCANNER, "10.0.0.2", port).half_open(),
        25 => tcp(SCANNER, "10.0.0.2", port).bare(),
        _ => tcp(SCANNER, "10.0.0.2", port).refused(),
    };
    (1..=30).map(|port| probe(port).build()).collect()
}

fn scans_and_accepted(edges: Vec<Edge>) -> (Vec<Scan>, Vec<String>) {
    let snapshot = snapshot(edges);
    let graph = Graph::of(&snapshot, &GraphConfig::default());
    (graph.scans().to_vec(), graph.accepted().map(|edge| edge.key.to_string()).collect())
}

#[test]
fn a_scanner_gets_no_rule_for_what_it_found_open() {
    let (scans, accepted) = scans_and_accepted(port_scan());
    assert_eq!(accepted, [""; 0]);

    let [scan] = scans.as_slice() else { panic!("one scan: {scans:?}") };
    assert_eq!((scan.kind, scan.port_ranges().as_str()), (ScanKind::PortScan, "1-30"));
    assert_eq!((scan.refused, scan.unanswered, scan.connections), (28, 0, 30));
    let open: Vec<_> = scan.open.iter().map(|(target, port)| format!("{target}:{port}")).collect();
    assert_eq!(open, ["10.0.0.2:22", "10.0.0.2:25"]);
}

#[test]
fn what_a_scanner_then_uses_needs_a_person_and_its_lookups_do_not() {
    let mut edges = port_scan();
    edges.push(tcp(SCANNER, "10.0.0.2", 80).build());
    edges.push(icmp(SCANNER, "10.0.0.2", 8).build());
    edges.push(udp(SCANNER, "10.0.0.53", 53).build());
    edges.push(udp(SCANNER, "10.0.0.2", 69).build());
    let silent = |port| udp(SCANNER, "10.0.0.2", port).traffic(1, 30, 0, 0).answered(0).build();
    edges.extend([161, 514].map(silent));
    let snapshot = snapshot(edges);
    let graph = Graph::of(&snapshot, &GraphConfig::default());

    let of = |protocol, port| {
        let found = graph.edges().find(|(e, _)| (e.key.protocol, e.key.port) == (protocol, port));
        *found.unwrap().1
    };
    assert_eq!(of(Protocol::TCP, 80), Verdict::NeedsPerson(Doubt::Scanner));
    assert_eq!(of(Protocol::ICMP, 8), Verdict::Probe);
    assert_eq!(of(Protocol::UDP, 53), Verdict::Accepted);
    assert_eq!(of(Protocol::UDP, 69), Verdict::NeedsPerson(Doubt::Scanner), "found by a UDP scan");
}

#[test]
fn a_sweep_is_found_even_if_every_host_answers() {
    let hosts = (1..=12).map(|n| tcp(SCANNER, &format!("10.0.1.{n}"), 22).bare().build());
    let (scans, accepted) = scans_and_accepted(hosts.collect());
    assert_eq!(accepted, [""; 0]);
    assert_eq!(
        scans.iter().map(|s| (s.kind, s.targets.len())).collect::<Vec<_>>(),
        [(ScanKind::HostSweep, 12)]
    );
}

#[test]
fn a_scanners_pings_are_a_sweep_even_if_all_are_answered() {
    let mut edges = port_scan();
    edges.extend((1..=9).map(|n| icmp(SCANNER, &format!("10.0.1.{n}"), 8).build()));
    let (scans, accepted) = scans_and_accepted(edges);
    assert_eq!(accepted, [""; 0]);
    assert_eq!(
        scans.iter().map(|s| (s.kind, s.targets.len())).collect::<Vec<_>>(),
        [(ScanKind::HostSweep, 9), (ScanKind::PortScan, 1)]
    );
}

#[test]
fn a_health_check_is_no_sweep() {
    let check = |n| {
        tcp("10.0.0.9", &format!("10.0.1.{n}"), 8080).edit(|edge| {
            edge.connections = 20;
            edge.answered = 20;
            edge.to_server = watershed_model::EdgeTraffic { packets: 60, ip_bytes: 60 * 52 };
            edge.to_client = watershed_model::EdgeTraffic { packets: 20, ip_bytes: 20 * 60 };
        })
    };
    let (scans, accepted) = scans_and_accepted((1..=12).map(|n| check(n).build()).collect());
    assert_eq!((scans.len(), accepted.len()), (0, 12));
}

#[test]
fn a_client_whose_servers_are_partly_down_is_no_scanner() {
    let mut edges: Vec<_> =
        (1..=9).map(|n| tcp("10.0.0.9", &format!("10.0.1.{n}"), 9100).refused().build()).collect();
    edges.extend((1..=30).map(|n| tcp("10.0.0.9", &format!("10.0.2.{n}"), 9100).build()));
    let (scans, accepted) = scans_and_accepted(edges);
    assert_eq!(scans.iter().map(|s| (s.kind, s.refused)).collect::<Vec<_>>(), [(ScanKind::Probe, 9)]);
    assert_eq!(accepted.len(), 30);
}

#[test]
fn strangers_behind_one_network_entry_are_judged_one_by_one() {
    let internet = Party::Workload(Arc::new(Workload {
        kind: WorkloadKind::Network,
        name: "internet".to_owned(),
        ..Workload::default()
    }));
    let from = |edge: crate::testing::Builder, addresses: &[&str]| {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        edge.edit(|edge| (edge.key.client, edge.client_addresses) = (internet.clone(), addresses)).build()
    };
    let mut edges: Vec<_> =
        (1..=30).map(|port| from(tcp(SCANNER, "10.0.0.2", port).refused(), &["203.0.113.66"])).collect();
    edges.push(from(tcp(SCANNER, "10.0.0.2", 443), &["203.0.113.5", "203.0.113.66"]));
    let (scans, accepted) = scans_and_accepted(edges);

    assert_eq!(
        scans.iter().map(|s| (s.source.to_string(), s.kind)).collect::<Vec<_>>(),
        [("203.0.113.66".to_owned(), ScanKind::PortScan)]
    );
    assert_eq!(accepted, ["internet -> 10.0.0.2 tcp/443"]);
}

#[test]
fn one_source_that_scans_a_network_entry_sweeps_its_hosts() {
    let office = Workload { kind: WorkloadKind::Network, name: "office".to_owned(), ..Workload::default() };
    let edge = tcp(SCANNER, "10.9.0.1", 445).unanswered().edit(|edge| {
        edge.key.server = Party::Workload(Arc::new(office));
        edge.server_addresses = (1..=20).map(|n| IpAddr::from([10, 9, 0, n])).collect();
        edge.connections = 20;
    });
    let (scans, _) = scans_and_accepted(vec![edge.build()]);
    assert_eq!(
        scans.iter().map(|s| (s.kind, s.targets.len())).collect::<Vec<_>>(),
        [(ScanKind::HostSweep, 20)]
    );
}

#[test]
fn ports_join_up_to_the_last() {
    let mut scan = Scan::starting((Party::Address([10, 0, 0, 1].into()), Protocol::TCP), &port_scan()[0]);
    scan.ports = [0, 1, 2, 22, 80, 81, 65_535].into();
    assert_eq!(scan.port_ranges(), "0-2,22,80-81,65535");
}

#[test]
fn a_request_is_data_however_small() {
    let small = tcp("10.0.0.1", "10.0.0.2", 443).bare().edit(|edge| edge.answered = 1);
    assert!(is_bare(&small.build()));
    let hello = tcp("10.0.0.1", "10.0.0.2", 443)
        .bare()
        .with(ConnState::Sf, Evidence::SYN | Evidence::TLS_CLIENT_HELLO);
    assert!(!is_bare(&hello.build()));
}

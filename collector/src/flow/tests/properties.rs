//! What holds whatever the packets are: agreement with the reference, conservation, and independence of
//! batches and of the hash.

use proptest::prelude::*;
use watershed_model::{ConnState, EndReason};

use super::reference::{Reference, hasty, packets, summary};
use super::*;

/// Seconds between packets: mostly none, at times past one timeout or all of them.
const FORWARD: &[f64] = &[0.0, 0.0, 0.001, 0.5, 1.0, 1.5, 4.0, 9.0, 1100.0];
/// The same on interfaces whose clocks differ.
const UNORDERED: &[f64] = &[0.0, 0.001, 0.5, 1.5, 4.0, -0.3, -2.0, -9.0];

fn expected(config: &FlowConfig, sent: &[Sent]) -> Vec<String> {
    let mut reference = Reference::new(config);
    let mut decoder = Decoder::new(&DecodeConfig::default());
    for Sent { time, bytes } in sent {
        let mut segments = Segments::default();
        let (time, link, interface) = (*time, LinkType::RAW, InterfaceId(0));
        decoder.decode(&Packet { time, link, interface, wire_length: 0, data: bytes }, &mut segments);
        reference.observe(&segments);
    }
    reference.finish();
    reference.summaries
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// Records with packets: the last part of a connection that was reported may have none.
fn summaries(records: &[FlowRecord]) -> Vec<String> {
    let with_packets = records.iter().filter(|r| r.to_server.packets + r.to_client.packets > 0);
    with_packets.map(summary).collect()
}

fn all_records(mut table: FlowTable) -> Vec<FlowRecord> {
    while table.finish(3) {}
    table.take_records()
}

fn configs() -> impl Strategy<Value = FlowConfig> {
    (prop::option::of(2..6_u64), 1..8_usize).prop_map(|(report, max_flows)| hasty(report, max_flows))
}

proptest! {
    #![proptest_config(crate::testing::seeded(400))]

    #[test]
    fn a_naive_table_has_the_same_records(sent in packets(FORWARD, 150), report in prop::option::of(2..6_u64)) {
        let config = hasty(report, usize::MAX);
        let found = summaries(&all_records(followed(&config, &sent, 64)));
        prop_assert_eq!(sorted(found), sorted(expected(&config, &sent)));
    }

    #[test]
    fn every_packet_is_in_one_record(sent in packets(UNORDERED, 150), config in configs()) {
        let table = followed(&config, &sent, 64);
        prop_assert!(table.open() <= config.max_flows);
        let (started, evicted) = (table.started(), table.evicted());
        let records = all_records(table);
        let sides = || records.iter().flat_map(|r| [r.to_server, r.to_client]);
        prop_assert_eq!(sides().map(|side| side.packets).sum::<u64>(), sent.len() as u64);
        let octets: usize = sent.iter().map(|packet| packet.bytes.len()).sum();
        prop_assert_eq!(sides().map(|side| side.ip_bytes).sum::<u64>(), octets as u64);
        let count = |reason| records.iter().filter(|r| r.end == reason).count() as u64;
        prop_assert_eq!(count(EndReason::Evicted), evicted);
        prop_assert_eq!(records.len() as u64 - count(EndReason::Active), started, "each connection ends once");
        prop_assert!(records.iter().all(|r| r.first_seen <= r.last_seen));
    }

    #[test]
    fn neither_batches_nor_the_hash_change_a_record(
        sent in packets(UNORDERED, 150),
        config in configs(),
        at_a_time in 1..65_usize,
        hash_key in any::<u64>(),
    ) {
        let whole = all_records(followed(&config, &sent, 64));
        prop_assert_eq!(&all_records(followed(&config, &sent, at_a_time)), &whole);
        let rehashed = FlowConfig { hash_key, ..config };
        prop_assert_eq!(&all_records(followed(&rehashed, &sent, 64)), &whole);
    }

    #[test]
    fn copies_on_other_interfaces_change_no_record(
        sent in packets(FORWARD, 150),
        report in prop::option::of(2..6_u64),
    ) {
        let config = hasty(report, usize::MAX);
        let packets: Vec<_> = sent.iter().map(|packet| (1, packet)).collect();
        let copied: Vec<_> = sent.iter().flat_map(|packet| [(1, packet), (2, packet)]).collect();
        let (mut once, mut twice) = (tapped(&config, &packets), tapped(&config, &copied));
        prop_assert_eq!(twice.started(), once.started());
        prop_assert_eq!((once.repeated(), twice.repeated()), (0, sent.len() as u64));
        while once.finish(3) {}
        while twice.finish(3) {}
        prop_assert_eq!(twice.take_records(), once.take_records());
    }
}

/// Interfaces are read in turn, so that one may show a whole connection before the next begins to.
#[test]
fn a_connection_that_is_read_again_from_another_interface_is_the_same_one() {
    let [client, server] = [(1, 40_000), (2, 80)].map(|(last, port)| (IpAddr::from([10, 0, 0, last]), port));
    let tcp = |flags, sequence, acknowledgement| Tcp { flags, sequence, acknowledgement };
    let (syn, ack, fin) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN);
    let sent = [
        Sent::tcp(0.0, client, server, tcp(syn, 100, 0), b""),
        Sent::tcp(0.1, server, client, tcp(syn | ack, 500, 101), b""),
        Sent::tcp(0.2, client, server, tcp(ack, 101, 501), b"hello"),
        Sent::tcp(0.3, server, client, tcp(fin | ack, 501, 106), b""),
        Sent::tcp(0.4, client, server, tcp(fin | ack, 106, 502), b""),
    ];
    let once: Vec<_> = sent.iter().map(|packet| (1, packet)).collect();
    let again: Vec<_> = once.iter().copied().chain(sent.iter().map(|packet| (2, packet))).collect();
    let records = [once, again].map(|packets| all_records(tapped(&FlowConfig::default(), &packets)));
    assert_eq!((records[0].len(), &records[0]), (1, &records[1]));
    assert_eq!((records[0][0].state, records[0][0].to_server.payload_bytes), (ConnState::Sf, 5));
}

/// A table that has followed these packets, each on its interface.
fn tapped(config: &FlowConfig, sent: &[(u32, &Sent)]) -> FlowTable {
    let mut table = FlowTable::new(config.clone());
    let mut decoder = Decoder::new(&DecodeConfig::default());
    for (interface, Sent { time, bytes }) in sent {
        let mut segments = Segments::default();
        let (time, link, interface) = (*time, LinkType::RAW, InterfaceId(*interface));
        decoder.decode(&Packet { time, link, interface, wire_length: 0, data: bytes }, &mut segments);
        table.observe(&segments);
    }
    table
}

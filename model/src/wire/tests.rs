//! Batches come back as they were, damage is an error, and docs/wire.proto says what is done.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use prost::Message as _;

use super::*;
use crate::{
    Batch, ConnState, Counters, Encapsulation, EndReason, Endpoint, Evidence, EvidenceCounts, FlowRecord,
    History, InterfaceId, Listener, NameHints, NameObservation, Owner, Protocol, StateCounts, Summary,
    TcpFlags, Traffic, Tunnel, TunnelKind,
};

const ENDS: [EndReason; 6] = [
    EndReason::Closed,
    EndReason::Idle,
    EndReason::Active,
    EndReason::Reused,
    EndReason::Evicted,
    EndReason::EndOfCapture,
];

const KINDS: [TunnelKind; 9] = [
    TunnelKind::Vxlan,
    TunnelKind::Geneve,
    TunnelKind::Gre,
    TunnelKind::Erspan,
    TunnelKind::Ipip,
    TunnelKind::SixInFour,
    TunnelKind::Teredo,
    TunnelKind::Gtpu,
    TunnelKind::Ayiya,
];

fn addresses() -> impl Strategy<Value = std::net::IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn times() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_nanos)
}

fn texts() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of("\\PC{0,40}".prop_map(String::into_boxed_str))
}

fn sides() -> impl Strategy<Value = Traffic> {
    (any::<[u64; 3]>(), any::<u32>(), any::<u8>()).prop_map(|(counts, retransmissions, flags)| Traffic {
        packets: counts[0],
        ip_bytes: counts[1],
        payload_bytes: counts[2],
        retransmissions,
        flags: TcpFlags::from_bits_retain(flags),
    })
}

fn wrappings() -> impl Strategy<Value = Encapsulation> {
    let tunnel = (0..KINDS.len(), addresses(), addresses(), any::<Option<u32>>());
    let tunnel = tunnel.prop_map(|(kind, source, destination, id)| Tunnel {
        kind: KINDS[kind],
        source,
        destination,
        id,
    });
    let tags = prop::collection::vec(any::<u16>(), 0..4);
    (tags, prop::collection::vec(any::<u32>(), 0..4), prop::collection::vec(tunnel, 0..4))
        .prop_map(|(vlans, mpls, tunnels)| Encapsulation { vlans, mpls, tunnels })
}

fn single_records() -> impl Strategy<Value = FlowRecord> {
    let ends = (addresses(), any::<u16>(), addresses(), any::<u16>(), any::<u8>());
    let seen = (times(), times(), any::<Option<u64>>(), "[A-Za-z^]{0,23}");
    let names = prop::option::of((texts(), texts(), texts()));
    let rest = (0_usize..13, 0..ENDS.len(), any::<[u32; 3]>(), names, prop::option::of(wrappings()));
    (ends, seen, sides(), sides(), rest).prop_map(|(ends, seen, to_server, to_client, rest)| FlowRecord {
        client: Endpoint { address: ends.0, port: ends.1 },
        server: Endpoint { address: ends.2, port: ends.3 },
        protocol: Protocol(ends.4),
        first_seen: seen.0,
        last_seen: seen.1,
        to_server,
        to_client,
        state: ConnState::ALL[rest.0],
        history: History::from(seen.3.as_str()),
        handshake_rtt: seen.2.map(Duration::from_nanos),
        evidence: Evidence::from_bits_truncate(rest.2[0]),
        names: rest.3.map(|(tls_server_name, http_host, dns_query)| {
            Box::new(NameHints { tls_server_name, http_host, dns_query })
        }),
        encapsulation: rest.4.map(Box::new),
        interface: InterfaceId(rest.2[1]),
        summary: None,
        part: rest.2[2],
        end: ENDS[rest.1],
    })
}

/// Records of which some stand for several connections.
fn records() -> impl Strategy<Value = FlowRecord> {
    (single_records(), prop::option::of(summaries()))
        .prop_map(|(record, summary)| FlowRecord { summary: summary.map(Box::new), ..record })
}

fn summaries() -> impl Strategy<Value = Summary> {
    (any::<[u64; 2]>(), any::<[u64; 13]>(), any::<[u32; Evidence::COUNT]>()).prop_map(
        |([connections, answered], ended, seen)| {
            let (mut states, mut evidence) = (StateCounts::default(), EvidenceCounts::default());
            ConnState::ALL.into_iter().zip(ended).for_each(|(state, count)| states.add_many(state, count));
            Evidence::all().iter().zip(seen).for_each(|(flag, count)| evidence.add_many(flag, count));
            Summary { connections, answered, states, evidence }
        },
    )
}

fn observations() -> impl Strategy<Value = NameObservation> {
    let parts = (times(), addresses(), "\\PC{0,40}", addresses(), any::<u64>());
    parts.prop_map(|(seen, client, name, address, ttl)| NameObservation {
        seen,
        client,
        name: name.into(),
        address,
        ttl: Duration::from_nanos(ttl),
    })
}

fn listeners() -> impl Strategy<Value = Listener> {
    let end = (addresses(), any::<u8>(), any::<u16>());
    let owner = prop::option::of(("\\PC{0,15}", texts()));
    (end, times(), times(), any::<u32>(), owner).prop_map(|(end, first_seen, last_seen, user, owner)| {
        let owner = owner.map(|(process, unit)| Owner { process: process.into(), unit });
        Listener {
            address: end.0,
            protocol: Protocol(end.1),
            port: end.2,
            first_seen,
            last_seen,
            user,
            owner,
        }
    })
}

fn counters() -> impl Strategy<Value = Counters> {
    (any::<[u64; 21]>(), any::<[u64; 10]>(), any::<u64>()).prop_map(|(all, skipped, refused)| Counters {
        packets: all[0],
        captured_bytes: all[1],
        in_flows: all[2],
        skipped,
        refused: [refused],
        kernel_dropped: all[3],
        snapped: all[4],
        reassembled: all[5],
        flows_started: all[6],
        flows_evicted: all[7],
        records: all[8],
        names: all[9],
        names_limited: all[10],
        batches_dropped: all[11],
        records_dropped: all[12],
        names_dropped: all[13],
        spooled_bytes: all[14],
        repeated: all[15],
        summarized: all[16],
        summaries_cut: all[17],
        kernel_received: all[18],
        interfaces: all[19],
        interfaces_away: all[20],
    })
}

fn batches() -> impl Strategy<Value = Batch> {
    let lists = (
        prop::collection::vec(records(), 0..5),
        prop::collection::vec(observations(), 0..5),
        prop::collection::vec(listeners(), 0..5),
    );
    ("\\PC{1,30}", times(), any::<u64>(), times(), lists, counters()).prop_map(
        |(agent, started, sequence, now, (records, names, listeners), counters)| Batch {
            agent: AgentId::from(agent.as_str()),
            started,
            sequence,
            now,
            records,
            names,
            listeners,
            counters,
        },
    )
}

fn seeded(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() }
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn batches_come_back_as_they_were(batch in batches()) {
        let bytes = encode(&batch);
        let named = Head { agent: batch.agent.clone(), started: batch.started, sequence: batch.sequence };
        prop_assert_eq!(head(&bytes), Ok(named));
        prop_assert_eq!(decode(&bytes), Ok(batch));
    }

    #[test]
    fn any_octets_are_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (decode(&bytes), head(&bytes));
    }

    #[test]
    fn damage_is_a_batch_or_an_error(batch in batches(), place in any::<prop::sample::Index>(), octet: u8) {
        let mut bytes = encode(&batch);
        let place = place.index(bytes.len());
        bytes[place] = octet;
        let _ = (decode(&bytes), head(&bytes));
        let _ = decode(&bytes[..place]);
    }

    #[test]
    fn parts_fit_and_lose_nothing(
        records in prop::collection::vec(records(), 1..20),
        names in prop::collection::vec(observations(), 1..20),
        listeners in prop::collection::vec(listeners(), 1..20),
        times in 1_usize..700,
    ) {
        let all: Vec<_> = records.iter().cycle().take(records.len() * times).cloned().collect();
        let listeners: Vec<_> = listeners.iter().cycle().take(listeners.len() * times).cloned().collect();
        let whole = Part { records: all, names, listeners };
        let mut batch = smallest();
        let mut together = Part::default();
        for part in cut(whole.clone()) {
            Part { records: batch.records, names: batch.names, listeners: batch.listeners } = part;
            batch.counters = Counters { packets: u64::MAX, skipped: [u64::MAX; 10], ..Counters::default() };
            prop_assert!(encode(&batch).len() <= MAX_BYTES);
            together.records.append(&mut batch.records);
            together.names.append(&mut batch.names);
            together.listeners.append(&mut batch.listeners);
        }
        prop_assert_eq!(together, whole);
    }
}

fn smallest() -> Batch {
    Batch {
        agent: AgentId::from("a"),
        started: Timestamp::from_nanos(1),
        sequence: 2,
        now: Timestamp::from_nanos(3),
        records: Vec::new(),
        names: Vec::new(),
        listeners: Vec::new(),
        counters: Counters::default(),
    }
}

fn record() -> FlowRecord {
    let end = Endpoint { address: Ipv4Addr::LOCALHOST.into(), port: 1 };
    FlowRecord {
        client: end,
        server: end,
        protocol: Protocol::TCP,
        first_seen: Timestamp::default(),
        last_seen: Timestamp::default(),
        to_server: Traffic::default(),
        to_client: Traffic::default(),
        state: ConnState::Sf,
        history: History::default(),
        handshake_rtt: None,
        evidence: Evidence::empty(),
        names: None,
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Closed,
        summary: None,
    }
}

/// What an agent of version 1 wrote stays readable: these octets never change.
#[test]
fn the_first_version_stays_readable() {
    let mut batch = smallest();
    batch.counters = Counters { packets: 5, ..Counters::default() };
    batch.names.push(NameObservation {
        seen: Timestamp::from_nanos(2),
        client: Ipv4Addr::new(10, 0, 0, 1).into(),
        name: "db".into(),
        address: Ipv4Addr::new(10, 0, 0, 2).into(),
        ttl: Duration::from_nanos(7),
    });
    let octets = "0801120161190100000000000000200229030000000000000032110805220a0000\
                  00000000000000002a01004214080212040a0000011a02646222040a0000022807";
    let written: String = encode(&batch).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(written, octets);
}

/// The same of what was added since: a reader of then passes over it, and reads the rest as it was.
#[test]
fn what_an_agent_tells_of_its_interfaces_stays_readable() {
    let mut batch = smallest();
    batch.counters =
        Counters { packets: 5, kernel_received: 7, interfaces: 2, interfaces_away: 1, ..Counters::default() };
    let octets = "08011201611901000000000000002002290300000000000000321a0805220a0000\
                  00000000000000002a0100a80107b00102b80101";
    let written: String = encode(&batch).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(written, octets);
    let older = Younger::decode(encode(&batch).as_slice()).unwrap();
    assert_eq!((older.version, older.agent.as_str()), (PLAIN_VERSION, "a"));
}

#[test]
fn what_an_agent_tells_of_who_listens_stays_readable() {
    let mut batch = smallest();
    let owner = Owner { process: "nginx".into(), unit: Some("web.service".into()) };
    let known = Listener {
        address: Ipv4Addr::new(10, 0, 0, 2).into(),
        protocol: Protocol::TCP,
        port: 443,
        first_seen: Timestamp::from_nanos(1),
        last_seen: Timestamp::from_nanos(3),
        user: 33,
        owner: Some(owner),
    };
    let unknown = Listener { owner: None, user: 0, ..known.clone() };
    batch.listeners = vec![known, unknown];
    let octets = "08011201611901000000000000002002290300000000000000320f220a000000000000000000002a01004a250a040a00\
                  0002100618bb032004280430213a056e67696e78420b7765622e736572766963654a0f0a040a000002100618bb0320042804";
    let written: String = encode(&batch).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(written, octets);
    let older = Younger::decode(encode(&batch).as_slice()).unwrap();
    assert_eq!((older.version, older.agent.as_str()), (PLAIN_VERSION, "a"));
}

/// A batch as a later minor version writes it: with fields that this one does not know.
#[derive(Clone, PartialEq, prost::Message)]
struct Younger {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    agent: String,
    #[prost(message, optional, tag = "6")]
    counters: Option<YoungerCounters>,
    #[prost(string, tag = "100")]
    region: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct YoungerCounters {
    #[prost(uint64, repeated, tag = "4")]
    skipped: Vec<u64>,
    #[prost(double, tag = "200")]
    temperature: f64,
}

fn younger(version: u32) -> Younger {
    let counters = YoungerCounters { skipped: vec![1; 12], temperature: 36.6 };
    Younger { version, agent: "a".into(), counters: Some(counters), region: "eu".into() }
}

#[test]
fn old_readers_pass_over_new_fields_and_keep_new_losses() {
    let batch = decode(&younger(VERSION).encode_to_vec()).unwrap();
    assert_eq!(batch.agent, AgentId::from("a"));
    assert_eq!(batch.counters.skipped.iter().sum::<u64>(), 12, "two reasons are not known here");
}

#[test]
fn new_readers_read_what_old_writers_left_out() {
    let read = Younger::decode(encode(&smallest()).as_slice()).unwrap();
    assert_eq!((read.version, read.agent.as_str(), read.region.as_str()), (PLAIN_VERSION, "a", ""));
}

/// A reader of the first version would count a summary as one connection: it must refuse the batch.
#[test]
fn batches_with_summaries_are_of_the_second_version() {
    let mut batch = smallest();
    batch.records.push(FlowRecord { summary: Some(Box::default()), ..record() });
    assert_eq!(Younger::decode(encode(&batch).as_slice()).unwrap().version, VERSION);
    batch.records.iter_mut().for_each(|record| record.summary = None);
    assert_eq!(Younger::decode(encode(&batch).as_slice()).unwrap().version, PLAIN_VERSION);
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let found = VERSION + 1;
    for mut bytes in [younger(found).encode_to_vec(), encode(&smallest())] {
        bytes[1] = found as u8;
        assert_eq!(decode(&bytes), Err(WireError::Version { found }));
        assert_eq!(head(&bytes), Err(WireError::Version { found }));
        // Records of another type than today's, too.
        bytes.extend([7 << 3, 1]);
        assert_eq!(decode(&bytes), Err(WireError::Version { found }));
    }
    assert_eq!(decode(&[]), Err(WireError::Version { found: 0 }));
}

#[test]
fn limits_are_kept_before_memory_is_taken() {
    assert_eq!(decode(&vec![0; MAX_BYTES + 1]), Err(WireError::TooLarge { bytes: MAX_BYTES + 1 }));
    let mut bytes = encode(&smallest());
    bytes.extend([7 << 3 | 2, 0].repeat(MAX_ITEMS + 1));
    assert_eq!(decode(&bytes), Err(WireError::TooMany { items: "records", count: MAX_ITEMS + 1 }));
    let mut batch = smallest();
    batch.agent = AgentId::from("a".repeat(MAX_STRING + 1).as_str());
    assert_eq!(decode(&encode(&batch)), Err(WireError::TooLong { field: "agent", bytes: MAX_STRING + 1 }));
}

/// `message`, number, label and type, and name of every field in docs/wire.proto.
fn documented() -> Vec<String> {
    let mut message = "";
    let mut fields = Vec::new();
    for line in include_str!("../../../docs/wire.proto").lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("message ") {
            message = name.trim_end_matches(" {");
        } else if let Some((field, number)) = line.strip_suffix(';').and_then(|line| line.split_once(" = "))
            && number.parse::<u32>().is_ok()
        {
            fields.push(format!("{message} {number} {field}"));
        }
    }
    fields.sort();
    fields
}

/// The same of the message types, from their source.
fn implemented() -> Vec<String> {
    let (mut message, mut attribute) = ("", String::new());
    let mut fields = Vec::new();
    for line in include_str!("proto.rs").lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pub(super) struct ") {
            message = name.trim_end_matches(" {");
        } else if let Some(inside) = line.strip_prefix("#[prost(") {
            attribute = inside.replace(" = \"vec\"", "").replace(['"', ')', ']'], "");
        } else if let Some((name, rust)) = line.strip_prefix("pub(super) ").and_then(|it| it.split_once(": "))
        {
            let (kinds, number) = attribute.split_once("tag = ").unwrap();
            let mut kinds = kinds.split(", ").filter(|kind| !kind.is_empty());
            let kind = kinds.next().unwrap();
            let inner = rust.trim_end_matches([',', '>']).rsplit('<').next().unwrap();
            let kind = if kind == "message" { inner } else { kind };
            let label = kinds.next().map_or(String::new(), |label| format!("{label} "));
            fields.push(format!("{message} {number} {label}{kind} {name}"));
        }
    }
    fields.retain(|field| !field.starts_with("Head ") && !field.starts_with("Frame "));
    fields.sort();
    fields
}

/// A message field may always be left out, so `optional` says nothing of it.
#[test]
fn the_documentation_is_what_is_done() {
    let plain = |fields: Vec<String>| -> Vec<String> {
        let message = |field: &str| field.contains("optional ") && field.contains(|c: char| c.is_uppercase());
        let strip = |field: String| match field.split_once(" optional ") {
            Some((place, rest)) if message(&format!("optional {rest}")) => format!("{place} {rest}"),
            _ => field,
        };
        fields.into_iter().map(strip).collect()
    };
    let (documented, implemented) = (plain(documented()), plain(implemented()));
    assert!(documented.len() > 60, "{documented:#?}");
    assert_eq!(documented, implemented);
}

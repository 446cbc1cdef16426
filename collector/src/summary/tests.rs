//! When summaries are written, and what is in them.

use watershed_model::{ConnState, InterfaceId};

use super::*;

/// A connection of `client` from `second` on, one second long, answered.
fn connection(client: u8, port: u16, second: i64) -> FlowRecord {
    let traffic = Traffic { packets: 3, ip_bytes: 200, payload_bytes: 50, ..Traffic::default() };
    FlowRecord {
        client: Endpoint { address: [10, 0, 0, client].into(), port },
        server: Endpoint { address: [10, 0, 1, 1].into(), port: 53 },
        protocol: Protocol::UDP,
        first_seen: Timestamp::from_parts(second, 0),
        last_seen: Timestamp::from_parts(second + 1, 0),
        to_server: traffic,
        to_client: traffic,
        state: ConnState::Sf,
        history: History::from("Dd"),
        handshake_rtt: None,
        evidence: Evidence::FIRST_PACKET | Evidence::SERVER_REPLIED,
        names: Some(Box::new(NameHints { dns_query: Some("db.example".into()), ..NameHints::default() })),
        encapsulation: None,
        interface: InterfaceId(0),
        part: 0,
        end: EndReason::Idle,
        summary: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_parts(second, 0)
}

fn summaries(max: usize) -> Summaries {
    Summaries::new(SummaryConfig { every: Duration::from_secs(60), max })
}

#[test]
fn connections_of_a_client_to_a_service_are_one_record_an_interval() {
    let mut summaries = summaries(9);
    let records = vec![connection(1, 4000, 10), connection(1, 4001, 20), connection(2, 4000, 30)];
    assert_eq!(summaries.add(records, at(40)), []);
    assert_eq!(summaries.add(Vec::new(), at(99)), []);
    let due = summaries.add(vec![connection(1, 4002, 98)], at(100));
    let told = |record: &FlowRecord| {
        let summary = record.summary.clone().expect("a summary");
        (record.client.to_string(), summary.connections, summary.answered, record.to_server.packets)
    };
    assert_eq!(
        due.iter().map(told).collect::<Vec<_>>(),
        [("10.0.0.1:0".to_owned(), 3, 3, 9), ("10.0.0.2:0".to_owned(), 1, 1, 3)]
    );
    assert_eq!((due[0].first_seen, due[0].last_seen), (at(10), at(99)));
    assert_eq!(due[0].names, None, "what was asked of a server is no name of it");
    assert_eq!((summaries.summarized(), summaries.cut(), summaries.take().len()), (4, 0, 0));
}

#[test]
fn hours_names_and_pings_stay_apart() {
    let mut summaries = summaries(9);
    let named = NameHints { tls_server_name: Some("a.example".into()), ..NameHints::default() };
    let echo = |kind| FlowRecord { protocol: Protocol::ICMP, ..connection(1, kind, 10) };
    summaries.add(
        vec![
            connection(1, 4000, 10),
            connection(1, 4001, 3_599),
            connection(1, 4002, 3_600),
            FlowRecord { names: Some(Box::new(named)), ..connection(1, 4003, 10) },
            echo(8),
            echo(13),
            echo(8),
        ],
        at(3_700),
    );
    let counts: Vec<_> =
        summaries.take().iter().map(|it| it.summary.as_ref().map(|s| s.connections)).collect();
    assert_eq!(counts, [1, 1, 1, 1, 2, 1].map(Some));
}

#[test]
fn parts_of_a_connection_are_one_connection() {
    let part = |part, end| FlowRecord { part, end, ..connection(1, 4000, 10) };
    let mut summaries = summaries(9);
    let parts = vec![part(0, EndReason::Active), part(1, EndReason::Active), part(2, EndReason::Idle)];
    summaries.add(parts, at(20));
    let [record] = summaries.take().try_into().expect("one summary");
    let summary = record.summary.expect("a summary");
    assert_eq!((summary.connections, summary.answered, record.to_server.packets), (1, 1, 9));
    assert_eq!(summary.states.iter().collect::<Vec<_>>(), [(ConnState::Sf, 1)]);
    assert_eq!(summary.evidence.of(Evidence::FIRST_PACKET), 1);
}

#[test]
fn too_many_summaries_are_written_early_and_counted() {
    let mut summaries = summaries(2);
    let written = summaries.add((0..5).map(|client| connection(client, 4000, 10)).collect(), at(11));
    assert_eq!((written.len(), summaries.cut(), summaries.summarized()), (4, 4, 5));
    assert_eq!(summaries.take().len(), 1);
}

//! Connections as they are captured: in pieces, out of order, from the middle, from either side.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::names::dns::tests::{announcement, query, response};
use crate::names::quic::tests::client_initial;
use crate::names::tls::tests::{hello, records};

struct Connection {
    reader: NameReader,
    findings: Findings,
    gathered: Gathered,
}

impl Connection {
    fn new(protocol: Protocol, port_b: u16) -> Self {
        let reader = NameReader::for_flow(protocol, 40_000, port_b).expect("a reader");
        Self { reader, findings: Findings::default(), gathered: Gathered::default() }
    }

    fn tcp() -> Self {
        Self::new(Protocol::TCP, 443)
    }

    fn read(&mut self, from: Side, offset: u32, bytes: &[u8]) -> Progress {
        let destination = match from {
            Side::A => IpAddr::from([192, 0, 2, 2]),
            Side::B => IpAddr::from([192, 0, 2, 1]),
        };
        self.read_to(from, offset, bytes, destination)
    }

    fn read_to(&mut self, from: Side, offset: u32, bytes: &[u8], destination: IpAddr) -> Progress {
        let time = Timestamp::from_parts(1, 0);
        self.read_payload(&Payload { from, offset, bytes, cut: false, time, destination })
    }

    fn read_cut(&mut self, from: Side, offset: u32, bytes: &[u8]) -> Progress {
        let (time, destination) = (Timestamp::from_parts(1, 0), IpAddr::from([192, 0, 2, 2]));
        self.read_payload(&Payload { from, offset, bytes, cut: true, time, destination })
    }

    fn read_payload(&mut self, payload: &Payload<'_>) -> Progress {
        self.reader.read(payload, &mut self.findings, &mut self.gathered)
    }

    fn tls_name(&self) -> Option<&str> {
        self.findings.hints.tls_server_name.as_deref()
    }

    fn http_host(&self) -> Option<&str> {
        self.findings.hints.http_host.as_deref()
    }
}

fn tls_stream() -> Vec<u8> {
    records(&hello(Some(b"shop.example")), 1 << 14)
}

#[test]
fn a_hello_in_one_segment_is_done_at_once() {
    let mut connection = Connection::tcp();
    assert_eq!(connection.read(Side::B, 0, &tls_stream()), Progress::Done);
    assert_eq!(connection.tls_name(), Some("shop.example"));
    assert_eq!(connection.findings.evidence_for(Side::B), Evidence::TLS_CLIENT_HELLO);
    assert_eq!(connection.findings.evidence_for(Side::A), Evidence::empty());
}

#[test]
fn a_hello_cut_by_the_snap_length_is_still_evidence() {
    let mut connection = Connection::tcp();
    assert_eq!(connection.read_cut(Side::A, 0, &tls_stream()[..30]), Progress::Done);
    assert_eq!(connection.findings.evidence_for(Side::A), Evidence::TLS_CLIENT_HELLO);
    assert_eq!(connection.tls_name(), None);
}

#[test]
fn a_cut_segment_of_one_side_leaves_the_other_to_be_read() {
    let mut connection = Connection::tcp();
    assert_eq!(connection.read_cut(Side::B, 0, b"HTTP/1.1 200 OK\r\n"), Progress::More);
    assert_eq!(connection.read_cut(Side::A, 1000, b"what a cut request has behind it"), Progress::More);
    assert_eq!(connection.read(Side::A, 0, b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"), Progress::Done);
    assert_eq!(connection.http_host(), Some("shop.example"));

    let message = response("shop.example", [192, 0, 2, 9], 60);
    let stream = [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat();
    let mut connection = Connection::new(Protocol::TCP, 53);
    assert_eq!(connection.read_cut(Side::A, 0, &stream[..20]), Progress::More);
    assert_eq!(connection.read_cut(Side::B, 0, &[&stream[..], &stream[..20]].concat()), Progress::Done);
    assert_eq!(connection.gathered.observations.len(), 1, "what is whole before the cut is read");
    assert_eq!(connection.gathered.limited, 0);
}

#[test]
fn other_protocols_are_left_alone_once_both_sides_have_spoken() {
    let mut connection = Connection::tcp();
    assert_eq!(connection.read(Side::B, 0, b"220 mail.example ESMTP\r\n"), Progress::More);
    assert_eq!(connection.read(Side::A, 0, b"EHLO a.example\r\n"), Progress::Done);
    assert!(connection.findings.is_empty());
}

#[test]
fn a_keep_alive_probe_before_the_stream_is_no_part_of_it() {
    let mut connection = Connection::tcp();
    assert_eq!(connection.read(Side::A, u32::MAX, &[0]), Progress::More);
    assert_eq!(connection.read(Side::A, 0, &tls_stream()), Progress::Done);
    assert_eq!(connection.tls_name(), Some("shop.example"));
}

#[test]
fn padding_that_was_taken_for_payload_hides_nothing() {
    let stream = tls_stream();
    let mut connection = Connection::tcp();
    connection.read(Side::A, 0, &[0; 2]);
    connection.read(Side::A, 0, &stream[..40]);
    connection.read(Side::B, 0, &[0; 6]);
    assert_eq!(connection.read(Side::A, 40, &stream[40..]), Progress::Done);
    assert_eq!(connection.tls_name(), Some("shop.example"));
}

#[test]
fn a_connect_tunnel_gives_the_host_and_the_name_inside() {
    let connect = b"CONNECT proxy-target.example:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    let whole = [&connect[..], &tls_stream()].concat();
    for cut in 1..whole.len() {
        let mut connection = Connection::tcp();
        connection.read(Side::A, 0, &whole[..cut]);
        connection.read(Side::B, 0, b"HTTP/1.1 200 OK\r\n\r\n");
        connection.read(Side::A, u32::try_from(cut).unwrap(), &whole[cut..]);
        assert_eq!(connection.http_host(), Some("proxy-target.example"), "cut at {cut}");
        assert_eq!(connection.tls_name(), Some("shop.example"), "cut at {cut}");
    }
}

#[test]
fn an_endless_request_head_ends_at_the_limit_and_is_counted() {
    let mut connection = Connection::tcp();
    connection.read(Side::B, 0, b"\x01");
    let mut offset = 0;
    let mut pieces = 0;
    let mut piece = b"GET / HTTP/1.1\r\nX: ".to_vec();
    while connection.read(Side::A, offset, &piece) == Progress::More {
        offset += u32::try_from(piece.len()).unwrap();
        piece = vec![b'a'; 1000];
        pieces += 1;
        assert!(pieces < 100, "the reader gives up");
    }
    assert_eq!(connection.gathered.limited, 1);
    assert_eq!(connection.findings.evidence_for(Side::A), Evidence::HTTP_REQUEST);
}

#[test]
fn dns_questions_and_answers_speak_for_the_asker() {
    let mut connection = Connection::new(Protocol::UDP, 53);
    assert_eq!(connection.read(Side::A, 0, &query("Shop.Example")), Progress::More);
    assert_eq!(connection.read(Side::B, 0, &response("Shop.Example", [192, 0, 2, 9], 60)), Progress::More);
    assert_eq!(connection.findings.hints.dns_query.as_deref(), Some("shop.example"));
    assert_eq!(connection.findings.evidence_for(Side::A), Evidence::DNS_QUERY | Evidence::DNS_RESPONSE,);
    let observation = NameObservation {
        seen: Timestamp::from_parts(1, 0),
        client: IpAddr::from([192, 0, 2, 1]),
        name: "shop.example".into(),
        address: IpAddr::from([192, 0, 2, 9]),
        ttl: Duration::from_secs(60),
    };
    assert_eq!(connection.gathered.observations, [observation]);
}

#[test]
fn an_announcement_to_a_group_names_an_address_but_no_client() {
    let mut connection = Connection::new(Protocol::UDP, 5353);
    let group = IpAddr::from([224, 0, 0, 251]);
    connection.read_to(Side::B, 0, &announcement("printer.local", [192, 0, 2, 9]), group);
    assert_eq!(connection.findings.evidence, [Evidence::empty(); 2]);
    assert_eq!(&*connection.gathered.observations[0].name, "printer.local");

    let mut connection = Connection::new(Protocol::UDP, 53);
    connection.read(Side::B, 0, &announcement("printer.local", [192, 0, 2, 9]));
    assert!(connection.gathered.observations.is_empty(), "a resolver answers questions only");
}

#[test]
fn dns_over_tcp_is_read_message_by_message() {
    let answers: Vec<_> = (1..=5).map(|n| response("shop.example", [192, 0, 2, n], 60)).collect();
    let stream: Vec<u8> = answers
        .iter()
        .flat_map(|message| [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat())
        .collect();
    for size in [1, 2, 3, 40, stream.len()] {
        let mut connection = Connection::new(Protocol::TCP, 53);
        for (number, piece) in stream.chunks(size).enumerate() {
            connection.read(Side::B, u32::try_from(number * size).unwrap(), piece);
            connection.read(Side::B, u32::try_from(number * size).unwrap(), piece);
        }
        assert_eq!(connection.gathered.observations.len(), 5, "pieces of {size}");
        assert_eq!(connection.findings.evidence_for(Side::A), Evidence::DNS_RESPONSE);
        assert_eq!(connection.gathered.limited, 0);
    }
}

#[test]
fn a_quic_hello_is_done_at_once_and_other_datagrams_are_given_up() {
    let mut connection = Connection::new(Protocol::UDP, 443);
    assert_eq!(connection.read(Side::B, 0, b"stun or so"), Progress::More);
    assert_eq!(connection.read(Side::A, 0, &client_initial(b"shop.example")), Progress::Done);
    assert_eq!(connection.tls_name(), Some("shop.example"));
    assert_eq!(connection.findings.evidence_for(Side::A), Evidence::QUIC_CLIENT_HELLO);

    let mut connection = Connection::new(Protocol::UDP, 5060);
    let reads = (1..100).find(|_| connection.read(Side::A, 0, b"\x80media") == Progress::Done);
    assert_eq!(reads, Some(usize::from(MAX_DATAGRAMS)));
    assert!(connection.findings.is_empty());
}

#[test]
fn only_tcp_and_udp_have_readers() {
    assert!(NameReader::for_flow(Protocol::ICMP, 8, 0).is_none());
    assert!(NameReader::for_flow(Protocol::SCTP, 1, 2).is_none());
    assert!(size_of::<NameReader>() <= 64, "one a connection: {}", size_of::<NameReader>());
}

/// The places at which a stream of `length` is cut, and in which order its pieces come.
fn pieces(length: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::btree_set(1..length, 0..MAX_SEGMENTS_AHEAD).prop_flat_map(move |cuts| {
        let ends = cuts.iter().copied().chain([length]);
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        Just(starts.zip(ends).collect::<Vec<_>>()).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(crate::testing::seeded(128))]

    #[test]
    fn pieces_in_any_order_give_the_same_name(order in pieces(tls_stream().len()), base in any::<u32>()) {
        let stream = tls_stream();
        let mut connection = Connection::tcp();
        for &(start, end) in &order {
            connection.read(Side::A, u32::try_from(start).unwrap(), &stream[start..end]);
        }
        prop_assert_eq!(connection.tls_name(), Some("shop.example"));

        let request = b"GET / HTTP/1.1\r\nAccept: text/html, application/json;q=0.5\r\nHost: shop.example:8080\r\n\r\n\
            body body body body body body body body body body body body body body body body body body body";
        let mut connection = Connection::tcp();
        connection.read(Side::B, base | 1 << 31, b"late");
        for (start, end) in order.into_iter().map(|(start, end)| (start, end.min(request.len()))) {
            if start < end {
                connection.read(Side::A, u32::try_from(start).unwrap(), &request[start..end]);
            }
        }
        prop_assert_eq!(connection.http_host(), Some("shop.example"));
    }

    #[test]
    fn any_payload_is_survived(
        port in prop_oneof![Just(53_u16), Just(5353), Just(443)],
        tcp in any::<bool>(),
        packets in proptest::collection::vec((any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 1..80)), 0..40),
    ) {
        let mut connection = Connection::new(if tcp { Protocol::TCP } else { Protocol::UDP }, port);
        for (from_a, offset, bytes) in packets {
            connection.read(if from_a { Side::A } else { Side::B }, offset % 300, &bytes);
        }
    }
}

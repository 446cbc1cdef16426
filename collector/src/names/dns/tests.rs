//! Messages as resolvers write them, and as an attacker would.

use proptest::prelude::*;

use super::*;

/// Points to the first question's name.
const QUESTION: [u8; 2] = [0xC0, 12];

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length, data].concat()
}

fn message(flags: u16, question: Option<&str>, answers: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0, 7];
    bytes.extend(flags.to_be_bytes());
    bytes.extend([0, u8::from(question.is_some()), 0, u8::try_from(answers.len()).unwrap(), 0, 0, 0, 0]);
    if let Some(name) = question {
        bytes.extend(wire(name));
        bytes.extend([0, 1, 0, 1]);
    }
    bytes.extend(answers.concat());
    bytes
}

/// A query for `name`.
pub(in crate::names) fn query(name: &str) -> Vec<u8> {
    message(0x0100, Some(name), &[])
}

/// A response that gives `name` the address `address` for `ttl` seconds.
pub(in crate::names) fn response(name: &str, address: [u8; 4], ttl: u32) -> Vec<u8> {
    message(0x8180, Some(name), &[record(&QUESTION, TYPE_A, ttl, &address)])
}

/// A multicast announcement: `name` has `address`.
pub(in crate::names) fn announcement(name: &str, address: [u8; 4]) -> Vec<u8> {
    message(0x8400, None, &[record(&wire(name), TYPE_A, 120, &address)])
}

/// A response with an SRV record, and an address of its target among what is added.
pub(crate) fn srv(owner: &str, port: u16, target: &str, address: Option<[u8; 4]>) -> Vec<u8> {
    let data = [&[0, 0, 0, 0][..], &port.to_be_bytes(), &wire(target)].concat();
    let mut bytes = message(0x8180, Some(owner), &[record(&QUESTION, TYPE_SRV, 30, &data)]);
    if let Some(address) = address {
        bytes.extend(record(&wire(&target.to_ascii_lowercase()), TYPE_A, 30, &address));
        bytes[11] = 1;
    }
    bytes
}

fn answers(bytes: &[u8]) -> Vec<(String, u32)> {
    let message = Message::parse(bytes).expect("a sound message");
    message.answers().map(|a| (a.address.to_string(), a.ttl)).collect()
}

fn question(bytes: &[u8]) -> Option<String> {
    Message::parse(bytes)?.question().map(String::from)
}

#[test]
fn questions_are_lower_case_and_escaped() {
    assert_eq!(question(&query("WWW.Shop.Example")).as_deref(), Some("www.shop.example"));
    assert_eq!(question(&query("xn--55qx5d.example")).as_deref(), Some("xn--55qx5d.example"));
    assert_eq!(question(&query("")).as_deref(), Some("."));
    assert_eq!(question(&query("a b\\.\u{e4}\x1b")).as_deref(), Some("a\\032b\\\\.\\195\\164\\027"));
    let dot_in_label = message(0x0100, Some("a_b"), &[])
        .iter()
        .map(|&b| if b == b'_' { b'.' } else { b })
        .collect::<Vec<_>>();
    assert_eq!(question(&dot_in_label).as_deref(), Some("a\\.b"));
}

#[test]
fn answers_keep_the_name_that_was_asked_through_aliases() {
    // The aliases come in no particular order, in other case, and with an unrelated record among them.
    let response = message(
        0x8180,
        Some("www.shop.example"),
        &[
            record(&wire("EDGE.cdn.example"), TYPE_A, 300, &[192, 0, 2, 1]),
            record(&wire("cdn.example"), TYPE_CNAME, 20, &wire("edge.cdn.example")),
            record(&QUESTION, TYPE_CNAME, 60, &wire("CDN.example")),
            record(&wire("other.example"), TYPE_A, 300, &[192, 0, 2, 99]),
            record(
                &wire("edge.cdn.example"),
                TYPE_AAAA,
                7,
                &[0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            ),
        ],
    );
    assert_eq!(answers(&response), [("192.0.2.1".into(), 20), ("2001:db8::1".into(), 7)]);
}

#[test]
fn aliases_in_a_circle_end() {
    let response = message(
        0x8180,
        Some("a.example"),
        &[
            record(&QUESTION, TYPE_CNAME, 60, &wire("b.example")),
            record(&wire("b.example"), TYPE_CNAME, 60, &QUESTION),
            record(&wire("b.example"), TYPE_A, 9, &[192, 0, 2, 1]),
        ],
    );
    assert_eq!(answers(&response), [("192.0.2.1".into(), 9)]);
}

#[test]
fn what_is_not_an_answer_gives_none() {
    let address = record(&QUESTION, TYPE_A, 9, &[192, 0, 2, 1]);
    assert!(answers(&message(0x8183, Some("a.example"), &[address])).is_empty(), "NXDOMAIN");
    assert!(answers(&response("a.example", [1, 2, 3, 4], 9)[..30]).is_empty(), "cut");
    let short = record(&QUESTION, TYPE_A, 9, &[192, 0, 2]);
    assert!(answers(&message(0x8180, Some("a.example"), &[short])).is_empty(), "three octets");
    let negative = record(&QUESTION, TYPE_A, 1 << 31, &[192, 0, 2, 1]);
    assert_eq!(answers(&message(0x8180, Some("a.example"), &[negative])), [("192.0.2.1".into(), 0)]);
}

#[test]
fn announcements_go_by_their_owner() {
    let bytes = message(
        0x8400,
        None,
        &[
            record(&wire("Printer.local"), TYPE_A, 120, &[192, 0, 2, 1]),
            record(&wire("gone.local"), TYPE_A, 0, &[192, 0, 2, 2]),
        ],
    );
    let message = Message::parse(&bytes).unwrap();
    let expected = Answer { address: [192, 0, 2, 1].into(), ttl: 120 };
    assert_eq!(message.announcements().collect::<Vec<_>>(), [("printer.local".into(), expected)]);
    assert_eq!(message.answers().count(), 0);
    assert_eq!(Message::parse(&response("a.example", [1; 4], 9)).unwrap().announcements().count(), 0);
}

#[test]
fn pointers_that_do_not_lead_backwards_are_refused() {
    for pointer in [[0xC0, 12], [0xC0, 14], [0xC0, 200], [0xFF, 0xFF]] {
        let bytes = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &pointer, &[0, 1, 0, 1]].concat();
        assert!(Message::parse(&bytes).is_none(), "{pointer:?}");
    }
    let owner_points_at_itself =
        message(0x8180, Some("a.example"), &[record(&[0xC0, 27], TYPE_A, 9, &[1; 4])]);
    assert!(answers(&owner_points_at_itself).is_empty());
}

#[test]
fn a_name_may_not_exceed_255_octets() {
    let label = "a".repeat(49);
    let longest = [&*label, &label, &label, &label, &label, "aaa"].join(".");
    assert_eq!(question(&query(&longest)).map(|name| name.len()), Some(253));
    assert_eq!(question(&query(&format!("{longest}a"))), None);
}

#[test]
fn other_bytes_are_no_message() {
    assert!(Message::parse(b"").is_none());
    assert!(Message::parse(&[0; 11]).is_none());
    assert!(Message::parse(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 padding").is_none());
    let update = message(0x2800, Some("a.example"), &[]);
    assert!(Message::parse(&update).is_none(), "an update is no query");
}

proptest! {
    #![proptest_config(crate::testing::seeded(256))]

    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
        read_all(&[&[0, 7, 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0][..], &bytes].concat());
        read_all(&[&[0, 7, 0x84, 0, 0, 0, 0, 9, 0, 0, 0, 9][..], &bytes].concat());
    }

    #[test]
    fn a_damaged_response_gives_an_answer(at in 0_usize..200, byte in any::<u8>()) {
        let chain = record(&QUESTION, TYPE_CNAME, 60, &wire("b.example"));
        let mut bytes = message(0x8180, Some("a.example"), &[chain, record(&QUESTION, TYPE_A, 9, &[1; 4])]);
        let length = bytes.len();
        bytes[at % length] = byte;
        read_all(&bytes);
    }
}

fn read_all(bytes: &[u8]) {
    if let Some(message) = Message::parse(bytes) {
        let _ = (message.question(), message.answers().count(), message.announcements().count());
    }
}

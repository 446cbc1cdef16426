//! Arbitrary payloads, cut anywhere and in any order, through the readers of names: nothing panics, and a name is
//! never longer than a name can be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_collector::names::{
    Findings, Gathered, NameReader, Payload, Progress, Side, dns, gquic, http, quic, tls,
};
use watershed_model::{Protocol, Timestamp};

/// One connection: its protocol and port, then its segments, each a side, an offset and a length before its data.
fn read_connection(input: &[u8]) {
    const PORTS: [(Protocol, u16); 6] = [
        (Protocol::TCP, 53),
        (Protocol::TCP, 443),
        (Protocol::UDP, 53),
        (Protocol::UDP, 443),
        (Protocol::UDP, 5353),
        (Protocol::UDP, 5355),
    ];
    let Some((kind, mut rest)) = input.split_first() else { return };
    let (protocol, port) = PORTS[usize::from(*kind) % PORTS.len()];
    let Some(mut reader) = NameReader::for_flow(protocol, port, 40_000) else { return };
    let (mut findings, mut gathered) = (Findings::default(), Gathered::default());
    let mut ends = [0_u32; 2];
    while let [how, back, length, after @ ..] = rest {
        let (bytes, next) = after.split_at(usize::from(*length).min(after.len()));
        rest = next;
        if bytes.is_empty() {
            continue;
        }
        let side = if how & 1 == 0 { Side::A } else { Side::B };
        let end = &mut ends[usize::from(how & 1)];
        // Mostly where the one before ended; at times sent again, ahead, or before the stream's start.
        let offset = end.wrapping_sub(u32::from(back % 8)).wrapping_add(u32::from(how >> 1 & 7));
        *end = offset.wrapping_add(bytes.len() as u32);
        let payload = Payload {
            from: side,
            offset,
            bytes,
            cut: how & 0x80 != 0,
            time: Timestamp::from_nanos(i64::from(*end)),
            destination: [10, 0, 0, 1].into(),
        };
        if reader.read(&payload, &mut findings, &mut gathered) == Progress::Done {
            break;
        }
    }
    for name in findings.hints.server_names() {
        assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
    }
    assert!(gathered.observations.len() <= input.len(), "each takes more than an octet");
}

fuzz_target!(|input: &[u8]| {
    read_connection(input);
    let _ = tls::server_name(input);
    let _ = http::host(input);
    let _ = http::head_length(input);
    let _ = gquic::server_name(input);
    let mut initials = quic::ClientInitials::default();
    for datagram in input.chunks(usize::from(input.first().copied().unwrap_or(0)).max(64)) {
        let _ = initials.read(datagram);
    }
    if let Some(message) = dns::Message::parse(input) {
        assert!(message.question().is_none_or(|name| name.len() <= 4 * 255));
        let _ = message.answers().count();
        for (name, _) in message.addresses() {
            assert!(name.len() <= 4 * 255);
        }
        assert!(message.services().all(|service| service.port > 0 && service.host.len() <= 4 * 255));
        for (name, _) in message.announcements() {
            assert!(name.len() <= 4 * 255);
        }
    }
});

//! Arbitrary payloads, cut anywhere and in any order, through the readers of names: nothing panics, and a name is
//! never longer than a name can be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_collector::names::{dns, gquic, http, quic, tls};

fuzz_target!(|input: &[u8]| {
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
        for (name, _) in message.announcements() {
            assert!(name.len() <= 4 * 255);
        }
    }
});

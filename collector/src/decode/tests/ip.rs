//! IP and transport headers: lengths, extension headers, and the ports of each protocol.

use super::*;

fn raw(bytes: &[u8]) -> String {
    let lines = told(LinkType::RAW, bytes);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

/// The packet with the octets from `at` on replaced.
fn with(mut packet: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    packet[at..at + octets.len()].copy_from_slice(octets);
    packet
}

#[test]
fn ipv4_lengths_and_options() {
    let mut options = with(plain(), 0, &[0x46]);
    options.splice(20..20, [1, 1, 1, 0]);
    let options = with(options, 2, &40_u16.to_be_bytes());
    assert_eq!(raw(&options), r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 40 ip 8 "payload!""#);
    // Left to segmentation offload: everything captured is payload.
    let offloaded = with(plain(), 2, &[0, 0]);
    assert_eq!(raw(&offloaded), r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 0 ip 8 "payload!""#);
    let cut = &plain()[..32];
    assert_eq!(raw(cut), r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payl""#);

    for (at, octet) in [(0, 0x44), (0, 0x4f), (3, 19)] {
        assert_eq!(raw(&with(plain(), at, &[octet])), "skipped: bad_ip_header", "octet {at} = {octet}");
    }
    assert_eq!(raw(&with(plain(), 3, &[20])), "skipped: bad_transport_header", "a header and nothing else");
}

#[test]
fn ipv6_extension_headers_lead_to_the_protocol() {
    let datagram = udp(1111, 2222, b"payload!");
    let option = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let routing = |next: u8| [&[next, 2, 4, 0][..], &[0; 20]].concat();
    let authentication = |next: u8| [&[next, 4][..], &[0; 22]].concat();
    let atomic = |next: u8| [next, 0, 0, 0, 1, 2, 3, 4];
    let cases: [(u8, Vec<u8>); 6] = [
        (0, option(17).to_vec()),
        (60, option(17).to_vec()),
        (43, routing(17)),
        (51, authentication(17)),
        (44, atomic(17).to_vec()),
        (0, [&option(43)[..], &routing(44), &atomic(51), &authentication(60), &option(17)].concat()),
    ];
    for (first, headers) in cases {
        let ip_bytes = 40 + headers.len() + datagram.len();
        let expected = format!(r#"udp [2001:db8::1]:1111 > [2001:db8::2]:2222 {ip_bytes} ip 8 "payload!""#);
        assert_eq!(raw(&v6(first, &[headers, datagram.clone()].concat())), expected, "first {first}");
    }
    let long = [option(60).repeat(8), option(17).to_vec(), datagram.clone()].concat();
    assert_eq!(raw(&v6(60, &long)), "skipped: too_deep");
    assert_eq!(raw(&v6(43, &[17, 200, 0, 0, 0, 0, 0, 0])), "skipped: bad_ip_header");
    assert_eq!(
        raw(&v4(51, A, B, &[authentication(17), datagram].concat())),
        r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 60 ip 8 "payload!""#
    );
    assert_eq!(raw(&v6(59, &[])), r#"59 [2001:db8::1]:0 > [2001:db8::2]:0 40 ip 0 """#);
    assert_eq!(raw(&v6(17, &[])[..39]), "skipped: bad_ip_header");
}

#[test]
fn a_jumbogram_s_payload_is_what_was_captured() {
    let jumbo = with(plain_v6(), 4, &[0, 0]);
    assert_eq!(raw(&jumbo), r#"udp [2001:db8::1]:1111 > [2001:db8::2]:2222 40 ip 8 "payload!""#);
}

#[test]
fn tcp_headers_whole_and_cut() {
    let packet = v4(6, A, B, &tcp(0x18, b"hello"));
    let flow = "tcp 192.0.2.1:1111 > 192.0.2.2:2222 45 ip 5";
    assert_eq!(raw(&packet), format!(r#"{flow} "hello""#));
    for length in 0..=packet.len() {
        let expected = match length {
            0..20 => "skipped: bad_ip_header".to_owned(),
            20..34 => "skipped: bad_transport_header".to_owned(),
            34..40 => format!(r#"{flow} """#),
            _ => format!(r#"{flow} "{}""#, &"hello"[..length - 40]),
        };
        assert_eq!(raw(&packet[..length]), expected, "cut at {length}");
    }
    // Options are not payload; a header longer than the packet or shorter than itself is none.
    let options = with(v4(6, A, B, &[&tcp(2, b"")[..], &[1; 4]].concat()), 32, &[0x60]);
    assert_eq!(raw(&options), r#"tcp 192.0.2.1:1111 > 192.0.2.2:2222 44 ip 0 """#);
    assert_eq!(raw(&with(packet.clone(), 32, &[0x40])), "skipped: bad_transport_header");
    assert_eq!(raw(&with(packet, 32, &[0xf0])), "skipped: bad_transport_header");
}

#[test]
fn tcp_s_numbers_and_flags_come_along() {
    let data = v4(6, A, B, &tcp(0x12, b""));
    let (mut decoder, mut segments) = (Decoder::new(&DecodeConfig::default()), Segments::default());
    for length in [data.len(), 36] {
        segments.clear();
        decoder.decode(&packet(LinkType::RAW, 3, &data[..length]), &mut segments);
        let [segment] = segments.as_slice() else { panic!("one segment of {length} octets") };
        let flags = TcpFlags::SYN | TcpFlags::ACK;
        assert_eq!(segment.transport, Transport::Tcp { sequence: 7, acknowledgement: 9, flags });
        assert_eq!(segment.time, Timestamp::from_parts(3, 0));
    }
}

#[test]
fn udp_lengths_that_do_not_fit() {
    let length = |value: u16| raw(&with(plain(), 24, &value.to_be_bytes()));
    assert_eq!(length(12), r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 4 "payl""#);
    assert_eq!(length(8), r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 0 """#);
    assert_eq!(length(60_000), PLAIN, "no more than the IP packet holds");
    assert_eq!(length(0), PLAIN);
    assert_eq!(length(7), "skipped: bad_transport_header");
}

#[test]
fn sctp_and_its_first_chunk() {
    let init = [&words(&[1111, 2222, 0, 0, 0, 0])[..], &[1, 0, 0, 4]].concat();
    assert_eq!(
        raw(&v4(132, A, B, &init)),
        r#"sctp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 4 "\x01\x00\x00\x04""#
    );
    let data = v4(132, A, B, &init);
    let mut segments = Segments::default();
    for (length, chunk) in [(16, 1), (12, 255), (4, 255)] {
        segments.clear();
        let mut decoder = Decoder::new(&DecodeConfig::default());
        decoder.decode(&packet(LinkType::RAW, 0, &data[..20 + length]), &mut segments);
        assert_eq!(segments.as_slice()[0].transport, Transport::Sctp { first_chunk: chunk });
    }
    assert_eq!(raw(&v4(132, A, B, &[0; 3])), "skipped: bad_transport_header");
}

/// The sender's port is the type; the receiver's is the type that answers it, else the code.
#[test]
fn icmp_types_are_ports() {
    let ports = |version: u8, kind: u8, code: u8| {
        let message = [kind, code, 0, 0, 0, 1, 0, 1];
        let packet = if version == 4 { v4(1, A, B, &message) } else { v6(58, &message) };
        let mut segments = Segments::default();
        Decoder::new(&DecodeConfig::default()).decode(&packet_of(&packet), &mut segments);
        let segment = segments.as_slice()[0];
        let ports = (segment.key.port(segment.from_low), segment.key.port(!segment.from_low));
        (ports, segment.transport)
    };
    let error = |unreachable| Transport::IcmpError { unreachable };
    assert_eq!(ports(4, 8, 0), ((8, 0), Transport::Other));
    assert_eq!(ports(4, 0, 0), ((0, 8), Transport::Other));
    assert_eq!(ports(4, 13, 0), ((13, 14), Transport::Other));
    assert_eq!(ports(4, 3, 1), ((3, 1), error(true)));
    assert_eq!(ports(4, 11, 0), ((11, 0), error(false)));
    assert_eq!(ports(6, 128, 0), ((128, 129), Transport::Other));
    assert_eq!(ports(6, 136, 0), ((136, 135), Transport::Other));
    assert_eq!(ports(6, 1, 4), ((1, 4), error(true)));
    assert_eq!(ports(6, 2, 0), ((2, 0), error(false)));
    assert_eq!(raw(&v4(1, A, B, &[8])), "skipped: bad_transport_header");
    // ICMP of the other version has no types that mean anything.
    assert!(raw(&v6(1, &[8, 0, 0, 0, 0, 0, 0, 0])).starts_with("icmp [2001:db8::1]:0 > [2001:db8::2]:0 "));
}

fn packet_of(data: &[u8]) -> Packet<'_> {
    packet(LinkType::RAW, 0, data)
}

#[test]
fn an_icmp_error_quotes_a_flow() {
    let plain = plain();
    let quoted = quoted_flow(&plain[..28]).expect("a flow");
    let mut segments = Segments::default();
    Decoder::new(&DecodeConfig::default()).decode(&packet_of(&plain), &mut segments);
    assert_eq!(quoted, (segments.as_slice()[0].key, segments.as_slice()[0].from_low));
    assert!(quoted_flow(&plain_v6()[..44]).is_some());
    for nothing in [&plain[..23], &plain_v6()[..43], &v4(1, A, B, &[8, 0, 0, 0]), &[], &[0x50; 60]] {
        assert_eq!(quoted_flow(nothing), None);
    }
}

#[test]
fn other_protocols_are_flows_without_ports() {
    assert_eq!(raw(&v4(50, A, B, b"\x01\x02")), r#"esp 192.0.2.1:0 > 192.0.2.2:0 22 ip 2 "\x01\x02""#);
    assert_eq!(raw(&v4(2, A, [224, 0, 0, 22], b"")), r#"igmp 192.0.2.1:0 > 224.0.0.22:0 20 ip 0 """#);
}

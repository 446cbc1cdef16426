//! Every tunnel: the inner flow with what it was wrapped in; over UDP, the outer flow before it.

use super::*;

/// What each tunnel carries, where it carries IPv4 and where it carries IPv6.
const INNER: &str = r#"udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;
const INNER_V6: &str = r#"udp [2001:db8::1]:1111 > [2001:db8::2]:2222 56 ip 8 "payload!""#;

/// The tunnel's ends.
const NEAR: [u8; 4] = [10, 0, 0, 1];
const FAR: [u8; 4] = [10, 0, 0, 2];

/// The flows of an IPv4 packet, each without its payload.
fn flows(packet: &[u8]) -> Vec<String> {
    told(LinkType::RAW, packet)
        .iter()
        .map(|line| line.split(" ip ").next().unwrap_or(line).to_owned())
        .collect()
}

/// The last flow of a packet between the tunnel's ends.
fn inner(protocol: u8, payload: &[u8]) -> String {
    told(LinkType::RAW, &v4(protocol, NEAR, FAR, payload)).pop().expect("a line")
}

/// The inner flow of a datagram to `port`; the outer one comes before it.
fn over_udp(port: u16, parts: &[&[u8]]) -> String {
    let packet = v4(17, NEAR, FAR, &udp(50_000, port, &parts.concat()));
    let mut lines = told(LinkType::RAW, &packet);
    assert!(lines[0].starts_with(&format!("udp 10.0.0.1:50000 > 10.0.0.2:{port} ")), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    lines.pop().expect("a line")
}

/// What is left when the datagram to `port` is no tunnel after all.
fn not_a_tunnel(port: u16, payload: &[u8]) {
    let lines = told(LinkType::RAW, &v4(17, NEAR, FAR, &udp(50_000, port, payload)));
    assert!(lines.len() == 1 && lines[0].starts_with("udp 10.0.0.1:50000 "), "{lines:?}");
}

fn wrapped(tunnel: &str, inner: &str) -> String {
    format!("{tunnel} 10.0.0.1-10.0.0.2, {inner}")
}

#[test]
fn vxlan_and_its_generic_extension() {
    let (v4, v6) = (ethernet(0x0800, &plain()), ethernet(0x86dd, &plain_v6()));
    for port in [4789, 8472] {
        assert_eq!(over_udp(port, &[&[8, 0, 0, 0, 0, 1, 2, 0], &v4]), wrapped("vxlan 258", INNER));
        assert_eq!(
            over_udp(port, &[&[8, 0, 0, 0, 0xff, 0xff, 0xff, 0], &v6]),
            wrapped("vxlan 16777215", INNER_V6)
        );
    }
    assert_eq!(over_udp(4790, &[&[0x0c, 0, 0, 1, 0, 0, 7, 0], &plain()]), wrapped("vxlan 7", INNER));
    assert_eq!(over_udp(4790, &[&[0x0c, 0, 0, 2, 0, 0, 7, 0], &plain_v6()]), wrapped("vxlan 7", INNER_V6));
    assert_eq!(over_udp(4790, &[&[0x0c, 0, 0, 3, 0, 0, 7, 0], &v4]), wrapped("vxlan 7", INNER));
    assert_eq!(over_udp(4790, &[&[0x08, 0, 0, 0, 0, 0, 7, 0], &v4]), wrapped("vxlan 7", INNER));
    not_a_tunnel(4789, &[&[0, 0, 0, 0, 0, 0, 7, 0], &v4[..]].concat());
    not_a_tunnel(4790, &[&[0x0c, 0, 0, 4, 0, 0, 7, 0], &v4[..]].concat());
    not_a_tunnel(4789, &[8, 0, 0]);
    // A tag inside the tunnel is the inner flow's.
    let tagged = ethernet(0x8100, &[&words(&[5, 0x0800]), &plain()[..]].concat());
    assert_eq!(
        over_udp(4789, &[&[8, 0, 0, 0, 0, 0, 7, 0], &tagged]),
        format!("vlan 5, {}", wrapped("vxlan 7", INNER))
    );
}

#[test]
fn geneve_with_and_without_options() {
    let frame = ethernet(0x0800, &plain());
    assert_eq!(over_udp(6081, &[&[0, 0, 0x65, 0x58, 0, 0, 9, 0], &frame]), wrapped("geneve 9", INNER));
    assert_eq!(
        over_udp(6081, &[&[2, 0, 0x65, 0x58, 0, 0, 9, 0], &[1, 2, 3, 1, 5, 6, 7, 8], &frame]),
        wrapped("geneve 9", INNER)
    );
    assert_eq!(
        over_udp(6081, &[&[0, 0, 0x86, 0xdd, 0, 0, 9, 0], &plain_v6()]),
        wrapped("geneve 9", INNER_V6)
    );
    not_a_tunnel(6081, &[&[0x40, 0, 0x65, 0x58, 0, 0, 9, 0], &frame[..]].concat());
    not_a_tunnel(6081, &[0x3f, 0, 0x65, 0x58, 0, 0, 9, 0, 1, 2]);
}

#[test]
fn gre_with_its_optional_fields() {
    let gre = |flags: u16, kind: u16, fields: &[u8], payload: &[u8]| {
        [&words(&[flags, kind]), fields, payload].concat()
    };
    let p = plain();
    assert_eq!(inner(47, &gre(0, 0x0800, &[], &p)), wrapped("gre", INNER));
    assert_eq!(inner(47, &gre(0, 0x86dd, &[], &plain_v6())), wrapped("gre", INNER_V6));
    assert_eq!(inner(47, &gre(0x8000, 0x0800, &[1, 2, 0, 0], &p)), wrapped("gre", INNER));
    assert_eq!(inner(47, &gre(0x2000, 0x0800, &[0, 0, 0, 9], &p)), wrapped("gre 9", INNER));
    assert_eq!(inner(47, &gre(0x1000, 0x0800, &[0, 0, 0, 1], &p)), wrapped("gre", INNER));
    assert_eq!(
        inner(47, &gre(0xb000, 0x0800, &[1, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], &p)),
        wrapped("gre 9", INNER)
    );
    assert_eq!(inner(47, &gre(0, 0x6558, &[], &ethernet(0x0800, &p))), wrapped("gre", INNER));
    // Unreadable inside: the two ends talk.
    for unreadable in
        [gre(0x4000, 0x0800, &[0; 4], &p), gre(2, 0x0800, &[], &p), gre(0, 0x88cc, &[], &p), vec![0; 3]]
    {
        assert!(
            inner(47, &unreadable).starts_with("47 10.0.0.1:0 > 10.0.0.2:0 "),
            "{}",
            inner(47, &unreadable)
        );
    }
}

#[test]
fn pptp_s_gre_and_what_it_has_instead_of_payload() {
    let framed = [&[0xff, 3, 0, 0x21], &plain()[..]].concat();
    let data = [&words(&[0x3001, 0x880b, 40, 7])[..], &[0, 0, 0, 1], &framed].concat();
    assert!(inner(47, &data).ends_with(INNER), "{}", inner(47, &data));
    let with_acknowledgement =
        [&words(&[0x3081, 0x880b, 40, 7])[..], &[0, 0, 0, 1, 0, 0, 0, 1], &framed].concat();
    assert!(inner(47, &with_acknowledgement).ends_with(INNER));
    let only_acknowledgement = words(&[0x2081, 0x880b, 0, 7, 0, 1]);
    assert!(inner(47, &only_acknowledgement).starts_with("47 10.0.0.1:0 > 10.0.0.2:0 "));
}

#[test]
fn erspan_of_every_type() {
    let frame = ethernet(0x0800, &plain());
    let one = [&words(&[0, 0x88be]), &frame[..]].concat();
    assert_eq!(inner(47, &one), wrapped("erspan", INNER));
    let session = words(&[0x1000, 0xfc00 | 77, 0, 0]);
    let two = [&words(&[0x1000, 0x88be, 0, 1])[..], &session, &frame].concat();
    assert_eq!(inner(47, &two), wrapped("erspan 77", INNER));
    let three = |last: u8, more: &[u8]| {
        let header = [&words(&[0x2000, 77, 0, 0, 0])[..], &[0, last], more].concat();
        [&words(&[0x1000, 0x22eb, 0, 1])[..], &header, &frame].concat()
    };
    assert_eq!(inner(47, &three(0, &[])), wrapped("erspan 77", INNER));
    assert_eq!(inner(47, &three(1, &[0; 8])), wrapped("erspan 77", INNER));
}

#[test]
fn ip_in_ip_of_both_versions() {
    assert_eq!(inner(4, &plain()), wrapped("ipip", INNER));
    assert_eq!(inner(41, &plain_v6()), wrapped("sixinfour", INNER_V6));
    let ends = "2001:db8::1-2001:db8::2";
    assert_eq!(told(LinkType::RAW, &v6(4, &plain())), [format!("ipip {ends}, {INNER}")]);
    assert_eq!(told(LinkType::RAW, &v6(41, &plain_v6())), [format!("ipip {ends}, {INNER_V6}")]);
    assert!(inner(4, &[0; 20]).starts_with("4 10.0.0.1:0 > 10.0.0.2:0 "));
}

#[test]
fn teredo_with_its_indications() {
    let p6 = plain_v6();
    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    let authentication = [&[0, 1, 2, 3][..], b"idval", &[0; 9]].concat();
    for parts in
        [vec![&p6[..]], vec![&origin, &p6], vec![&authentication, &p6], vec![&authentication, &origin, &p6]]
    {
        assert_eq!(over_udp(3544, &parts), wrapped("teredo", INNER_V6));
    }
    // A server's answer comes from the port.
    let answer = v4(17, NEAR, FAR, &udp(3544, 50_000, &p6));
    assert_eq!(
        flows(&answer)[1..],
        ["teredo 10.0.0.1-10.0.0.2, udp [2001:db8::1]:1111 > [2001:db8::2]:2222 56"]
    );
    not_a_tunnel(3544, &[0, 1, 255, 255, 0]);
}

#[test]
fn gtp_u_with_its_optional_fields() {
    let p = plain();
    assert_eq!(over_udp(2152, &[&[0x30, 255, 0, 36, 0, 0, 1, 1], &p]), wrapped("gtpu 257", INNER));
    assert_eq!(
        over_udp(2152, &[&[0x32, 255, 0, 40, 0, 0, 1, 1, 0, 9, 0, 0], &p]),
        wrapped("gtpu 257", INNER)
    );
    let extensions = [1, 1, 2, 0xc0, 2, 1, 2, 3, 4, 5, 6, 0];
    assert_eq!(
        over_udp(2152, &[&[0x34, 255, 0, 52, 0, 0, 1, 1, 0, 9, 0, 0x85], &extensions, &p]),
        wrapped("gtpu 257", INNER)
    );
    assert_eq!(over_udp(2152, &[&[0x30, 255, 0, 56, 0, 0, 0, 1], &plain_v6()]), wrapped("gtpu 1", INNER_V6));
    // An echo request, another version, an extension of no length, one without an end.
    not_a_tunnel(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]);
    not_a_tunnel(2152, &[&[0x50, 255, 0, 36, 0, 0, 1, 1], &p[..]].concat());
    not_a_tunnel(2152, &[0x34, 255, 0, 8, 0, 0, 1, 1, 0, 9, 0, 0x85, 0, 0, 0, 0]);
    not_a_tunnel(2152, &[0x34, 255, 0, 8, 0, 0, 1, 1, 0, 9, 0, 0x85, 2, 0, 0, 0]);
}

#[test]
fn gre_in_udp_and_ayiya() {
    assert_eq!(over_udp(4754, &[&[0, 0, 8, 0], &plain()]), wrapped("gre", INNER));
    let ayiya = [&[0x45, 0x52, 0x11, 41, 1, 2, 3, 4], &[0xaa; 16][..], &[0xbb; 20]].concat();
    assert_eq!(over_udp(5072, &[&ayiya, &plain_v6()]), wrapped("ayiya", INNER_V6));
    not_a_tunnel(5072, &[0x45, 0x52, 0x10, 41, 1, 2, 3, 4]);
    not_a_tunnel(5072, &[0xff, 0xf2, 0x11, 41, 1, 2, 3, 4]);
}

#[test]
fn tunnels_in_tunnels_down_to_a_limit() {
    let nest = |depth: usize| (0..depth).fold(plain(), |packet, _| v4(4, NEAR, FAR, &packet));
    let four = format!("{}{INNER}", "ipip 10.0.0.1-10.0.0.2, ".repeat(4));
    assert_eq!(told(LinkType::RAW, &nest(4)), [four]);
    // The fifth is no longer looked into; the flow is that of its ends.
    let five = told(LinkType::RAW, &nest(5));
    assert!(five.len() == 1 && five[0].contains("4 10.0.0.1:0 > 10.0.0.2:0 "), "{five:?}");

    let vxlan = |packet: Vec<u8>| {
        let frame = [&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &packet)[..]].concat();
        v4(17, NEAR, FAR, &udp(50_000, 4789, &frame))
    };
    let six = (0..6).fold(plain(), |packet, _| vxlan(packet));
    assert_eq!(flows(&six).len(), MAX_TUNNELS + 1, "one flow a tunnel, and the innermost that is followed");
}

#[test]
fn ports_of_tunnels_can_be_chosen() {
    let ports = TunnelPorts { vxlan: vec![9999], ..TunnelPorts::default() };
    let mut decoder = Decoder::new(&DecodeConfig { tunnel_ports: ports, ..DecodeConfig::default() });
    let frame = [&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &plain())[..]].concat();
    for (port, count) in [(9999, 2), (4789, 1)] {
        let bytes = v4(17, NEAR, FAR, &udp(50_000, port, &frame));
        assert_eq!(tell(&mut decoder, &packet(LinkType::RAW, 0, &bytes)).len(), count);
    }
}

/// However short the capture cut the packet, the outer flow stays what it is.
#[test]
fn a_tunnel_that_was_cut_leaves_the_outer_flow() {
    let frame = [&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &plain())[..]].concat();
    let whole = v4(17, NEAR, FAR, &udp(50_000, 4789, &frame));
    let both = flows(&whole);
    for length in 28..whole.len() {
        let cut = flows(&whole[..length]);
        assert!(!cut.is_empty() && both.starts_with(&cut), "cut at {length}: {cut:?}");
    }
}

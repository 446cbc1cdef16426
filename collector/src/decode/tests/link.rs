//! Every link type: where the IP packet is, or why there is none.

use super::*;

const IPV4: u16 = 0x0800;

const TAGGED: &str = r#"vlan 5, udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;
const TWICE: &str = r#"vlan 5, vlan 6, udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;
const LABELLED: &str = r#"mpls 17, mpls 1048575, udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;
const LABELLED_V6: &str = r#"mpls 17, udp [2001:db8::1]:1111 > [2001:db8::2]:2222 56 ip 8 "payload!""#;
const WIRE: &str = r#"vlan 5, mpls 17, udp 192.0.2.1:1111 > 192.0.2.2:2222 36 ip 8 "payload!""#;

/// IEEE 802.2 with a SNAP header.
fn snap(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kind.to_be_bytes(), payload].concat()
}

fn after(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, payload].concat()
}

/// A VLAN tag: its identifier with a priority, and what follows.
fn tag(id: u16, next: u16) -> Vec<u8> {
    words(&[id | 0x6000, next])
}

/// An MPLS label, at the bottom of the stack or not.
fn label(label: u32, bottom: bool) -> Vec<u8> {
    (label << 12 | u32::from(bottom) << 8 | 64).to_be_bytes().to_vec()
}

fn cooked(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
    after(&words(&[0, hardware, 6, 1, 2, 3, 4, protocol]), payload)
}

fn cooked_2(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
    after(&words(&[protocol, 0, 0, 2, hardware, 0x0006, 1, 2, 3, 4]), payload)
}

/// An 802.11 frame: type and subtype, flags, and what follows the usual 24 octets.
fn wifi(control: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    [&[control, flags][..], &[9; 22], rest].concat()
}

/// A part of an A-MSDU, padded unless it is the last.
fn subframe(payload: &[u8], last: bool) -> Vec<u8> {
    let mut frame = [&[7; 12][..], &(payload.len() as u16).to_be_bytes(), payload].concat();
    if !last {
        frame.resize(frame.len().next_multiple_of(4), 0);
    }
    frame
}

type Case = (&'static str, LinkType, Vec<u8>, &'static [&'static str]);

fn ethernets() -> Vec<Case> {
    const L: LinkType = LinkType::ETHERNET;
    let (p, p6) = (plain(), plain_v6());
    vec![
        ("IPv4", L, ethernet(IPV4, &p), &[PLAIN]),
        ("IPv6", L, ethernet(0x86dd, &p6), &[PLAIN_V6]),
        ("padded to 60 octets", L, ethernet(IPV4, &after(&p, &[0; 10])), &[PLAIN]),
        ("802.3 with SNAP", L, ethernet(44, &snap(IPV4, &p)), &[PLAIN]),
        ("802.3 with IP's own SAP", L, ethernet(39, &after(&[6, 6, 3], &p)), &[PLAIN]),
        ("spanning tree", L, ethernet(38, &[0x42, 0x42, 3, 0, 0]), &["skipped: not_ip"]),
        ("SNAP of a vendor", L, ethernet(38, &[0xaa, 0xaa, 3, 0, 0, 12, 0x20, 0]), &["skipped: not_ip"]),
        ("802.3 without 802.2", L, ethernet(2, &[0xaa, 0xaa]), &["skipped: bad_link_header"]),
        ("ARP", L, ethernet(0x0806, &[0; 28]), &["skipped: arp"]),
        ("RARP", L, ethernet(0x8035, &[0; 28]), &["skipped: arp"]),
        ("LLDP", L, ethernet(0x88cc, &[0; 28]), &["skipped: not_ip"]),
        ("MACsec", L, ethernet(0x88e5, &p), &["skipped: link_encrypted"]),
        ("PPPoE discovery", L, ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0]), &["skipped: link_control"]),
        ("PPPoE", L, ethernet(0x8864, &after(&[0x11, 0, 0, 1, 0, 38, 0, 0x21], &p)), &[PLAIN]),
        (
            "PPPoE with compressed protocol",
            L,
            ethernet(0x8864, &after(&[0x11, 0, 0, 1, 0, 37, 0x21], &p)),
            &[PLAIN],
        ),
        ("VLAN", L, ethernet(0x8100, &after(&tag(5, IPV4), &p)), &[TAGGED]),
        ("VLAN around 802.3", L, ethernet(0x8100, &after(&tag(5, 44), &snap(IPV4, &p))), &[TAGGED]),
        ("QinQ", L, ethernet(0x88a8, &[tag(5, 0x8100), tag(6, IPV4), p.clone()].concat()), &[TWICE]),
        (
            "QinQ as it was",
            L,
            ethernet(0x9100, &[tag(5, 0x9200), tag(6, IPV4), p.clone()].concat()),
            &[TWICE],
        ),
        (
            "five tags",
            L,
            ethernet(0x8100, &[tag(1, 0x8100).repeat(4), tag(2, IPV4), p.clone()].concat()),
            &["skipped: too_deep"],
        ),
        (
            "MPLS",
            L,
            ethernet(0x8847, &[label(17, false), label(0xf_ffff, true), p.clone()].concat()),
            &[LABELLED],
        ),
        ("MPLS with IPv6", L, ethernet(0x8848, &after(&label(17, true), &p6)), &[LABELLED_V6]),
        (
            "pseudowire",
            L,
            ethernet(
                0x8847,
                &[label(17, true), vec![0; 4], ethernet(0x8100, &after(&tag(5, IPV4), &p))].concat(),
            ),
            &[WIRE],
        ),
        (
            "five labels",
            L,
            ethernet(0x8847, &[label(17, false).repeat(4), label(1, true), p.clone()].concat()),
            &["skipped: too_deep"],
        ),
        ("labels without an end", L, ethernet(0x8847, &label(17, false)), &["skipped: bad_link_header"]),
        ("cut in the header", L, vec![0; 13], &["skipped: bad_link_header"]),
        ("nothing", L, Vec::new(), &["skipped: bad_link_header"]),
    ]
}

fn others() -> Vec<Case> {
    use LinkType as L;
    let (p, p6) = (plain(), plain_v6());
    vec![
        ("SLL", L::LINUX_SLL, cooked(1, IPV4, &p), &[PLAIN]),
        ("SLL with IPv6", L::LINUX_SLL, cooked(1, 0x86dd, &p6), &[PLAIN_V6]),
        ("SLL with 802.2", L::LINUX_SLL, cooked(1, 4, &snap(IPV4, &p)), &[PLAIN]),
        ("SLL of netlink", L::LINUX_SLL, cooked(824, 0, &[0; 40]), &["skipped: not_ip"]),
        ("SLL cut", L::LINUX_SLL, vec![0; 15], &["skipped: bad_link_header"]),
        ("SLL2", L::LINUX_SLL2, cooked_2(1, IPV4, &p), &[PLAIN]),
        ("SLL2 with ARP", L::LINUX_SLL2, cooked_2(1, 0x0806, &[0; 28]), &["skipped: arp"]),
        ("SLL2 with 802.2", L::LINUX_SLL2, cooked_2(1, 4, &snap(IPV4, &p)), &[PLAIN]),
        ("SLL2 cut", L::LINUX_SLL2, vec![0; 19], &["skipped: bad_link_header"]),
        ("raw IPv4", L::RAW, p.clone(), &[PLAIN]),
        ("raw IPv6", L::RAW, p6.clone(), &[PLAIN_V6]),
        ("raw, of link type IPv4", L::IPV4, p.clone(), &[PLAIN]),
        ("raw, of link type IPv6", L::IPV6, p6.clone(), &[PLAIN_V6]),
        ("raw, of no version", L::RAW, vec![0x50; 40], &["skipped: bad_ip_header"]),
        ("NULL, little endian", L::NULL, after(&[2, 0, 0, 0], &p), &[PLAIN]),
        ("NULL, big endian", L::NULL, after(&[0, 0, 0, 2], &p), &[PLAIN]),
        ("NULL of Linux with IPv6", L::NULL, after(&[10, 0, 0, 0], &p6), &[PLAIN_V6]),
        ("NULL of NetBSD with IPv6", L::NULL, after(&[0, 0, 0, 24], &p6), &[PLAIN_V6]),
        ("NULL of FreeBSD with IPv6", L::NULL, after(&[28, 0, 0, 0], &p6), &[PLAIN_V6]),
        ("NULL of Darwin with IPv6", L::NULL, after(&[30, 0, 0, 0], &p6), &[PLAIN_V6]),
        ("NULL of another family", L::NULL, after(&[7, 0, 0, 0], &p), &["skipped: not_ip"]),
        ("LOOP", L::LOOP, after(&[0, 0, 0, 2], &p), &[PLAIN]),
        ("LOOP with IPv6", L::LOOP, after(&[0, 0, 0, 24], &p6), &[PLAIN_V6]),
        ("PPP", L::PPP, after(&[0, 0x21], &p), &[PLAIN]),
        ("PPP in HDLC framing", L::PPP, after(&[0xff, 3, 0, 0x21], &p), &[PLAIN]),
        ("PPP, protocol compressed", L::PPP, after(&[0x21], &p), &[PLAIN]),
        ("PPP with IPv6", L::PPP_HDLC, after(&[0xff, 3, 0, 0x57], &p6), &[PLAIN_V6]),
        ("PPP's own", L::PPP_HDLC, vec![0xff, 3, 0xc0, 0x21, 1, 1, 0, 4], &["skipped: link_control"]),
        ("PPP, encrypted", L::PPP, vec![0, 0x53, 1, 2, 3, 4], &["skipped: link_encrypted"]),
        ("PPP with IPX", L::PPP, vec![0, 0x2b, 1, 2, 3, 4], &["skipped: not_ip"]),
        ("PPP cut", L::PPP, vec![0], &["skipped: bad_link_header"]),
        ("PPPoE", L::PPPOE, after(&[0x11, 0, 0, 1, 0, 38, 0, 0x21], &p), &[PLAIN]),
        ("PPPoE discovery", L::PPPOE, vec![0x11, 9, 0, 0, 0, 0], &["skipped: link_control"]),
        (
            "PPPoE of another version",
            L::PPPOE,
            after(&[0x21, 0, 0, 1, 0, 38, 0, 0x21], &p),
            &["skipped: bad_link_header"],
        ),
        ("USB", LinkType(189), p, &["skipped: unknown_link_type"]),
    ]
}

fn wifis() -> Vec<Case> {
    use LinkType as L;
    const W: LinkType = L::IEEE802_11;
    let p = snap(IPV4, &plain());
    let p6 = snap(0x86dd, &plain_v6());
    let aggregate = [subframe(&p, false), subframe(&p6, true)].concat();
    let tagged = snap(0x8100, &after(&tag(5, IPV4), &plain()));
    let tagged_first = [subframe(&tagged, false), subframe(&p, true)].concat();
    let radiotap = [0, 0, 12, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    vec![
        ("802.11", W, wifi(0x08, 1, &p), &[PLAIN]),
        ("802.11 with QoS", W, wifi(0x88, 2, &after(&[0, 0], &p)), &[PLAIN]),
        ("802.11 with QoS and HT control", W, wifi(0x88, 0x82, &after(&[0, 0, 1, 2, 3, 4], &p)), &[PLAIN]),
        ("802.11 with four addresses", W, wifi(0x08, 3, &after(&[9; 6], &p)), &[PLAIN]),
        ("802.11, both", W, wifi(0x88, 3, &after(&[9, 9, 9, 9, 9, 9, 0, 0], &p)), &[PLAIN]),
        (
            "802.11, several frames in one",
            W,
            wifi(0x88, 1, &after(&[0x80, 0], &aggregate)),
            &[PLAIN, PLAIN_V6],
        ),
        (
            "802.11, one of two frames tagged",
            W,
            wifi(0x88, 1, &after(&[0x80, 0], &tagged_first)),
            &[TAGGED, PLAIN],
        ),
        (
            "802.11, aggregate without a frame",
            W,
            wifi(0x88, 1, &[0x80, 0, 1, 2]),
            &["skipped: bad_link_header"],
        ),
        ("802.11, encrypted", W, wifi(0x08, 0x41, &p), &["skipped: link_encrypted"]),
        ("802.11 without data", W, wifi(0x48, 1, &[]), &["skipped: link_control"]),
        ("802.11 with QoS without data", W, wifi(0xc8, 1, &[0, 0]), &["skipped: link_control"]),
        ("beacon", W, wifi(0x80, 0, &[0; 40]), &["skipped: link_control"]),
        ("acknowledgement", W, vec![0xd4, 0, 0, 0, 1, 2, 3, 4, 5, 6], &["skipped: link_control"]),
        ("802.11 of another version", W, wifi(0x09, 1, &p), &["skipped: bad_link_header"]),
        ("802.11 cut", W, vec![0x88, 3, 0], &["skipped: bad_link_header"]),
        ("radiotap", L::IEEE802_11_RADIOTAP, after(&radiotap, &wifi(0x08, 1, &p)), &[PLAIN]),
        (
            "radiotap longer than the frame",
            L::IEEE802_11_RADIOTAP,
            vec![0, 0, 99, 0],
            &["skipped: bad_link_header"],
        ),
    ]
}

fn cases() -> Vec<Case> {
    [ethernets(), others(), wifis()].concat()
}

#[test]
fn each_link_type_leads_to_the_packet_or_to_a_reason() {
    for (name, link, frame, expected) in cases() {
        assert_eq!(told(link, &frame), expected, "{name}");
    }
}

/// Whatever the length at which the capture cut it, a frame is in its flow with its lengths, or skipped.
#[test]
fn a_snapped_frame_is_in_its_own_flow_or_in_none() {
    for (name, link, frame, whole) in cases() {
        for length in 0..frame.len() {
            for cut in told(link, &frame[..length]) {
                let (flow, _) = cut.split_once('"').unwrap_or((&cut, ""));
                let known = whole.iter().any(|line| line.starts_with(flow));
                assert!(
                    known || cut.starts_with("skipped: bad_") || cut == "skipped: not_ip",
                    "{name} cut at {length}: {cut}"
                );
            }
        }
    }
}

/// A frame is counted once, whatever its parts are: one that holds a fragment ends there.
#[test]
fn an_aggregate_with_a_fragment_is_counted_once() {
    let fragment = |offset: u8, more: u8| {
        let mut packet = v4(17, A, B, &udp(1111, 2222, b"payload!")[usize::from(offset) * 8..][..8]);
        packet[6..8].copy_from_slice(&[more << 5, offset]);
        snap(IPV4, &packet)
    };
    let aggregate = |first: &[u8], second: &[u8]| {
        wifi(0x88, 1, &[&[0x80, 0], &subframe(first, false)[..], &subframe(second, true)].concat())
    };
    let (arp, whole) = (snap(0x0806, &[0; 28]), snap(IPV4, &plain()));
    let tell_two = |first: &[u8], second: &[u8]| {
        let mut decoder = Decoder::new(&DecodeConfig::default());
        let mut tell = |frame: &[u8]| tell(&mut decoder, &packet(LinkType::IEEE802_11, 0, frame));
        [tell(first), tell(second)].concat()
    };
    let last = wifi(0x08, 1, &fragment(1, 0));
    assert_eq!(tell_two(&aggregate(&fragment(0, 1), &arp), &last), ["held", "2 frames", PLAIN]);
    assert_eq!(tell_two(&aggregate(&arp, &fragment(0, 1)), &last), ["held", "2 frames", PLAIN]);
    assert_eq!(tell_two(&aggregate(&whole, &fragment(0, 1)), &last), [PLAIN, "1 frames", PLAIN]);
}

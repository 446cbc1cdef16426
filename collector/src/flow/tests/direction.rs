//! Who is the client: each condition, and what is said of it in the evidence.

use watershed_model::{Evidence, FlowRecord, Protocol};

use super::*;
use crate::names::dns::tests::srv;

const GROUP: End = (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), 5353);

/// The record of a single flow.
fn record(sent: &[Sent]) -> FlowRecord {
    let mut records = records(&FlowConfig::default(), sent);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

/// Whether the sender of the first packet is the client, and the evidence.
fn first_is_client(sent: &[Sent]) -> (bool, Evidence) {
    let record = record(sent);
    let turned = record.history.as_str().starts_with('^');
    assert_eq!(turned, !record.evidence.contains(Evidence::FIRST_PACKET));
    (!turned, record.evidence)
}

fn tcp(from: End, to: End, flags: TcpFlags) -> Sent {
    Sent::tcp(0.0, from, to, Tcp { flags, sequence: 1, acknowledgement: 1 }, b"")
}

fn sctp(from: End, to: End, chunk: u8) -> Sent {
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    Sent::ip(0.0, 132, from.0, to.0, &[&ports[..], &[0; 8], &[chunk, 0, 0, 4]].concat())
}

/// Condition 1 of the first packet, and of the settlement.
#[test]
fn a_handshake_settles_it_whatever_the_ports() {
    let odd = [(CLIENT, SERVER), (SERVER, CLIENT)];
    for (from, to) in odd {
        let (client, evidence) = first_is_client(&[tcp(from, to, TcpFlags::SYN)]);
        assert!(client && evidence.contains(Evidence::SYN));
        let (client, evidence) = first_is_client(&[tcp(from, to, TcpFlags::SYN | TcpFlags::ACK)]);
        assert!(!client && evidence.contains(Evidence::SYN_ACK));
        let (client, evidence) = first_is_client(&[sctp(from, to, 1)]);
        assert!(client && evidence.contains(Evidence::SCTP_INIT));
        let (client, evidence) = first_is_client(&[sctp(from, to, 2)]);
        assert!(!client && evidence.contains(Evidence::SCTP_INIT_ACK));
    }
    let (_, contradicted) = first_is_client(&[tcp(SERVER, CLIENT, TcpFlags::SYN)]);
    assert!(contradicted.contains(Evidence::CONTRADICTED), "the ports say the opposite");
}

/// Condition 2 of the first packet.
#[test]
fn an_icmp_reply_s_sender_was_asked() {
    let (a, b) = (CLIENT.0, SERVER.0);
    assert!(first_is_client(&[Sent::icmp(0.0, a, b, 8, 0, b"")]).0);
    let reply = record(&[Sent::icmp(0.0, b, a, 0, 0, b"")]);
    assert_eq!((reply.client.address, reply.client.port, reply.server.port), (a, 8, 0));
    assert_eq!(reply.service_port(), 8);
    // Both directions are one flow.
    let both = record(&[Sent::icmp(0.0, a, b, 8, 0, b""), Sent::icmp(0.1, b, a, 0, 0, b"")]);
    assert!(both.evidence.contains(Evidence::SERVER_REPLIED | Evidence::FIRST_PACKET));
    // An advertisement to a group answers nobody; an error's sender speaks first.
    let group = "ff02::1".parse().expect("address");
    let node = "fe80::1".parse().expect("address");
    assert_eq!(record(&[Sent::icmp(0.0, node, group, 136, 0, &[0; 16])]).client.address, node);
    assert_eq!(record(&[Sent::icmp(0.0, b, a, 11, 0, b"")]).client.address, b);
}

/// Conditions 3 to 6 of the first packet.
#[test]
fn ports_tell_unless_it_went_to_a_group() {
    let udp = |from: End, to: End| first_is_client(&[Sent::udp(0.0, from, to, b"x")]);
    let ranges = Evidence::EPHEMERAL_CLIENT | Evidence::LOWER_PORT;
    let known = Evidence::WELL_KNOWN_PORT | ranges;
    assert_eq!(udp(CLIENT, SERVER), (true, Evidence::FIRST_PACKET | known));
    assert_eq!(udp(SERVER, CLIENT), (false, Evidence::SERVER_REPLIED | known));
    // Neither is a service: who has a port that clients are given.
    assert_eq!(udp(CLIENT, (SERVER.0, 9999)), (true, Evidence::FIRST_PACKET | ranges));
    assert_eq!(udp((SERVER.0, 9999), CLIENT), (false, Evidence::SERVER_REPLIED | ranges));
    // Both have, or neither: who spoke first, whichever port is lower.
    assert_eq!(udp((SERVER.0, 50_000), CLIENT), (true, Evidence::FIRST_PACKET | Evidence::LOWER_PORT));
    assert_eq!(udp((SERVER.0, 32_768), CLIENT), (true, Evidence::FIRST_PACKET));
    assert_eq!(udp((SERVER.0, 9998), (CLIENT.0, 9999)), (true, Evidence::FIRST_PACKET));
    assert_eq!(udp((CLIENT.0, 123), (SERVER.0, 123)), (true, Evidence::FIRST_PACKET));
    // Nobody answers as a group.
    let to_group = record(&[Sent::udp(0.0, (SERVER.0, 5353), (GROUP.0, 40_000), b"x")]);
    assert_eq!(to_group.server.address, GROUP.0);
    let broadcast = (IpAddr::V4(Ipv4Addr::BROADCAST), 68);
    assert_eq!(record(&[Sent::udp(0.0, (SERVER.0, 67), broadcast, b"x")]).client.address, SERVER.0);
    // TCP without a handshake is told by its ports, too.
    assert!(!first_is_client(&[tcp(SERVER, CLIENT, TcpFlags::ACK)]).0);
}

/// Condition 2 of the settlement.
#[test]
fn who_sends_a_request_is_the_client() {
    let hosts = ((CLIENT.0, 50_000), (SERVER.0, 50_001));
    let numbers = |sequence| Tcp { flags: TcpFlags::ACK, sequence, acknowledgement: 1 };
    let request = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    // The server's packet came first; the request turns it round.
    let midstream = [
        Sent::tcp(0.0, hosts.1, hosts.0, numbers(9), b""),
        Sent::tcp(0.1, hosts.0, hosts.1, numbers(1), request),
    ];
    let found = record(&midstream);
    assert_eq!(found.client.port, 50_000);
    assert!(found.evidence.contains(Evidence::HTTP_REQUEST) && found.history.as_str().starts_with('^'));
    assert_eq!((found.to_server.payload_bytes, found.to_client.packets), (request.len() as u64, 1));
    // After a handshake it only contradicts.
    let syn =
        Sent::tcp(0.0, hosts.1, hosts.0, Tcp { flags: TcpFlags::SYN, sequence: 8, acknowledgement: 0 }, b"");
    let settled = record(&[syn, midstream[1].clone()]);
    assert_eq!(settled.client.port, 50_001);
    assert!(settled.evidence.contains(Evidence::SYN | Evidence::CONTRADICTED));
    assert!(!settled.evidence.contains(Evidence::HTTP_REQUEST), "evidence speaks for the record's client");
}

/// Condition 4 of the settlement.
#[test]
fn whom_an_srv_record_names_is_the_server() {
    let (client, server) = ((CLIENT.0, 40_000), (SERVER.0, 50_051));
    let IpAddr::V4(address) = server.0 else { unreachable!("it has an address of version 4") };
    let resolver = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), 53);
    let answer = |transport: &str| {
        let owner = format!("_grpc._{transport}.shop.example");
        Sent::udp(0.5, resolver, CLIENT, &srv(&owner, server.1, "api.shop.example", Some(address.octets())))
    };
    let numbers = Tcp { flags: TcpFlags::ACK, sequence: 1, acknowledgement: 1 };
    // Met in the middle, when the server sends; the record is heard of after it.
    let sent = |from, to, transport| {
        let records =
            records(&FlowConfig::default(), &[Sent::tcp(0.0, from, to, numbers, b"x"), answer(transport)]);
        records.into_iter().find(|record| record.protocol == Protocol::TCP).expect("the connection")
    };
    let turned = sent(server, client, "tcp");
    assert_eq!((turned.client.port, turned.server.port), (client.1, server.1));
    assert!(
        turned.evidence.contains(Evidence::SRV_RECORD) && !turned.evidence.contains(Evidence::FIRST_PACKET)
    );
    assert!(sent(client, server, "tcp").evidence.contains(Evidence::SRV_RECORD));
    let other = sent(server, client, "udp");
    assert_eq!(other.client.port, server.1, "it names a service over UDP");
    assert!(!other.evidence.contains(Evidence::SRV_RECORD));
    // Who offers datagrams also asks from there: nothing is turned round.
    let datagrams = [Sent::udp(0.0, server, client, b"x"), answer("udp")];
    let asked = records(&FlowConfig::default(), &datagrams).into_iter().find(|r| r.server.port == client.1);
    assert!(!asked.expect("the flow").evidence.contains(Evidence::SRV_RECORD));
}

#[test]
fn an_unreachable_marks_the_flow_that_it_quotes() {
    let asked = Sent::udp(0.0, CLIENT, SERVER, b"x");
    let router = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    let unreachable = |kind| Sent::icmp(0.1, router, CLIENT.0, kind, 3, &asked.bytes);
    for (kind, marked) in [(3, true), (11, false)] {
        let records = records(&FlowConfig::default(), &[asked.clone(), unreachable(kind)]);
        let flow = records.iter().find(|r| r.server.port == SERVER.1).expect("the flow that was asked for");
        assert_eq!(flow.evidence.contains(Evidence::ICMP_UNREACHABLE), marked);
        assert!(!flow.answered());
    }
}

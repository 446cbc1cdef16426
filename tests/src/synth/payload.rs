//! What programs say: DNS messages, TLS ClientHellos, HTTP requests.

use std::net::IpAddr;

/// Longest label of a domain name, octets (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// A DNS query for the addresses (A, or AAAA where `v6`) of `name`. Source: RFC 1035 section 4.
#[must_use]
pub fn dns_query(id: u16, name: &str, v6: bool) -> Vec<u8> {
    const RECURSION_DESIRED: u16 = 0x0100;
    dns_message(id, RECURSION_DESIRED, name, v6, 0)
}

/// One line of a DNS answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// An A or AAAA record of the name asked for, or of the end of the chain of aliases before it.
    Address(IpAddr),
    /// A CNAME record: what was named so far is an alias of this.
    Alias(String),
}

/// A DNS response to [`dns_query`], each answer living `ttl` seconds.
#[must_use]
pub fn dns_response(id: u16, name: &str, v6: bool, answers: &[DnsAnswer], ttl: u32) -> Vec<u8> {
    const RESPONSE_NO_ERROR: u16 = 0x8180;
    let mut message = dns_message(id, RESPONSE_NO_ERROR, name, v6, answers.len() as u16);
    let mut owner = name;
    for answer in answers {
        push_name(&mut message, owner);
        let (kind, data) = match answer {
            DnsAnswer::Address(IpAddr::V4(v4)) => (1_u16, v4.octets().to_vec()),
            DnsAnswer::Address(IpAddr::V6(v6)) => (28, v6.octets().to_vec()),
            DnsAnswer::Alias(target) => {
                owner = target;
                let mut data = Vec::new();
                push_name(&mut data, target);
                (5, data)
            }
        };
        message.extend(kind.to_be_bytes());
        message.extend(CLASS_INTERNET.to_be_bytes());
        message.extend(ttl.to_be_bytes());
        push_with_length(&mut message, &data);
    }
    message
}

const CLASS_INTERNET: u16 = 1;

fn dns_message(id: u16, flags: u16, name: &str, v6: bool, answers: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    for field in [id, flags, 1, answers, 0, 0] {
        message.extend(field.to_be_bytes());
    }
    push_name(&mut message, name);
    message.extend(if v6 { 28_u16 } else { 1 }.to_be_bytes());
    message.extend(CLASS_INTERNET.to_be_bytes());
    message
}

fn push_name(message: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(MAX_LABEL)];
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.push(0);
}

/// A TLS 1.2/1.3 ClientHello in one record, with `server_name`. Source: RFC 8446 section 4.1.2, RFC 6066.
#[must_use]
pub fn tls_client_hello(server_name: &str) -> Vec<u8> {
    const SUITES: [u16; 4] = [0x1301, 0x1302, 0x1303, 0xc02f];
    const GROUPS: [u16; 2] = [0x001d, 0x0017];
    const SIGNATURES: [u16; 3] = [0x0403, 0x0804, 0x0401];
    const VERSIONS: [u8; 5] = [4, 3, 4, 3, 3];

    let mut names = vec![0];
    push_with_length(&mut names, server_name.as_bytes());
    let mut name_list = Vec::new();
    push_with_length(&mut name_list, &names);

    let mut extensions = Vec::new();
    push_extension(&mut extensions, 0, &name_list);
    push_extension(&mut extensions, 10, &number_list(&GROUPS));
    push_extension(&mut extensions, 13, &number_list(&SIGNATURES));
    push_extension(&mut extensions, 43, &VERSIONS);

    let mut hello = vec![3, 3];
    // Random and session identifier: any octets do, and the same every time.
    hello.extend([0x5a; 32]);
    hello.push(32);
    hello.extend([0xa5; 32]);
    hello.extend(number_list(&SUITES));
    hello.extend([1, 0]);
    push_with_length(&mut hello, &extensions);

    let mut handshake = vec![1, 0];
    push_with_length(&mut handshake, &hello);
    let mut record = vec![22, 3, 1];
    push_with_length(&mut record, &handshake);
    record
}

fn push_extension(out: &mut Vec<u8>, kind: u16, data: &[u8]) {
    out.extend(kind.to_be_bytes());
    push_with_length(out, data);
}

fn number_list(numbers: &[u16]) -> Vec<u8> {
    let octets: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let mut list = Vec::new();
    push_with_length(&mut list, &octets);
    list
}

fn push_with_length(out: &mut Vec<u8>, data: &[u8]) {
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}

/// An HTTP/1.1 request for the root of `host`. Source: RFC 9112 section 3.
#[must_use]
pub fn http_request(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n").into_bytes()
}

/// `length` octets that are no protocol's beginning.
#[must_use]
pub fn filler(length: usize) -> Vec<u8> {
    vec![FILLER; length]
}

/// The octet that [`filler`] repeats: no TLS record, no HTTP method, no QUIC long header starts with it.
pub const FILLER: u8 = b'.';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_response_repeats_the_question() {
        let query = dns_query(7, "db.shop.example", false);
        let answer = DnsAnswer::Address("192.0.2.7".parse().unwrap());
        let response = dns_response(7, "db.shop.example", false, &[answer], 60);
        assert_eq!(query[12..], response[12..query.len()]);
        assert!(query[12..].starts_with(b"\x02db\x04shop\x07example\0\0\x01\0\x01"));
        assert!(response.ends_with(&[0, 0, 0, 60, 0, 4, 192, 0, 2, 7]));
    }

    #[test]
    fn a_client_hello_is_one_record_of_the_length_it_states() {
        let hello = tls_client_hello("shop.example");
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert!(hello.windows(12).any(|window| window == b"shop.example"));
    }
}

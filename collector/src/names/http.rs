//! The host in an HTTP/1.x request (RFC 9112).

use memchr::{memchr, memrchr};

use super::{Reading, host_name};

/// Longest method: the longest registered one, UPDATEREDIRECTREF, has 17 octets.
const MAX_METHOD: usize = 24;

/// Methods that are told before the request line is complete; others wait for its version.
const COMMON_METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// The host asked for in the first bytes of a client's TCP stream, without its port.
///
/// It comes from an absolute-form target or CONNECT's authority where there is one, else from the first
/// Host field (RFC 9112 section 3.2).
#[must_use]
pub fn host(stream: &[u8]) -> Reading {
    let Some((method, rest)) = split_method(stream) else {
        return without_method(stream);
    };
    let Some((line, mut fields)) = split_line(rest) else {
        return unfinished_request_line(method, rest);
    };
    let Some(target) = target(line) else {
        return Reading::Other;
    };
    if let Some(authority) = authority(method, target) {
        return Reading::from_name(host_of(authority));
    }
    while let Some((line, next)) = split_line(fields) {
        if line.is_empty() {
            return Reading::NoName;
        }
        if let Some(value) = host_field(line) {
            return Reading::from_name(host_of(value));
        }
        fields = next;
    }
    Reading::Partial
}

/// Whether a request may begin with this octet.
#[must_use]
pub const fn may_begin_with(first: u8) -> bool {
    is_method_byte(first)
}

/// Whether the stream begins with a CONNECT request: behind it comes another protocol.
#[must_use]
pub fn is_connect(stream: &[u8]) -> bool {
    stream.starts_with(b"CONNECT ")
}

/// How many octets the request line and the fields take up, with the empty line behind them, once it is there.
#[must_use]
pub fn head_length(stream: &[u8]) -> Option<usize> {
    let mut rest = stream;
    while let Some((line, next)) = split_line(rest) {
        if line.is_empty() {
            return Some(stream.len() - next.len());
        }
        rest = next;
    }
    None
}

/// The method and what follows the space behind it.
///
/// Most streams are something else: they are told from it by their first bytes.
fn split_method(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = stream.iter().take(MAX_METHOD + 1).position(|&b| !is_method_byte(b))?;
    (length > 0 && stream[length] == b' ').then(|| (&stream[..length], &stream[length + 1..]))
}

/// What a stream is that begins with no whole method.
fn without_method(stream: &[u8]) -> Reading {
    let cut = stream.len() <= MAX_METHOD && stream.iter().all(|&b| is_method_byte(b));
    if cut { Reading::NeedMore } else { Reading::Other }
}

/// What can be said before the first line, here without its method, has ended.
fn unfinished_request_line(method: &[u8], rest: &[u8]) -> Reading {
    match rest.first() {
        Some(b) if !b.is_ascii_graphic() => Reading::Other,
        Some(_) if COMMON_METHODS.contains(&method) => Reading::Partial,
        _ => Reading::NeedMore,
    }
}

/// RFC 9110 section 5.6.2 allows any token; whatever is in use keeps to these.
const fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')
}

/// The target in a request line without its method.
fn target(line: &[u8]) -> Option<&[u8]> {
    let (target, version) = line.split_last_chunk::<9>()?;
    let digit = version.strip_prefix(b" HTTP/1.")?;
    let valid = digit.iter().all(u8::is_ascii_digit)
        && !target.is_empty()
        && target.iter().all(|&b| b > b' ' && b != 0x7F);
    valid.then_some(target)
}

/// The authority in a target, where it has one.
fn authority<'a>(method: &[u8], target: &'a [u8]) -> Option<&'a [u8]> {
    if method == b"CONNECT" {
        return Some(target);
    }
    if target.starts_with(b"/") {
        return None;
    }
    let (scheme, rest) = split_at_byte(target, b':')?;
    let after = rest.strip_prefix(b"//")?;
    if scheme.is_empty() || !scheme.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    after.split(|b| matches!(b, b'/' | b'?' | b'#')).next()
}

/// The value of a Host field line.
fn host_field(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_first_chunk::<5>()?;
    name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii())
}

/// The host in `user@host:port`, where user and port may be missing and host may be `[an IPv6 address]`.
fn host_of(authority: &[u8]) -> Option<Box<str>> {
    let after_user = memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    if let Some(literal) = after_user.strip_prefix(b"[") {
        let (address, _port) = split_at_byte(literal, b']')?;
        return host_name(address);
    }
    match split_at_byte(after_user, b':') {
        // More than one colon without brackets is an IPv6 address written carelessly.
        Some((_, rest)) if rest.contains(&b':') => host_name(after_user),
        Some((host, _port)) => host_name(host),
        None => host_name(after_user),
    }
}

/// The first line without its line end (LF alone is accepted, RFC 9112 section 2.2), and what follows.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = split_at_byte(bytes, b'\n')?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(byte, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Reading {
        Reading::Name(text.into())
    }

    #[test]
    fn the_host_comes_without_its_port() {
        for (field, host_read) in [
            ("Host: Shop.Example", "shop.example"),
            ("HOST:shop.example:8080", "shop.example"),
            ("host: \t[2001:DB8::1]:8080 ", "2001:db8::1"),
            ("Host: [2001:db8::1]", "2001:db8::1"),
            ("Host: 2001:db8::1", "2001:db8::1"),
            ("Accept: */*\r\nHost: 192.0.2.1:80", "192.0.2.1"),
        ] {
            let request = format!("GET /a HTTP/1.1\r\n{field}\r\n\r\n");
            assert_eq!(host(request.as_bytes()), name(host_read), "{field}");
            assert_eq!(host(request.replace("\r\n", "\n").as_bytes()), name(host_read), "{field}, bare LF");
        }
    }

    #[test]
    fn the_target_names_the_host_before_the_field_does() {
        assert_eq!(host(b"GET http://a.example:80/x?y HTTP/1.1\r\nHost: b.example\r\n"), name("a.example"));
        assert_eq!(host(b"GET http://user:pw@a.example HTTP/1.0\r\n"), name("a.example"));
        assert_eq!(host(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"), name("2001:db8::1"));
        assert_eq!(host(b"GET /http://x/ HTTP/1.1\r\nHost: b.example\r\n"), name("b.example"));
        assert_eq!(host(b"OPTIONS * HTTP/1.1\r\nHost: b.example\r\n"), name("b.example"));
        assert_eq!(host(b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"), name("239.255.255.250"));
    }

    #[test]
    fn a_cut_request_is_partial_until_the_host_is_there() {
        let request = b"PURGE /a HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        let mut seen = Vec::new();
        for length in 0..=request.len() {
            let reading = host(&request[..length]);
            if seen.last() != Some(&reading) {
                seen.push(reading);
            }
        }
        assert_eq!(seen, [Reading::NeedMore, Reading::Partial, name("shop.example")]);
        assert_eq!(host(b"GET /a/very/long/pa"), Reading::Partial, "a common method is enough");
    }

    #[test]
    fn a_request_without_a_usable_host_has_none() {
        assert_eq!(host(b"GET / HTTP/1.0\r\n\r\n"), Reading::NoName);
        assert_eq!(host(b"GET / HTTP/1.1\r\nHost:\r\n\r\n"), Reading::NoName);
        assert_eq!(host(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Reading::NoName);
    }

    #[test]
    fn other_streams_are_told_from_their_first_bytes() {
        for other in [
            &b"\x16\x03\x01"[..],
            b"HTTP/1.1 200 OK\r\n",
            b"220 mail.example ESMTP\r\n",
            b"EHLO a.example\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"OPTIONS sip:a@b SIP/2.0\r\n",
            b"GET \x01",
            b"get / HTTP/1.1\r\n",
            b" / HTTP/1.1\r\n",
            b"ThisIsNoMethodOfAnyProtocol",
        ] {
            assert_eq!(host(other), Reading::Other, "{other:?}");
        }
    }

    #[test]
    fn the_head_ends_at_the_empty_line() {
        let request = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n\x16\x03";
        assert!(is_connect(request));
        assert_eq!(head_length(request), Some(request.len() - 2));
        assert_eq!(head_length(&request[..request.len() - 3]), None);
    }

    proptest! {
        #![proptest_config(crate::testing::seeded(64))]

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
            let _ = host(&bytes);
            let _ = host(format!("GET {text} HTTP/1.1\r\nHost: {text}\r\n").as_bytes());
            let _ = head_length(&bytes);
        }
    }
}

//! Who is answered: by which name, with which token; and what stands on every answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::Problem;
use super::tokens::{Person, Tokens};

/// On every answer: nothing is kept by caches, guessed at, or shown inside other pages.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What browsers say of a request that a page of another site makes.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may read and decide.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) tokens: Arc<Tokens>,
    /// Whether reading needs a token.
    pub(super) closed: bool,
}

/// Who asks; nobody in particular without a token.
#[derive(Clone, Debug)]
pub(super) struct Asker(Option<Person>);

impl Asker {
    /// The name of somebody who may decide.
    pub(super) fn decides(&self) -> Result<&str, Problem> {
        match &self.0 {
            None => Err(Problem::unknown("deciding needs a token: send it as Authorization: Bearer TOKEN")),
            Some(person) if person.decides => Ok(&person.name),
            Some(person) => {
                Err(Problem::forbidden(&format!("the token of {} is for reading only", person.name)))
            }
        }
    }
}

/// Finds out who asks, and refuses who may not even read.
pub(super) async fn identified(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let person = match token(request.headers()) {
        None => None,
        Some(token) => match access.tokens.holder(&token) {
            Some(person) => Some(person.clone()),
            None => return challenge(Problem::unknown("this token is not known here"), access.closed),
        },
    };
    if person.is_none() && access.closed {
        let hint = "reading needs a token: send it as Authorization: Bearer TOKEN, or as a password";
        return challenge(Problem::unknown(hint), true);
    }
    request.extensions_mut().insert(Asker(person));
    next.run(request).await
}

/// What the request has for a token: as bearer (RFC 6750), or as the password that a browser asked for (RFC 7617).
/// Something else is a wrong one.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let password = || {
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        Some(pair.split_once(':')?.1.to_owned())
    };
    let basic = scheme.eq_ignore_ascii_case("basic").then(password).flatten();
    Some(basic.unwrap_or_default())
}

/// A browser that is to read asks its user; a page that is open already asks in its own way.
fn challenge(problem: Problem, ask: bool) -> Response {
    let scheme =
        if ask { "Basic realm=\"watershed\", charset=\"UTF-8\"" } else { "Bearer realm=\"watershed\"" };
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

pub(super) async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses what a page of another site has its visitor's browser send: that may know the visitor's password.
pub(super) async fn by_own_page(request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    let site = request.headers().get(FETCH_SITE).map(HeaderValue::as_bytes);
    if !reads && site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Problem::forbidden("pages of other sites may not decide here").into_response();
    }
    next.run(request).await
}

/// Refuses requests that came by another name than loopback's: a web page elsewhere may point its own name at this
/// machine (DNS rebinding), and would then read the map in its visitor's browser.
pub(super) async fn by_local_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_local) {
        return next.run(request).await;
    }
    Problem::misdirected("ask for it as localhost or by its loopback address").into_response()
}

/// A loopback address or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = match host.split_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_local() {
        for host in ["localhost", "localhost:80", "127.0.0.1:1", "127.9.9.9", "[::1]:80"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "a@localhost:x",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_a_password() {
        let of = |value: &str| {
            token(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())]))
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("basic YWxpY2U6YTpi").as_deref(), Some("a:b"));
        // Wrong, but not as if there were none.
        for wrong in ["", "Bearer", "Basic", "Basic ???", "Basic YWxpY2U=", "Digest abc"] {
            assert_eq!(of(wrong).as_deref(), Some(""), "{wrong}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }
}

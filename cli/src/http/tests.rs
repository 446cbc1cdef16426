//! Clients as they come: plain, greedy, silent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use axum::routing::{get, post};

use super::*;

fn server() -> (SocketAddr, Server) {
    patient(PATIENCE)
}

fn patient(patience: Patience) -> (SocketAddr, Server) {
    let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address();
    let routes = Router::new()
        .route("/hello", get(|| async { "hello\n" }))
        .route("/echo", post(|body: String| async { body }));
    (address, bound.serve_with(routes, patience).unwrap())
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get_request(path: &str, header: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{header}\r\n")
}

#[test]
fn answers_on_the_port_that_the_kernel_chose() {
    let (address, _server) = server();
    assert_ne!(address.port(), 0);
    let answer = ask(address, &get_request("/hello", ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    assert!(ask(address, &get_request("/other", "")).starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let (address, _server) = server();
    let many = "a: b\r\n".repeat(100);
    assert!(ask(address, &get_request("/hello", &many)).starts_with("HTTP/1.1 431 "));
    let long = format!("a: {}\r\n", "b".repeat(17 * 1024));
    assert!(ask(address, &get_request("/hello", &long)).starts_with("HTTP/1.1 431 "));
    assert!(ask(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn clients_that_never_finish_their_head_make_room_for_the_next() {
    let (address, _server) = patient(Patience { head: Duration::from_millis(200), ..PATIENCE });
    // As many as are allowed: half of them say nothing, the others not enough. All stay connected.
    let mut slow: Vec<_> = (0..MAX_CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in slow.iter_mut().step_by(2) {
        stream.write_all(b"GET /hello HTTP/1.1\r\nhost: he").unwrap();
    }
    assert!(ask(address, &get_request("/hello", "")).ends_with("hello\n"));
    for mut stream in slow {
        let mut answer = String::new();
        // It may be reset, as what it sent was not read to the end.
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("hello"), "{answer}");
    }
}

#[test]
fn a_client_that_never_finishes_its_body_is_told_so() {
    let (address, _server) = patient(Patience { body: Duration::from_millis(200), ..PATIENCE });
    let post = "POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhal";
    assert!(ask(address, post).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_it_is_announced_or_not() {
    let (address, _server) = server();
    let post = |how: &str, body: &str| {
        ask(
            address,
            &format!("POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{how}\r\n\r\n{body}"),
        )
    };
    assert!(post("content-length: 2", "ok").ends_with("\r\n\r\nok"));
    let most = "x".repeat(MAX_BODY);
    assert!(post(&format!("content-length: {MAX_BODY}"), &most).ends_with(&most));
    // It is refused before it is sent.
    assert!(post(&format!("content-length: {}", MAX_BODY + 1), "").starts_with("HTTP/1.1 413 "));
    assert!(post("content-length: 99999999999999999999", "").starts_with("HTTP/1.1 4"));
    let chunk = format!("{:x}\r\n{most}x\r\n", MAX_BODY + 1);
    assert!(post("transfer-encoding: chunked", &chunk).starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_server_that_is_dropped_is_gone() {
    let (address, server) = server();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(bind(address).is_ok());
}

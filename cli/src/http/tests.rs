//! Clients as they come: plain, greedy, silent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use axum::routing::get;

use super::*;

fn server() -> (SocketAddr, Server) {
    let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address();
    (address, bound.serve(Router::new().route("/hello", get(|| async { "hello\n" }))).unwrap())
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
fn as_many_as_are_allowed_may_be_silent_and_the_next_one_waits() {
    let (address, _server) = server();
    let silent: Vec<_> = (0..MAX_CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.write_all(get_request("/hello", "").as_bytes()).unwrap();
    drop(silent);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello\n"), "{answer}");
}

#[test]
fn a_server_that_is_dropped_is_gone() {
    let (address, server) = server();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(bind(address).is_ok());
}

//! Deciding about rules over HTTP: who may, what is kept, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serve::{Served, serve_in, store};
use crate::{stderr, watershed};

const ALICE: &str = "authorization: Bearer alice-0123456789abcdef";
const READER: &str = "authorization: Bearer reader-0123456789abcdef";
/// `alice:alice-0123456789abcdef`, as browsers send it.
const ALICE_BASIC: &str = "authorization: Basic YWxpY2U6YWxpY2UtMDEyMzQ1Njc4OWFiY2RlZg==";

/// A store, and people with tokens.
fn with_tokens() -> TempDir {
    let folder = store();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "alice alice-0123456789abcdef\nreader reader-0123456789abcdef read\n").unwrap();
    fs::set_permissions(tokens, Permissions::from_mode(0o600)).unwrap();
    folder
}

fn deciding() -> Served {
    let arguments = ["--listen", "127.0.0.1:0", "--tokens", "tokens", "--decisions", "decisions.yaml"];
    serve_in(with_tokens(), &arguments)
}

/// Decides, as whoever the header says.
fn decide(served: &Served, id: &str, who: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let head = format!(
        "POST /api/v1/rules/{id}/decision HTTP/1.1\r\nhost: localhost\r\n{who}\r\n\
         content-type: application/json\r\ncontent-length: {length}"
    );
    let (status, _, answer) = served.send(&head, body);
    (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
}

fn rule(served: &Served) -> String {
    served.json("/api/v1/rules")["items"][0]["id"].as_str().unwrap().to_owned()
}

fn kept(served: &Served) -> Option<String> {
    fs::read_to_string(served.folder.path().join("decisions.yaml")).ok()
}

const APPROVE: &str = r#"{"decision": "approved", "comment": "as designed"}"#;

#[test]
fn a_decision_is_kept_with_the_name_of_the_token_and_taken_back() {
    let served = deciding();
    let id = rule(&served);
    assert_eq!(kept(&served), None);
    let (status, said) = decide(&served, &id, ALICE, APPROVE);
    assert_eq!(status, 200, "{said}");
    assert_eq!(
        (&said["id"], &said["decision"], &said["by"], &said["comment"]),
        (&json!(id), &json!("approved"), &json!("alice"), &json!("as designed"))
    );
    let file = kept(&served).unwrap();
    assert!(file.contains(&id) && file.contains("approved") && file.contains("alice"), "{file}");
    assert_eq!(served.json("/api/v1/decisions")["items"], json!([said]));

    // A later one replaces it; an entry of somebody else in the file stays.
    let other = "rules:\n- id: allow-other\n  decision: approved\n  by: bob\n";
    let both = file.replacen("rules:\n", other, 1);
    fs::write(served.folder.path().join("decisions.yaml"), both).unwrap();
    let (status, said) = decide(&served, &id, ALICE_BASIC, r#"{"decision": "rejected"}"#);
    assert_eq!((status, &said["decision"], &said["comment"]), (200, &json!("rejected"), &Value::Null));
    assert_eq!(served.json("/api/v1/decisions")["total"], 2);
    let (status, said) = decide(&served, &id, ALICE, r#"{"decision": "none"}"#);
    assert_eq!((status, &said["decision"], &said["by"]), (200, &json!("none"), &Value::Null));
    let left = served.json("/api/v1/decisions");
    assert_eq!((&left["total"], &left["items"][0]["by"]), (&json!(1), &json!("bob")));
    // What was decided about may be decided again, proposed or not.
    assert_eq!(decide(&served, "allow-other", ALICE, APPROVE).0, 200);
}

#[test]
fn without_a_token_that_may_nothing_is_written() {
    let served = deciding();
    let id = rule(&served);
    for (who, expected) in [
        ("x-nobody: 1", 401),
        ("authorization: Bearer wrong-0123456789abcdef", 401),
        ("authorization: Bearer", 401),
        (READER, 403),
        (&format!("{ALICE}\r\nsec-fetch-site: cross-site"), 403),
    ] {
        let (status, problem) = decide(&served, &id, who, APPROVE);
        assert_eq!(status, expected, "{who}: {problem}");
        assert!(problem["error"].is_string(), "{who}");
    }
    assert_eq!(kept(&served), None);
    // Without a file nobody may.
    let served = serve_in(with_tokens(), &["--listen", "127.0.0.1:0", "--tokens", "tokens"]);
    let (status, problem) = decide(&served, &id, ALICE, APPROVE);
    assert!(status == 403 && problem["error"].as_str().unwrap().contains("--decisions"), "{problem}");
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let served = deciding();
    let id = rule(&served);
    let long = format!(r#"{{"decision": "approved", "comment": "{}"}}"#, "x".repeat(5_000));
    for (id, body, expected) in [
        ("allow-nothing-0123", APPROVE, 404),
        ("..%2f..%2fedges.db", APPROVE, 404),
        (&id, "{", 400),
        (&id, r#"{"decision": "maybe"}"#, 400),
        (&id, r#"{"comment": "which?"}"#, 400),
        (&id, r#"{"decision": "approved", "by": "somebody"}"#, 400),
        (&id, &long, 400),
    ] {
        let (status, problem) = decide(&served, id, ALICE, body);
        assert_eq!(status, expected, "{id} {body:.80}: {problem}");
    }
    let head = format!("POST /api/v1/rules/{id}/decision HTTP/1.1\r\nhost: localhost\r\n{ALICE}");
    let form = "content-type: application/x-www-form-urlencoded";
    assert_eq!(served.send(&format!("{head}\r\n{form}\r\ncontent-length: 0"), "").0, 415);
    assert_eq!(served.send(&format!("{head}\r\ncontent-length: 70000"), "").0, 413);
    assert_eq!(kept(&served), None);
    // A file that somebody broke is neither believed nor written over.
    fs::write(served.folder.path().join("decisions.yaml"), "version: 7\n").unwrap();
    assert_eq!(decide(&served, &id, ALICE, APPROVE).0, 500);
    assert_eq!(kept(&served).as_deref(), Some("version: 7\n"));
}

#[test]
fn beyond_loopback_reading_needs_a_token() {
    let served = serve_in(with_tokens(), &["--listen", "0.0.0.0:0", "--tokens", "tokens"]);
    for target in ["/", "/api/v1/map", "/api/v1/edges.csv", "/api/v1/openapi.json"] {
        let ask = |who: &str| served.send(&format!("GET {target} HTTP/1.1\r\nhost: watershed\r\n{who}"), "");
        let (status, head, _) = ask("x-nobody: 1");
        assert!(status == 401 && head.contains("www-authenticate: Basic"), "{target}: {head}");
        for who in [READER, ALICE, ALICE_BASIC] {
            assert_eq!(ask(who).0, 200, "{target} {who}");
        }
    }
    // Prometheus and the kubelet have none.
    for target in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(served.get(target).0, 200, "{target}");
    }
    let folder = with_tokens();
    let run = watershed(&folder)
        .args(["serve", "--store", "sqlite:edges.db", "--listen", "0.0.0.0:0"])
        .assert()
        .code(2);
    assert!(stderr(&run).contains("--tokens"), "{}", stderr(&run));
    let anyone = ["--listen", "0.0.0.0:0", "--set", "serve.readers=anyone"];
    assert_eq!(serve_in(folder, &anyone).get("/api/v1/map").0, 200);
    let served = serve_in(
        with_tokens(),
        &["--listen", "127.0.0.1:0", "--tokens", "tokens", "--set", "serve.readers=tokens"],
    );
    assert_eq!(served.get("/api/v1/map").0, 401);
}

#[test]
fn a_file_of_tokens_that_others_may_read_stops_the_start() {
    let folder = with_tokens();
    let path = folder.path().join("tokens");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let line = ["serve", "--store", "sqlite:edges.db", "--listen", "127.0.0.1:0", "--tokens", "tokens"];
    let run = watershed(&folder).args(line).assert().code(2);
    assert!(stderr(&run).contains("chmod 600 tokens"), "{}", stderr(&run));
    fs::write(&path, "alice short\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let run = watershed(&folder).args(line).assert().code(2);
    assert!(stderr(&run).contains("tokens:1: the token has fewer than 16"), "{}", stderr(&run));
}
